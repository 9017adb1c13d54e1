//! What workers know: one immutable value, replaced as a whole.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;
use std::sync::Arc;

use crate::limiter::Limits;
use crate::map::{Map, Seed, SharedMap};
use crate::mark::Marks;
use crate::neighbor::NextHops;
use crate::packet::Kind;
use crate::proto::Timeouts;
use crate::route::{Action, RouteTable};
use crate::service::{Caller, Listener, PathTo, ServiceTable};
use crate::sysctl::Sysctls;
use crate::wire::ethernet::MacAddr;
use crate::wire::vlan::Lan;

/// Everything one packet consults.
#[derive(Clone, Debug)]
pub struct Tables {
    /// Interfaces, routes, neighbours.
    pub net: Arc<Net>,
    /// Addresses of the director: its own and the VIPs.
    pub locals: Locals,
    /// Virtual services.
    pub services: ServiceTable,
    /// Families that have no service at all.
    pub unhooked: Unhooked,
    /// Where servers that are reached by NAT listen.
    pub listeners: SharedMap<Listener, ()>,
    /// Those of them that may begin connections.
    pub callers: SharedMap<Listener, Caller>,
    /// Paths to servers that are reached by tunnel.
    pub paths: SharedMap<IpAddr, PathTo>,
    /// Rules that mark packets.
    pub marks: Marks,
    /// Lifetimes of connections.
    pub timeouts: Arc<Timeouts>,
    /// Switches.
    pub options: Options,
    /// `net.ipv4.vs`.
    pub sysctls: Arc<Sysctls>,
}

impl Tables {
    /// Those of a director that has been told nothing yet.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self {
            net: Arc::new(Net::new(seed)),
            locals: Locals::default(),
            services: ServiceTable::default(),
            unhooked: Unhooked::default(),
            listeners: SharedMap::default(),
            callers: SharedMap::default(),
            paths: SharedMap::default(),
            marks: Marks::default(),
            timeouts: Arc::default(),
            options: Options::default(),
            sysctls: Arc::default(),
        }
    }
}

/// Families without a service. As in the kernel, whose hooks come with the first service of a family and go with the
/// last, their packets then pass as if nothing were balanced: connections that are still there are not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unhooked {
    /// IPv4.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
}

impl Unhooked {
    /// Whether packets of this kind pass.
    #[inline]
    #[must_use]
    pub const fn passes(self, kind: Kind) -> bool {
        if kind.is_v6() { self.v6 } else { self.v4 }
    }
}

/// Switches of the dataplane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Route what belongs to nobody.
    pub ip_forward: bool,
    /// Send packets on by the IPv4 source routes that they carry.
    pub accept_source_route: bool,
    /// Unwrap IPv4 in IPv4 that is addressed to the director.
    pub unwrap_ipip: bool,
    /// Most answers of the director itself.
    pub limits: Limits,
    /// Keep oddities of the kernel that help nobody.
    pub strict_parity: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ip_forward: true,
            accept_source_route: false,
            unwrap_ipip: false,
            limits: Limits::default(),
            strict_parity: false,
        }
    }
}

/// Interfaces, routes and neighbours of one version. Connections cache next hops with the version.
#[derive(Clone, Debug)]
pub struct Net {
    /// Never the same for two contents.
    pub version: u32,
    /// By index.
    pub interfaces: Interfaces,
    /// Routes.
    pub routes: RouteTable,
    /// Resolved neighbours.
    pub hops: NextHops,
}

impl Net {
    /// Without interfaces, routes and neighbours.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        let (interfaces, routes) = (Interfaces::default(), RouteTable::default());
        Self { version: 0, interfaces, routes, hops: NextHops::new(seed, []) }
    }
}

/// An interface as workers see it.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Name of the configuration.
    pub name: Arc<str>,
    /// The port it sits on, and its VLAN there.
    pub lan: Lan,
    /// Its MAC.
    pub mac: MacAddr,
    /// Largest IP packet.
    pub mtu: u16,
    /// Source of what the director itself says here.
    pub source4: Option<Ipv4Addr>,
    /// Source of what the director itself says here.
    pub source6: Option<Ipv6Addr>,
    /// The last virtual IPv6 address that the configuration has here.
    pub virtual6: Option<Ipv6Addr>,
}

/// Every interface, found by its index or by where it is.
#[derive(Clone, Debug, Default)]
pub struct Interfaces {
    all: Vec<Interface>,
    /// What has no tag, by port.
    untagged: Vec<Option<u16>>,
    tagged: Map<Lan, u16>,
}

impl From<Vec<Interface>> for Interfaces {
    /// Of several at one place, frames belong to the first.
    fn from(all: Vec<Interface>) -> Self {
        let (mut untagged, mut tagged) = (Vec::new(), Map::default());
        for (interface, index) in all.iter().zip(0..) {
            let port = usize::from(interface.lan.port());
            if interface.lan.vlan() != 0 {
                tagged.entry(interface.lan).or_insert(index);
            } else {
                untagged.resize(untagged.len().max(port + 1), None);
                untagged[port].get_or_insert(index);
            }
        }
        Self { all, untagged, tagged }
    }
}

impl Deref for Interfaces {
    type Target = [Interface];

    fn deref(&self) -> &[Interface] {
        &self.all
    }
}

impl Interfaces {
    /// The interface that frames of a LAN belong to.
    #[must_use]
    pub fn at(&self, lan: Lan) -> Option<(u16, &Interface)> {
        let untagged = || *self.untagged.get(usize::from(lan.port()))?;
        let index = if lan.vlan() == 0 { untagged()? } else { *self.tagged.get(&lan)? };
        Some((index, self.all.get(usize::from(index))?))
    }
}

/// The director's addresses.
#[derive(Clone, Debug, Default)]
pub struct Locals {
    /// IPv4 addresses and whether each is unicast (`true`) or a subnet's broadcast (`false`).
    pub v4: SharedMap<u32, bool>,
    /// IPv6 addresses.
    pub v6: SharedMap<u128, ()>,
}

/// Whether an address means something on one link only.
#[must_use]
pub const fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(six) if six.is_unicast_link_local())
}

/// What a routing decision gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// To a resolved neighbour, by index.
    Hop(u32),
    /// To a neighbour that must be resolved first.
    Unresolved {
        /// Its interface.
        interface: u16,
        /// Its address.
        address: IpAddr,
    },
    /// No route, or an unreachable one.
    Unreachable,
    /// A blackhole.
    Blackhole,
}

impl Locals {
    /// Whether an address is the director's own, and of one host.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.v4.get(&address.to_bits()) == Some(&true),
            IpAddr::V6(address) => self.v6.contains_key(&address.to_bits()),
        }
    }
}

impl Net {
    /// Where a packet to `address` goes.
    #[must_use]
    pub fn path(&self, address: IpAddr) -> Path {
        let (interface, next) = match self.routes.lookup(address) {
            Some(Action::OnLink { interface }) => (interface, address),
            Some(Action::Via { interface, gateway }) => (interface, gateway),
            Some(Action::Unreachable) | None => return Path::Unreachable,
            Some(Action::Blackhole) => return Path::Blackhole,
        };
        self.neighbor(interface, next)
    }

    /// Where an answer to what came from a LAN goes. A link-local address is on that link (RFC 4291 2.5.6).
    #[must_use]
    pub fn path_back(&self, lan: Lan, address: IpAddr) -> Path {
        match self.interfaces.at(lan) {
            Some((interface, _)) if is_link_local(address) => self.neighbor(interface, address),
            _ => self.path(address),
        }
    }

    /// To a neighbour on an interface.
    #[must_use]
    pub fn neighbor(&self, interface: u16, address: IpAddr) -> Path {
        self.hops.find(interface, address).map_or(Path::Unresolved { interface, address }, Path::Hop)
    }

    /// The source address of what the director itself sends to `address`.
    #[must_use]
    pub fn source_towards(&self, address: IpAddr) -> Option<IpAddr> {
        let interface = match self.routes.lookup(address)? {
            Action::OnLink { interface } | Action::Via { interface, .. } => {
                self.interfaces.get(usize::from(interface))?
            }
            Action::Unreachable | Action::Blackhole => return None,
        };
        if address.is_ipv4() { interface.source4.map(IpAddr::V4) } else { interface.source6.map(IpAddr::V6) }
    }
}
