//! A real server's memory: counts, thresholds, reference count. It outlives the server's removal for as long as a
//! connection names it (the kernel's "trash"). After `net/netfilter/ipvs/ip_vs_conn.c`, bind and unbind.
//!
//! All workers share it. How many connections there are and whether the server takes more is one word, so that no two
//! workers take the last place together: the one that comes second finds the server overloaded, and asks its
//! scheduler again.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::counters;
use crate::flow::Direction;

const OVERLOADED: u64 = 1 << 63;

/// The state of one server. Counts change only when a connection changes state, never per packet.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Server {
    /// Which occupant of the slot this is.
    pub generation: AtomicU32,
    /// Whether it is configured; packets of connections to a removed server are dropped in silence.
    pub available: AtomicBool,
    /// Connections in the low half; the top bit while it is above its upper threshold and not yet below the lower one:
    /// then it takes nothing new.
    room: AtomicU64,
    /// Upper threshold of connections, 0 = none.
    pub upper: AtomicU32,
    /// Lower threshold, 0 = three quarters of the upper one.
    pub lower: AtomicU32,
    /// Share of new connections; 0 = quiesced.
    pub weight: AtomicU32,
    /// Active connections.
    pub active: AtomicU32,
    /// Inactive connections.
    pub inactive: AtomicU32,
    /// Persistence templates.
    pub persistent: AtomicU32,
    /// Who names this slot: connections, and the configuration.
    pub references: AtomicU32,
    /// Packets lost because its address did not resolve.
    pub unresolved: AtomicU64,
}

impl Server {
    /// Active and inactive connections.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.room.load(Relaxed) as u32
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

    /// The load that lc and wlc compare: an active connection weighs 256 inactive ones.
    #[must_use]
    pub fn overhead(&self) -> u64 {
        (u64::from(self.active.load(Relaxed)) << 8) + u64::from(self.inactive.load(Relaxed))
    }

    /// A new connection, counted inactive until its protocol says otherwise. `false` where another worker has just
    /// taken the last place.
    #[must_use]
    pub fn bind(&self) -> bool {
        let upper = self.upper.load(Relaxed);
        let take = |room: u64| {
            let connections = (room as u32).wrapping_add(1);
            let last = upper != 0 && connections >= upper;
            (room & OVERLOADED == 0).then_some(u64::from(connections) | if last { OVERLOADED } else { 0 })
        };
        let taken = self.room.fetch_update(Relaxed, Relaxed, take).is_ok();
        if taken {
            self.references.fetch_add(1, Relaxed);
            self.inactive.fetch_add(1, Relaxed);
        }
        taken
    }

    /// A new connection that goes here in any case, because its client's others do.
    pub fn bind_anyway(&self) {
        let upper = self.upper.load(Relaxed);
        let take = |room: u64| {
            let connections = (room as u32).wrapping_add(1);
            let overloaded = room & OVERLOADED != 0 || upper != 0 && connections >= upper;
            Some(u64::from(connections) | if overloaded { OVERLOADED } else { 0 })
        };
        // The closure never declines.
        let _ = self.room.fetch_update(Relaxed, Relaxed, take);
        self.references.fetch_add(1, Relaxed);
        self.inactive.fetch_add(1, Relaxed);
    }

    /// A template leads here.
    pub fn hold_template(&self) {
        self.references.fetch_add(1, Relaxed);
        self.persistent.fetch_add(1, Relaxed);
    }

    /// A template that led here is gone.
    pub fn release_template(&self) {
        self.persistent.fetch_sub(1, Relaxed);
        let reopen = |room: u64| (room & OVERLOADED != 0 && self.reopens(room as u32)).then_some(room & !OVERLOADED);
        // Most have nothing to reopen.
        let _ = self.room.fetch_update(Relaxed, Relaxed, reopen);
        self.references.fetch_sub(1, Relaxed);
    }

    /// A place that was taken is not needed: as if it had never been.
    pub fn give_back(&self) {
        self.inactive.fetch_sub(1, Relaxed);
        // It was open, or it would not have been given.
        let leave = |room: u64| Some(u64::from((room as u32).wrapping_sub(1)));
        let _ = self.room.fetch_update(Relaxed, Relaxed, leave);
        self.references.fetch_sub(1, Relaxed);
    }

    /// A connection ends.
    pub fn unbind(&self, inactive: bool) {
        (if inactive { &self.inactive } else { &self.active }).fetch_sub(1, Relaxed);
        let leave = |room: u64| {
            let connections = (room as u32).wrapping_sub(1);
            let overloaded = room & OVERLOADED != 0 && !self.reopens(connections);
            Some(u64::from(connections) | if overloaded { OVERLOADED } else { 0 })
        };
        // The closure never declines.
        let _ = self.room.fetch_update(Relaxed, Relaxed, leave);
        self.references.fetch_sub(1, Relaxed);
    }

    /// A connection moves between active and inactive.
    pub fn shift(&self, to_inactive: bool) {
        let (from, to) = if to_inactive { (&self.active, &self.inactive) } else { (&self.inactive, &self.active) };
        from.fetch_sub(1, Relaxed);
        to.fetch_add(1, Relaxed);
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

/// One worker's totals of one server: written by that worker alone.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct ServerTotals {
    connections: AtomicU64,
    /// By direction: requests, replies.
    packets: [AtomicU64; 2],
    bytes: [AtomicU64; 2],
}

/// Totals read at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TotalsRead {
    /// Connections scheduled.
    pub connections: u64,
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

    /// A packet.
    #[inline(always)]
    pub fn packet(&self, direction: Direction, bytes: usize) {
        counters::add(&self.packets[direction as usize], 1);
        counters::add(&self.bytes[direction as usize], bytes as u64);
    }

    /// The values now.
    #[must_use]
    pub fn read(&self) -> TotalsRead {
        TotalsRead {
            connections: self.connections.load(Relaxed),
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
            in_packets: f(self.in_packets, other.in_packets),
            in_bytes: f(self.in_bytes, other.in_bytes),
            out_packets: f(self.out_packets, other.out_packets),
            out_bytes: f(self.out_bytes, other.out_bytes),
        }
    }
}
