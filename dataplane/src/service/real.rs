//! Real servers as the configuration has them: in a service's list, where they listen, whose calls they make.

use std::net::{IpAddr, SocketAddr};

use crate::flow::{Protocol, ServiceKey};
use crate::method::ForwardMethod;

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

/// Where a server stands in a list; `hint` is where it was seen last.
pub(crate) fn place(list: &[RealServer], slot: u32, hint: usize) -> Option<usize> {
    let there = list.get(hint).is_some_and(|server| server.slot == slot);
    if there { Some(hint) } else { list.iter().position(|server| server.slot == slot) }
}
