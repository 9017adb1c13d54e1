//! A configuration as a file, which parses back to the same configuration.

use std::fmt::Write;

use dataplane::flow::ServiceKey;
use dataplane::steering::Side;

use super::model::{Config, Dataplane, Interface, MarkRule, Route, RouteAction, Server, Service};
use super::{network, settings};
use crate::api::options::Plain;
use crate::api::{Granularity, Named, SERVER, SERVICE, ServerKind, ServiceKind, TunnelSpec, flags};

/// The configuration as a file.
#[must_use]
pub fn render(config: &Config) -> String {
    let mut file = File::default();
    file.key("schema", 1);
    dataplane(&mut file, &config.dataplane);
    file.table("[control]");
    file.quoted("socket", &config.control.socket.to_string_lossy());
    file.quoted_if("group", config.control.group.as_deref());
    file.quoted_if("rules", config.control.rules.as_ref().map(|path| path.to_string_lossy()).as_deref());
    ipvs(&mut file, config);
    config.interfaces.iter().for_each(|each| interface(&mut file, each));
    config.routes.iter().for_each(|each| route(&mut file, each));
    for neighbor in &config.neighbors {
        file.table("[[neighbor]]");
        file.quoted("address", &neighbor.address.to_string());
        file.quoted("interface", &neighbor.interface);
        file.quoted("mac", &neighbor.mac.to_string());
    }
    for vip in &config.vips {
        file.table("[[vip]]");
        file.quoted("address", &vip.address.to_string());
        file.list("interfaces", vip.interfaces.iter().map(|name| quote(name)));
    }
    config.marks.iter().for_each(|each| mark(&mut file, each));
    config.services.iter().for_each(|each| service(&mut file, each));
    file.0
}

/// A service, or the servers of one that has been begun: the next part of the file.
#[must_use]
pub fn render_service(each: &Service, continued: bool) -> String {
    let mut file = File::default();
    if continued {
        each.servers.iter().for_each(|each| server(&mut file, each));
    } else {
        service(&mut file, each);
    }
    file.0
}

/// The text so far.
#[derive(Default)]
struct File(String);

impl File {
    fn table(&mut self, header: &str) {
        _ = writeln!(self.0, "\n{header}");
    }

    fn key(&mut self, key: &str, value: impl std::fmt::Display) {
        _ = writeln!(self.0, "{key} = {value}");
    }

    fn key_if(&mut self, key: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.key(key, value);
        }
    }

    fn quoted(&mut self, key: &str, text: &str) {
        self.key(key, quote(text));
    }

    fn quoted_if(&mut self, key: &str, text: Option<&str>) {
        self.key_if(key, text.map(quote));
    }

    fn list(&mut self, key: &str, values: impl Iterator<Item = String>) {
        self.key(key, list(values));
    }
}

fn list(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(", "))
}

fn quote(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn dataplane(file: &mut File, dataplane: &Dataplane) {
    file.table("[dataplane]");
    file.list("workers", dataplane.workers.iter().map(usize::to_string));
    file.key("main_cpu", dataplane.main_cpu);
    file.key("connections", dataplane.connections);
    file.key("ip_forward", dataplane.ip_forward);
    if dataplane.accept_source_route {
        file.key("accept_source_route", true);
    }
    if dataplane.unwrap_ipip {
        file.key("unwrap_ipip", true);
    }
    file.list("eal", dataplane.eal.iter().map(|word| quote(word)));
    file.quoted("steering", settings::steering_name(dataplane.steering));
    if dataplane.share_cpus {
        file.key("share_cpus", true);
    }
    dataplane.limits.named().into_iter().for_each(|(name, rate)| file.key(name, rate));
    let descriptors = [("rx_descriptors", dataplane.rx_descriptors), ("tx_descriptors", dataplane.tx_descriptors)];
    descriptors.into_iter().for_each(|(key, wanted)| wanted.into_iter().for_each(|wanted| file.key(key, wanted)));
}

fn ipvs(file: &mut File, config: &Config) {
    file.table("[ipvs]");
    file.key("strict_parity", config.ipvs.strict_parity);
    for (name, value) in &config.ipvs.sysctls {
        match value.parse::<i32>() {
            Ok(number) => file.key(name, number),
            Err(_) => file.quoted(name, &value.replace('\t', " ")),
        }
    }
    let timeouts = config.ipvs.timeouts;
    if timeouts != super::model::Timeouts::default() {
        file.table("[ipvs.timeouts]");
        let profile = settings::PROFILES.iter().find(|(_, value)| *value == timeouts.profile);
        file.quoted_if("profile", profile.map(|(name, _)| *name));
        settings::TCP_TIMEOUTS.iter().zip(timeouts.tcp).for_each(|(key, seconds)| file.key_if(key, seconds));
        settings::SCTP_TIMEOUTS.iter().zip(timeouts.sctp).for_each(|(key, seconds)| file.key_if(key, seconds));
        file.key_if("udp", timeouts.udp);
        file.key_if("udp_one_way", timeouts.udp_one_way);
    }
}

fn interface(file: &mut File, interface: &Interface) {
    file.table("[[interface]]");
    file.quoted("name", &interface.name);
    file.quoted_if("device", interface.device.as_deref());
    file.quoted_if("parent", interface.parent.as_deref());
    file.key_if("vlan", interface.vlan);
    file.list("addresses", interface.addresses.iter().map(|net| quote(&net.to_string())));
    file.quoted_if("mac", interface.mac.map(|mac| mac.to_string()).as_deref());
    file.key("mtu", interface.mtu);
    if interface.side != Side::Both {
        file.quoted("side", network::side_name(interface.side));
    }
}

fn route(file: &mut File, route: &Route) {
    file.table("[[route]]");
    file.quoted("to", &route.to.to_string());
    match &route.action {
        RouteAction::Via { gateway, interface } => {
            file.quoted("via", &gateway.to_string());
            file.quoted_if("interface", interface.as_deref());
        }
        RouteAction::Interface(name) => file.quoted("interface", name),
        RouteAction::Unreachable => file.key("unreachable", true),
        RouteAction::Blackhole => file.key("blackhole", true),
    }
}

fn mark(file: &mut File, rule: &MarkRule) {
    let spec = &rule.spec;
    file.table("[[mark]]");
    file.key("mark", spec.mark);
    if !spec.local {
        file.key("local", false);
    }
    file.quoted_if("interface", spec.interface.as_deref());
    let mut text = |key, value: Option<String>| file.quoted_if(key, value.as_deref());
    text("source_mac", spec.source_mac.map(|mac| mac.to_string()));
    text("not_source_mac", spec.not_source_mac.map(|mac| mac.to_string()));
    text("source", spec.source.map(|net| net.to_string()));
    text("destination", spec.destination.map(|net| net.to_string()));
    text("protocol", spec.protocol.map(|protocol| protocol.to_string()));
    text("source_port", spec.source_port.map(|ports| ports.to_string()));
    text("destination_port", spec.destination_port.map(|ports| ports.to_string()));
}

fn service(file: &mut File, service: &Service) {
    let spec = &service.spec;
    file.table("[[service]]");
    match spec.key {
        ServiceKey::Address { protocol, address, port } => {
            file.quoted("protocol", protocol.name());
            file.quoted("address", &std::net::SocketAddr::new(address, port).to_string());
        }
        ServiceKey::Mark { fwmark, family } => {
            file.key("fwmark", fwmark);
            file.quoted("family", family.name());
        }
    }
    for row in &SERVICE {
        let value = match &row.kind {
            ServiceKind::Plain(plain) => value(plain, spec),
            ServiceKind::Flags if spec.sched_flags == 0 => None,
            ServiceKind::Flags => Some(list(flags::of_bits(spec.sched_flags, spec.scheduler).into_iter().map(quote))),
            ServiceKind::Netmask => spec.granularity.map(netmask),
        };
        file.key_if(row.key, value);
    }
    service.servers.iter().for_each(|each| server(file, each));
}

/// The value of an option, where it is set.
fn value<T, W>(plain: &Plain<T, W>, of: &T) -> Option<String> {
    let text = plain.text(of)?;
    Some(match plain {
        Plain::Flag { .. } => "true".to_owned(),
        Plain::Number { .. } => text,
        Plain::Name { .. } => quote(&text),
    })
}

fn netmask(granularity: Granularity) -> String {
    match granularity {
        Granularity::Mask(mask) => quote(&mask.to_string()),
        Granularity::Prefix(length) => length.to_string(),
    }
}

fn server(file: &mut File, server: &Server) {
    let spec = &server.spec;
    file.table("[[service.server]]");
    file.quoted("address", &spec.address.to_string());
    for row in &SERVER {
        let value = match &row.kind {
            ServerKind::Plain(plain) => value(plain, spec),
            ServerKind::Tunnel => spec.tunnel.map(|each| tunnel(&each)),
        };
        file.key_if(row.key, value);
    }
}

fn tunnel(tunnel: &TunnelSpec) -> String {
    let kind = quote(tunnel.kind.name());
    let port = if tunnel.port > 0 { format!(", port = {}", tunnel.port) } else { String::new() };
    let checksum = quote(tunnel.checksum.name());
    format!("{{ kind = {kind}{port}, checksum = {checksum} }}")
}
