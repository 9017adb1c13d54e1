//! Connections: the entry, the table that finds it by either of its two keys, and the wheel that ends it.

mod find;
mod hash;
mod later;
mod links;
mod memory;
mod posts;
mod side;
mod table;
mod wheel;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytemuck::{Pod, Zeroable};

pub use hash::HashKey;
pub use memory::ConnMemory;
pub use side::{MOST as MOST_SIDES, Mode, Shift, Side, Sides};
pub use table::{Confirmed, ConnTable, Found, NONE};
pub use wheel::Wheel;

use crate::clock::Tick;
use crate::flow::{Direction, Protocol, Tuple};
use crate::method::{ForwardMethod, Treatment};

/// Flag bits of a connection.
pub mod flag {
    /// Counted among its server's inactive connections.
    pub const INACTIVE: u16 = 1;
    /// No reply has passed here (DR, TUN, bypass).
    pub const NO_OUTPUT: u16 = 1 << 1;
    /// The slot is taken.
    pub const LIVE: u16 = 1 << 2;
    /// No longer found by its keys; listed until the wheel takes it.
    pub const UNLINKED: u16 = 1 << 3;
    /// The client side is IPv6.
    pub const CLIENT_V6: u16 = 1 << 4;
    /// The server side is IPv6.
    pub const SERVER_V6: u16 = 1 << 5;
    /// In the timing wheel.
    pub const WATCHED: u16 = 1 << 6;
    /// Its replies land on another worker, where a signpost stands; its reply key is not in its own table.
    pub const REPLY_AWAY: u16 = 1 << 7;
    /// Its template knows that it was established.
    pub const ASSURED: u16 = 1 << 8;
    /// It was dropped before its time.
    pub const DROPPED: u16 = 1 << 9;
    /// Its template knows that its client sent a second packet.
    pub const HEARD_AGAIN: u16 = 1 << 10;
}

/// A connection: plain data, linked by indices. The first cache line holds all that an established IPv4 packet
/// touches, the second the addresses of the other family and the links of timers and collisions.
///
/// Virtual end, client, server: any two neighbours are destination and source of one direction's packets, in one word.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Conn {
    /// Virtual address; for IPv6 a digest of it.
    pub vip: u32,
    /// Client address; for IPv6 a digest of it.
    pub client: u32,
    /// Server address, of a bypass the virtual one; for IPv6 a digest of it.
    pub server: u32,
    /// Virtual port.
    pub vip_port: u16,
    /// Client port.
    pub client_port: u16,
    /// Server port.
    pub server_port: u16,
    /// IANA protocol number, marked where the client side is IPv6 ([`Tuple`]).
    pub protocol: u8,
    /// State, in the numbering of its protocol.
    pub state: u8,
    /// [`flag`] bits.
    pub flags: u16,
    /// [`ForwardMethod`] as a number.
    pub forward: u8,
    /// Occupant of the server's slot, its low bits.
    pub server_generation: u8,
    /// When the last packet came.
    pub last_seen: u32,
    /// How long it lives after that, ticks.
    pub timeout: u32,
    /// Where it stands in the wheel, ticks.
    pub wheel_at: u32,
    /// Slot of its server, [`NONE`] = a bypass has none.
    pub server_slot: u32,
    /// Version of the net tables that gave the next hops below.
    pub net_version: u32,
    /// Next hop towards the server, [`NONE`] = not known.
    pub hop_request: u32,
    /// Next hop towards the client, [`NONE`] = not known.
    pub hop_reply: u32,
    /// Packets from the client.
    pub in_packets: u32,
    /// What NAT of the client's packets does to the IP header's checksum; the reverse for the server's.
    pub header_change: u16,
    /// The same for the transport checksum.
    pub transport_change: u16,
    /// Rare state ([`Side`]), [`NONE`] = without. One that has some remembers no next hop.
    pub side: u32,

    /// Virtual, client and server address, those that are IPv6: any two neighbours are destination and source of one
    /// direction's packets.
    pub addresses6: [[u8; 16]; 3],
    /// Next in the wheel's slot, or in the list of free entries.
    pub wheel_next: u32,
    /// Previous in the wheel's slot.
    pub wheel_previous: u32,
    /// What stands behind it in the chain of its reply key: an older connection or signpost, [`NONE`] = nothing.
    pub older: u32,
    /// What controls this one: a template, or a control connection of FTP ([`crate::expected`]); [`NONE`] = without.
    pub controller: u32,
}

const _: () = assert!(size_of::<Conn>() == 128 && align_of::<Conn>() == 64);
const _: () = assert!(std::mem::offset_of!(Conn, addresses6) == 64);

impl Conn {
    /// The request key: what the client's packets carry.
    #[inline(always)]
    #[must_use]
    pub fn request_key(&self) -> Tuple {
        Tuple {
            src: self.client,
            dst: self.vip,
            sport: self.client_port,
            dport: self.vip_port,
            protocol: self.protocol,
        }
    }

    /// The reply key: what the server's packets carry.
    #[inline(always)]
    #[must_use]
    pub fn reply_key(&self) -> Tuple {
        Tuple {
            src: self.server,
            dst: self.client,
            sport: self.server_port,
            dport: self.client_port,
            protocol: self.protocol,
        }
    }

    /// The key of a direction.
    #[inline(always)]
    #[must_use]
    pub fn key(&self, direction: Direction) -> Tuple {
        match direction {
            Direction::Request => self.request_key(),
            Direction::Reply => self.reply_key(),
        }
    }

    /// Whether a flag is set.
    #[inline]
    #[must_use]
    pub const fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// Sets or clears a flag.
    pub fn set(&mut self, flag: u16, on: bool) {
        self.flags = if on { self.flags | flag } else { self.flags & !flag };
    }

    /// The next hop that it remembers in a direction, [`NONE`] = it is not known.
    #[inline(always)]
    #[must_use]
    pub const fn hop(&self, direction: Direction) -> u32 {
        match direction {
            Direction::Request => self.hop_request,
            Direction::Reply => self.hop_reply,
        }
    }

    /// Whether its reply key is in its own worker's table.
    #[must_use]
    pub const fn has_reply_key(&self) -> bool {
        self.method().row().has_replies() && !self.has(flag::REPLY_AWAY)
    }

    /// How its packets are forwarded.
    #[inline]
    #[must_use]
    pub const fn method(&self) -> ForwardMethod {
        match ForwardMethod::from_number(self.forward) {
            Some(method) => method,
            None => ForwardMethod::Bypass,
        }
    }

    /// How its packets of a direction are treated.
    #[inline(always)]
    #[must_use]
    pub fn treatment(&self, direction: Direction) -> Treatment {
        ForwardMethod::treatment(self.forward, direction)
    }

    /// When it ends unless something more arrives.
    #[inline]
    #[must_use]
    pub const fn due(&self) -> Tick {
        Tick(self.last_seen).after(self.timeout)
    }

    /// The IANA number of its protocol.
    #[inline]
    #[must_use]
    pub const fn protocol_number(&self) -> u8 {
        if self.has(flag::CLIENT_V6) { Tuple::marked(self.protocol) } else { self.protocol }
    }

    /// Whether it is of TCP.
    #[inline(always)]
    #[must_use]
    pub const fn is_tcp(&self) -> bool {
        const TCP: u8 = Protocol::Tcp.number();
        self.protocol == TCP || self.protocol == Tuple::marked(TCP)
    }

    fn address(&self, six: u16, at: usize, four: u32) -> IpAddr {
        if self.has(six) { Ipv6Addr::from(self.addresses6[at]).into() } else { Ipv4Addr::from_bits(four).into() }
    }

    /// The virtual address.
    #[must_use]
    pub fn vip_address(&self) -> IpAddr {
        self.address(flag::CLIENT_V6, 0, self.vip)
    }

    /// The client's address.
    #[must_use]
    pub fn client_address(&self) -> IpAddr {
        self.address(flag::CLIENT_V6, 1, self.client)
    }

    /// The server's address, of a bypass the virtual one.
    #[must_use]
    pub fn server_address(&self) -> IpAddr {
        self.address(flag::SERVER_V6, 2, self.server)
    }

    /// Source and destination of its replies, if they are IPv6.
    #[must_use]
    pub fn reply_ends6(&self) -> Option<[&[u8; 16]; 2]> {
        let [_, client, server] = &self.addresses6;
        self.has(flag::CLIENT_V6).then_some([server, client])
    }

    /// Source and destination of its client's packets, if they are IPv6.
    #[must_use]
    pub fn request_ends6(&self) -> Option<[&[u8; 16]; 2]> {
        let [vip, client, _] = &self.addresses6;
        self.has(flag::CLIENT_V6).then_some([client, vip])
    }

    /// Whether an IPv6 packet of a direction carries its addresses; `ends` are the packet's source and destination.
    #[inline]
    #[must_use]
    pub fn is_between(&self, direction: Direction, [source, destination]: [&[u8; 16]; 2]) -> bool {
        let [vip, client, server] = &self.addresses6;
        let (from, to) = match direction {
            Direction::Request => (client, vip),
            Direction::Reply => (server, client),
        };
        // All differences in one word: one branch instead of two.
        let differs = |a: &[u8; 16], b: &[u8; 16]| u128::from_ne_bytes(*a) ^ u128::from_ne_bytes(*b);
        differs(from, source) | differs(to, destination) == 0
    }

    /// Client, virtual and server address with their ports, as the kernel lists them: a bypass has no server.
    #[must_use]
    pub fn ends(&self) -> [SocketAddr; 3] {
        let server = match (self.method().row().has_server, self.has(flag::SERVER_V6)) {
            (true, _) => (self.server_address(), self.server_port),
            (false, true) => (Ipv6Addr::UNSPECIFIED.into(), 0),
            (false, false) => (Ipv4Addr::UNSPECIFIED.into(), 0),
        };
        [(self.client_address(), self.client_port), (self.vip_address(), self.vip_port), server].map(SocketAddr::from)
    }
}
