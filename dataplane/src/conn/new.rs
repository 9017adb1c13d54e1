//! A connection that is to be made: the one way to say what it begins with.

use super::index::NONE;
use super::line::{Conn, flag};
use crate::clock::Tick;
use crate::flow::{Direction, Family, Tuple};
use crate::method::ForwardMethod;

/// What a connection begins with. It counts as inactive until its protocol says otherwise.
#[derive(Clone, Copy, Debug)]
pub struct New {
    pub(super) line: Conn,
    pub(super) addresses6: Option<[[u8; 16]; 4]>,
    pub(super) controller: u32,
    pub(super) helper: u32,
}

impl New {
    /// An IPv4 connection without a server. `outside` is what the client's packets carry when they arrive, `inside` what they
    /// carry when they leave: from the local end to the server.
    #[inline(always)]
    #[must_use]
    pub const fn of4(outside: Tuple, inside: Tuple, method: ForwardMethod) -> Self {
        let row = method.row();
        let no_output = if row.has_replies() || !row.has_server { 0 } else { flag::NO_OUTPUT };
        let line = Conn {
            vip: outside.dst,
            client: outside.src,
            local: inside.src,
            server: inside.dst,
            vip_port: outside.dport,
            client_port: outside.sport,
            local_port: inside.sport,
            server_port: inside.dport,
            protocol: outside.protocol,
            state: 0,
            flags: flag::INACTIVE | no_output,
            method,
            server_generation: 0,
            wheel_slot: 0,
            last_seen: 0,
            timeout: 0,
            server_slot: NONE,
            net_version: 0,
            hop_request: NONE,
            hop_reply: NONE,
            in_packets: 0,
            header_change: 0,
            transport_change: 0,
        };
        Self { line, addresses6: None, controller: NONE, helper: NONE }
    }

    /// It begins now, in a state with this number, and lives for so many ticks after its last packet.
    #[inline(always)]
    #[must_use]
    pub const fn living(mut self, now: Tick, timeout: u32, state: u8) -> Self {
        (self.line.last_seen, self.line.timeout, self.line.state) = (now.0, timeout, state);
        self
    }

    /// Virtual, client, local and server address, those that are IPv6, and the families of the client's side and of the
    /// server's.
    pub fn set_addresses6(&mut self, addresses6: [[u8; 16]; 4], [client, server]: [Family; 2]) {
        self.addresses6 = Some(addresses6);
        self.line.set_any(flag::CLIENT_V6, client == Family::Ipv6);
        self.line.set_any(flag::SERVER_V6, server == Family::Ipv6);
    }

    /// The server at this end counts it: slot, and which occupant of the slot.
    #[inline(always)]
    pub const fn set_server(&mut self, slot: u32, generation: u32) {
        (self.line.server_slot, self.line.server_generation) = (slot, generation as u8);
    }

    /// The next hop towards the server, [`NONE`] = not known, and the version of the net tables that gave it.
    #[inline(always)]
    pub const fn set_hop(&mut self, hop: u32, version: u32) {
        (self.line.hop_request, self.line.net_version) = (hop, version);
    }

    /// What outside to inside does to the checksums of IP header and transport, as numbers.
    #[inline(always)]
    pub const fn set_changes(&mut self, header: u16, transport: u16) {
        (self.line.header_change, self.line.transport_change) = (header, transport);
    }

    /// What controls it: a template, or a control connection of FTP ([`crate::expected`]); [`NONE`] = without.
    #[inline(always)]
    pub fn set_controller(&mut self, controller: u32) {
        self.controller = controller;
        self.line.set_any(flag::CONTROLLED, controller != NONE);
    }

    /// Its place among what helpers keep ([`crate::conn::Helpers`]). Such a one remembers no next hop.
    pub fn set_helper(&mut self, helper: u32) {
        self.helper = helper;
        self.line.set_any(flag::HELPED, true);
        self.line.hop_request = NONE;
    }

    /// Its replies land on another worker.
    pub fn set_reply_away(&mut self) {
        self.line.set_any(flag::REPLY_AWAY, true);
    }

    /// Its place among what helpers keep, [`NONE`] = without.
    #[must_use]
    pub const fn helper(&self) -> u32 {
        self.helper
    }

    /// Its line, as it will stand in the table.
    #[inline(always)]
    #[must_use]
    pub const fn line(&self) -> &Conn {
        &self.line
    }

    /// Source and destination of the packets that will arrive in a direction, if they are IPv6.
    #[must_use]
    pub fn ends6(&self, direction: Direction) -> Option<[&[u8; 16]; 2]> {
        let [vip, client, local, server] = self.addresses6.as_ref()?;
        match direction {
            Direction::Request => self.line.has(flag::CLIENT_V6).then_some([client, vip]),
            Direction::Reply => self.line.has(flag::SERVER_V6).then_some([server, local]),
        }
    }
}
