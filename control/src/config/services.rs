//! `[[service]]` and `[[service.server]]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use dataplane::flow::{Family, ServiceKey};
use dataplane::sched::Scheduler;

use super::check::Once;
use super::model::{Server, Service};
use super::scope::{Read, Scope};
use super::spot::Spot;
use super::{network, suggest};
use crate::api::options::Plain;
use crate::api::rules::{self, Fault};
use crate::api::{
    DEFAULT_SCHEDULER, Forward, Granularity, Name, SERVER, SERVICE, ServerKind, ServerSpec, ServiceKind, ServiceSpec,
    ServiceWords, TunnelChecksum, TunnelSpec, flags,
};

/// What stands for a key, or for an address, that is wrong.
const NO_KEY: ServiceKey = ServiceKey::Mark { fwmark: 0, family: Family::Ipv4 };
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// All services of the file.
pub(super) fn services<'a>(top: &Scope<'a>) -> Vec<Read<'a, Service>> {
    let read = network::entries(top, "service", service);
    let mut keys = Once::new();
    for Read { value, scope } in &read {
        let key = if matches!(value.spec.key, ServiceKey::Mark { .. }) { "fwmark" } else { "address" };
        keys.insert(value.spec.key, value.spec.key, scope, key);
    }
    read
}

fn service(scope: &Scope<'_>) -> Option<Service> {
    let key = key(scope);
    // Where that is wrong, the options are read all the same, for what is wrong with them.
    let mut words = ServiceWords::new(key.unwrap_or(NO_KEY), Name::Known(DEFAULT_SCHEDULER));
    let mut unread = Vec::new();
    for row in &SERVICE {
        let Some(spot) = scope.value(row.key) else { continue };
        let read = match (&row.kind, &words.scheduler) {
            (ServiceKind::Plain(plain), _) => option(&spot, plain, &mut words),
            (ServiceKind::Netmask, _) => granularity(&spot).map(|given| words.granularity = Some(given)),
            // Without its scheduler, flags cannot be judged.
            (ServiceKind::Flags, &Name::Known(scheduler)) if !unread.contains(&"scheduler") => {
                bits(&spot, scheduler).map(|bits| words.sched_flags = bits)
            }
            (ServiceKind::Flags, _) => Some(()),
        };
        if read.is_none() {
            unread.push(row.key);
        }
    }
    if key.is_none() {
        // Without its service a server cannot be judged.
        scope.has("server");
        return None;
    }
    let spec = words.known().ok()?;
    // A persistence that could not be read is not a missing one: whether the address needs a port cannot be said.
    let unsure = unread.contains(&"persistence");
    for fault in service_faults(&spec) {
        if !unsure || fault.key() != "address" {
            scope.wrong(fault.key(), fault.to_string());
        }
    }
    let servers = servers(scope, &spec);
    Some(Service { spec, servers, place: scope.place() })
}

/// Sets an option to what the file says.
fn option<T, W>(spot: &Spot<'_>, plain: &Plain<T, W>, spec: &mut W) -> Option<()> {
    match plain {
        Plain::Flag { set, .. } => spot.boolean().map(|on| set(spec, on)),
        Plain::Number { least, most, set, .. } => {
            spot.number((*least).into()..=(*most).into()).map(|number| set(spec, number))
        }
        Plain::Name { known, set, .. } => spot.one_of(&known()).map(|name| set(spec, name.to_owned())),
    }
}

/// What is wrong with a service by itself: of what identifies it, the first fault.
fn service_faults(spec: &ServiceSpec) -> impl Iterator<Item = Fault> {
    let key = &spec.key;
    let first = rules::virtual_address(key).or_else(|| rules::has_port(spec)).or_else(|| rules::one_packet(spec));
    first.or_else(|| rules::mark(key)).into_iter().chain(rules::netmask(spec))
}

/// What is wrong with a server of a service: of its address, the first fault.
fn server_faults(service: &ServiceSpec, spec: &ServerSpec) -> impl Iterator<Item = Fault> {
    let key = &service.key;
    let first = rules::server_address(spec.address.ip()).or_else(|| rules::family(key.family(), spec));
    let address = first.or_else(|| rules::kept_port(key, spec));
    [address, rules::lower(spec), rules::tunnel(spec), rules::method(spec).err()].into_iter().flatten()
}

fn key(scope: &Scope<'_>) -> Option<ServiceKey> {
    let mark = scope.value("fwmark");
    let address = scope.value("address");
    match (mark, address) {
        (Some(_), Some(_)) => {
            scope.has("protocol");
            scope.has("family");
            scope.wrong("fwmark", "is not allowed together with address; a service is by mark or by address");
            None
        }
        (Some(mark), None) => {
            if scope.has("protocol") {
                scope.wrong("protocol", "is not for a service by mark");
            }
            let family = scope.value("family").map_or(Some(Family::Ipv4), |spot| spot.named());
            Some(ServiceKey::Mark { fwmark: mark.number(1..=u32::MAX.into())?, family: family? })
        }
        (None, address) => {
            if scope.has("family") {
                scope.wrong("family", "is for a service by mark; the address says it here");
            }
            let protocol = scope.need("protocol").and_then(|spot| spot.named());
            if address.is_none() {
                scope.wrong("address", "is missing; or give fwmark");
            }
            let (address, port) = endpoint(&address?)?;
            Some(ServiceKey::Address { protocol: protocol?, address, port: port.unwrap_or(0) })
        }
    }
}

/// `10.0.0.1:80`, `[fd00::1]:80`, or the address alone, of IPv6 also in brackets.
fn endpoint(spot: &Spot<'_>) -> Option<(IpAddr, Option<u16>)> {
    let wanted = "an address and port as 10.0.0.1:80 or [fd00::1]:80";
    spot.read(wanted, |text| {
        let whole = text.parse::<SocketAddr>().ok().filter(scopeless).map(|both| (both.ip(), Some(both.port())));
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|inside| inside.contains(':'));
        whole.or_else(|| bare.unwrap_or(text).parse().ok().map(|address| (address, None)))
    })
}

/// Zones of link-local addresses have no meaning for a service.
fn scopeless(address: &SocketAddr) -> bool {
    !matches!(address, SocketAddr::V6(six) if six.scope_id() != 0)
}

fn bits(spot: &Spot<'_>, scheduler: Scheduler) -> Option<u8> {
    let bits = spot.list_of(|name| {
        let text = name.text()?;
        match flags::bit(text) {
            None => name.wrong(format!("unknown {text:?}{}", suggest::hint(text, &flags::names()))),
            Some((_, Some(owner))) if owner != scheduler => {
                name.wrong(format!("{text} is for scheduler {}, not {}", owner.name(), scheduler.name()))
            }
            Some((bit, _)) => Some(bit),
        }
    })?;
    Some(bits.into_iter().fold(0, |all, bit| all | bit))
}

fn granularity(spot: &Spot<'_>) -> Option<Granularity> {
    if spot.is_text() {
        spot.read("a mask as 255.255.255.0", |text| text.parse().ok()).map(Granularity::Mask)
    } else {
        spot.number(1..=128).map(Granularity::Prefix)
    }
}

fn servers(scope: &Scope<'_>, service: &ServiceSpec) -> Vec<Server> {
    let read = network::entries(scope, "server", |scope| server(scope, service));
    let mut addresses = Once::new();
    for Read { value, scope } in &read {
        addresses.insert(value.spec.address, value.spec.address, scope, "address");
    }
    read.into_iter().map(|read| read.value).collect()
}

fn server(scope: &Scope<'_>, service: &ServiceSpec) -> Option<Server> {
    let address = scope.need("address").and_then(|spot| endpoint(&spot));
    let mut spec = ServerSpec::new(NOWHERE, Forward::Nat);
    let mut sound = true;
    for row in &SERVER {
        let read = match &row.kind {
            ServerKind::Plain(plain) => scope.value(row.key).map(|spot| option(&spot, plain, &mut spec)),
            ServerKind::Tunnel => scope.table(row.key).map(|table| tunnel(&table).map(|it| spec.tunnel = Some(it))),
        };
        sound &= read != Some(None);
    }
    let service_port = if let ServiceKey::Address { port, .. } = service.key { port } else { 0 };
    let (ip, port) = address.filter(|_| sound)?;
    spec.address = SocketAddr::new(ip, port.unwrap_or(service_port));
    for fault in server_faults(service, &spec) {
        scope.wrong(fault.key(), fault.to_string());
    }
    Some(Server { spec, place: scope.place() })
}

fn tunnel(scope: &Scope<'_>) -> Option<TunnelSpec> {
    let kind = scope.need("kind").and_then(|spot| spot.named());
    let port = scope.value("port").map_or(Some(0), |spot| spot.number(1..=65535));
    let checksum = scope.value("checksum").map_or(Some(TunnelChecksum::None), |spot| spot.named());
    scope.finish();
    Some(TunnelSpec { kind: kind?, port: port?, checksum: checksum? })
}
