//! Virtual services and their real servers: the immutable part that workers read, and the state that outlives edits.

mod path;
mod server;
mod slab;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

pub use path::{Learned, MOST_AT_ONCE, PathMtu, PathTo};
pub use server::{Server, ServerTotals, TotalsRead};
pub use slab::Slab;

use serde::{Deserialize, Serialize};

use crate::flow::{Protocol, ServiceKey};
use crate::map::{Seed, SharedMap};
use crate::method::ForwardMethod;
use crate::sched::{Cache, Plan, Scheduler};

/// Server states, by slot.
pub type Servers = Slab<Server>;

/// A worker's totals of each server, by slot.
pub type Totals = Slab<ServerTotals>;

/// Most real servers a director can hold.
pub const MAX_SERVERS: usize = 1 << 21;

/// A service as workers see it: one immutable value per edit.
#[derive(Clone, Debug)]
pub struct VirtualService {
    /// What traffic it takes.
    pub key: ServiceKey,
    /// How it chooses.
    pub scheduler: Scheduler,
    /// Bits that its scheduler reads ([`crate::sched::flag`]).
    pub sched_flags: u8,
    /// In list order: the server added last stands first, as in the kernel.
    pub servers: Vec<RealServer>,
    /// What the scheduler derives from the list.
    pub plan: Plan,
    /// Changes with every edit of the list.
    pub list_version: u16,
    /// What is special about its connections.
    pub manner: Manner,
    /// What survives edits.
    pub state: Arc<ServiceState>,
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
    /// The same of an IPv6 client's.
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
    /// That of a service which begins, or begins to choose so.
    #[must_use]
    pub fn of(scheduler: Scheduler, seed: Seed) -> Self {
        Self { cache: scheduler.remembers().then(|| Cache::new(seed)), ..Self::default() }
    }

    /// That of a service which chooses otherwise from now on.
    #[must_use]
    pub fn chosen_by(&self, scheduler: Scheduler, seed: Seed) -> Self {
        Self { elsewhere: Arc::clone(&self.elsewhere), ..Self::of(scheduler, seed) }
    }
}

/// A real server as workers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealServer {
    /// Its state in the slab.
    pub slot: u32,
    /// Which occupant of the slot.
    pub generation: u32,
    /// Address.
    pub address: IpAddr,
    /// Port; 0 = as the client used it.
    pub port: u16,
    /// How packets reach it.
    pub forward: ForwardMethod,
    /// Share of connections; 0 = none new.
    pub weight: u32,
    /// The last weight that was not 0, or that it joined with.
    pub last_weight: u32,
}

impl RealServer {
    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

/// Where a real server listens for what NAT sends it: the kernel's `rs_table`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listener {
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Its service's protocol; a service by mark is of every protocol.
    pub protocol: Option<Protocol>,
}

/// A server that may begin connections, and the service whose these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The service.
    pub service: ServiceKey,
    /// The server's slot.
    pub slot: u32,
}

/// The services that exist, by key.
pub type ServiceTable = SharedMap<ServiceKey, Arc<VirtualService>>;
