//! `ipvsadm -S`: the table as the lines that make it.
//!
//! As with the real tool, thresholds and the third flag of sh and mh are not saved; that flag alone leaves a `-b` that
//! names nothing, which `-R` reports. Unlike with the real tool, marks from 2^31 on can be read back.

use dataplane::flow::{Family, Protocol, ServiceKey};
use std::net::SocketAddr;

use super::names::Names;
use super::options::{Given, Opt};
use super::{check, list, values};
use crate::api::{Forward, Granularity, ServerSpec, ServiceInfo, ServiceSpec, TunnelChecksum, TunnelKind, TunnelSpec};

/// One `-A` line a service, followed by one `-a` line a server.
pub(super) fn table(mut services: Vec<ServiceInfo>, given: Given, names: &Names) -> String {
    let numeric = given.has(Opt::Numeric);
    list::arrange(&mut services, given);
    let mut out = String::new();
    for ServiceInfo { spec, servers, .. } in &services {
        let name = service_name(&spec.key, names, numeric);
        let protocol = list::protocol(&spec.key);
        out += &format!("-A {name}{}\n", settings(spec));
        for server in servers {
            let address = names.address_port(server.spec.address, protocol, numeric);
            out += &format!("-a {name} -r {address}{}\n", server_settings(&server.spec));
        }
    }
    out
}

/// `-t 10.0.0.1:80`.
fn service_name(key: &ServiceKey, names: &Names, numeric: bool) -> String {
    match *key {
        ServiceKey::Address { protocol, address, port } => {
            let option = match protocol {
                Protocol::Tcp => "-t",
                Protocol::Udp => "-u",
                Protocol::Sctp => "--sctp-service",
            };
            format!("{option} {}", names.address_port(SocketAddr::new(address, port), Some(protocol), numeric))
        }
        ServiceKey::Mark { fwmark, family: Family::Ipv4 } => format!("-f {fwmark}"),
        ServiceKey::Mark { fwmark, family: Family::Ipv6 } => format!("-f {fwmark} -6"),
    }
}

fn settings(spec: &ServiceSpec) -> String {
    let mut out = format!(" -s {}", spec.scheduler);
    if let Some(seconds) = spec.persistence {
        out += &format!(" -p {seconds}");
        match spec.granularity {
            Some(Granularity::Mask(mask)) if !mask.is_broadcast() => out += &format!(" -M {mask}"),
            Some(Granularity::Prefix(prefix)) if prefix != 128 => out += &format!(" -M {prefix}"),
            _ => {}
        }
    }
    if let Some(engine) = &spec.engine {
        out += &format!(" --pe {engine}");
    }
    if spec.ops {
        out += " -o";
    }
    if spec.sched_flags != 0 {
        out += &format!(" -b {}", values::sched_flag_list(&spec.scheduler, spec.sched_flags));
    }
    out
}

fn server_settings(spec: &ServerSpec) -> String {
    let method = match spec.forward {
        Forward::Nat => "-m",
        Forward::Dr => "-g",
        Forward::Tun => "-i",
        Forward::Fullnat => "--fullnat",
    };
    let tunnel = if spec.forward == Forward::Tun { tunnel_settings(spec.tunnel) } else { String::new() };
    format!(" {method} -w {}{tunnel}", spec.weight)
}

fn tunnel_settings(tunnel: Option<TunnelSpec>) -> String {
    let kind = tunnel.map_or(TunnelKind::Ipip, |tunnel| tunnel.kind);
    let mut out = format!(" --tun-type {}", check::tunnel_name(kind));
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
