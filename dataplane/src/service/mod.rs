//! Virtual services and their real servers: the immutable part that workers read, and the state that outlives edits.

mod server;
mod slab;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

pub use server::{Server, ServerTotals, TotalsRead};
pub use slab::Slab;

use crate::flow::{ForwardMethod, ServiceKey};
use crate::map::SharedMap;
use crate::sched::{Plan, Scheduler};

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
    /// In list order: the server added last stands first, as in the kernel.
    pub servers: Vec<RealServer>,
    /// What the scheduler derives from the list.
    pub plan: Plan,
    /// Changes with every edit of the list.
    pub list_version: u16,
    /// What survives edits.
    pub state: Arc<ServiceState>,
}

/// A service's memory: edits of the service or of others do not touch it.
#[derive(Debug, Default)]
pub struct ServiceState {
    /// The scheduler's position; each scheduler says how it packs it.
    pub position: AtomicU64,
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
}

impl RealServer {
    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

/// The services that exist, by key.
pub type ServiceTable = SharedMap<ServiceKey, Arc<VirtualService>>;
