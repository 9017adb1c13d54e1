//! Services and servers in a line of the log: `scheduler wlc, persistence 300 s`, and what becomes of them when they are
//! edited: `weight 1 -> 0`.

use super::{Granularity, Named, ServerSpec, ServiceSpec, TunnelChecksum};

/// An option: its name, and its value as text; empty where it is not set.
type Setting<T> = (&'static str, fn(&T) -> String);

const OF_SERVICES: [Setting<ServiceSpec>; 6] = [
    ("scheduler", |service| service.scheduler.name().to_owned()),
    ("flags", |service| unless_zero(service.sched_flags.into())),
    ("one-packet", |service| if service.ops { "on".to_owned() } else { String::new() }),
    ("persistence", |service| service.persistence.map_or_else(String::new, |seconds| format!("{seconds} s"))),
    ("netmask", |service| service.granularity.map_or_else(String::new, netmask)),
    ("engine", |service| service.engine.map_or_else(String::new, |engine| engine.name().to_owned())),
];

const OF_SERVERS: [Setting<ServerSpec>; 5] = [
    ("forward", |server| server.forward.name().to_owned()),
    ("weight", |server| server.weight.to_string()),
    ("upper", |server| unless_zero(server.upper)),
    ("lower", |server| unless_zero(server.lower)),
    ("tunnel", tunnel),
];

fn unless_zero(number: u32) -> String {
    if number == 0 { String::new() } else { number.to_string() }
}

fn netmask(granularity: Granularity) -> String {
    match granularity {
        Granularity::Mask(mask) => mask.to_string(),
        Granularity::Prefix(length) => length.to_string(),
    }
}

fn tunnel(server: &ServerSpec) -> String {
    let Some(tunnel) = server.tunnel else { return String::new() };
    let kind = tunnel.kind.name();
    let checksum = match tunnel.checksum {
        TunnelChecksum::None => "",
        TunnelChecksum::Full => " with checksum",
        TunnelChecksum::Remote => " with remote checksum",
    };
    let port = if tunnel.port > 0 { format!(" port {}", tunnel.port) } else { String::new() };
    format!("{kind}{port}{checksum}")
}

fn all<T>(options: &[Setting<T>], spec: &T) -> String {
    let set = options.iter().map(|(name, value)| (name, value(spec))).filter(|(_, value)| !value.is_empty());
    set.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
}

fn changes<T>(options: &[Setting<T>], old: &T, new: &T) -> String {
    let shown = |value: String| if value.is_empty() { "none".to_owned() } else { value };
    let both = options.iter().map(|(name, value)| (name, value(old), value(new)));
    let differ = both.filter(|(_, old, new)| old != new);
    differ.map(|(name, old, new)| format!("{name} {} -> {}", shown(old), shown(new))).collect::<Vec<_>>().join(", ")
}

impl ServiceSpec {
    /// Its options: `scheduler wlc, persistence 300 s`.
    #[must_use]
    pub fn options(&self) -> String {
        all(&OF_SERVICES, self)
    }

    /// What becomes of its options: `scheduler wlc -> rr`; empty if nothing does.
    #[must_use]
    pub fn changes_to(&self, new: &Self) -> String {
        changes(&OF_SERVICES, self, new)
    }
}

impl ServerSpec {
    /// Its options: `forward nat, weight 1`.
    #[must_use]
    pub fn options(&self) -> String {
        all(&OF_SERVERS, self)
    }

    /// What becomes of its options: `weight 1 -> 0`; empty if nothing does.
    #[must_use]
    pub fn changes_to(&self, new: &Self) -> String {
        changes(&OF_SERVERS, self, new)
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
