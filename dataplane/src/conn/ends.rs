//! The addresses of connections, of either family. IPv4 addresses stand in the connection itself, IPv6 addresses beside it,
//! in memory that nobody touches while all clients and servers are IPv4.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytemuck::Zeroable;

use super::{Conn, ConnTable, flag};
use crate::flow::Direction;
use crate::method::ForwardMethod;

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

    /// Client, virtual and server end, as the kernel lists them: a bypass has no server.
    pub(super) fn listed_ends(&self, six: &Addresses) -> [SocketAddr; 3] {
        let server = match self.method {
            ForwardMethod::Bypass if self.has(flag::SERVER_V6) => (Ipv6Addr::UNSPECIFIED.into(), 0),
            ForwardMethod::Bypass => (Ipv4Addr::UNSPECIFIED.into(), 0),
            ForwardMethod::Nat | ForwardMethod::Dr | ForwardMethod::Tun => (self.server_address(six), self.server_port),
        };
        [(self.client_address(six), self.client_port), (self.vip_address(six), self.vip_port), server]
            .map(SocketAddr::from)
    }
}

#[inline]
fn address(is_six: bool, four: u32, six: &[u8; 16]) -> IpAddr {
    if is_six { Ipv6Addr::from(*six).into() } else { Ipv4Addr::from_bits(four).into() }
}

impl ConnTable {
    /// The IPv6 addresses of a connection.
    #[inline(always)]
    #[must_use]
    pub fn addresses(&self, index: u32) -> &Addresses {
        &self.memory.addresses[index as usize]
    }

    /// The virtual address of a connection.
    #[must_use]
    pub fn vip_address(&self, index: u32) -> IpAddr {
        self[index].vip_address(self.addresses(index))
    }

    /// The address of a connection's client.
    #[must_use]
    pub fn client_address(&self, index: u32) -> IpAddr {
        self[index].client_address(self.addresses(index))
    }

    /// The address of a connection's server, of a bypass the virtual one.
    #[must_use]
    pub fn server_address(&self, index: u32) -> IpAddr {
        self[index].server_address(self.addresses(index))
    }

    /// Source and destination of a connection's replies, if they are IPv6.
    #[must_use]
    pub fn reply_ends6(&self, index: u32) -> Option<[&[u8; 16]; 2]> {
        let six = self[index].has(flag::SERVER_V6);
        six.then(|| self.addresses(index).ends(Direction::Reply))
    }

    /// Whether an IPv6 packet of a direction carries a connection's addresses; `ends` are its source and destination.
    #[inline]
    #[must_use]
    pub fn is_between(&self, index: u32, direction: Direction, ends: [&[u8; 16]; 2]) -> bool {
        self.addresses(index).are_of(direction, ends)
    }

    /// A connection, to be changed, and where its IPv6 addresses are.
    #[inline(always)]
    pub fn with_addresses(&mut self, index: u32) -> (&mut Conn, Six<'_>) {
        (&mut self.memory.conns[index as usize], Six { all: &self.memory.addresses, index })
    }
}

/// Where a connection's IPv6 addresses are: nothing is looked at before it is asked.
#[derive(Clone, Copy)]
pub struct Six<'a> {
    all: &'a [Addresses],
    index: u32,
}

impl<'a> Six<'a> {
    /// The addresses.
    #[inline(always)]
    #[must_use]
    pub fn addresses(self) -> &'a Addresses {
        &self.all[self.index as usize]
    }
}
