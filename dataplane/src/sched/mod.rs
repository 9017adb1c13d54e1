//! Schedulers: which server gets a new connection. One file each, one line each in the table below.
//! Given the same list and counts, each makes the kernel's choice (`net/netfilter/ipvs/ip_vs_*.c`).

mod lc;
mod rr;
mod wlc;
mod wrr;

use std::sync::atomic::AtomicU64;

use crate::service::{RealServer, Server, Servers, VirtualService};

/// Declares the family: variant, module, name.
macro_rules! schedulers {
    ($($(#[$doc:meta])* $variant:ident $module:ident $name:literal,)*) => {
        /// How a service chooses.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Scheduler { $($(#[$doc])* $variant,)* }

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
            pub fn pick(self, service: &VirtualService, servers: &Servers) -> Option<usize> {
                match self { $(Self::$variant => $module::pick(service, servers),)* }
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
}

impl Scheduler {
    /// The scheduler of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.name() == name)
    }
}

impl Scheduler {
    /// A service's list changed: its position follows, as in the kernel. Control calls it once for every edit, before
    /// workers see the new list.
    pub fn follow(self, position: &AtomicU64, before: &[RealServer], after: &[RealServer], version: u16) {
        match self {
            Self::Rr => rr::follow(position, before, after),
            Self::Wrr => wrr::follow(position, &Plan::of(after), version),
            Self::Lc | Self::Wlc => {}
        }
    }
}

/// What schedulers derive from a list of servers, made by control when the list changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Greatest common divisor of the weights.
    pub gcd: u32,
    /// Largest weight.
    pub max_weight: u32,
}

impl Plan {
    /// The plan of a list.
    #[must_use]
    pub fn of(servers: &[RealServer]) -> Self {
        Self {
            gcd: servers.iter().map(|s| s.weight).fold(0, gcd),
            max_weight: servers.iter().map(|s| s.weight).max().unwrap_or(0),
        }
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A server's state, if it may take a connection: not overloaded. Weight is the scheduler's to judge.
fn open<'a>(servers: &'a Servers, server: &RealServer) -> Option<&'a Server> {
    servers.get(server.slot).filter(|state| !state.is_overloaded())
}

/// A server's state, if it may take a connection: not overloaded, not quiesced.
fn usable<'a>(servers: &'a Servers, server: &RealServer) -> Option<&'a Server> {
    open(servers, server).filter(|_| server.weight > 0)
}

/// The server with the least `load`; the first of equals.
fn least<'a>(
    service: &VirtualService,
    servers: &'a Servers,
    less: impl Fn((&'a Server, u32), (&'a Server, u32)) -> bool,
) -> Option<usize> {
    let mut best: Option<(usize, (&Server, u32))> = None;
    for (index, server) in service.servers.iter().enumerate() {
        let Some(state) = usable(servers, server) else { continue };
        let candidate = (state, server.weight);
        if best.is_none_or(|(_, leader)| less(candidate, leader)) {
            best = Some((index, candidate));
        }
    }
    best.map(|(index, _)| index)
}
