//! How the parts of the network fit together: names, and who is on which link.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::net::IpAddr;

use dataplane::tables::is_link_local;
use ipnet::IpNet;

use super::device;
use super::model::{Interface, MarkRule, Neighbor, Route, RouteAction, Server, Service, Vip};
use super::scope::{Read, Scope};
use super::suggest;
use crate::ipvs;

/// The interfaces of the file, for those who refer to them.
pub(super) struct Links<'r, 'a> {
    all: &'r [Read<'a, Interface>],
    /// Whether all of them could be read. If not, what is on which link cannot be said.
    sure: bool,
}

impl<'r, 'a> Links<'r, 'a> {
    pub(super) fn new(all: &'r [Read<'a, Interface>], sure: bool) -> Self {
        Self { all, sure }
    }

    fn named(&self, name: &str) -> Option<&Interface> {
        self.all.iter().map(|read| &read.value).find(|interface| interface.name == name)
    }

    /// Refuses a name that no interface has.
    fn known(&self, name: &str) -> Option<String> {
        let names: Vec<&str> = self.all.iter().map(|read| read.value.name.as_str()).collect();
        self.named(name).is_none().then(|| format!("there is no interface {name:?}{}", suggest::hint(name, &names)))
    }

    /// Whether an address is on a link: of one interface, or of any.
    fn reach(&self, address: IpAddr, name: Option<&str>) -> bool {
        let mut links = self.all.iter().map(|read| &read.value);
        let asked = |link: &Interface| name.is_none_or(|name| link.name == name);
        let has = |link: &Interface| link.addresses.iter().any(|net| net.contains(&address));
        if is_link_local(address) {
            return name.is_some() && links.any(|link| asked(link) && speaks_ipv6(link));
        }
        links.any(|link| asked(link) && has(link))
    }

    /// Why an address is not reached on the named link.
    fn unreached(&self, address: IpAddr, name: &str) -> String {
        match is_link_local(address) && self.named(name).is_some() {
            true => format!("{address} is not reachable: {name} has no IPv6 address"),
            false => format!("{address} is on no prefix of {name}"),
        }
    }

    fn owns(&self, address: IpAddr) -> bool {
        self.all.iter().flat_map(|read| &read.value.addresses).any(|net| net.addr() == address)
    }

    fn prefixes(&self) -> String {
        let nets: Vec<String> =
            self.all.iter().flat_map(|read| &read.value.addresses).map(|n| n.trunc().to_string()).collect();
        if nets.is_empty() {
            "no interface has an address".to_owned()
        } else {
            format!("connected are {}", nets.join(", "))
        }
    }
}

/// Only then does an interface have a link-local address of its own.
fn speaks_ipv6(link: &Interface) -> bool {
    link.addresses.iter().any(|net| net.addr().is_ipv6())
}

/// Remembers who came first.
pub(super) struct Once<K>(HashMap<K, u32>);

impl<K: Eq + Hash> Once<K> {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Refuses what was there before, at the line of `key` in this table.
    pub(super) fn insert(&mut self, value: K, shown: impl std::fmt::Display, scope: &Scope<'_>, key: &str) {
        let line = scope.place().line;
        match self.0.get(&value) {
            Some(first) => scope.wrong(key, format!("{shown} is a duplicate of line {first}")),
            None => _ = self.0.insert(value, line),
        }
    }
}

pub(super) fn interfaces(links: &Links<'_, '_>) {
    let (mut names, mut devices, mut vlans, mut addresses) = (Once::new(), Once::new(), Once::new(), HashSet::new());
    for Read { value, scope } in links.all {
        names.insert(&value.name, &value.name, scope, "name");
        if let Some(device) = &value.device {
            devices.insert(device::target(device), device, scope, "device");
        }
        if let (Some(parent), Some(vlan)) = (&value.parent, value.vlan) {
            vlans.insert((parent, vlan), format!("VLAN {vlan} of {parent}"), scope, "vlan");
        }
        for (index, net) in value.addresses.iter().enumerate() {
            // A link-local one may be used on each link.
            let link = is_link_local(net.addr()).then_some(&value.name);
            if !addresses.insert((net.addr(), link)) {
                scope.wrong_element("addresses", index, format!("{} is a duplicate", net.addr()));
            }
        }
        parent(links, value, scope);
    }
}

fn parent(links: &Links<'_, '_>, child: &Interface, scope: &Scope<'_>) {
    let Some(name) = &child.parent else { return };
    match links.named(name) {
        None => scope.wrong("parent", links.known(name).unwrap_or_default()),
        Some(parent) if parent.device.is_none() && parent.parent.is_some() => {
            scope.wrong("parent", format!("{name} is a VLAN itself; name an interface that has a device"));
        }
        Some(parent) if parent.mtu < child.mtu => {
            let text = format!("{} is too large; {name}, which carries it, has {}", child.mtu, parent.mtu);
            scope.wrong("mtu", text);
        }
        Some(_) => {}
    }
}

pub(super) fn routes(links: &Links<'_, '_>, routes: &[Read<'_, Route>]) {
    let mut prefixes = Once::new();
    for Read { value, scope } in routes {
        prefixes.insert(value.to, value.to, scope, "to");
        match &value.action {
            RouteAction::Via { gateway, interface } => via(links, value.to, *gateway, interface.as_deref(), scope),
            RouteAction::Interface(name) => known(links, name, scope),
            RouteAction::Unreachable | RouteAction::Blackhole => {}
        }
    }
}

fn via(links: &Links<'_, '_>, to: IpNet, gateway: IpAddr, interface: Option<&str>, scope: &Scope<'_>) {
    if let Some(name) = interface {
        known(links, name, scope);
    }
    if to.addr().is_ipv4() != gateway.is_ipv4() {
        scope.wrong("via", format!("{gateway} is not of the family of {to}"));
    } else if links.sure && links.owns(gateway) {
        scope.wrong("via", format!("{gateway} is an address of this director"));
    } else if links.sure && !links.reach(gateway, interface) {
        let text = match interface {
            None if is_link_local(gateway) => format!("{gateway} is on every link; give interface too"),
            None => format!("{gateway} is on no connected prefix; {}", links.prefixes()),
            Some(name) => links.unreached(gateway, name),
        };
        scope.wrong("via", text);
    }
}

fn known(links: &Links<'_, '_>, name: &str, scope: &Scope<'_>) {
    if let Some(text) = links.known(name) {
        scope.wrong("interface", text);
    }
}

pub(super) fn neighbors(links: &Links<'_, '_>, neighbors: &[Read<'_, Neighbor>]) {
    let mut seen = Once::new();
    for Read { value, scope } in neighbors {
        let Neighbor { address, interface, .. } = value;
        seen.insert((address, interface), format!("{address} on {interface}"), scope, "address");
        known(links, interface, scope);
        if links.sure && links.owns(*address) {
            scope.wrong("address", format!("{address} is an address of this director"));
        } else if links.sure && !links.reach(*address, Some(interface)) {
            scope.wrong("address", links.unreached(*address, interface));
        }
    }
}

pub(super) fn vips(links: &Links<'_, '_>, vips: &[Read<'_, Vip>]) {
    let mut seen = Once::new();
    for Read { value, scope } in vips {
        seen.insert(value.address, value.address, scope, "address");
        let mut names = HashSet::new();
        for (index, name) in value.interfaces.iter().enumerate() {
            if let Some(text) = links.known(name) {
                scope.wrong_element("interfaces", index, text);
            } else if !names.insert(name) {
                scope.wrong_element("interfaces", index, format!("{name} is a duplicate"));
            }
        }
    }
}

pub(super) fn services(links: &Links<'_, '_>, services: &[Read<'_, Service>]) {
    if !links.sure {
        return;
    }
    let broadcasts = ipvs::Links::of(links.all.iter().flat_map(|read| &read.value.addresses));
    for Read { value, scope } in services {
        for Server { spec, place } in &value.servers {
            let address = spec.address.ip();
            if let Some(fault) = broadcasts.fault(address)
                && let Some(server) = scope.nested("server", place.line)
            {
                server.wrong(fault.key(), fault.to_string());
            }
        }
    }
}

pub(super) fn marks(links: &Links<'_, '_>, marks: &[Read<'_, MarkRule>]) {
    let mut seen = Once::new();
    for Read { value, scope } in marks {
        let words = value.spec.to_string();
        seen.insert(words.clone(), words, scope, "mark");
        if let Some(name) = &value.spec.interface {
            known(links, name, scope);
        }
    }
}
