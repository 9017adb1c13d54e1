//! `[[interface]]`, `[[route]]`, `[[neighbor]]` and `[[vip]]`, each by itself. How they fit together: `check`.

use std::collections::HashMap;
use std::net::IpAddr;

use dataplane::steering::Side;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::device;
use super::mac::Mac;
use super::model::{Interface, Neighbor, Route, RouteAction, Vip};
use super::scope::{Read, Scope};
use super::spot::Spot;

/// What the prefix of everything may be called.
pub(crate) const DEFAULT_ROUTE: &str = "default";

/// Bytes of an IP packet that every link carries, and that a jumbo frame does.
const MTU: (i128, i128) = (68, 9600);
/// RFC 8200, section 5.
const MTU_IPV6: u16 = dataplane::wire::ipv6::LEAST_MTU;
const NAME_MAX: usize = 31;

const SIDES: [(&str, Side); 3] = [("both", Side::Both), ("client", Side::Client), ("server", Side::Server)];

pub(super) fn side_name(side: Side) -> &'static str {
    SIDES.iter().find(|(_, value)| *value == side).map_or("both", |&(name, _)| name)
}

pub(super) fn interfaces<'a>(top: &Scope<'a>) -> Vec<Read<'a, Interface>> {
    let mut all = entries(top, "interface", interface);
    inherit_mtus(&mut all);
    all.iter().for_each(|read| fits_ipv6(&read.value, &read.scope));
    all
}

/// What a VLAN does not say of its MTU, its parent does.
fn inherit_mtus(all: &mut [Read<'_, Interface>]) {
    let own: HashMap<String, u16> = all.iter().map(|read| (read.value.name.clone(), read.value.mtu)).collect();
    for Read { value, scope } in all {
        if let Some(mtu) = value.parent.as_ref().and_then(|parent| own.get(parent)).filter(|_| !scope.has("mtu")) {
            value.mtu = *mtu;
        }
    }
}

fn fits_ipv6(interface: &Interface, scope: &Scope<'_>) {
    let six = interface.addresses.iter().any(|net| matches!(net, IpNet::V6(_)));
    if six && interface.mtu < MTU_IPV6 {
        scope.wrong("mtu", format!("{} is too small for IPv6; {MTU_IPV6} to {}", interface.mtu, MTU.1));
    }
}

pub(super) fn routes<'a>(top: &Scope<'a>) -> Vec<Read<'a, Route>> {
    entries(top, "route", route)
}

pub(super) fn neighbors<'a>(top: &Scope<'a>) -> Vec<Read<'a, Neighbor>> {
    entries(top, "neighbor", neighbor)
}

pub(super) fn vips<'a>(top: &Scope<'a>) -> Vec<Read<'a, Vip>> {
    entries(top, "vip", vip)
}

/// Every table of a kind that can be understood; what cannot has been noted.
pub(super) fn entries<'a, T>(
    top: &Scope<'a>,
    key: &'static str,
    read: impl Fn(&Scope<'a>) -> Option<T>,
) -> Vec<Read<'a, T>> {
    let mut all = Vec::new();
    for scope in top.tables(key) {
        let value = read(&scope);
        scope.finish();
        all.extend(value.map(|value| Read { value, scope }));
    }
    all
}

fn interface(scope: &Scope<'_>) -> Option<Interface> {
    let read = Interface {
        name: scope.need("name").and_then(|spot| name(&spot)).unwrap_or_default(),
        device: scope.value("device").and_then(|spot| device(&spot)),
        parent: scope.value("parent").and_then(|spot| name(&spot)),
        vlan: scope.value("vlan").and_then(|spot| spot.number(1..=4094)),
        addresses: scope.value("addresses").and_then(|spot| spot.list_of(host_in_net)).unwrap_or_default(),
        mac: scope.value("mac").and_then(|spot| mac(&spot)),
        mtu: scope.value("mtu").and_then(|spot| spot.number(MTU.0..=MTU.1)).unwrap_or(1500),
        side: scope.value("side").and_then(|spot| spot.word(&SIDES)).unwrap_or(Side::Both),
        lines: scope.lines(),
    };
    shape(scope);
    (!read.name.is_empty()).then_some(read)
}

/// A device, or a parent and a VLAN number. A VLAN has its parent's MAC, and faces whom its parent does.
fn shape(scope: &Scope<'_>) {
    if scope.has("parent") {
        for key in ["mac", "side"].into_iter().filter(|key| scope.has(key)) {
            scope.wrong(key, "is not for a VLAN, which has its parent's");
        }
    }
    match (scope.has("device"), scope.has("parent"), scope.has("vlan")) {
        (true, false, false) | (false, true, true) => {}
        (false, false, false) => scope.wrong("device", "is missing; or give parent and vlan"),
        (true, _, _) => {
            scope.wrong("device", "is not allowed with parent and vlan: a VLAN uses the device of its parent")
        }
        (false, true, false) => scope.wrong("parent", "is given without vlan; give both"),
        (false, false, true) => scope.wrong("vlan", "is given without parent; give both"),
    }
}

pub(super) fn name(spot: &Spot<'_>) -> Option<String> {
    let wanted = "a name: letters, digits, dots, dashes and underscores, at most 31";
    spot.read(wanted, |text| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        (text.len() <= NAME_MAX && text.bytes().all(fits)).then(|| text.to_owned())
    })
}

fn device(spot: &Spot<'_>) -> Option<String> {
    let text = spot.text()?;
    device::fault(text).map_or_else(|| Some(text.to_owned()), |fault| spot.wrong(fault))
}

pub(super) fn mac(spot: &Spot<'_>) -> Option<Mac> {
    let mac: Mac = spot.read("an Ethernet address as 02:00:00:00:00:01", |text| text.parse().ok())?;
    mac.fault().map_or(Some(mac), |fault| spot.wrong(format!("{mac} {fault}")))
}

/// The address of a station together with its prefix.
fn host_in_net(spot: &Spot<'_>) -> Option<IpNet> {
    let net: IpNet = spot.read("an address with the length of its prefix as 10.0.0.1/24", |text| text.parse().ok())?;
    station_fault(net.addr()).map_or(Some(()), |fault| spot.wrong(format!("{net} {fault}")))?;
    let IpNet::V4(four) = net else { return Some(net) };
    if four.prefix_len() < 31 && four.addr() == four.network() {
        return spot.wrong(format!("{net} is the network address, not the address of a host"));
    }
    if four.prefix_len() < 31 && four.addr() == four.broadcast() {
        return spot.wrong(format!("{net} is the broadcast address of its network"));
    }
    Some(net)
}

/// What keeps an address from belonging to one station, if anything does.
pub(super) fn station_fault(address: IpAddr) -> Option<&'static str> {
    match address {
        _ if address.is_unspecified() => Some("is not an address of a host"),
        _ if address.is_multicast() => Some("is a multicast address"),
        _ if address.is_loopback() => Some("is a loopback address"),
        IpAddr::V4(four) if four.is_broadcast() => Some("is the broadcast address"),
        _ => None,
    }
}

/// An address that can belong to one station.
pub(super) fn station(spot: &Spot<'_>) -> Option<IpAddr> {
    let address: IpAddr = spot.read("an IP address", |text| text.parse().ok())?;
    station_fault(address).map_or(Some(address), |fault| spot.wrong(format!("{address} {fault}")))
}

fn route(scope: &Scope<'_>) -> Option<Route> {
    let action = action(scope);
    let to = scope.need("to").and_then(|spot| destination(&spot, action.as_ref()));
    Some(Route { to: to?, action: action?, place: scope.place() })
}

/// A prefix, or `default`: everything of the gateway's family, without a gateway of IPv4.
fn destination(spot: &Spot<'_>, action: Option<&RouteAction>) -> Option<IpNet> {
    if !spot.is_text() || spot.text()? != DEFAULT_ROUTE {
        return prefix(spot);
    }
    let six = matches!(action, Some(RouteAction::Via { gateway: IpAddr::V6(_), .. }));
    Some(if six { Ipv6Net::default().into() } else { Ipv4Net::default().into() })
}

pub(super) fn prefix(spot: &Spot<'_>) -> Option<IpNet> {
    let net: IpNet = spot.read("a prefix as 10.0.0.0/8", |text| text.parse().ok())?;
    if net != net.trunc() {
        return spot.wrong(format!("{net} has bits beyond its prefix; {} would be right", net.trunc()));
    }
    Some(net)
}

fn action(scope: &Scope<'_>) -> Option<RouteAction> {
    let gateway = scope.value("via").map(|spot| station(&spot));
    let interface = scope.value("interface").map(|spot| name(&spot));
    let unreachable = scope.value("unreachable").map(|spot| spot.boolean());
    let blackhole = scope.value("blackhole").map(|spot| spot.boolean());
    let flag = |flag: Option<Option<bool>>| flag.is_some_and(|read| read.unwrap_or(true));
    let action = match (gateway, interface, flag(unreachable), flag(blackhole)) {
        (Some(gateway), interface, false, false) => {
            let interface = interface.map_or(Some(None), |name| name.map(Some));
            RouteAction::Via { gateway: gateway?, interface: interface? }
        }
        (None, Some(interface), false, false) => RouteAction::Interface(interface?),
        (None, None, true, false) => RouteAction::Unreachable,
        (None, None, false, true) => RouteAction::Blackhole,
        (None, None, false, false) => {
            scope.wrong("via", "is missing; or give interface, unreachable = true or blackhole = true");
            return None;
        }
        _ => {
            scope
                .wrong("to", "has more than one target; give via or interface, unreachable = true or blackhole = true");
            return None;
        }
    };
    Some(action)
}

fn neighbor(scope: &Scope<'_>) -> Option<Neighbor> {
    let address = scope.need("address").and_then(|spot| station(&spot));
    let interface = scope.need("interface").and_then(|spot| name(&spot));
    let mac = scope.need("mac").and_then(|spot| mac(&spot));
    Some(Neighbor { address: address?, interface: interface?, mac: mac?, place: scope.place() })
}

fn vip(scope: &Scope<'_>) -> Option<Vip> {
    let address = scope.need("address").and_then(|spot| station(&spot));
    let interfaces = scope.need("interfaces").and_then(|spot| spot.list_of(name));
    Some(Vip { address: address?, interfaces: interfaces?, place: scope.place() })
}
