//! Services and servers in a line of the log: `scheduler wlc, persistence 300 s`, and what becomes of them when they are
//! edited: `weight 1 -> 0`.

use super::options::Plain;
use super::spec::{SERVER, SERVICE, ServerKind, ServerOption, ServiceKind, ServiceOption};
use super::{Named, ServerSpec, ServiceSpec, TunnelChecksum, TunnelSpec};

/// An option: its name, and its value; nothing where it is not set.
type Setting = (&'static str, Option<String>);

fn of_service(service: &ServiceSpec) -> Vec<Setting> {
    let value = |row: &ServiceOption| match &row.kind {
        ServiceKind::Plain(plain) => value(plain, service),
        ServiceKind::Flags => Some(service.sched_flags).filter(|&flags| flags > 0).map(|flags| flags.to_string()),
        ServiceKind::Netmask => service.granularity.map(|granularity| granularity.to_string()),
    };
    SERVICE.iter().map(|row| (row.log, value(row).map(|value| value + row.unit))).collect()
}

fn of_server(server: &ServerSpec) -> Vec<Setting> {
    let value = |row: &ServerOption| match &row.kind {
        ServerKind::Plain(plain) => value(plain, server),
        ServerKind::Tunnel => server.tunnel.map(tunnel),
    };
    SERVER.iter().map(|row| (row.log, value(row).map(|value| value + row.unit))).collect()
}

fn value<T, W>(plain: &Plain<T, W>, of: &T) -> Option<String> {
    let text = plain.text(of)?;
    Some(if matches!(plain, Plain::Flag { .. }) { "on".to_owned() } else { text })
}

fn tunnel(tunnel: TunnelSpec) -> String {
    let kind = tunnel.kind.name();
    let checksum = match tunnel.checksum {
        TunnelChecksum::None => "",
        TunnelChecksum::Full => " with checksum",
        TunnelChecksum::Remote => " with remote checksum",
    };
    let port = if tunnel.port > 0 { format!(" port {}", tunnel.port) } else { String::new() };
    format!("{kind}{port}{checksum}")
}

fn all(options: Vec<Setting>) -> String {
    let set = options.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?)));
    set.collect::<Vec<_>>().join(", ")
}

fn changes(old: Vec<Setting>, new: Vec<Setting>) -> String {
    let shown = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    let differ = old.into_iter().zip(new).filter(|(old, new)| old != new);
    let told = differ.map(|((name, old), (_, new))| format!("{name} {} -> {}", shown(old), shown(new)));
    told.collect::<Vec<_>>().join(", ")
}

impl ServiceSpec {
    /// Its options: `scheduler wlc, persistence 300 s`.
    #[must_use]
    pub fn options(&self) -> String {
        all(of_service(self))
    }

    /// What becomes of its options: `scheduler wlc -> rr`; empty if nothing does.
    #[must_use]
    pub fn changes_to(&self, new: &Self) -> String {
        changes(of_service(self), of_service(new))
    }
}

impl ServerSpec {
    /// Its options: `forward nat, weight 1`.
    #[must_use]
    pub fn options(&self) -> String {
        all(of_server(self))
    }

    /// What becomes of its options: `weight 1 -> 0`; empty if nothing does.
    #[must_use]
    pub fn changes_to(&self, new: &Self) -> String {
        changes(of_server(self), of_server(new))
    }
}

#[cfg(test)]
mod tests {
    use dataplane::sched::Scheduler;

    use super::*;

    #[test]
    fn every_option_has_its_words() {
        let text = r#"{"key":{"fwmark":1,"family":"ipv4"},"scheduler":"sh","sched_flags":3,"ops":true,"persistence":60,
                       "granularity":"255.255.0.0","engine":"sip"}"#;
        let full: ServiceSpec = serde_json::from_str(text).expect("a service");
        let told = "scheduler sh, flags 3, one-packet on, persistence 60 s, netmask 255.255.0.0, engine sip";
        assert_eq!(full.options(), told);
        let bare = ServiceSpec { scheduler: Scheduler::Rr, ops: false, persistence: None, ..full.clone() };
        assert_eq!(full.changes_to(&bare), "scheduler sh -> rr, one-packet on -> none, persistence 60 s -> none");
        assert_eq!(full.changes_to(&full), "");
        let text = r#"{"address":"10.0.0.1:80","forward":"tun","weight":7,"upper":9,"lower":8,
                       "tunnel":{"kind":"gue","port":99,"checksum":"full"}}"#;
        let full: ServerSpec = serde_json::from_str(text).expect("a server");
        assert_eq!(full.options(), "forward tun, weight 7, upper 9, lower 8, tunnel gue port 99 with checksum");
        let drained = ServerSpec { weight: 0, lower: 0, ..full.clone() };
        assert_eq!(full.changes_to(&drained), "weight 7 -> 0, lower 8 -> none");
    }
}
