//! `[[service]]` and `[[service.server]]`.

use std::net::{IpAddr, SocketAddr};

use dataplane::flow::{Family, ServiceKey};
use dataplane::sched::Scheduler;

use super::check::Once;
use super::model::{Server, Service};
use super::scope::{Read, Scope};
use super::spot::Spot;
use super::{network, suggest};
use crate::api::rules::{self, Fault};
use crate::api::{DEFAULT_SCHEDULER, Forward, Granularity, ServerSpec, ServiceSpec, TunnelChecksum, TunnelSpec, flags};

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
    let scheduler = scope.value("scheduler").map_or(Some(DEFAULT_SCHEDULER), |spot| spot.named());
    // Without its scheduler, flags cannot be judged.
    let flags = scope.value("flags").filter(|_| scheduler.is_some());
    let scheduler = scheduler.unwrap_or(DEFAULT_SCHEDULER);
    let sched_flags = flags.and_then(|spot| bits(&spot, scheduler)).unwrap_or_default();
    let ops = scope.value("ops").and_then(|spot| spot.boolean()).unwrap_or_default();
    let persistence = scope.value("persistence").and_then(|spot| spot.number(1..=rules::PERSISTENCE_MAX.into()));
    let granularity = scope.value("netmask").and_then(|spot| granularity(&spot));
    let engine = scope.value("engine").and_then(|spot| spot.named());
    let Some(key) = key else {
        // Without its service a server cannot be judged.
        scope.has("server");
        return None;
    };
    let spec = ServiceSpec { key, scheduler, sched_flags, ops, persistence, granularity, engine };
    // A persistence that could not be read is not a missing one: whether the address needs a port cannot be said.
    let unsure = persistence.is_none() && scope.has("persistence");
    for fault in service_faults(&spec) {
        if !unsure || fault.key() != "address" {
            scope.wrong(fault.key(), fault.to_string());
        }
    }
    let servers = servers(scope, &spec);
    Some(Service { spec, servers, place: scope.place() })
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
    let number = |key, most: u32| scope.value(key).map(|spot| spot.number::<u32>(0..=most.into()));
    let forward = scope.value("forward").map_or(Some(Forward::Nat), |spot| spot.named());
    let weight = number("weight", rules::WEIGHT_MAX).unwrap_or(Some(1));
    let upper = number("upper", rules::UPPER_MAX).unwrap_or(Some(0));
    let lower = number("lower", rules::UPPER_MAX).unwrap_or(Some(0));
    let tunnel = scope.table("tunnel").map_or(Some(None), |table| tunnel(&table).map(Some));
    let service_port = if let ServiceKey::Address { port, .. } = service.key { port } else { 0 };
    let (ip, port) = address?;
    let spec = ServerSpec {
        address: SocketAddr::new(ip, port.unwrap_or(service_port)),
        forward: forward?,
        weight: weight?,
        upper: upper?,
        lower: lower?,
        tunnel: tunnel?,
    };
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
