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
use crate::api::options::{Ipvsadm, Row};
use crate::api::{
    Named, SERVER, SERVICE, ServerKind, ServerSpec, ServiceInfo, ServiceKind, ServiceSpec, TunnelChecksum, TunnelKind,
    TunnelSpec, flags,
};

/// One `-A` line a service, followed by one `-a` line a server.
pub(super) fn table(mut services: Vec<ServiceInfo>, given: Given, names: &Names, strict: bool) -> String {
    let numeric = given.has(Opt::Numeric);
    list::arrange(&mut services, given);
    let (of_services, of_servers) = (saved(&SERVICE, strict), saved(&SERVER, strict));
    let mut out = String::new();
    for ServiceInfo { spec, servers, .. } in &services {
        let name = service_name(&spec.key, names, numeric, strict);
        let protocol = list::protocol(&spec.key);
        out += &format!("-A {name}{}\n", settings(spec, &of_services, strict));
        for server in servers {
            let address = names.address_port(server.spec.address, protocol, numeric);
            out += &format!("-a {name} -r {address}{}\n", server_settings(&server.spec, &of_servers));
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

fn settings(spec: &ServiceSpec, options: &[Saved<ServiceKind>], strict: bool) -> String {
    let mut out = String::new();
    for (row, ipvsadm) in options {
        if let Some(value) = list::value(row, spec, |spec| flag_names(spec, strict)) {
            out += &setting(ipvsadm, &value, row.kind.is_flag());
        }
    }
    out
}

/// An option that `-S` writes.
type Saved<K> = (&'static Row<K>, &'static Ipvsadm);

/// The options of ipvsadm in the order of `-S`. In strict parity those are missing that the real tool loses.
fn saved<K>(rows: &'static [Row<K>], strict: bool) -> Vec<Saved<K>> {
    let all = rows.iter().filter_map(|row| Some((row, row.ipvsadm.as_ref()?)));
    let mut saved: Vec<_> = all.filter(|(_, ipvsadm)| !(strict && ipvsadm.lost)).collect();
    saved.sort_by_key(|(_, ipvsadm)| ipvsadm.saved);
    saved
}

/// ` -p 60`, ` --pe sip`; a flag has no value: ` -o`.
fn setting(ipvsadm: &Ipvsadm, value: &str, is_flag: bool) -> String {
    let option = option(ipvsadm.long, ipvsadm.short);
    if is_flag { option } else { format!("{option} {value}") }
}

fn option(long: &str, short: Option<char>) -> String {
    short.map_or_else(|| format!(" --{long}"), |letter| format!(" -{letter}"))
}

/// The names of a scheduler's flags; those that it has no name for are known by their number.
fn flag_names(spec: &ServiceSpec, strict: bool) -> Vec<&'static str> {
    let own = flags::listed(spec.sched_flags, spec.scheduler);
    if strict || own.len() == spec.sched_flags.count_ones() as usize { own } else { flags::plain(spec.sched_flags) }
}

fn server_settings(spec: &ServerSpec, options: &[Saved<ServerKind>]) -> String {
    let (long, short) = spec.forward.option();
    let mut out = option(long, short);
    for (row, ipvsadm) in options {
        if let ServerKind::Plain(plain) = &row.kind
            && let Some(value) = plain.text(spec)
        {
            out += &setting(ipvsadm, &value, row.kind.is_flag());
        }
    }
    if spec.forward.wraps() {
        out += &tunnel_settings(spec.tunnel);
    }
    out
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
