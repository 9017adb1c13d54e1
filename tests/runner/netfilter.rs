//! The iptables and `ip` lines of the scenarios that mark packets and make marked packets local, as the product's rules.
//!
//! ```text
//! iptables -t mangle -A PREROUTING [-i IF] [-d NET] [-p PROTOCOL] [--dport P] [-m multiport --dports P,P]
//!          -j MARK --set-mark N
//! ip rule add fwmark N lookup TABLE
//! ip route add local default dev lo table TABLE
//! ```
//! Of IPv6 they begin with `ip6tables` and `ip -6`.

use Family::{Ipv4, Ipv6};
use control::api::{MarkSpec, Ports};
use dataplane::flow::Family;

/// What such lines have set so far.
#[derive(Default)]
pub(crate) struct Netfilter {
    /// In the order of the chain; whether marked packets are local is not in them.
    rules: Vec<(Family, MarkSpec)>,
    /// `ip rule`: family, mark and table.
    lookups: Vec<(Family, u32, String)>,
    /// Tables whose default route is local.
    local: Vec<(Family, String)>,
}

impl Netfilter {
    /// Takes a line. `None` if it is none of these.
    pub(crate) fn take(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let family = if matches!(words.as_slice(), ["ip6tables", ..] | ["ip", "-6", ..]) { Ipv6 } else { Ipv4 };
        match words.as_slice() {
            ["iptables" | "ip6tables", "-t", "mangle", "-A", "PREROUTING", rest @ ..] => {
                self.rules.extend(rules(rest, family)?.into_iter().map(|rule| (family, rule)));
            }
            ["ip", "rule", rest @ ..] | ["ip", "-6", "rule", rest @ ..] => self.lookups.push(lookup(rest, family)?),
            ["ip", "route", rest @ ..] | ["ip", "-6", "route", rest @ ..] => {
                let ["add", "local", "default", "dev", "lo", "table", table] = rest else { return None };
                self.local.push((family, (*table).to_owned()));
            }
            _ => return None,
        }
        Some(())
    }

    /// The rules that come of it.
    pub(crate) fn rules(&self) -> Vec<MarkSpec> {
        let is_local = |family: Family, mark: u32| {
            let of_it = |(of, marked, _): &&(Family, u32, String)| (*of, *marked) == (family, mark);
            self.lookups.iter().filter(of_it).any(|(_, _, table)| self.local.contains(&(family, table.clone())))
        };
        let rule =
            |(family, rule): &(Family, MarkSpec)| MarkSpec { local: is_local(*family, rule.mark), ..rule.clone() };
        self.rules.iter().map(rule).collect()
    }
}

fn lookup(words: &[&str], family: Family) -> Option<(Family, u32, String)> {
    let ["add", "fwmark", mark, "lookup", table] = words else { return None };
    Some((family, mark.parse().ok()?, (*table).to_owned()))
}

/// The rules of one line: several ports make several.
fn rules(mut words: &[&str], family: Family) -> Option<Vec<MarkSpec>> {
    let mut rule: MarkSpec = serde_json::from_str(r#"{"mark":0}"#).ok()?;
    rule.destination = (if family == Ipv6 { "::/0" } else { "0.0.0.0/0" }).parse().ok();
    let mut ports = Vec::<Ports>::new();
    loop {
        words = match words {
            ["-i", interface, rest @ ..] => {
                rule.interface = Some((*interface).to_owned());
                rest
            }
            ["-d", net, rest @ ..] => {
                rule.destination = Some(whole(net, family).parse().ok()?);
                rest
            }
            ["-p", protocol, rest @ ..] => {
                rule.protocol = Some(protocol.parse().ok()?);
                rest
            }
            ["-m", "multiport", rest @ ..] => rest,
            ["--dport" | "--dports", list, rest @ ..] => {
                ports = list.split(',').map(|port| port.parse().ok()).collect::<Option<_>>()?;
                rest
            }
            ["-j", "MARK", "--set-mark", mark] => {
                rule.mark = mark.parse().ok()?;
                break;
            }
            _ => return None,
        };
    }
    if ports.is_empty() {
        return Some(vec![rule]);
    }
    Some(ports.into_iter().map(|port| MarkSpec { destination_port: Some(port), ..rule.clone() }).collect())
}

/// An address alone is the prefix of one host.
fn whole(net: &str, family: Family) -> String {
    let bits = if family == Ipv6 { 128 } else { 32 };
    if net.contains('/') { net.to_owned() } else { format!("{net}/{bits}") }
}
