//! What scenarios are made of: steps, and the addresses of the stage.

use serde_json::{Value, json};

use crate::dice::Dice;

/// The servers that have a neighbour entry on the stage.
pub(crate) const SERVERS: [u64; 5] = [11, 12, 13, 14, 15];

/// Every scheduler whose choice can be foretold, that is all but twos.
pub(crate) const SCHEDULERS: [&str; 13] =
    ["rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "ovf", "dh", "sh", "mh", "lblc", "lblcr"];

/// A command of the tool.
pub(crate) fn ipvsadm(args: impl Into<String>) -> Value {
    json!({ "ipvsadm": args.into() })
}

/// Commands that `-R` reads, a line each.
pub(crate) fn restore(lines: &[String]) -> Value {
    json!({ "ipvsadm": "-R", "stdin": lines.iter().map(|line| format!("{line}\n")).collect::<String>() })
}

/// Lists, by the options of ipvsadm that show them.
pub(crate) fn dump(lists: &[&str]) -> Value {
    json!({ "dump": lists })
}

/// Time passes.
pub(crate) fn sleep(seconds: f64) -> Value {
    json!({ "sleep": seconds })
}

/// A setting below `net.ipv4.vs`.
pub(crate) fn sysctl(name: &str, value: impl Into<Value>) -> Value {
    json!({ "sysctl": { (format!("net.ipv4.vs.{name}")): value.into() } })
}

/// A command of the shell, on the director.
pub(crate) fn shell(command: &str) -> Value {
    json!({ "sh": command })
}

/// Has packets to a network marked, and taken in though they are for addresses of others.
pub(crate) fn mark(destination: &str, mark: u64) -> Vec<Value> {
    vec![
        shell(&format!("iptables -t mangle -A PREROUTING -i dc -d {destination} -j MARK --set-mark {mark}")),
        shell(&format!("ip rule add fwmark {mark} lookup 100")),
        shell("ip route add local default dev lo table 100"),
    ]
}

/// IPv4 or IPv6, and what is where on the stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// IPv6 in so many of a hundred cases.
    pub(crate) fn roll(dice: &mut Dice, six: u64) -> Self {
        if dice.percent(six) { Self::V6 } else { Self::V4 }
    }

    fn of(self, four: &str, six: &str) -> String {
        if self == Self::V4 { four } else { six }.to_owned()
    }

    /// The virtual address.
    pub(crate) fn vip(self) -> String {
        self.of("10.0.0.100", "fd00::100")
    }

    /// Real server N.
    pub(crate) fn server(self, n: u64) -> String {
        format!("{}{n}", self.of("10.1.0.", "fd00:1::"))
    }

    /// The router beside the servers.
    pub(crate) fn router(self) -> String {
        self.of("10.1.0.254", "fd00:1::254")
    }

    /// The director, as tunnels have it.
    pub(crate) fn director(self) -> String {
        self.of("10.1.0.1", "fd00:1::1")
    }

    /// A client; those of one `net` are neighbours.
    pub(crate) fn client(self, net: u64, host: u64) -> String {
        match self {
            Self::V4 => format!("172.16.{}.{}", net % 256, host % 254 + 1),
            Self::V6 => format!("fd00:c:{net:x}::{:x}", host % 254 + 1),
        }
    }

    /// Somebody on the clients' side who has no connection.
    pub(crate) fn stranger(self) -> String {
        self.of("198.51.100.9", "2001:db8:9::9")
    }
}

/// Address and port, as tools write them.
pub(crate) fn at(address: &str, port: u64) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

/// A service on the VIP whose servers are all reached by one method.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    /// Of the VIP and of its servers.
    pub(crate) family: Family,
    /// `t`, `u` or `sctp-service`, as options of ipvsadm name protocols.
    pub(crate) protocol: &'static str,
    /// The virtual port.
    pub(crate) port: u64,
    /// `m`, `g` or `i`, with the options of the tunnel.
    pub(crate) method: String,
    /// The servers' port; only NAT may have another one.
    pub(crate) server_port: u64,
}

impl Service {
    /// `-t 10.0.0.100:80`.
    pub(crate) fn option(&self) -> String {
        let dashes = if self.protocol.len() == 1 { "-" } else { "--" };
        format!("{dashes}{} {}", self.protocol, at(&self.family.vip(), self.port))
    }

    /// Arguments that add it.
    pub(crate) fn added(&self, scheduler: &str) -> String {
        format!("-A {} -s {scheduler}", self.option())
    }

    /// A server of it: `-r 10.1.0.11:8080`.
    pub(crate) fn server(&self, n: u64) -> String {
        format!("-r {}", at(&self.family.server(n), self.server_port))
    }

    /// Arguments that add (`a`) or edit (`e`) a server.
    pub(crate) fn put(&self, command: char, n: u64, weight: u64) -> String {
        format!("-{command} {} {} -{} -w {weight}", self.option(), self.server(n), self.method)
    }
}
