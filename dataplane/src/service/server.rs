//! A real server's memory: counts, thresholds, reference count. It outlives the server's removal for as long as a
//! connection names it (the kernel's "trash"). After `net/netfilter/ipvs/ip_vs_conn.c`, bind and unbind.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::counters;

/// The state of one server. Counts change only when a connection changes state, never per packet.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Server {
    /// Which occupant of the slot this is.
    pub generation: AtomicU32,
    /// Whether it is configured; packets of connections to a removed server are dropped in silence.
    pub available: AtomicBool,
    /// Above its upper threshold and not yet below the lower one: takes nothing new.
    pub overloaded: AtomicBool,
    /// Upper threshold of connections, 0 = none.
    pub upper: AtomicU32,
    /// Lower threshold, 0 = three quarters of the upper one.
    pub lower: AtomicU32,
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
        self.active.load(Relaxed).wrapping_add(self.inactive.load(Relaxed))
    }

    /// The load that lc and wlc compare: an active connection weighs 256 inactive ones.
    #[must_use]
    pub fn overhead(&self) -> u64 {
        (u64::from(self.active.load(Relaxed)) << 8) + u64::from(self.inactive.load(Relaxed))
    }

    /// A new connection, counted inactive until its protocol says otherwise.
    pub fn bind(&self) {
        self.references.fetch_add(1, Relaxed);
        self.inactive.fetch_add(1, Relaxed);
        let upper = self.upper.load(Relaxed);
        if upper != 0 && self.connections() >= upper {
            self.overloaded.store(true, Relaxed);
        }
    }

    /// A connection ends.
    pub fn unbind(&self, inactive: bool) {
        (if inactive { &self.inactive } else { &self.active }).fetch_sub(1, Relaxed);
        if self.overloaded.load(Relaxed) && self.reopens() {
            self.overloaded.store(false, Relaxed);
        }
        self.references.fetch_sub(1, Relaxed);
    }

    /// A connection moves between active and inactive.
    pub fn shift(&self, to_inactive: bool) {
        let (from, to) = if to_inactive { (&self.active, &self.inactive) } else { (&self.inactive, &self.active) };
        from.fetch_sub(1, Relaxed);
        to.fetch_add(1, Relaxed);
    }

    fn reopens(&self) -> bool {
        let (upper, lower) = (self.upper.load(Relaxed), self.lower.load(Relaxed));
        let connections = u64::from(self.connections());
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
    in_packets: AtomicU64,
    in_bytes: AtomicU64,
    out_packets: AtomicU64,
    out_bytes: AtomicU64,
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

    /// A packet from the client.
    #[inline]
    pub fn request(&self, bytes: usize) {
        counters::add(&self.in_packets, 1);
        counters::add(&self.in_bytes, bytes as u64);
    }

    /// A packet from the server.
    #[inline]
    pub fn reply(&self, bytes: usize) {
        counters::add(&self.out_packets, 1);
        counters::add(&self.out_bytes, bytes as u64);
    }

    /// The values now.
    #[must_use]
    pub fn read(&self) -> TotalsRead {
        TotalsRead {
            connections: self.connections.load(Relaxed),
            in_packets: self.in_packets.load(Relaxed),
            in_bytes: self.in_bytes.load(Relaxed),
            out_packets: self.out_packets.load(Relaxed),
            out_bytes: self.out_bytes.load(Relaxed),
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
