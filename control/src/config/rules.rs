//! What a service and its servers have to obey, whoever asks for them: what `ipvsadm` refuses before it speaks to the
//! kernel, and what the kernel refuses (`ip_vs_ctl.c`).

use std::net::{IpAddr, Ipv4Addr};

use dataplane::flow::{Family, Protocol, ServiceKey};

use crate::api::{
    Forward, Granularity, IpProtocol, MarkSpec, ServerSpec, ServiceSpec, TunnelChecksum, TunnelKind, TunnelSpec,
};

/// Largest weight, 2^31-1.
pub const WEIGHT_MAX: u32 = i32::MAX as u32;
/// Largest upper threshold: what `totalconns` of the kernel can reach.
pub const UPPER_MAX: u32 = i32::MAX as u32;
/// Longest persistence, 31 days.
pub const PERSISTENCE_MAX: u32 = 31 * 24 * 3600;

/// Why FullNAT is refused.
pub const NO_FULLNAT: &str = "FullNAT is not supported yet";

/// The key of the file that is wrong, and why.
pub type Fault = (&'static str, String);

/// What is wrong with a service by itself.
#[must_use]
pub fn service(spec: &ServiceSpec) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut wrong = |key, text: String| faults.push((key, text));
    if let Some((key, text)) = key_fault(spec) {
        wrong(key, text);
    }
    if let Some(seconds) = spec.persistence.filter(|seconds| !(1..=PERSISTENCE_MAX).contains(seconds)) {
        wrong("persistence", format!("{seconds} is out of range; 1 to {PERSISTENCE_MAX} seconds"));
    }
    if spec.sched_flags & !7 != 0 {
        wrong("flags", format!("{:#x} has more than three bits", spec.sched_flags));
    }
    if let Some(text) = granularity_fault(spec) {
        wrong("netmask", text);
    }
    faults
}

fn key_fault(spec: &ServiceSpec) -> Option<Fault> {
    match spec.key {
        ServiceKey::Address { address, .. } if !is_unicast(address) => {
            Some(("address", format!("{address} is not a unicast address")))
        }
        ServiceKey::Address { port: 0, .. } if spec.persistence.is_none() => {
            Some(("address", "has no port; only a persistent service takes every port".to_owned()))
        }
        ServiceKey::Address { protocol: Protocol::Tcp | Protocol::Sctp, .. } if spec.ops => {
            Some(("ops", "one-packet scheduling is for UDP services only".to_owned()))
        }
        ServiceKey::Mark { fwmark: 0, .. } => Some(("fwmark", "0 is not a mark; 1 to 4294967295".to_owned())),
        _ => None,
    }
}

fn is_unicast(address: IpAddr) -> bool {
    !(address.is_unspecified() || address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST))
}

/// What keeps an address from being that of any real server (`ip_vs_new_dest`, `inet_addr_type`, `ipv6_addr_type`).
#[must_use]
pub fn server_address(address: IpAddr) -> Option<&'static str> {
    const LOOPBACK_BROADCAST: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 255, 255, 255));
    match address {
        _ if !is_unicast(address) || address == LOOPBACK_BROADCAST => Some("is not a unicast address"),
        IpAddr::V6(six) if six.is_unicast_link_local() => Some("is link-local; a real server needs one that is routed"),
        IpAddr::V6(six) if six.to_ipv4_mapped().is_some() => {
            Some("is an IPv4 address written as IPv6; write it as IPv4")
        }
        _ => None,
    }
}

fn granularity_fault(spec: &ServiceSpec) -> Option<String> {
    match (spec.granularity?, spec.key.family()) {
        (Granularity::Mask(_), Family::Ipv4) | (Granularity::Prefix(1..=128), Family::Ipv6) => None,
        (Granularity::Mask(mask), Family::Ipv6) => {
            Some(format!("{mask} is a mask of IPv4; give the length of a prefix, 1 to 128"))
        }
        (Granularity::Prefix(length), Family::Ipv4) => {
            Some(format!("{length} is the length of a prefix; give a mask as 255.255.255.0"))
        }
        (Granularity::Prefix(length), Family::Ipv6) => Some(format!("{length} is out of range; 1 to 128")),
    }
}

/// What is wrong with a server of a service.
#[must_use]
pub fn server(service: &ServiceSpec, spec: &ServerSpec) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut wrong = |key, text: String| faults.push((key, text));
    if let Some(text) = address_fault(service, spec) {
        wrong("address", text);
    }
    if spec.weight > WEIGHT_MAX {
        wrong("weight", format!("{} is too large; 0 to {WEIGHT_MAX}", spec.weight));
    }
    if spec.lower > spec.upper {
        wrong("lower", format!("{} is above upper, which is {}", spec.lower, spec.upper));
    }
    faults.extend(server_tunnel(spec));
    faults
}

/// What is wrong with a server's tunnel.
#[must_use]
pub fn server_tunnel(spec: &ServerSpec) -> Option<Fault> {
    match (&spec.tunnel, spec.forward) {
        (None, _) => None,
        (Some(tunnel), Forward::Tun) => tunnel_fault(tunnel),
        (Some(_), _) => Some(("tunnel", "is for forward = \"tun\" only".to_owned())),
    }
}

fn address_fault(service: &ServiceSpec, spec: &ServerSpec) -> Option<String> {
    let (ip, port) = (spec.address.ip(), spec.address.port());
    let family = service.key.family();
    if let Some(fault) = server_address(ip) {
        return Some(format!("{ip} {fault}"));
    }
    if Family::of(ip) != family && spec.forward != Forward::Tun {
        return Some(format!("{ip} is not of the family of the service; only forward = \"tun\" allows another family"));
    }
    match (service.key, spec.forward) {
        (ServiceKey::Address { port: virtual_port, .. }, Forward::Dr | Forward::Tun) if port != virtual_port => {
            Some(format!(
                "port {port} is not the service's: dr and tun do not change the port, so it must be {virtual_port}"
            ))
        }
        _ => None,
    }
}

fn tunnel_fault(tunnel: &TunnelSpec) -> Option<Fault> {
    let wrong = |key, text: &str| Some((key, text.to_owned()));
    match (tunnel.kind, tunnel.port, tunnel.checksum) {
        (TunnelKind::Gue, 0, _) => wrong("tunnel.port", "is missing; gue needs the UDP port of the server"),
        (TunnelKind::Ipip | TunnelKind::Gre, 1.., _) => wrong("tunnel.port", "is for gue only"),
        (TunnelKind::Ipip, _, TunnelChecksum::Full | TunnelChecksum::Remote) => {
            wrong("tunnel.checksum", "is for gue and gre; ipip has none")
        }
        (TunnelKind::Gre, _, TunnelChecksum::Remote) => {
            wrong("tunnel.checksum", "remote is for gue only; none or full")
        }
        _ => None,
    }
}

/// What is wrong with a rule that marks packets.
#[must_use]
pub fn mark(spec: &MarkSpec) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut wrong = |key, text: String| faults.push((key, text));
    for (key, mac) in [("source_mac", spec.source_mac), ("not_source_mac", spec.not_source_mac)] {
        if let Some((mac, fault)) = mac.and_then(|mac| Some((mac, mac.fault()?))) {
            wrong(key, format!("{mac} {fault}"));
        }
    }
    if spec.source_mac.is_some() && spec.not_source_mac.is_some() {
        wrong("not_source_mac", "is not allowed together with source_mac; give one of them".to_owned());
    }
    for (key, net) in [("source", spec.source), ("destination", spec.destination)] {
        if let Some(net) = net.filter(|net| *net != net.trunc()) {
            wrong(key, format!("{net} has bits beyond its prefix; {} would be right", net.trunc()));
        }
    }
    if let (Some(source), Some(destination)) = (spec.source, spec.destination)
        && Family::of(source.addr()) != Family::of(destination.addr())
    {
        wrong("destination", format!("{destination} is not of the family of {source}"));
    }
    for (key, ports) in [("source_port", spec.source_port), ("destination_port", spec.destination_port)] {
        if ports.is_some() && !spec.protocol.is_some_and(IpProtocol::has_ports) {
            wrong(key, "needs protocol = \"tcp\", \"udp\" or \"sctp\"".to_owned());
        }
    }
    faults
}
