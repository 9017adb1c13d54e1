//! Virtual services and their real servers: the immutable part that workers read, and the state that outlives edits.

mod cache;
mod path;
mod path_to;
mod plan;
mod real;
mod scheduler;
mod server;
mod slab;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

pub(crate) use cache::Entry;
pub use cache::{Cache, MOST as MOST_DESTINATIONS};
pub use path::{Learned, PathMtu};
pub use path_to::{MOST_AT_ONCE, PathTo};
pub use plan::SchedulerPlan;
pub(crate) use real::place;
pub use real::{Caller, Listener, RealServer};
pub use scheduler::Scheduler;
pub(crate) use scheduler::schedulers;
pub use server::{Server, ServerTotals, Servers, Totals, TotalsRead};
pub use slab::Slab;

use serde::{Deserialize, Serialize};

use crate::flow::{Family, ServiceKey};
use crate::map::SharedMap;

/// Most real servers a director can hold.
pub const MAX_SERVERS: usize = 1 << 21;

/// A service as workers see it: one immutable value per edit.
#[derive(Clone, Debug)]
pub struct VirtualService {
    /// What traffic it takes.
    pub key: ServiceKey,
    /// How it chooses.
    pub scheduler: Scheduler,
    /// Bits that its scheduler reads (`sched::flag`).
    pub sched_flags: u8,
    /// In list order: the server added last stands first, as in the kernel.
    pub servers: Vec<RealServer>,
    /// What the scheduler derives from the list.
    pub plan: SchedulerPlan,
    /// Changes with every edit of the list.
    pub list_version: u16,
    /// What is special about its connections.
    pub manner: Manner,
    /// What survives edits.
    pub state: Arc<ServiceState>,
}

/// A service's list of servers, with all that its scheduler reads beside.
#[derive(Clone, Copy, Debug)]
pub struct ServerList<'a> {
    /// The service's family.
    pub family: Family,
    /// The servers; the one added last stands first.
    pub servers: &'a [RealServer],
    /// What the list comes to.
    pub plan: &'a SchedulerPlan,
    /// Changes with every edit of the list.
    pub version: u16,
    /// Bits of the service (`sched::flag`).
    pub flags: u8,
    /// Where the scheduler stands.
    pub position: &'a AtomicU64,
    /// What the scheduler remembers, if it does.
    pub cache: Option<&'a Cache>,
}

impl VirtualService {
    /// Its list, for its scheduler.
    #[must_use]
    pub fn list(&self) -> ServerList<'_> {
        ServerList {
            family: self.key.family(),
            servers: &self.servers,
            plan: &self.plan,
            version: self.list_version,
            flags: self.sched_flags,
            position: &self.state.position,
            cache: self.state.cache.as_ref(),
        }
    }
}

/// What is special about a service's connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// Each datagram is scheduled anew, and no connection is kept (UDP).
    pub one_packet: bool,
    /// Connections of a client stay together.
    pub persistent: Option<Persistent>,
}

/// How a client's connections stay together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persistent {
    /// Ticks after the last new connection.
    pub timeout: u32,
    /// Bits of an IPv4 client's address that tell clients apart.
    pub mask4: u32,
    /// Bits of an IPv6 client's address that tell clients apart.
    pub mask6: u128,
    /// What more tells them apart.
    pub engine: Option<Engine>,
}

/// A persistence engine: what of a client's first packet keeps its connections together, beside its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// The Call-ID of SIP ([`crate::proto::sip`]).
    Sip,
}

impl Engine {
    /// Every engine.
    pub const ALL: &'static [Self] = &[Self::Sip];

    /// Its name, as ipvsadm lists it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sip => "sip",
        }
    }
}

impl Persistent {
    /// Whom a client belongs to.
    #[must_use]
    pub fn group(&self, client: IpAddr) -> IpAddr {
        match client {
            IpAddr::V4(client) => Ipv4Addr::from_bits(client.to_bits() & self.mask4).into(),
            IpAddr::V6(client) => Ipv6Addr::from_bits(client.to_bits() & self.mask6).into(),
        }
    }
}

/// A service's memory: edits of the service or of others do not touch it.
#[derive(Debug, Default)]
pub struct ServiceState {
    /// The scheduler's position; each scheduler says how it packs it.
    pub position: AtomicU64,
    /// Where destinations went, for schedulers that remember.
    pub cache: Option<Cache>,
    /// Connections that its packets began at servers of other services, by a template that both share. It outlives the
    /// choice of a scheduler.
    pub elsewhere: Arc<AtomicU64>,
}

impl ServiceState {
    /// That of a service which begins, with what its scheduler remembers.
    #[must_use]
    pub fn new(cache: Option<Cache>) -> Self {
        Self { cache, ..Self::default() }
    }

    /// That of a service which chooses otherwise from now on.
    #[must_use]
    pub fn chosen_anew(&self, cache: Option<Cache>) -> Self {
        Self { elsewhere: Arc::clone(&self.elsewhere), ..Self::new(cache) }
    }
}

/// The services that exist, by key.
pub type ServiceTable = SharedMap<ServiceKey, Arc<VirtualService>>;
