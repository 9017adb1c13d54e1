//! Interfaces, addresses and routes: what the configuration says, turned into what workers read.

use dataplane::map::Seed;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use dataplane::neighbor::{NextHop, NextHops};
use dataplane::route::{Action, Prefix, RouteTable};
use dataplane::tables::{Interface, Net, is_link_local};
use dataplane::wire::ethernet::MacAddr;
use dataplane::wire::ndisc;
use dataplane::wire::vlan::Lan;
use ipnet::IpNet;

use crate::neighbors::Neighbors;

/// An address, which is the prefix of one host, or a prefix.
#[must_use]
pub fn host_or_prefix(text: &str) -> Option<IpNet> {
    text.parse::<IpAddr>().map(IpNet::from).ok().or_else(|| text.parse().ok())
}

/// An interface of the configuration, on a port that was started.
#[derive(Clone, Debug)]
pub struct NetInterface {
    /// Name.
    pub name: Arc<str>,
    /// Its port, and its VLAN there.
    pub lan: Lan,
    /// MAC.
    pub mac: MacAddr,
    /// Largest IP packet.
    pub mtu: u16,
    /// Own addresses with their prefixes.
    pub addresses: Vec<IpNet>,
    /// What it is called by on its own link: the first such address of the file, else one made of its MAC. Without any
    /// IPv6 address it has none.
    pub link_local: Option<Ipv6Addr>,
    /// The last virtual IPv6 address that the configuration has here.
    pub virtual6: Option<Ipv6Addr>,
}

/// The link-local address of an interface with these addresses.
#[must_use]
pub fn link_local(addresses: &[IpNet], mac: MacAddr) -> Option<Ipv6Addr> {
    let six = |net: &IpNet| if let IpAddr::V6(address) = net.addr() { Some(address) } else { None };
    let mut own = addresses.iter().filter_map(six).peekable();
    own.peek()?;
    own.find(Ipv6Addr::is_unicast_link_local).or_else(|| Some(ndisc::link_local(mac)))
}

impl NetInterface {
    /// Whether an address is on this link.
    #[must_use]
    pub fn has_on_link(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|net| net.contains(&address))
    }

    /// Whether an address is this interface's own.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.all_addresses().any(|own| own == address)
    }

    /// Its own addresses, the link-local one among them.
    pub fn all_addresses(&self) -> impl Iterator<Item = IpAddr> {
        let made = self.link_local.map(IpAddr::V6).filter(|own| self.addresses.iter().all(|net| net.addr() != *own));
        self.addresses.iter().map(IpNet::addr).chain(made)
    }

    fn worker_view(&self) -> Interface {
        let own = |v4: bool| {
            let mut usual = self.addresses.iter().map(IpNet::addr).filter(|address| !is_link_local(*address));
            usual.find(|address| address.is_ipv4() == v4)
        };
        Interface {
            name: Arc::clone(&self.name),
            lan: self.lan,
            mac: self.mac,
            mtu: self.mtu,
            source4: own(true).and_then(|a| if let IpAddr::V4(a) = a { Some(a) } else { None }),
            source6: own(false).and_then(|a| if let IpAddr::V6(a) = a { Some(a) } else { None }).or(self.link_local),
            virtual6: self.virtual6,
        }
    }
}

/// The director's address on the way to a neighbour: one of the same prefix, else the interface's first, else that of
/// another interface (`inet_select_addr`). It is to be heard behind the neighbour too, so none is link-local.
fn source(interfaces: &[NetInterface], interface: &NetInterface, neighbor: IpAddr) -> Option<IpAddr> {
    let fits = |address: &IpAddr| address.is_ipv4() == neighbor.is_ipv4() && !is_link_local(*address);
    let alike = |net: &IpNet| Some(net.addr()).filter(fits);
    let near = interface.addresses.iter().filter(|net| net.contains(&neighbor)).find_map(alike);
    near.or_else(|| interface.addresses.iter().find_map(alike))
        .or_else(|| interfaces.iter().flat_map(|other| &other.addresses).find_map(alike))
}

/// A route of the file, or made at run time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetRoute {
    /// Prefix.
    pub to: IpNet,
    /// Where it leads.
    pub action: Action,
    /// Made at run time.
    pub runtime: bool,
}

/// Connected and configured routes, longest prefixes first. Nothing is routed to link-local prefixes, which are on
/// every link (RFC 4291 2.5.6).
#[must_use]
pub fn all_routes(interfaces: &[NetInterface], routes: &[NetRoute]) -> Vec<(NetRoute, bool)> {
    let connected = interfaces.iter().enumerate().flat_map(|(index, interface)| {
        let action = Action::OnLink { interface: index as u16 };
        let nets = interface.addresses.iter().filter(|net| !is_link_local(net.addr()));
        nets.map(move |net| (NetRoute { to: net.trunc(), action, runtime: false }, true))
    });
    let mut all: Vec<_> = connected.chain(routes.iter().map(|route| (route.clone(), false))).collect();
    all.sort_by_key(|(route, _)| std::cmp::Reverse(route.to.prefix_len()));
    all
}

/// What workers read.
#[must_use]
pub fn tables(
    version: u32,
    interfaces: &[NetInterface],
    routes: &[NetRoute],
    neighbors: &Neighbors,
    seed: Seed,
) -> Net {
    let mut table = RouteTable::default();
    for (route, _) in all_routes(interfaces, routes) {
        table.insert(Prefix { address: route.to.network(), length: route.to.prefix_len() }, route.action);
    }
    let resolved = neighbors.iter().filter_map(|(key, neighbor)| {
        let interface = interfaces.get(usize::from(key.0))?;
        let hop = NextHop::new(interface.lan, interface.mtu, interface.mac, neighbor.mac?, Arc::clone(&neighbor.used));
        Some((*key, hop.from(source(interfaces, interface, key.1))))
    });
    Net {
        version,
        interfaces: interfaces.iter().map(NetInterface::worker_view).collect::<Vec<_>>().into(),
        routes: table,
        hops: NextHops::new(seed, resolved),
    }
}
