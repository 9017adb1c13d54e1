//! Rules that mark packets, as `iptables -t mangle -A PREROUTING ... -j MARK --set-mark N` has them.

use std::fmt;
use std::str::FromStr;

use dataplane::flow::{Family, Protocol};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::config::Mac;

/// A rule. What is absent fits every packet; of several rules that fit, the last counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkSpec {
    /// What packets that fit are marked with; 0 takes a mark away.
    pub mark: u32,
    /// Whether they count as local, whatever they are addressed to.
    #[serde(default = "yes")]
    pub local: bool,
    /// Interface by which they come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// The neighbour that they come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_mac: Option<Mac>,
    /// The neighbour that they do not come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_source_mac: Option<Mac>,
    /// Source addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpNet>,
    /// Destination addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<IpNet>,
    /// Protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<IpProtocol>,
    /// Source ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port: Option<Ports>,
    /// Destination ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<Ports>,
}

fn yes() -> bool {
    true
}

/// As the options of `sluice mark add` say it.
impl fmt::Display for MarkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: [(&str, Option<&dyn fmt::Display>); 8] = [
            ("interface", self.interface.as_ref().map(|each| each as _)),
            ("source-mac", self.source_mac.as_ref().map(|each| each as _)),
            ("not-source-mac", self.not_source_mac.as_ref().map(|each| each as _)),
            ("source", self.source.as_ref().map(|each| each as _)),
            ("destination", self.destination.as_ref().map(|each| each as _)),
            ("protocol", self.protocol.as_ref().map(|each| each as _)),
            ("source-port", self.source_port.as_ref().map(|each| each as _)),
            ("destination-port", self.destination_port.as_ref().map(|each| each as _)),
        ];
        write!(f, "{}", self.mark)?;
        let mut given = words.iter().filter_map(|(word, value)| Some((word, value.as_ref()?)));
        given.try_for_each(|(word, value)| write!(f, " --{word} {value}"))?;
        f.write_str(if self.local { "" } else { " --not-local" })
    }
}

impl MarkSpec {
    /// What is wrong with it: keys, and why.
    #[must_use]
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let mut wrong = |key, text: String| faults.push((key, text));
        for (key, mac) in [("source_mac", self.source_mac), ("not_source_mac", self.not_source_mac)] {
            if let Some((mac, fault)) = mac.and_then(|mac| Some((mac, mac.fault()?))) {
                wrong(key, format!("{mac} {fault}"));
            }
        }
        if self.source_mac.is_some() && self.not_source_mac.is_some() {
            wrong("not_source_mac", "is not allowed together with source_mac; give one of them".to_owned());
        }
        for (key, net) in [("source", self.source), ("destination", self.destination)] {
            if let Some(net) = net.filter(|net| *net != net.trunc()) {
                wrong(key, format!("{net} has bits beyond its prefix; {} would be right", net.trunc()));
            }
        }
        if let (Some(source), Some(destination)) = (self.source, self.destination)
            && Family::of(source.addr()) != Family::of(destination.addr())
        {
            wrong("destination", format!("{destination} is not of the family of {source}"));
        }
        for (key, ports) in [("source_port", self.source_port), ("destination_port", self.destination_port)] {
            if ports.is_some() && !self.protocol.is_some_and(IpProtocol::has_ports) {
                wrong(key, "needs protocol = \"tcp\", \"udp\" or \"sctp\"".to_owned());
            }
        }
        faults
    }
}

/// A rule as it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkInfo {
    /// The rule.
    #[serde(flatten)]
    pub spec: MarkSpec,
    /// Made at run time, not by the file.
    pub runtime: bool,
}

/// What is written as a number or as text.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Text(String),
}

impl Written {
    fn text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }

    fn of(value: &impl ToString) -> Self {
        let text = value.to_string();
        text.parse().map_or(Self::Text(text), Self::Number)
    }
}

/// An IP protocol: tcp, udp, sctp, icmp, or its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct IpProtocol(pub u8);

const NAMES: [(&str, u8); 4] =
    [("tcp", Protocol::Tcp.number()), ("udp", Protocol::Udp.number()), ("sctp", Protocol::Sctp.number()), ("icmp", 1)];

impl IpProtocol {
    /// What would be right.
    pub const FORM: &'static str = "tcp, udp, sctp, icmp or a number up to 255";

    /// Whether its packets have ports.
    #[must_use]
    pub fn has_ports(self) -> bool {
        Protocol::from_number(self.0).is_some()
    }
}

impl FromStr for IpProtocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = NAMES.iter().find(|(name, _)| text.eq_ignore_ascii_case(name)).map(|&(_, number)| number);
        let number = named.or_else(|| digits(text)?.parse().ok());
        number.map(Self).ok_or_else(|| format!("{text:?} is not {}", Self::FORM))
    }
}

impl fmt::Display for IpProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|&&(_, number)| number == self.0) {
            Some((name, _)) => f.pad(name),
            None => self.0.fmt(f),
        }
    }
}

impl TryFrom<Written> for IpProtocol {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        written.text().parse()
    }
}

impl From<IpProtocol> for Written {
    fn from(protocol: IpProtocol) -> Self {
        Self::of(&protocol)
    }
}

/// Ports from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Ports {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl Ports {
    /// What would be right.
    pub const FORM: &'static str = "a port as 80, or a range as 8000-8999";
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let port = |text: &str| digits(text)?.parse().ok();
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let ports = port(first).zip(port(last)).filter(|(first, last)| first <= last);
        ports.map(|(first, last)| Self { first, last }).ok_or_else(|| format!("{text:?} is not {}", Self::FORM))
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { self.first.fmt(f) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

impl TryFrom<Written> for Ports {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        written.text().parse()
    }
}

impl From<Ports> for Written {
    fn from(ports: Ports) -> Self {
        Self::of(&ports)
    }
}

/// The text, if it is digits alone (`parse` would take `+6`).
fn digits(text: &str) -> Option<&str> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_and_ports_as_people_write_them() {
        let protocol = |text: &str| text.parse::<IpProtocol>().map(|protocol| (protocol.0, protocol.to_string()));
        assert_eq!(protocol("TCP"), Ok((6, "tcp".to_owned())));
        assert_eq!(protocol("47"), Ok((47, "47".to_owned())));
        assert_eq!(protocol("1"), Ok((1, "icmp".to_owned())));
        let ports = |text: &str| text.parse::<Ports>().map(|ports| (ports.first, ports.last, ports.to_string()));
        assert_eq!(ports("80"), Ok((80, 80, "80".to_owned())));
        assert_eq!(ports("0-65535"), Ok((0, 65535, "0-65535".to_owned())));
        for wrong in ["", "256", "+6", "gre", "-1"] {
            assert!(protocol(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "-", "90-80", "65536", "1-", "+1", "http", "1-2-3"] {
            assert!(ports(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rule_on_the_wire() {
        let line = r#"{"mark":7,"local":true,"interface":"wan","source_mac":"02:00:00:00:00:09",
            "source":"172.16.0.0/12","destination":"fd00::/8","protocol":"tcp","source_port":"1000-2000","destination_port":80}"#;
        let line: String = line.split_whitespace().collect();
        let rule: MarkSpec = serde_json::from_str(&line).unwrap();
        assert_eq!(serde_json::to_string(&rule).unwrap(), line);
        let words = "7 --interface wan --source-mac 02:00:00:00:00:09 --source 172.16.0.0/12 --destination fd00::/8 \
                     --protocol tcp --source-port 1000-2000 --destination-port 80";
        assert_eq!(rule.to_string(), words);
        let bare: MarkSpec = serde_json::from_str(r#"{"mark":1,"protocol":47}"#).unwrap();
        assert!(bare.local && bare.protocol == Some(IpProtocol(47)));
        assert_eq!(serde_json::to_string(&bare).unwrap(), r#"{"mark":1,"local":true,"protocol":47}"#);
        for wrong in [r#"{"local":true}"#, r#"{"mark":1,"protocol":300}"#, r#"{"mark":1,"source_port":"9-8"}"#] {
            assert!(serde_json::from_str::<MarkSpec>(wrong).is_err(), "{wrong}");
        }
    }
}
