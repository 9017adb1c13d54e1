//! A connection that is to be made: the one way to say what it begins with.

use super::{Conn, NONE, flag};
use crate::clock::Tick;
use crate::flow::{Direction, Family, Tuple};
use crate::method::ForwardMethod;

/// What a connection begins with. It counts as inactive until its protocol says otherwise.
#[derive(Clone, Copy, Debug)]
pub struct New {
    /// What the client's packets carry when they arrive.
    pub outside: Tuple,
    /// What they carry when they leave: from the local end to the server.
    pub inside: Tuple,
    /// Families of the client's side and of the server's.
    pub families: [Family; 2],
    /// Virtual, client, local and server address, those that are IPv6; others are zero.
    pub addresses6: [[u8; 16]; 4],
    /// How its packets are forwarded.
    pub method: ForwardMethod,
    /// Its state, in the numbering of its protocol.
    pub state: u8,
    /// Slot of its server, [`NONE`] = it goes past the servers.
    pub server_slot: u32,
    /// Occupant of that slot.
    pub server_generation: u32,
    /// What controls it: a template, or a control connection of FTP ([`crate::expected`]); [`NONE`] = without.
    pub controller: u32,
    /// Its place among what helpers keep ([`super::Helpers`]), [`NONE`] = without.
    pub helper: u32,
    /// When its first packet came.
    pub now: Tick,
    /// How long it lives after that, ticks.
    pub timeout: u32,
    /// Version of the net tables that gave the next hop.
    pub net_version: u32,
    /// Next hop towards the server, [`NONE`] = not known.
    pub hop_request: u32,
    /// What outside to inside does to the checksums of IP header and transport, as numbers.
    pub changes: (u16, u16),
    /// Its replies land on another worker.
    pub reply_away: bool,
}

impl New {
    /// An IPv4 connection without a server and whatever else it may have.
    #[inline(always)]
    #[must_use]
    pub const fn of4(outside: Tuple, inside: Tuple, method: ForwardMethod) -> Self {
        Self {
            outside,
            inside,
            families: [Family::Ipv4; 2],
            addresses6: [[0; 16]; 4],
            method,
            state: 0,
            server_slot: NONE,
            server_generation: 0,
            controller: NONE,
            helper: NONE,
            now: Tick(0),
            timeout: 0,
            net_version: 0,
            hop_request: NONE,
            changes: (0, 0),
            reply_away: false,
        }
    }

    /// What the server's packets will carry.
    #[inline(always)]
    #[must_use]
    pub const fn reply_key(&self) -> Tuple {
        let Tuple { dst, src, dport, sport, .. } = self.inside;
        Tuple { dst: src, src: dst, dport: sport, sport: dport, protocol: self.outside.protocol }
    }

    /// Source and destination of the packets that will arrive in a direction, if they are IPv6.
    #[must_use]
    pub const fn ends6(&self, direction: Direction) -> Option<[&[u8; 16]; 2]> {
        let [vip, client, local, server] = &self.addresses6;
        match (direction, self.families) {
            (Direction::Request, [Family::Ipv6, _]) => Some([client, vip]),
            (Direction::Reply, [_, Family::Ipv6]) => Some([server, local]),
            _ => None,
        }
    }

    /// Whether an address of it is IPv6.
    #[inline(always)]
    pub(super) const fn has_ipv6(&self) -> bool {
        !matches!(self.families, [Family::Ipv4, Family::Ipv4])
    }

    /// The flags that it begins with.
    #[inline(always)]
    const fn flags(&self) -> u16 {
        let [client, server] = self.families;
        flag::INACTIVE
            | if matches!(client, Family::Ipv6) { flag::CLIENT_V6 } else { 0 }
            | if matches!(server, Family::Ipv6) { flag::SERVER_V6 } else { 0 }
            | if self.method.row().has_replies() { 0 } else { flag::NO_OUTPUT }
            | if self.reply_away { flag::REPLY_AWAY } else { 0 }
            | if self.controller == NONE { 0 } else { flag::CONTROLLED }
            | if self.helper == NONE { 0 } else { flag::HELPED }
    }

    /// Its line.
    #[inline(always)]
    #[must_use]
    pub const fn line(&self) -> Conn {
        let (outside, inside) = (&self.outside, &self.inside);
        Conn {
            vip: outside.dst,
            client: outside.src,
            local: inside.src,
            server: inside.dst,
            vip_port: outside.dport,
            client_port: outside.sport,
            local_port: inside.sport,
            server_port: inside.dport,
            protocol: outside.protocol,
            state: self.state,
            flags: self.flags(),
            method: self.method,
            server_generation: self.server_generation as u8,
            wheel_slot: 0,
            last_seen: self.now.0,
            timeout: self.timeout,
            server_slot: self.server_slot,
            net_version: self.net_version,
            hop_request: self.hop_request,
            hop_reply: NONE,
            in_packets: 0,
            header_change: self.changes.0,
            transport_change: self.changes.1,
        }
    }
}
