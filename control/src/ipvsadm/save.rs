//! `ipvsadm -S`: the table as the lines that make it.
//!
//! What it makes reads back as the same table. In strict parity it loses what the real tool loses: thresholds, the third
//! flag of sh and mh (which alone leaves a `-b` that names nothing, and `-R` reports that), and the meaning of marks
//! from 2^31 on, which get a sign.

use dataplane::flow::{Family, Protocol, ServiceKey};
use std::net::SocketAddr;

use super::list;
use super::names::Names;
use super::options::{Given, Opt};
use crate::api::{
    Granularity, Named, ServerSpec, ServiceInfo, ServiceSpec, TunnelChecksum, TunnelKind, TunnelSpec, flags,
};

/// One `-A` line a service, followed by one `-a` line a server.
pub(super) fn table(mut services: Vec<ServiceInfo>, given: Given, names: &Names, strict: bool) -> String {
    let numeric = given.has(Opt::Numeric);
    list::arrange(&mut services, given);
    let mut out = String::new();
    for ServiceInfo { spec, servers, .. } in &services {
        let name = service_name(&spec.key, names, numeric, strict);
        let protocol = list::protocol(&spec.key);
        out += &format!("-A {name}{}\n", settings(spec, strict));
        for server in servers {
            let address = names.address_port(server.spec.address, protocol, numeric);
            out += &format!("-a {name} -r {address}{}\n", server_settings(&server.spec, strict));
        }
    }
    out
}

/// `-t 10.0.0.1:80`.
fn service_name(key: &ServiceKey, names: &Names, numeric: bool, strict: bool) -> String {
    let shown = |mark: u32| if strict { mark.cast_signed().to_string() } else { mark.to_string() };
    match *key {
        ServiceKey::Address { protocol, address, port } => {
            let option = match protocol {
                Protocol::Tcp => "-t",
                Protocol::Udp => "-u",
                Protocol::Sctp => "--sctp-service",
            };
            format!("{option} {}", names.address_port(SocketAddr::new(address, port), Some(protocol), numeric))
        }
        ServiceKey::Mark { fwmark, family: Family::Ipv4 } => format!("-f {}", shown(fwmark)),
        ServiceKey::Mark { fwmark, family: Family::Ipv6 } => format!("-f {} -6", shown(fwmark)),
    }
}

fn settings(spec: &ServiceSpec, strict: bool) -> String {
    let mut out = format!(" -s {}", spec.scheduler.name());
    if let Some(seconds) = spec.persistence {
        out += &format!(" -p {seconds}");
        match spec.granularity {
            Some(Granularity::Mask(mask)) if !mask.is_broadcast() => out += &format!(" -M {mask}"),
            Some(Granularity::Prefix(prefix)) if prefix != 128 => out += &format!(" -M {prefix}"),
            _ => {}
        }
    }
    if let Some(engine) = spec.engine {
        out += &format!(" --pe {}", engine.name());
    }
    if spec.ops {
        out += " -o";
    }
    if spec.sched_flags != 0 {
        out += &format!(" -b {}", flag_names(spec, strict));
    }
    out
}

/// The names of a scheduler's flags; those that it has no name for are known by their number.
fn flag_names(spec: &ServiceSpec, strict: bool) -> String {
    let own = flags::listed(spec.sched_flags, spec.scheduler);
    if strict || own.len() == spec.sched_flags.count_ones() as usize {
        return own.join(",");
    }
    flags::plain(spec.sched_flags).join(",")
}

fn server_settings(spec: &ServerSpec, strict: bool) -> String {
    let method = spec.forward.option();
    let tunnel = if spec.forward.wraps() { tunnel_settings(spec.tunnel) } else { String::new() };
    let threshold = |option: &str, value: u32| match value {
        0 => String::new(),
        _ if strict => String::new(),
        value => format!(" {option} {value}"),
    };
    let (upper, lower) = (threshold("-x", spec.upper), threshold("-y", spec.lower));
    format!(" {method} -w {}{upper}{lower}{tunnel}", spec.weight)
}

fn tunnel_settings(tunnel: Option<TunnelSpec>) -> String {
    let kind = tunnel.map_or(TunnelKind::Ipip, |tunnel| tunnel.kind);
    let mut out = format!(" --tun-type {}", kind.name());
    let Some(tunnel) = tunnel.filter(|_| kind != TunnelKind::Ipip) else { return out };
    if kind == TunnelKind::Gue {
        out += &format!(" --tun-port {}", tunnel.port);
    }
    out += match tunnel.checksum {
        TunnelChecksum::None => " --tun-nocsum",
        TunnelChecksum::Full => " --tun-csum",
        TunnelChecksum::Remote => " --tun-remcsum",
    };
    out
}
