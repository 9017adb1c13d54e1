//! Next hops: neighbours with the Ethernet header that leads to them. The read side; control resolves.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::clock::Tick;
use crate::map::{Seed, SeededMap};
use crate::wire::ethernet::{self, MacAddr};
use crate::wire::ipv4;
use crate::wire::vlan::Lan;

/// Where no packet starts.
const TAGGED: u16 = u16::MAX;

/// A resolved neighbour.
#[derive(Clone, Debug)]
pub struct NextHop {
    /// Where its interface is.
    pub lan: Lan,
    /// Where the IP packet starts in frames that leave with other MACs and no other change: nowhere if all need a
    /// tag.
    pub starts: u16,
    /// Largest IP packet its link takes.
    pub mtu: u16,
    /// Destination and source MAC, as a frame begins.
    pub macs: [u8; ethernet::HEADER - 2],
    /// The director's own IPv4 address on the way there, 0 = none.
    pub source4: u32,
    /// Its own IPv6 address, 0 = none.
    pub source6: u128,
    /// Largest IPv4 packet that it takes inside IPv4, 0 = none.
    pub inside4: u16,
    /// When a worker last sent to it, in ticks: written at most once a second.
    pub used: Arc<AtomicU32>,
}

impl NextHop {
    /// A next hop.
    #[must_use]
    pub fn new(lan: Lan, mtu: u16, src: MacAddr, dst: MacAddr, used: Arc<AtomicU32>) -> Self {
        let mut macs = [0; ethernet::HEADER - 2];
        macs[..6].copy_from_slice(&dst.0);
        macs[6..].copy_from_slice(&src.0);
        let starts = if lan.vlan() == 0 { ethernet::HEADER as u16 } else { TAGGED };
        Self { lan, starts, mtu, macs, source4: 0, source6: 0, inside4: 0, used }
    }

    /// A next hop with the director's own address on the way there: the source of tunnels.
    #[must_use]
    pub fn from(self, source: Option<IpAddr>) -> Self {
        match source {
            None => self,
            Some(IpAddr::V4(source)) => {
                let room = self.mtu.saturating_sub(ipv4::HEADER as u16);
                let inside4 = if room < ipv4::LEAST_MTU { 0 } else { room };
                Self { source4: source.to_bits(), inside4, ..self }
            }
            Some(IpAddr::V6(source)) => Self { source6: source.to_bits(), ..self },
        }
    }

    /// The neighbour's MAC.
    #[must_use]
    pub fn mac(&self) -> MacAddr {
        MacAddr(*self.macs.first_chunk().expect("six bytes of twelve"))
    }

    /// Notes that it is in use.
    #[inline]
    pub fn touch(&self, now: Tick) {
        let seen = self.used.load(Relaxed);
        if now.0.wrapping_sub(seen) >= crate::clock::TICKS_PER_SECOND {
            self.used.store(now.0, Relaxed);
        }
    }
}

/// Neighbours by interface and address. Hosts of a link choose their own addresses.
#[derive(Clone, Debug)]
pub struct NextHops {
    index: SeededMap<(u16, IpAddr), u32>,
    entries: Vec<NextHop>,
}

impl NextHops {
    /// A table of neighbours.
    #[must_use]
    pub fn new(seed: Seed, neighbors: impl IntoIterator<Item = ((u16, IpAddr), NextHop)>) -> Self {
        let mut index = seed.map();
        let mut entries = Vec::new();
        for (key, hop) in neighbors {
            index.insert(key, entries.len() as u32);
            entries.push(hop);
        }
        Self { index, entries }
    }

    /// The index of a neighbour, if it is resolved.
    #[must_use]
    pub fn find(&self, interface: u16, address: IpAddr) -> Option<u32> {
        self.index.get(&(interface, address)).copied()
    }

    /// A neighbour by its index.
    #[inline]
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&NextHop> {
        self.entries.get(index as usize)
    }
}
