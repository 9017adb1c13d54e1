//! The addresses of a connection, of either family. IPv4 addresses stand in the connection itself, IPv6 addresses beside
//! it, in memory that nobody touches while all clients and servers are IPv4.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytemuck::Zeroable;

use super::line::{Conn, flag};
use crate::flow::Direction;

/// The IPv6 addresses of a connection, one cache line; those that are IPv4 are zero.
#[derive(Clone, Copy, Debug, Zeroable)]
#[repr(C, align(64))]
pub struct Addresses {
    /// Virtual address.
    pub vip: [u8; 16],
    /// Client address.
    pub client: [u8; 16],
    /// The address that the server sees and answers: the client's.
    pub local: [u8; 16],
    /// Server address, of a bypass the virtual one.
    pub server: [u8; 16],
}

const _: () = assert!(size_of::<Addresses>() == 64);

impl Addresses {
    /// Source and destination of the packets that arrive in a direction.
    #[inline(always)]
    #[must_use]
    pub const fn ends(&self, direction: Direction) -> [&[u8; 16]; 2] {
        match direction {
            Direction::Request => [&self.client, &self.vip],
            Direction::Reply => [&self.server, &self.local],
        }
    }

    /// Whether an IPv6 packet of a direction carries them; `ends` are its source and destination.
    #[inline]
    #[must_use]
    pub fn are_of(&self, direction: Direction, [source, destination]: [&[u8; 16]; 2]) -> bool {
        let [from, to] = self.ends(direction);
        // All differences in one word: one branch instead of two.
        let differs = |a: &[u8; 16], b: &[u8; 16]| u128::from_ne_bytes(*a) ^ u128::from_ne_bytes(*b);
        differs(from, source) | differs(to, destination) == 0
    }
}

impl Conn {
    /// The virtual address; `six` are its IPv6 addresses.
    pub(super) fn vip_address(&self, six: &Addresses) -> IpAddr {
        address(self.has(flag::CLIENT_V6), self.vip, &six.vip)
    }

    /// The client's address.
    pub(super) fn client_address(&self, six: &Addresses) -> IpAddr {
        address(self.has(flag::CLIENT_V6), self.client, &six.client)
    }

    /// The server's address, of a bypass the virtual one.
    pub(super) fn server_address(&self, six: &Addresses) -> IpAddr {
        address(self.has(flag::SERVER_V6), self.server, &six.server)
    }

    /// Client, virtual, local and server end.
    pub(super) fn ends(&self, six: &Addresses) -> [SocketAddr; 4] {
        let local = address(self.has(flag::SERVER_V6), self.local, &six.local);
        [
            (self.client_address(six), self.client_port),
            (self.vip_address(six), self.vip_port),
            (local, self.local_port),
            (self.server_address(six), self.server_port),
        ]
        .map(SocketAddr::from)
    }

    /// Client, virtual and server end, as the kernel lists them: a bypass has no server.
    pub(super) fn listed_ends(&self, six: &Addresses) -> [SocketAddr; 3] {
        let [client, vip, _, server] = self.ends(six);
        match (self.method.row().has_server, server) {
            (true, _) => [client, vip, server],
            (false, SocketAddr::V4(_)) => [client, vip, (Ipv4Addr::UNSPECIFIED, 0).into()],
            (false, SocketAddr::V6(_)) => [client, vip, (Ipv6Addr::UNSPECIFIED, 0).into()],
        }
    }
}

#[inline]
fn address(is_six: bool, four: u32, six: &[u8; 16]) -> IpAddr {
    if is_six { Ipv6Addr::from(*six).into() } else { Ipv4Addr::from_bits(four).into() }
}
