//! `L(tuple) -> worker`: where a packet belongs before anything is looked up. Fixed at start, the same on every port but
//! for the side it faces, computable in software; where a device hashes, also what the device computes.
//!
//! ```text
//! one worker:           0
//! the device hashes:    table[toeplitz(key, view(tuple)) mod size]
//! it does not:          keyed_hash(view(tuple)) scaled to the number of workers
//! view(tuple):          all of it, or under client steering only the client's address and port
//! ```

use crate::conn::HashKey;
use crate::flow::{Protocol, Tuple};
use crate::wire::toeplitz::{self, Table};

/// What of a tuple decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Both ends.
    Both,
    /// The sender: what a client side hashes under client steering.
    Source,
    /// The receiver: what a server side hashes under client steering.
    Destination,
}

impl View {
    /// The tuple with only what decides, the deciding end as source.
    #[inline]
    fn of(self, tuple: &Tuple) -> Tuple {
        match self {
            Self::Both => *tuple,
            Self::Source => Tuple { dst: 0, dport: 0, ..*tuple },
            Self::Destination => Tuple { src: tuple.dst, sport: tuple.dport, dst: 0, dport: 0, ..*tuple },
        }
    }

    /// The part of IPv6 addresses that it looks at.
    fn of6(self, [src, dst]: [&[u8; 16]; 2]) -> [[u8; 16]; 2] {
        match self {
            Self::Both => [*src, *dst],
            Self::Source => [*src, [0; 16]],
            Self::Destination => [*dst, [0; 16]],
        }
    }
}

/// Of which protocols the ports are hashed; of all others only the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortsOf {
    /// TCP.
    pub tcp: bool,
    /// UDP.
    pub udp: bool,
    /// SCTP.
    pub sctp: bool,
}

impl PortsOf {
    /// All protocols that have ports.
    pub const ALL: Self = Self { tcp: true, udp: true, sctp: true };

    #[inline]
    fn has(self, tuple: &Tuple) -> bool {
        match tuple.transport() {
            Some((Protocol::Tcp, _)) => self.tcp,
            Some((Protocol::Udp, _)) => self.udp,
            Some((Protocol::Sctp, _)) => self.sctp,
            None => false,
        }
    }

    /// The protocols that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { tcp: self.tcp && other.tcp, udp: self.udp && other.udp, sctp: self.sctp && other.sctp }
    }
}

/// The landing function of one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landing {
    way: Way,
    view: View,
    ports: PortsOf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    Alone,
    Keyed {
        key: HashKey,
        workers: u16,
    },
    /// The indirection table's length is a power of two.
    Toeplitz {
        hash: Table,
        table: Box<[u16]>,
    },
}

impl Landing {
    /// Of a director with one worker.
    #[must_use]
    pub fn alone() -> Self {
        Self { way: Way::Alone, view: View::Both, ports: PortsOf::ALL }
    }

    /// By software's own hash. The key is not that of a connection table, lest workers see few of its buckets.
    #[must_use]
    pub fn keyed(key: HashKey, workers: u16, view: View) -> Self {
        Self { way: Way::Keyed { key, workers }, view, ports: PortsOf::ALL }
    }

    /// By the hash of devices: a key and an indirection table of workers, whose length is rounded down to a power of two.
    #[must_use]
    pub fn toeplitz(key: &[u8], table: &[u16], view: View, ports: PortsOf) -> Self {
        let Some(bits) = table.len().checked_ilog2() else { return Self::alone() };
        Self { way: Way::Toeplitz { hash: Table::new(key), table: table[..1 << bits].into() }, view, ports }
    }

    /// Whether a packet lands by whom it is for: as replies, not as requests.
    #[must_use]
    pub fn is_for_replies(&self) -> bool {
        self.view == View::Destination
    }

    /// Whether a packet lands by both its ends, so that those of one connection's two directions may land apart.
    #[must_use]
    pub fn is_by_both(&self) -> bool {
        self.view == View::Both
    }

    /// The worker where a packet belongs. Ports of a tuple whose protocol has none do not count. `six` are the source and
    /// destination of an IPv6 packet, of which devices do not know digests.
    #[inline]
    #[must_use]
    pub fn worker(&self, tuple: &Tuple, six: Option<[&[u8; 16]; 2]>) -> u16 {
        match &self.way {
            Way::Alone => 0,
            Way::Keyed { key, workers } => {
                let mut seen = self.view.of(tuple);
                if !self.ports.has(&seen) {
                    (seen.sport, seen.dport) = (0, 0);
                }
                (((key.hash(&seen) >> 32) * u64::from(*workers)) >> 32) as u16
            }
            Way::Toeplitz { hash, table } => {
                let Tuple { src, dst, sport, dport, .. } = self.view.of(tuple);
                let hashed = match (six.map(|six| self.view.of6(six)), self.ports.has(tuple)) {
                    (None, true) => hash.hash(&toeplitz::ipv4_ports(src, dst, sport, dport)),
                    (None, false) => hash.hash(&toeplitz::ipv4(src, dst)),
                    (Some([src, dst]), true) => hash.hash(&toeplitz::ipv6_ports(src, dst, sport, dport)),
                    (Some([src, dst]), false) => hash.hash(&toeplitz::ipv6(src, dst)),
                };
                table[hashed as usize & (table.len() - 1)]
            }
        }
    }
}
