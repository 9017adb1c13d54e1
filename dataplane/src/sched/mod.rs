//! Schedulers: which server gets a new connection. One file each, one line each in the table below.
//! Given the same list and counts, each makes the kernel's choice (`net/netfilter/ipvs/ip_vs_*.c`).

mod cache;
mod dh;
mod fo;
mod hash;
mod lblc;
mod lblcr;
mod lc;
mod mh;
mod none;
mod nq;
mod ovf;
mod plan;
mod rr;
mod sed;
mod sh;
mod twos;
mod wlc;
mod wrr;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicU64;

pub use cache::{Cache, MOST as MOST_DESTINATIONS};
pub use plan::Plan;

use serde::{Deserialize, Serialize};

use crate::chance::Chance;
use crate::clock::Tick;
use crate::flow::Family;
use crate::service::{RealServer, Server, Servers, VirtualService};

/// Bits of a service that its scheduler reads (`IP_VS_SVC_F_SCHED1` to `3`). The third means nothing to any.
pub mod flag {
    /// sh and mh: where the server that was hashed to takes nothing, look for another.
    pub const FALLBACK: u8 = 1;
    /// sh and mh: the client's port is hashed too.
    pub const PORT: u8 = 2;
}

/// What a scheduler may look at: the service and its servers, who asks for what, the moment, and chance.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The service and its list.
    pub service: &'a VirtualService,
    /// States of servers.
    pub servers: &'a Servers,
    /// The client.
    pub client: SocketAddr,
    /// The address that the client asks for: the packet's, also where the service is one by mark.
    pub vip: IpAddr,
    /// The moment.
    pub now: Tick,
    /// Ticks after which an unchanged set of lblcr loses a member.
    pub lblcr_expiration: u32,
    /// Chance.
    pub chance: &'a Chance,
}

/// Declares the family: variant, module, name.
macro_rules! schedulers {
    ($($(#[$doc:meta])* $variant:ident $module:ident $name:literal,)*) => {
        /// How a service chooses.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Scheduler { $($(#[$doc])* #[serde(rename = $name)] $variant,)* }

        impl Scheduler {
            /// Every scheduler, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that ipvsadm and the file use.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The server for a new connection, as an index into the service's list.
            #[must_use]
            pub fn pick(self, asked: &Asked<'_>) -> Option<usize> {
                match self { $(Self::$variant => $module::pick(asked),)* }
            }
        }
    };
}

schedulers! {
    /// Round robin.
    Rr rr "rr",
    /// Weighted round robin.
    Wrr wrr "wrr",
    /// Least connections.
    Lc lc "lc",
    /// Weighted least connections.
    Wlc wlc "wlc",
    /// Locality-based least connections.
    Lblc lblc "lblc",
    /// Locality-based least connections with replication.
    Lblcr lblcr "lblcr",
    /// Destination hashing.
    Dh dh "dh",
    /// Source hashing.
    Sh sh "sh",
    /// Maglev hashing.
    Mh mh "mh",
    /// Shortest expected delay.
    Sed sed "sed",
    /// Never queue.
    Nq nq "nq",
    /// Weighted failover.
    Fo fo "fo",
    /// Weighted overflow.
    Ovf ovf "ovf",
    /// The better of two random choices.
    Twos twos "twos",
    /// Nobody.
    None none "none",
}

impl Scheduler {
    /// A service's list changed: its position follows, as in the kernel. Control calls it once for every edit, before
    /// workers see the new list.
    pub fn follow(self, position: &AtomicU64, before: &[RealServer], after: &[RealServer], version: u16) {
        match self {
            Self::Rr => rr::follow(position, before, after),
            Self::Wrr => wrr::follow(position, after, version),
            _ => {}
        }
    }

    /// The buckets of a list, for those that hash: each holds an index into the list.
    fn buckets(self, family: Family, servers: &[RealServer]) -> Box<[u32]> {
        match self {
            Self::Dh => dh::buckets(servers),
            Self::Sh => sh::buckets(servers),
            Self::Mh => mh::buckets(family, servers),
            _ => Box::default(),
        }
    }

    /// Bytes of what a service with servers has on its account: buckets, or a memory of destinations with none in it.
    #[must_use]
    pub const fn memory(self) -> usize {
        match self {
            Self::Dh => dh::SIZE * size_of::<u32>(),
            Self::Sh => sh::SIZE * size_of::<u32>(),
            Self::Mh => mh::SIZE * size_of::<u32>(),
            Self::Lblc | Self::Lblcr => Cache::EMPTY,
            _ => 0,
        }
    }

    /// Whether it gives a server connections beyond its threshold: lblc, where a destination went before.
    #[must_use]
    pub fn passes_thresholds(self) -> bool {
        self == Self::Lblc
    }

    /// Whether it remembers where destinations went.
    #[must_use]
    pub fn remembers(self) -> bool {
        matches!(self, Self::Lblc | Self::Lblcr)
    }
}

impl<'a> Asked<'a> {
    fn list(&self) -> &'a [RealServer] {
        &self.service.servers
    }

    fn has(&self, flag: u8) -> bool {
        self.service.sched_flags & flag != 0
    }

    /// The client as one word, with its port where the service hashes ports.
    fn client_word(&self) -> u32 {
        let port = if self.has(flag::PORT) { self.client.port() } else { 0 };
        hash::fold(self.service.key.family(), self.client.ip()).wrapping_add(u32::from(port))
    }

    /// A server's state, if it may take a connection: not overloaded. Weight is the scheduler's to judge.
    fn open(&self, server: &RealServer) -> Option<&'a Server> {
        self.servers.get(server.slot).filter(|state| !state.is_overloaded())
    }

    /// A server's state, if it may take a connection: not overloaded, not quiesced.
    fn usable(&self, server: &RealServer) -> Option<&'a Server> {
        usable(self.servers, server)
    }

    /// Those that may take a connection, with their place in the list.
    fn candidates(&self) -> impl Iterator<Item = (usize, &'a RealServer, &'a Server)> {
        let asked = *self;
        let usable = move |(index, server)| asked.usable(server).map(|state| (index, server, state));
        asked.list().iter().enumerate().filter_map(usable)
    }

    /// The usable server with the least load; the first of equals.
    fn least(&self, load: impl Fn(&RealServer, &Server) -> Load) -> Option<usize> {
        let mut best: Option<(usize, Load)> = None;
        for (index, server, state) in self.candidates() {
            let load = load(server, state);
            if best.is_none_or(|(_, leader)| load.is_below(leader)) {
                best = Some((index, load));
            }
        }
        best.map(|(index, _)| index)
    }

    /// The server of a bucket, usable or not, and whether it is usable.
    fn bucket(&self, bucket: usize) -> Option<(usize, bool)> {
        let index = *self.service.plan.buckets.get(bucket)? as usize;
        Some((index, self.usable(self.list().get(index)?).is_some()))
    }

    /// The server of bucket `probe(0)`; with [`flag::FALLBACK`] the first usable one of the buckets that `probe` names
    /// for the offsets from `first` on, once around.
    fn hashed(&self, probe: impl Fn(usize) -> usize, first: usize) -> Option<usize> {
        let (index, usable) = self.bucket(probe(0))?;
        if usable || !self.has(flag::FALLBACK) {
            return usable.then_some(index);
        }
        // Outsiders may fill all servers up to their thresholds: nobody goes around for what is not there.
        self.candidates().next()?;
        let size = self.service.plan.buckets.len();
        let offsets = (first..size).chain(0..first);
        offsets.filter_map(|offset| self.bucket(probe(offset))).find(|(_, usable)| *usable).map(|(index, _)| index)
    }
}

/// A load as a fraction of a weight; compared without division.
#[derive(Clone, Copy, Debug)]
struct Load {
    load: u64,
    weight: u32,
}

impl Load {
    /// What lc, wlc and their relatives weigh: an active connection is 256 inactive ones.
    fn overhead(server: &RealServer, state: &Server) -> Self {
        Self { load: state.overhead(), weight: server.weight }
    }

    fn is_below(self, other: Self) -> bool {
        u128::from(self.load) * u128::from(other.weight) < u128::from(other.load) * u128::from(self.weight)
    }
}

/// A server's state, if it may take a connection: not overloaded, not quiesced.
pub(crate) fn usable<'a>(servers: &'a Servers, server: &RealServer) -> Option<&'a Server> {
    let state = servers.get(server.slot).filter(|_| server.weight > 0)?;
    (!state.is_overloaded()).then_some(state)
}

/// Where a server stands in a list; `hint` is where it was seen last.
fn place(list: &[RealServer], slot: u32, hint: usize) -> Option<usize> {
    let there = list.get(hint).is_some_and(|server| server.slot == slot);
    if there { Some(hint) } else { list.iter().position(|server| server.slot == slot) }
}
