//! A real server's memory: counts, thresholds, reference count. It outlives the server's removal for as long as a
//! connection names it (the kernel's "trash"). After `net/netfilter/ipvs/ip_vs_conn.c`, bind and unbind.
//!
//! All workers share it. How many connections there are and whether the server takes more is one word, so that no two
//! workers take the last place together: the one that comes second finds the server overloaded, and asks its
//! scheduler again. A connection is made, moved or ended by one locked instruction on that word.
//!
//! ```text
//! bit 63: overloaded    bits 32 to 62: active connections    bits 0 to 31: inactive ones
//! ```

use std::net::IpAddr;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use super::path::PathMtu;
use super::real::RealServer;
use super::slab::Slab;
use crate::counters;
use crate::flow::{Direction, Encapsulation};
use crate::method::ForwardMethod;

/// Server states, by slot.
pub type Servers = Slab<Server>;

/// A worker's totals of each server, by slot.
pub type Totals = Slab<ServerTotals>;

const OVERLOADED: u64 = 1 << 63;
/// One active connection.
const ACTIVE: u64 = 1 << 32;
/// One inactive connection.
const INACTIVE: u64 = 1;
/// Beside its tunnel's number: new connections do not go by tunnel.
const NO_TUNNEL: u32 = 1 << 3;

/// The state of one server. Counts change only when a connection changes state, never per packet.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Server {
    /// Which occupant of the slot this is.
    pub generation: AtomicU32,
    /// Whether it is configured; packets of connections to a removed server are dropped in silence.
    pub available: AtomicBool,
    /// Connections, and whether it is above its upper threshold and not yet below the lower one: then it takes nothing
    /// new.
    room: AtomicU64,
    /// Upper threshold of connections, 0 = none.
    pub upper: AtomicU32,
    /// Lower threshold, 0 = three quarters of the upper one.
    pub lower: AtomicU32,
    /// Share of new connections; 0 = quiesced.
    pub weight: AtomicU32,
    /// Persistence templates.
    pub persistent: AtomicU32,
    /// Who names this slot beside connections: the configuration, templates, memories of schedulers.
    pub references: AtomicU32,
    /// Packets lost because its address did not resolve.
    pub unresolved: AtomicU64,
    /// [`Encapsulation`] of its tunnel, as a word, and whether it is reached by tunnel at all: those of all its
    /// connections, old ones too.
    pub encapsulation: AtomicU32,
    /// Its port below, its [`ForwardMethod`] above: those of new connections that a template leads here.
    target: AtomicU32,
    /// Who made the route that its connections share under `strict_parity`: 0 nobody yet, 1 NAT or TUN, 2 DR.
    route: AtomicU8,
    /// What its path takes, where that is less than the link.
    pub path: PathMtu,
}

impl Server {
    /// Active connections.
    #[must_use]
    pub fn active(&self) -> u32 {
        active(self.room.load(Relaxed))
    }

    /// Inactive connections.
    #[must_use]
    pub fn inactive(&self) -> u32 {
        inactive(self.room.load(Relaxed))
    }

    /// Active and inactive connections.
    #[must_use]
    pub fn connections(&self) -> u32 {
        connections(self.room.load(Relaxed))
    }

    /// All who name this slot. A template gives it up after the connection that it led here was bound, so the others are
    /// read first.
    #[must_use]
    pub fn names(&self) -> u32 {
        self.references.load(Acquire).wrapping_add(self.connections())
    }

    /// Whether it takes nothing new because of its thresholds.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        self.room.load(Relaxed) & OVERLOADED != 0
    }

    /// Takes new connections again, whatever their number.
    pub fn reopen(&self) {
        self.room.fetch_and(!OVERLOADED, Relaxed);
    }

    /// It listens at a port, and packets reach it by a method.
    pub fn serve(&self, port: u16, forward: ForwardMethod) {
        self.target.store(u32::from(port) | (forward as u32) << 16, Relaxed);
    }

    /// The server as it is configured now, for whoever knows its slot and address: found without a look at the list of
    /// any service. `None` where it was removed.
    #[must_use]
    pub fn as_configured(&self, slot: u32, address: IpAddr) -> Option<RealServer> {
        let (target, weight) = (self.target.load(Relaxed), self.weight.load(Relaxed));
        let forward = ForwardMethod::from_number((target >> 16) as u8)?;
        let generation = self.generation.load(Relaxed);
        let server =
            RealServer { slot, generation, address, port: target as u16, forward, weight, last_weight: weight };
        self.available.load(Relaxed).then_some(server)
    }

    /// Sets the thresholds. Where one differs from before, the server is overloaded from the upper one on and open below
    /// the lower one; in between it stays as it was (`__ip_vs_dest_update_overload` of Linux 6.12).
    pub fn set_thresholds(&self, upper: u32, lower: u32) {
        let before = (self.upper.swap(upper, Relaxed), self.lower.swap(lower, Relaxed));
        if before == (upper, lower) {
            return;
        }
        let weigh = |room: u64| match connections(room) {
            count if upper != 0 && count >= upper => Some(room | OVERLOADED),
            count if self.reopens(count) => Some(room & !OVERLOADED),
            _ => None,
        };
        // Most are what they were.
        let _ = self.room.fetch_update(Relaxed, Relaxed, weigh);
    }

    /// How packets to it are wrapped, where they are.
    #[inline]
    #[must_use]
    pub fn encapsulation(&self) -> Encapsulation {
        Encapsulation::of_word(self.encapsulation.load(Relaxed))
    }

    /// Says how packets to it are wrapped. `None` = it is not reached by tunnel any more: what old connections send is
    /// wrapped as IP in IP.
    pub fn set_tunnel(&self, tunnel: Option<Encapsulation>) {
        let number = tunnel.map_or(NO_TUNNEL | Encapsulation::Ipip.word(), Encapsulation::word);
        self.encapsulation.store(number, Relaxed);
    }

    /// Whether it is reached by tunnel.
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        self.encapsulation.load(Relaxed) & NO_TUNNEL == 0
    }

    /// Whether its tunnel adds an IP header and no more, and nothing is known of its path.
    #[inline(always)]
    #[must_use]
    pub fn has_plain_tunnel(&self) -> bool {
        const { assert!(Encapsulation::Ipip.word() == 0) };
        u64::from(self.encapsulation.load(Relaxed)) | self.path.word() == 0
    }

    /// Whether the route that its connections share was made by direct routing, as it is by this packet if it is the
    /// first (`strict_parity`).
    pub fn shares_direct_route(&self, direct: bool) -> bool {
        match self.route.compare_exchange(0, if direct { 2 } else { 1 }, Relaxed, Relaxed) {
            Ok(_) => direct,
            Err(maker) => maker == 2,
        }
    }

    /// The next packet makes the shared route, by a path of which this is known.
    pub fn forget_route(&self, path: &PathMtu) {
        self.route.store(0, Relaxed);
        self.path.copy(path);
    }

    /// The load that lc and wlc compare: an active connection weighs 256 inactive ones.
    #[must_use]
    pub fn overhead(&self) -> u64 {
        let room = self.room.load(Relaxed);
        (u64::from(active(room)) << 8) + u64::from(inactive(room))
    }

    /// A new connection, counted inactive until its protocol says otherwise. `false` where another worker has just
    /// taken the last place.
    #[must_use]
    pub fn bind(&self) -> bool {
        let upper = self.upper.load(Relaxed);
        let take = |room: u64| (room & OVERLOADED == 0).then(|| one_more(room, upper));
        self.room.fetch_update(Relaxed, Relaxed, take).is_ok()
    }

    /// A new connection that goes here in any case, because its client's others do. Returns whether it was open to any.
    pub fn bind_anyway(&self) -> bool {
        let upper = self.upper.load(Relaxed);
        // The closure never declines.
        let bound = self.room.fetch_update(Relaxed, Relaxed, |room| Some(one_more(room, upper)));
        bound.is_ok_and(|room| room & OVERLOADED == 0)
    }

    /// A template leads here.
    pub fn hold_template(&self) {
        self.references.fetch_add(1, Relaxed);
        self.persistent.fetch_add(1, Relaxed);
    }

    /// A template that led here is gone.
    pub fn release_template(&self) {
        self.persistent.fetch_sub(1, Relaxed);
        self.references.fetch_sub(1, Release);
    }

    /// A place that was taken is not needed: as if it had never been. `was_open` before it was taken.
    pub fn give_back(&self, was_open: bool) {
        let leave = |room: u64| {
            let room = room.wrapping_sub(INACTIVE);
            Some(if was_open { room & !OVERLOADED } else { room })
        };
        // The closure never declines.
        let _ = self.room.fetch_update(Relaxed, Relaxed, leave);
    }

    /// A connection ends.
    pub fn unbind(&self, inactive: bool) {
        let leave = |room: u64| {
            let room = room.wrapping_sub(if inactive { INACTIVE } else { ACTIVE });
            let reopens = room & OVERLOADED != 0 && self.reopens(connections(room));
            Some(if reopens { room & !OVERLOADED } else { room })
        };
        // The closure never declines.
        let _ = self.room.fetch_update(Relaxed, Relaxed, leave);
    }

    /// A connection moves between active and inactive.
    pub fn shift(&self, to_inactive: bool) {
        let step = if to_inactive { INACTIVE.wrapping_sub(ACTIVE) } else { ACTIVE.wrapping_sub(INACTIVE) };
        self.room.fetch_add(step, Relaxed);
    }

    /// Whether an overloaded server with so many connections takes more.
    fn reopens(&self, connections: u32) -> bool {
        let (upper, lower) = (self.upper.load(Relaxed), self.lower.load(Relaxed));
        let connections = u64::from(connections);
        match (lower, upper) {
            (0, 0) => true,
            (0, upper) => connections * 4 < u64::from(upper) * 3,
            (lower, _) => connections < u64::from(lower),
        }
    }
}

const fn active(room: u64) -> u32 {
    ((room & !OVERLOADED) >> 32) as u32
}

const fn inactive(room: u64) -> u32 {
    room as u32
}

const fn connections(room: u64) -> u32 {
    active(room).wrapping_add(inactive(room))
}

/// One more inactive connection; overloaded from the upper threshold on.
const fn one_more(room: u64, upper: u32) -> u64 {
    let more = room.wrapping_add(INACTIVE);
    if upper != 0 && connections(more) >= upper { more | OVERLOADED } else { more }
}

/// One worker's totals of one server: written by that worker alone.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct ServerTotals {
    connections: AtomicU64,
    /// Those of them that another service's packet began, by a template that both share.
    guests: AtomicU64,
    /// By direction: requests, replies.
    packets: [AtomicU64; 2],
    bytes: [AtomicU64; 2],
    /// Its next hop, for new connections: the version of the net tables above, the index of the hop + 1 below.
    hop: AtomicU64,
    /// Whose next hop that is: the generation of its slot.
    hop_of: AtomicU32,
}

/// Totals read at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TotalsRead {
    /// Connections scheduled.
    pub connections: u64,
    /// Those of them that another service's packet began.
    pub guests: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Bytes from clients, IP header included.
    pub in_bytes: u64,
    /// Packets from the server.
    pub out_packets: u64,
    /// Bytes from the server, IP header included.
    pub out_bytes: u64,
}

impl ServerTotals {
    /// A connection was scheduled.
    pub fn connection(&self) {
        counters::add(&self.connections, 1);
    }

    /// One that another service's packet began was.
    pub fn guest(&self) {
        counters::add(&self.guests, 1);
    }

    /// The server's next hop by these net tables, if it has been looked up.
    #[inline]
    #[must_use]
    pub fn hop(&self, generation: u32, version: u32) -> Option<u32> {
        let hop = self.hop.load(Relaxed);
        let known = (hop >> 32) as u32 == version && self.hop_of.load(Relaxed) == generation;
        (hop as u32).checked_sub(1).filter(|_| known)
    }

    /// Remembers it.
    pub fn remember_hop(&self, generation: u32, version: u32, hop: u32) {
        self.hop.store(u64::from(version) << 32 | u64::from(hop.wrapping_add(1)), Relaxed);
        self.hop_of.store(generation, Relaxed);
    }

    /// A packet.
    #[inline(always)]
    pub fn packet(&self, direction: Direction, bytes: usize) {
        counters::add(&self.packets[direction as usize], 1);
        counters::add(&self.bytes[direction as usize], bytes as u64);
    }

    /// A packet that was counted got so many bytes longer.
    pub fn longer(&self, direction: Direction, bytes: i32) {
        counters::add(&self.bytes[direction as usize], i64::from(bytes).cast_unsigned());
    }

    /// The values now.
    #[must_use]
    pub fn read(&self) -> TotalsRead {
        TotalsRead {
            connections: self.connections.load(Relaxed),
            guests: self.guests.load(Relaxed),
            in_packets: self.packets[Direction::Request as usize].load(Relaxed),
            in_bytes: self.bytes[Direction::Request as usize].load(Relaxed),
            out_packets: self.packets[Direction::Reply as usize].load(Relaxed),
            out_bytes: self.bytes[Direction::Reply as usize].load(Relaxed),
        }
    }
}

impl TotalsRead {
    /// Combines field by field.
    #[must_use]
    pub fn zip(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            connections: f(self.connections, other.connections),
            guests: f(self.guests, other.guests),
            in_packets: f(self.in_packets, other.in_packets),
            in_bytes: f(self.in_bytes, other.in_bytes),
            out_packets: f(self.out_packets, other.out_packets),
            out_bytes: f(self.out_bytes, other.out_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server with thresholds that takes so many connections.
    fn server(thresholds: (u32, u32), connections: u32) -> Server {
        let server = Server::default();
        server.set_thresholds(thresholds.0, thresholds.1);
        for _ in 0..connections {
            server.bind_anyway();
        }
        server
    }

    /// Whether it is overloaded after each edit.
    fn edited(server: &Server, edits: &[(u32, u32)]) -> Vec<bool> {
        let after = |(upper, lower): &(u32, u32)| {
            server.set_thresholds(*upper, *lower);
            server.is_overloaded()
        };
        edits.iter().map(after).collect()
    }

    #[test]
    fn an_edited_threshold_counts_at_once() {
        assert_eq!(
            edited(&server((0, 0), 3), &[(2, 0), (4, 0), (5, 0), (0, 0), (3, 3)]),
            [true, true, false, false, true]
        );
        let between = [(5, 1), (5, 3), (5, 4), (5, 5)];
        assert_eq!(edited(&server((3, 1), 4), &between), [true, true, true, false], "open below the lower one only");
        assert_eq!(edited(&server((0, 0), 4), &between), [false; 4], "one that was open stays open in between");
        assert_eq!(edited(&server((4, 0), 3), &[(3, 0), (4, 0)]), [true, true], "three of four is no less than 3/4");
    }

    #[test]
    fn thresholds_that_stay_the_same_change_nothing() {
        let server = server((3, 0), 4);
        (0..2).for_each(|_| server.unbind(true));
        assert_eq!((server.is_overloaded(), edited(&server, &[(3, 0)])), (false, vec![false]));
    }
}
