//! Firewall marks: the mark that a packet gets of rules, as `iptables -t mangle -A PREROUTING ... -j MARK --set-mark N`
//! gives it, and whether that makes it local, as `ip rule add fwmark N lookup TABLE` with a local default route in TABLE
//! does.
//!
//! ```text
//! MARK does not end a chain, so the last rule that fits decides:
//! for each rule, the last one first: if every part of it fits, its mark and its word on "local" count
//! no rule fits: no mark
//! ```
//!
//! Only packets that belong to no connection are looked at.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::route::Prefix;
use crate::wire::ethernet::MacAddr;

/// What rules make of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// 0 = none.
    pub number: u32,
    /// It is dealt with here, whatever it is addressed to.
    pub local: bool,
}

/// Who sent a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// This station.
    Is(MacAddr),
    /// Any but this one.
    IsNot(MacAddr),
}

/// A rule. What is `None` fits every packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// By which interface it came.
    pub interface: Option<u16>,
    /// From which neighbour.
    pub sender: Option<Sender>,
    /// From whom.
    pub source: Option<Prefix>,
    /// To whom.
    pub destination: Option<Prefix>,
    /// IANA protocol number.
    pub protocol: Option<u8>,
    /// Source ports; packets without ports do not fit.
    pub source_ports: Option<RangeInclusive<u16>>,
    /// Destination ports; packets without ports do not fit.
    pub destination_ports: Option<RangeInclusive<u16>>,
    /// What a packet that fits becomes.
    pub mark: Mark,
}

/// What rules look at.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// By which interface it came.
    pub interface: Option<u16>,
    /// Its Ethernet source.
    pub sender: MacAddr,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// IANA protocol number.
    pub protocol: u8,
    /// Source and destination port, where it has some.
    pub ports: Option<(u16, u16)>,
}

/// All rules.
#[derive(Clone, Debug, Default)]
pub struct Marks(Arc<[Rule]>);

impl Marks {
    /// From rules in their order.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        Self(rules.into())
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The mark of a packet.
    #[must_use]
    pub fn of(&self, seen: &Seen) -> Mark {
        self.0.iter().rev().find(|rule| rule.fits(seen)).map_or(Mark::default(), |rule| rule.mark)
    }
}

impl Rule {
    fn fits(&self, seen: &Seen) -> bool {
        let port = |range: &Option<RangeInclusive<u16>>, port: fn((u16, u16)) -> u16| {
            range.as_ref().is_none_or(|range| seen.ports.is_some_and(|ports| range.contains(&port(ports))))
        };
        let sender = |sender| match sender {
            Sender::Is(mac) => seen.sender == mac,
            Sender::IsNot(mac) => seen.sender != mac,
        };
        self.interface.is_none_or(|interface| seen.interface == Some(interface))
            && self.protocol.is_none_or(|protocol| seen.protocol == protocol)
            && self.destination.is_none_or(|prefix| prefix.contains(seen.destination))
            && self.source.is_none_or(|prefix| prefix.contains(seen.source))
            && port(&self.destination_ports, |(_, destination)| destination)
            && port(&self.source_ports, |(source, _)| source)
            && self.sender.is_none_or(sender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRIEND: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

    fn seen() -> Seen {
        Seen {
            interface: Some(1),
            sender: MacAddr([2; 6]),
            source: [172, 16, 0, 1].into(),
            destination: [10, 3, 0, 9].into(),
            protocol: 6,
            ports: Some((4000, 80)),
        }
    }

    fn net(text: &str, length: u8) -> Option<Prefix> {
        Some(Prefix { address: text.parse().unwrap(), length })
    }

    /// Whether a rule fits the packet above, with something changed.
    fn fits(rule: &Rule, change: impl FnOnce(&mut Seen)) -> bool {
        let mut seen = seen();
        change(&mut seen);
        let mark = Mark { number: 7, local: true };
        Marks::new(vec![Rule { mark, ..rule.clone() }]).of(&seen) == mark
    }

    #[test]
    fn each_part_of_a_rule_must_fit() {
        let nothing = |_: &mut Seen| ();
        assert!(fits(&Rule::default(), nothing));
        let rule = Rule { interface: Some(1), ..Rule::default() };
        assert!(fits(&rule, nothing) && !fits(&rule, |seen| seen.interface = Some(0)));
        let rule = Rule { protocol: Some(6), ..Rule::default() };
        assert!(fits(&rule, nothing) && !fits(&rule, |seen| seen.protocol = 17));
        let rule = Rule { source: net("172.16.0.0", 12), ..Rule::default() };
        assert!(fits(&rule, nothing) && !fits(&rule, |seen| seen.source = [172, 32, 0, 1].into()));
        let rule = Rule { destination: net("10.3.0.9", 32), ..Rule::default() };
        assert!(fits(&rule, nothing) && !fits(&rule, |seen| seen.destination = [10, 3, 0, 8].into()));
        let rule = Rule { destination_ports: Some(80..=89), ..Rule::default() };
        assert!(fits(&rule, nothing) && !fits(&rule, |seen| seen.ports = Some((80, 90))));
        let rule = Rule { source_ports: Some(4000..=4000), ..Rule::default() };
        assert!(fits(&rule, nothing) && !fits(&rule, |seen| seen.ports = Some((80, 4000))));
        assert!(!fits(&rule, |seen| seen.ports = None), "a fragment has no ports");
        let rule = Rule { sender: Some(Sender::IsNot(FRIEND)), ..Rule::default() };
        assert!(fits(&rule, nothing) && !fits(&rule, |seen| seen.sender = FRIEND));
        let rule = Rule { sender: Some(Sender::Is(FRIEND)), ..Rule::default() };
        assert!(!fits(&rule, nothing) && fits(&rule, |seen| seen.sender = FRIEND));
    }

    #[test]
    fn a_prefix_is_of_one_family() {
        let all4 = Rule { destination: net("0.0.0.0", 0), ..Rule::default() };
        let all6 = Rule { destination: net("::", 0), ..Rule::default() };
        let six = |seen: &mut Seen| seen.destination = "fd00::1".parse().unwrap();
        assert!(fits(&all4, |_| ()) && !fits(&all4, six));
        assert!(!fits(&all6, |_| ()) && fits(&all6, six));
    }

    #[test]
    fn the_last_that_fits_decides() {
        let rule = |number, local, protocol| Rule { mark: Mark { number, local }, protocol, ..Rule::default() };
        let marks = Marks::new(vec![rule(1, true, None), rule(2, false, Some(6)), rule(3, true, Some(17))]);
        assert_eq!(marks.of(&seen()), Mark { number: 2, local: false });
        assert_eq!(marks.of(&Seen { protocol: 1, ..seen() }), Mark { number: 1, local: true });
        assert_eq!(Marks::default().of(&seen()), Mark::default());
    }
}
