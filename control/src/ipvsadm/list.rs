//! `ipvsadm -L`: services and their servers in one of six layouts.

use std::net::{Ipv4Addr, SocketAddr};

use dataplane::flow::{Family, Protocol, ServiceKey};

use super::names::Names;
use super::options::{Given, Opt};
use super::{sort, stats};
use crate::api::options::Listed;
use crate::api::{
    Granularity, Named, SERVICE, ServerInfo, ServerSpec, ServiceInfo, ServiceKind, ServiceOption, ServiceSpec,
    TunnelChecksum, TunnelKind, flags,
};

/// Longest name of a service or server in a column; IPv6 may be longer.
const NAME_WIDTH: usize = 28;

/// The columns after the name. If several are asked for, the first of this order is it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    TunInfo,
    Plain,
}

impl Layout {
    fn of(given: Given) -> Self {
        let layouts = [
            (Opt::Stats, Self::Stats),
            (Opt::Rate, Self::Rate),
            (Opt::Thresholds, Self::Thresholds),
            (Opt::PersistentConn, Self::PersistentConn),
            (Opt::TunInfo, Self::TunInfo),
        ];
        layouts.into_iter().find(|&(opt, _)| given.has(opt)).map_or(Self::Plain, |(_, layout)| layout)
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Stats => {
                "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n\
                 \x20 -> RemoteAddress:Port\n"
            }
            Self::Rate => {
                "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n\
                 \x20 -> RemoteAddress:Port\n"
            }
            Self::Thresholds => {
                "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n\
                 \x20 -> RemoteAddress:Port\n"
            }
            Self::PersistentConn => {
                "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n\
                 \x20 -> RemoteAddress:Port\n"
            }
            Self::TunInfo => {
                "Prot LocalAddress:Port Scheduler Flags\n\
                 \x20 -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n"
            }
            Self::Plain => {
                "Prot LocalAddress:Port Scheduler Flags\n\
                 \x20 -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
            }
        }
    }
}

/// How to print.
struct Printer<'a> {
    layout: Layout,
    numeric: bool,
    exact: bool,
    names: &'a Names,
    /// Behind the name of a service.
    options: Vec<Shown>,
}

/// The whole table, or one service, which has no line about the version. `table_size` counts hash buckets.
pub(super) fn services(mut services: Vec<ServiceInfo>, table_size: Option<u32>, given: Given, names: &Names) -> String {
    let layout = Layout::of(given);
    let printer =
        Printer { layout, numeric: given.has(Opt::Numeric), exact: given.has(Opt::Exact), names, options: shown() };
    let version = table_size.map(|size| format!("IP Virtual Server version 1.2.1 (size={size})\n"));
    let mut out = version.unwrap_or_default() + layout.title();
    arrange(&mut services, given);
    for service in &services {
        out += &printer.service(service);
        let protocol = protocol(&service.spec.key);
        service.servers.iter().for_each(|server| out += &printer.server(server, protocol));
    }
    out
}

/// Sorts unless told not to.
pub(super) fn arrange(services: &mut Vec<ServiceInfo>, given: Given) {
    if given.has(Opt::NoSort) {
        return;
    }
    sort::services(services);
    services.iter_mut().for_each(|service| sort::servers(&mut service.servers));
}

/// The protocol by which ports have names; those of a mark have none.
pub(super) fn protocol(key: &ServiceKey) -> Option<Protocol> {
    match *key {
        ServiceKey::Address { protocol, .. } => Some(protocol),
        ServiceKey::Mark { .. } => None,
    }
}

impl Printer<'_> {
    fn service(&self, service: &ServiceInfo) -> String {
        let name = self.service_name(&service.spec.key);
        match self.layout {
            Layout::Stats => format!("{name:<33}{}\n", stats::totals(&service.totals, self.exact)),
            Layout::Rate => format!("{name:<33}{}\n", stats::rates(&service.rates, self.exact)),
            _ => format!("{name}{}\n", settings(&service.spec, &self.options)),
        }
    }

    fn service_name(&self, key: &ServiceKey) -> String {
        match *key {
            ServiceKey::Address { protocol, address, port } => {
                format!("{protocol:<4} {}", self.name(SocketAddr::new(address, port), Some(protocol)))
            }
            ServiceKey::Mark { fwmark, family } => {
                let family = if family == Family::Ipv6 { " IPv6" } else { "" };
                format!("FWM  {}{family}", fwmark.cast_signed())
            }
        }
    }

    fn name(&self, at: SocketAddr, protocol: Option<Protocol>) -> String {
        let name = self.names.address_port(at, protocol, self.numeric);
        if at.is_ipv4() { name.chars().take(NAME_WIDTH).collect() } else { name }
    }

    fn server(&self, server: &ServerInfo, protocol: Option<Protocol>) -> String {
        let ServerInfo { spec, active, inactive, persistent, .. } = server;
        let ServerSpec { weight, upper, lower, .. } = spec;
        let name = format!("  -> {:<28}", self.name(spec.address, protocol));
        match self.layout {
            Layout::Stats => format!("{name}{}\n", stats::totals(&server.totals, self.exact)),
            Layout::Rate => format!("{name}{}\n", stats::rates(&server.rates, self.exact)),
            Layout::Thresholds => format!("{name} {upper:<10} {lower:<10} {active:<10} {inactive:<10}\n"),
            Layout::PersistentConn => format!("{name} {weight:<9} {persistent:<11} {active:<10} {inactive:<10}\n"),
            Layout::TunInfo => format!(
                "{name} {:<7} {:<13} {weight:<6} {active:<10} {inactive:<10}\n",
                spec.forward.title(),
                tunnel(spec)
            ),
            Layout::Plain => {
                format!("{name} {:<7} {weight:<6} {active:<10} {inactive:<10}\n", spec.forward.title())
            }
        }
    }
}

/// An option of a service that `-L` shows: where, and how.
type Shown = (&'static ServiceOption, (u8, Listed));

/// The options that `-L` shows, in its order.
fn shown() -> Vec<Shown> {
    let mut all: Vec<Shown> = SERVICE.iter().filter_map(|row| Some((row, row.ipvsadm.as_ref()?.listed?))).collect();
    all.sort_by_key(|(_, (place, _))| *place);
    all
}

/// Behind the name of a service: ` sh (sh-fallback,sh-port) persistent 60 mask 255.255.255.0 pe sip ops`.
fn settings(spec: &ServiceSpec, options: &[Shown]) -> String {
    let mut out = String::new();
    for &(row, (_, listed)) in options {
        let Some(value) = value(row, spec, |spec| flags::listed(spec.sched_flags, spec.scheduler)) else { continue };
        match listed {
            Listed::Bare => out += &format!(" {value}"),
            Listed::Parentheses => out += &format!(" ({value})"),
            Listed::OfPersistent(_) if spec.persistence.is_none() => {}
            Listed::Word(word) | Listed::OfPersistent(word) => out += format!(" {word} {value}").trim_end(),
        }
    }
    out
}

/// The value of an option as ipvsadm writes it, with these names of flags; nothing where it is not told.
pub(super) fn value(
    row: &ServiceOption,
    spec: &ServiceSpec,
    names: impl Fn(&ServiceSpec) -> Vec<&'static str>,
) -> Option<String> {
    match &row.kind {
        ServiceKind::Plain(plain) => plain.text(spec),
        ServiceKind::Flags => (spec.sched_flags != 0).then(|| names(spec).join(",")),
        ServiceKind::Netmask => {
            let whole = [Granularity::Mask(Ipv4Addr::BROADCAST), Granularity::Prefix(128)];
            let some = spec.granularity.filter(|granularity| !whole.contains(granularity))?;
            spec.persistence.map(|_| some.to_string())
        }
    }
}

/// `gue:6080:+c`
fn tunnel(spec: &ServerSpec) -> String {
    if !spec.forward.wraps() {
        return "n/a".to_owned();
    }
    let Some(tunnel) = spec.tunnel else { return TunnelKind::Ipip.name().to_owned() };
    let name = tunnel.kind.name();
    let checksum = match tunnel.checksum {
        TunnelChecksum::None => "-c",
        TunnelChecksum::Full => "+c",
        TunnelChecksum::Remote => "r+c",
    };
    match tunnel.kind {
        TunnelKind::Ipip => name.to_owned(),
        TunnelKind::Gre => format!("{name}:{checksum}"),
        TunnelKind::Gue => format!("{name}:{}:{checksum}", tunnel.port),
    }
}
