//! A connection's line: its flags, and what packets of it touch.

use bytemuck::Zeroable;

use super::index::NONE;
use crate::clock::Tick;
use crate::flow::{Direction, Protocol, Tuple};
use crate::method::{ForwardMethod, Treatment};

/// Flag bits of a connection.
pub mod flag {
    /// Counted among its server's inactive connections.
    pub const INACTIVE: u16 = 1;
    /// No reply has passed here (DR, TUN). Of a bypass the kernel does not say so.
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
    /// A helper looks into its packets ([`crate::conn::Helped`]). It remembers no next hop.
    pub const HELPED: u16 = 1 << 11;
    /// Its sequence numbers are shifted ([`crate::conn::Shifts`]).
    pub const SHIFTED: u16 = 1 << 12;
    /// It stands in the journal of changes.
    pub const NOTED: u16 = 1 << 13;

    /// A template, or a control connection of FTP, controls it ([`crate::conn::ConnTable::controller`]).
    pub const CONTROLLED: u16 = 1 << 14;

    /// Those that packets set and clear. All others belong to the table, and to a connection's life.
    pub const OF_PACKETS: u16 = NO_OUTPUT | ASSURED | DROPPED | HEARD_AGAIN;
}

/// A connection, one cache line: all that an established IPv4 packet touches. What is asked more rarely lies beside it, by
/// the same index: links, IPv6 addresses, sequence shifts.
///
/// ```text
/// outside   client -> VIP       what the client's packets carry when they arrive
/// inside    local  -> server    what they carry when they leave; replies carry it reversed
/// ```
/// Each pair of ends is destination and source of the packets that arrive, in one word, as [`Tuple`] has it.
#[derive(Clone, Copy, Debug, Zeroable)]
#[repr(C, align(64))]
pub struct Conn {
    /// Virtual address; for IPv6 a digest of it, as for the three below.
    pub(super) vip: u32,
    pub(super) client: u32,
    /// The address that the server sees and answers: the client's.
    pub(super) local: u32,
    /// Server address, of a bypass the virtual one.
    pub(super) server: u32,
    pub(super) vip_port: u16,
    pub(super) client_port: u16,
    pub(super) local_port: u16,
    pub(super) server_port: u16,
    /// IANA protocol number, marked where the client side is IPv6 ([`Tuple`]).
    pub(super) protocol: u8,
    /// In the numbering of its protocol.
    pub(super) state: u8,
    /// [`flag`] bits.
    pub(super) flags: u16,
    pub(super) method: ForwardMethod,
    /// Occupant of the server's slot, its low bits.
    pub(super) server_generation: u8,
    /// Where it stands in the wheel.
    pub(super) wheel_slot: u16,
    /// When the last packet came, ticks.
    pub(super) last_seen: u32,
    /// How long it lives after that, ticks.
    pub(super) timeout: u32,
    /// Slot of its server, [`NONE`] = a bypass has none.
    pub(super) server_slot: u32,
    /// Version of the net tables that gave the next hops below.
    pub(super) net_version: u32,
    /// Next hop towards the server, [`NONE`] = not known.
    pub(super) hop_request: u32,
    /// Next hop towards the client, [`NONE`] = not known.
    pub(super) hop_reply: u32,
    /// Packets from the client.
    pub(super) in_packets: u32,
    /// What outside to inside does to the IP header's checksum; the reverse for replies.
    pub(super) header_change: u16,
    /// What outside to inside does to the transport checksum; the reverse for replies.
    pub(super) transport_change: u16,
}

const _: () = assert!(size_of::<Conn>() == 64 && align_of::<Conn>() == 64);

impl Conn {
    /// The request key: what the client's packets carry.
    #[inline(always)]
    #[must_use]
    pub const fn request_key(&self) -> Tuple {
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
    pub const fn reply_key(&self) -> Tuple {
        Tuple {
            src: self.server,
            dst: self.local,
            sport: self.server_port,
            dport: self.local_port,
            protocol: self.protocol,
        }
    }

    /// The virtual end: address (for IPv6 a digest of it) and port.
    #[inline(always)]
    #[must_use]
    pub const fn virtual_end(&self) -> (u32, u16) {
        (self.vip, self.vip_port)
    }

    /// The server's end: address (for IPv6 a digest of it) and port.
    #[inline(always)]
    #[must_use]
    pub const fn server_end(&self) -> (u32, u16) {
        (self.server, self.server_port)
    }

    /// Whether a flag is set, or one of several.
    #[inline(always)]
    #[must_use]
    pub const fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// All flags.
    #[must_use]
    pub const fn flags(&self) -> u16 {
        self.flags
    }

    /// Sets or clears a flag that packets set or clear.
    #[inline(always)]
    pub fn set<const FLAG: u16>(&mut self, on: bool) {
        const { assert!(FLAG & !flag::OF_PACKETS == 0, "it is the table's, or belongs to a connection's life") };
        self.set_any(FLAG, on);
    }

    #[inline(always)]
    pub(super) fn set_any(&mut self, flag: u16, on: bool) {
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

    /// Version of the net tables that gave the next hops.
    #[inline(always)]
    #[must_use]
    pub const fn net_version(&self) -> u32 {
        self.net_version
    }

    /// Keeps a next hop with the version of the tables that gave it; those of older tables are forgotten.
    pub fn remember(&mut self, direction: Direction, hop: u32, version: u32) {
        if self.net_version != version {
            (self.net_version, self.hop_request, self.hop_reply) = (version, NONE, NONE);
        }
        match direction {
            Direction::Request => self.hop_request = hop,
            Direction::Reply => self.hop_reply = hop,
        }
    }

    /// Has the client's next packet take the long way.
    pub fn forget_hop(&mut self) {
        self.hop_request = NONE;
    }

    /// Whether its reply key is in its own worker's table.
    #[must_use]
    pub const fn has_reply_key(&self) -> bool {
        self.method.row().has_replies() && !self.has(flag::REPLY_AWAY)
    }

    /// How its packets are forwarded.
    #[inline(always)]
    #[must_use]
    pub const fn method(&self) -> ForwardMethod {
        self.method
    }

    /// How its packets of a direction are treated.
    #[inline(always)]
    #[must_use]
    pub fn treatment(&self, direction: Direction) -> Treatment {
        self.method.treatment(direction)
    }

    /// Its state, in the numbering of its protocol.
    #[inline(always)]
    #[must_use]
    pub const fn state(&self) -> u8 {
        self.state
    }

    /// When the last packet came.
    #[inline(always)]
    #[must_use]
    pub const fn last_seen(&self) -> Tick {
        Tick(self.last_seen)
    }

    /// How long it lives after its last packet, ticks.
    #[inline(always)]
    #[must_use]
    pub const fn timeout(&self) -> u32 {
        self.timeout
    }

    /// When it ends unless something more arrives.
    #[inline]
    #[must_use]
    pub const fn due(&self) -> Tick {
        Tick(self.last_seen).after(self.timeout)
    }

    /// Packets from the client.
    #[inline(always)]
    #[must_use]
    pub const fn in_packets(&self) -> u32 {
        self.in_packets
    }

    /// Slot of its server, [`NONE`] = a bypass has none.
    #[inline(always)]
    #[must_use]
    pub const fn server_slot(&self) -> u32 {
        self.server_slot
    }

    /// Occupant of the server's slot, its low bits.
    #[must_use]
    pub const fn server_generation(&self) -> u8 {
        self.server_generation
    }

    /// What outside to inside does to the checksums of IP header and transport, as numbers.
    #[inline(always)]
    #[must_use]
    pub const fn changes(&self) -> (u16, u16) {
        (self.header_change, self.transport_change)
    }

    /// The IANA number of its protocol, marked where the client side is IPv6 ([`Tuple`]).
    #[inline(always)]
    #[must_use]
    pub const fn marked_protocol(&self) -> u8 {
        self.protocol
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
}
