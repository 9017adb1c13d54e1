//! What a file may say and that cannot work: addresses that nobody answers for, servers that no packet reaches. A director
//! starts with it all the same.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use dataplane::flow::{Family, ServiceKey};
use dataplane::route::{Action, Prefix, RouteTable};
use dataplane::tables::is_link_local;
use ipnet::IpNet;

use super::model::{Interface, Route, RouteAction, Server, Service, Vip};
use super::scope::{Read, Scope};
use crate::api::{ServerSpec, rules};
use crate::ipvs;

/// The network of a file.
pub(super) struct Network<'r, 'a> {
    pub(super) interfaces: &'r [Read<'a, Interface>],
    pub(super) routes: &'r [Read<'a, Route>],
    pub(super) vips: &'r [Read<'a, Vip>],
}

/// The network of a file, to look addresses up in.
struct Around<'r> {
    connected: RouteTable,
    routes: RouteTable,
    own: HashSet<IpAddr>,
    /// Virtual addresses: of services, and those that the file names.
    virtuals: HashSet<IpAddr>,
    named: HashSet<IpAddr>,
    /// Addresses that no host of a link has, and what they are.
    special: HashMap<IpAddr, String>,
    broadcasts: ipvs::Links,
    interfaces: Vec<&'r Interface>,
}

impl Network<'_, '_> {
    /// Notes what cannot work. `sure`: the network is in order, so that it can be said who is reached; `restored`: rules that
    /// are restored at the start may bring servers and weights of their own.
    pub(super) fn warn(&self, sure: bool, restored: bool, services: &[Read<'_, Service>]) {
        if sure {
            self.prefixes();
            let around = self.around(services);
            self.vips.iter().for_each(|vip| around.named_address(vip.value.address, &vip.scope));
            services.iter().for_each(|service| around.service(&service.value, &service.scope));
        }
        if !restored {
            services.iter().for_each(|service| idle(&service.value, &service.scope));
        }
    }

    /// A prefix that is on two links: of its hosts only those on the first are found.
    fn prefixes(&self) {
        let mut first: HashMap<IpNet, &str> = HashMap::new();
        for Read { value, scope } in self.interfaces {
            for (index, net) in value.addresses.iter().enumerate().filter(|(_, net)| !is_link_local(net.addr())) {
                let other = *first.entry(net.trunc()).or_insert(&value.name);
                if other != value.name {
                    let text = format!("{} is on {other}, too: its hosts are looked for there only", net.trunc());
                    scope.warn_element("addresses", index, text);
                }
            }
        }
    }

    fn around(&self, services: &[Read<'_, Service>]) -> Around<'_> {
        let (mut connected, mut routes) = (RouteTable::default(), RouteTable::default());
        let interfaces: Vec<&Interface> = self.interfaces.iter().map(|read| &read.value).collect();
        let prefix = |net: &IpNet| Prefix { address: net.network(), length: net.prefix_len() };
        for (index, interface) in interfaces.iter().enumerate() {
            for net in interface.addresses.iter().filter(|net| !is_link_local(net.addr())) {
                let action = Action::OnLink { interface: index as u16 };
                connected.insert(prefix(net), action);
                routes.insert(prefix(net), action);
            }
        }
        for Read { value, .. } in self.routes {
            let action = match value.action {
                RouteAction::Via { gateway, .. } => Action::Via { interface: 0, gateway },
                RouteAction::Interface(_) => Action::OnLink { interface: 0 },
                RouteAction::Unreachable => Action::Unreachable,
                RouteAction::Blackhole => Action::Blackhole,
            };
            routes.insert(prefix(&value.to), action);
        }
        let named: HashSet<IpAddr> = self.vips.iter().map(|vip| vip.value.address).collect();
        let own = interfaces.iter().flat_map(|interface| &interface.addresses).map(IpNet::addr).collect();
        let virtuals = services.iter().filter_map(|service| address(&service.value)).chain(named.iter().copied());
        let (virtuals, special) = (virtuals.collect(), special(&interfaces));
        let broadcasts = ipvs::Links::of(interfaces.iter().flat_map(|interface| &interface.addresses));
        Around { connected, routes, own, virtuals, named, special, broadcasts, interfaces }
    }
}

/// The network and broadcast addresses of the links.
fn special(interfaces: &[&Interface]) -> HashMap<IpAddr, String> {
    let nets = interfaces.iter().flat_map(|interface| interface.addresses.iter().map(|net| (&interface.name, net)));
    let four = nets.filter_map(|(name, net)| if let IpNet::V4(net) = net { Some((name, net)) } else { None });
    let ends = |(name, net): (&String, &ipnet::Ipv4Net)| {
        let text = |what| format!("is the {what} address of {}, on {name}", net.trunc());
        [(net.network().into(), text("network")), (net.broadcast().into(), text("broadcast"))]
    };
    four.filter(|(_, net)| net.prefix_len() < 31).flat_map(ends).collect()
}

/// Its virtual address.
fn address(service: &Service) -> Option<IpAddr> {
    if let ServiceKey::Address { address, .. } = service.spec.key { Some(address) } else { None }
}

/// A service that has no server for anybody.
fn idle(service: &Service, scope: &Scope<'_>) {
    if service.servers.is_empty() && !scope.has("server") {
        let text =
            "is missing: without a server, connections are refused; add [[service.server]], or servers at run time";
        scope.warn("server", text);
    } else if !service.servers.is_empty() && service.servers.iter().all(|server| server.spec.weight == 0) {
        let text = "every server has weight 0: no new connection is taken";
        match scope.nested("server", service.servers[0].place.line) {
            Some(server) => server.warn("weight", text),
            None => scope.warn("server", text),
        }
    }
}

impl Around<'_> {
    fn service(&self, service: &Service, scope: &Scope<'_>) {
        if let Some(vip) = address(service) {
            self.virtual_address(vip, scope);
        }
        for Server { spec, place } in &service.servers {
            if !self.is_refused(service, spec)
                && let Some(text) = self.server(service, spec)
                && let Some(server) = scope.nested("server", place.line)
            {
                server.warn("address", text);
            }
        }
    }

    /// The address of a `[[vip]]`, which may well be on no link.
    fn named_address(&self, address: IpAddr, scope: &Scope<'_>) {
        if let Some(text) = self.special(address) {
            scope.warn("address", format!("{address} {text}: no client connects to it"));
        }
    }

    fn virtual_address(&self, address: IpAddr, scope: &Scope<'_>) {
        if self.named.contains(&address) {
            return;
        }
        if let Some(text) = self.special(address) {
            scope.warn("address", format!("{address} {text}: no client connects to it"));
        } else if !is_link_local(address) && self.connected.lookup(address).is_none() {
            let text = format!(
                "{address} is on no interface's prefix: every interface answers for it, and hosts need a route to it through \
                 this director; name the interfaces with a [[vip]], or, where it is only routed here, a [[vip]] with \
                 interfaces = []"
            );
            scope.warn("address", text);
        }
    }

    /// What an address is that no host has.
    fn special(&self, address: IpAddr) -> Option<&str> {
        let loopback = address.is_loopback().then_some("is a loopback address");
        loopback.or_else(|| self.special.get(&address).map(String::as_str))
    }

    /// Whether an error has been told of its address.
    fn is_refused(&self, service: &Service, spec: &ServerSpec) -> bool {
        let server = spec.address.ip();
        rules::family(service.spec.key.family(), spec).is_some() || self.broadcasts.fault(server).is_some()
    }

    /// Why no packet reaches a server.
    fn server(&self, service: &Service, spec: &ServerSpec) -> Option<String> {
        let server = spec.address.ip();
        if address(service) == Some(server) {
            return Some(format!(
                "{server} is the service's own virtual address; name the server by an address of its own"
            ));
        }
        if self.own.contains(&server) {
            return Some(format!("{server} is an address of this director, on which no program listens"));
        }
        if self.virtuals.contains(&server) {
            return Some(format!("{server} is a virtual address of this director, on which no program listens"));
        }
        if let Some(text) = self.special(server) {
            return Some(format!("{server} {text}: no server has it"));
        }
        match (self.routes.lookup(server), spec.forward.needs_link()) {
            (None, _) => Some(format!("no route leads to {server}; {}", self.links(server))),
            (Some(Action::Unreachable), _) => Some(format!("{server} is behind a route that is unreachable")),
            (Some(Action::Blackhole), _) => Some(format!("{server} is behind a route that is a blackhole")),
            (Some(Action::Via { gateway, .. }), true) => Some(format!(
                "{server} is behind the router {gateway}; direct routing reaches servers on the director's own links only: \
                 use tun or nat, or a link that has it"
            )),
            _ => None,
        }
    }

    /// The prefixes there are, of the family.
    fn links(&self, address: IpAddr) -> String {
        const MOST_TOLD: usize = 8;
        let nets = self.interfaces.iter().flat_map(|interface| &interface.addresses);
        let alike = nets.filter(|net| Family::of(net.addr()) == Family::of(address) && !is_link_local(net.addr()));
        let mut names: Vec<String> = alike.take(MOST_TOLD + 1).map(|net| net.trunc().to_string()).collect();
        if names.len() > MOST_TOLD {
            names[MOST_TOLD] = "...".to_owned();
        }
        if names.is_empty() {
            "no interface has an address of its family".to_owned()
        } else {
            format!("connected are {}", names.join(", "))
        }
    }
}
