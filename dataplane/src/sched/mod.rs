//! Schedulers: which server gets a new connection. One file each, one line each in the table of their names
//! (`service/scheduler.rs`). They read a list of servers and what belongs to it, never a service.
//! Given the same list and counts, each makes the kernel's choice (`net/netfilter/ipvs/ip_vs_*.c`).

mod asked;
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
mod rr;
mod sed;
mod sh;
mod twos;
mod wlc;
mod wrr;

use std::sync::atomic::AtomicU64;

pub(crate) use asked::usable;
pub use asked::{Asked, flag};

pub use crate::service::Scheduler;

use crate::flow::Family;
use crate::map::Seed;
use crate::service::{Cache, RealServer, SchedulerPlan, schedulers};

/// Declares the choice.
macro_rules! choice {
    ($($(#[$doc:meta])* $variant:ident $module:ident $name:literal,)*) => {
        impl Scheduler {
            /// The server for a new connection, as an index into the service's list.
            #[must_use]
            pub fn pick(self, asked: &Asked<'_>) -> Option<usize> {
                match self { $(Self::$variant => $module::pick(asked),)* }
            }
        }
    };
}
schedulers!(choice);

impl Scheduler {
    /// What a list of servers comes to; `family` is the service's.
    #[must_use]
    pub fn plan(self, family: Family, servers: &[RealServer]) -> SchedulerPlan {
        let plan = SchedulerPlan::of_weights(servers.iter().map(|server| server.weight));
        SchedulerPlan { buckets: self.buckets(family, servers), ..plan }
    }

    /// What it remembers, where it does, of a service that begins to choose so.
    #[must_use]
    pub fn cache(self, seed: Seed) -> Option<Cache> {
        self.remembers().then(|| Cache::new(seed))
    }

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
