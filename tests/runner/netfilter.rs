//! The iptables and `ip` lines of the scenarios that mark packets and make marked packets local, as the product's rules.
//!
//! ```text
//! iptables -t mangle -A PREROUTING [-i IF] [-d NET] [-p PROTOCOL] [--dport P] [-m multiport --dports P,P]
//!          -j MARK --set-mark N
//! ip rule add fwmark N lookup TABLE
//! ip route add local default dev lo table TABLE
//! ```

use control::api::{MarkSpec, Ports};

/// What such lines have set so far.
#[derive(Default)]
pub(crate) struct Netfilter {
    /// In the order of the chain; whether marked packets are local is not in them.
    rules: Vec<MarkSpec>,
    /// `ip rule`: mark and table.
    lookups: Vec<(u32, String)>,
    /// Tables whose default route is local.
    local: Vec<String>,
}

impl Netfilter {
    /// Takes a line. `None` if it is none of these.
    pub(crate) fn take(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["iptables", "-t", "mangle", "-A", "PREROUTING", rest @ ..] => self.rules.extend(rules(rest)?),
            ["ip", "rule", "add", "fwmark", mark, "lookup", table] => {
                self.lookups.push((mark.parse().ok()?, (*table).to_owned()));
            }
            ["ip", "route", "add", "local", "default", "dev", "lo", "table", table] => {
                self.local.push((*table).to_owned());
            }
            _ => return None,
        }
        Some(())
    }

    /// The rules that come of it.
    pub(crate) fn rules(&self) -> Vec<MarkSpec> {
        let is_local = |mark| self.lookups.iter().any(|(marked, table)| *marked == mark && self.local.contains(table));
        self.rules.iter().map(|rule| MarkSpec { local: is_local(rule.mark), ..rule.clone() }).collect()
    }
}

/// The rules of one line: several ports make several.
fn rules(mut words: &[&str]) -> Option<Vec<MarkSpec>> {
    let mut rule: MarkSpec = serde_json::from_str(r#"{"mark":0}"#).ok()?;
    let mut ports = Vec::<Ports>::new();
    loop {
        words = match words {
            ["-i", interface, rest @ ..] => {
                rule.interface = Some((*interface).to_owned());
                rest
            }
            ["-d", net, rest @ ..] => {
                rule.destination = Some(whole(net).parse().ok()?);
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
fn whole(net: &str) -> String {
    if net.contains('/') { net.to_owned() } else { format!("{net}/32") }
}
