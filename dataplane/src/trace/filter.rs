//! Which packets a watch wants: a conjunction of terms, a pure function of a frame and the port it came by.

use std::net::IpAddr;

use super::Outline;
use crate::route::Prefix;
use crate::wire::vlan::Lan;
use crate::wire::{ethernet, icmpv4, icmpv6};

/// One condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// ARP.
    Arp,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// ICMP of either family.
    Icmp,
    /// IP of this protocol.
    Protocol(u8),
    /// An address of the packet.
    Address(PacketEnd, Prefix),
    /// A port of the packet.
    Port(PacketEnd, u16),
    /// The device port that it arrived by, or by which the director sends it, whatever its VLAN.
    Device(u16),
    /// A VLAN on a device port.
    Vlan(Lan),
}

/// Which end of a packet is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketEnd {
    /// Its source.
    Source,
    /// Its destination.
    Destination,
    /// One of them.
    Either,
}

/// Terms that all must hold, each as it is or negated. Without any, everything passes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The term, and whether it must hold (`true`) or must not.
    pub terms: Vec<(Term, bool)>,
}

impl Filter {
    /// Whether a frame that came by a device port is wanted.
    #[must_use]
    pub fn matches(&self, frame: &[u8], device: u16) -> bool {
        let (outline, lan) = (Outline::of(frame), Lan::of(device, frame));
        self.terms.iter().all(|(term, wanted)| term.holds(&outline, lan) == *wanted)
    }
}

impl Term {
    fn holds(self, packet: &Outline, lan: Lan) -> bool {
        match self {
            Self::Arp => packet.ethertype == ethernet::ARP,
            Self::Ipv4 => packet.ethertype == ethernet::IPV4,
            Self::Ipv6 => packet.ethertype == ethernet::IPV6,
            Self::Icmp => matches!(
                (packet.ethertype, packet.protocol),
                (ethernet::IPV4, Some(icmpv4::PROTOCOL)) | (ethernet::IPV6, Some(icmpv6::PROTOCOL))
            ),
            Self::Protocol(protocol) => packet.protocol == Some(protocol),
            Self::Address(side, prefix) => packet.ends.is_some_and(|ends| side.any(ends, |end| contains(prefix, end))),
            Self::Port(side, port) => packet.ports.is_some_and(|ports| side.any(ports, |end| end == port)),
            Self::Device(wanted) => lan.port() == wanted,
            Self::Vlan(wanted) => lan == wanted,
        }
    }
}

impl PacketEnd {
    fn any<T>(self, (source, destination): (T, T), is: impl Fn(T) -> bool) -> bool {
        match self {
            Self::Source => is(source),
            Self::Destination => is(destination),
            Self::Either => is(source) || is(destination),
        }
    }
}

fn contains(prefix: Prefix, address: IpAddr) -> bool {
    let above = |bits: u32| bits.saturating_sub(u32::from(prefix.length));
    match (prefix.address, address) {
        (IpAddr::V4(net), IpAddr::V4(address)) => {
            (net.to_bits() ^ address.to_bits()).checked_shr(above(32)).unwrap_or(0) == 0
        }
        (IpAddr::V6(net), IpAddr::V6(address)) => {
            (net.to_bits() ^ address.to_bits()).checked_shr(above(128)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::arp;
    use crate::wire::ethernet::{Header, MacAddr};
    use crate::wire::ipv4::Build;
    use crate::wire::ipv6;

    fn ether(ethertype: u16, payload: &[&[u8]]) -> Vec<u8> {
        let header = Header { dst: MacAddr([2; 6]), src: MacAddr([4; 6]), ethertype };
        [&header.bytes()[..], &payload.concat()].concat()
    }

    /// A SYN from 10.0.0.9, port 4000, to 10.0.0.100, port 80.
    fn syn() -> Vec<u8> {
        let (src, dst) = (0x0a00_0009, 0x0a00_0064);
        let header = Build { tos: 0, payload: 20, id: 7, df: true, ttl: 64, protocol: 6, src, dst }.bytes();
        ether(ethernet::IPV4, &[&header, &[0x0f, 0xa0, 0, 80], &[0; 8], &[0x50, 2, 0, 0, 0, 0, 0, 0]])
    }

    fn net(address: &str, length: u8) -> Prefix {
        Prefix { address: address.parse().unwrap(), length }
    }

    fn holds(term: Term, frame: &[u8]) -> bool {
        Filter { terms: vec![(term, true)] }.matches(frame, 1)
    }

    #[test]
    fn terms_about_ipv4() {
        use PacketEnd::{Destination, Either, Source};
        let frame = syn();
        let outline = Outline::of(&frame);
        assert_eq!((outline.ports, outline.detail, outline.ttl), (Some((4000, 80)), 2, 64));
        let yes = [
            Term::Ipv4,
            Term::Protocol(6),
            Term::Address(Either, net("10.0.0.9", 32)),
            Term::Address(Source, net("10.0.0.0", 24)),
            Term::Address(Destination, net("10.0.0.100", 32)),
            Term::Address(Source, net("0.0.0.0", 0)),
            Term::Port(Either, 4000),
            Term::Port(Destination, 80),
            Term::Device(1),
        ];
        let no = [
            Term::Arp,
            Term::Ipv6,
            Term::Icmp,
            Term::Protocol(17),
            Term::Address(Destination, net("10.0.0.9", 32)),
            Term::Address(Either, net("10.0.0.8", 32)),
            Term::Address(Either, net("::", 0)),
            Term::Port(Source, 80),
            Term::Device(0),
        ];
        for term in yes {
            assert!(holds(term, &frame), "{term:?}");
        }
        for term in no {
            assert!(!holds(term, &frame), "{term:?}");
        }
        let both =
            |wanted| Filter { terms: vec![(Term::Protocol(6), true), (Term::Port(PacketEnd::Either, 80), wanted)] };
        assert!(both(true).matches(&frame, 0) && !both(false).matches(&frame, 0));
        assert!(Filter::default().matches(&[], 0), "everything");
    }

    #[test]
    fn ipv6_behind_extension_headers_and_tags() {
        let (src, dst): (std::net::Ipv6Addr, std::net::Ipv6Addr) =
            ("fd00::9".parse().unwrap(), "fd00:1::64".parse().unwrap());
        let header = ipv6::build(16, 60, 64, &src.octets(), &dst.octets());
        let options = [17, 0, 1, 4, 0, 0, 0, 0];
        let packet = [&header[..], &options, &[0x0f, 0xa0, 0, 53, 0, 8, 0, 0]].concat();
        for frame in [ether(ethernet::IPV6, &[&packet]), ether(0x8100, &[&[0, 7, 0x86, 0xdd], &packet])] {
            for term in [
                Term::Ipv6,
                Term::Protocol(17),
                Term::Port(PacketEnd::Destination, 53),
                Term::Address(PacketEnd::Source, net("fd00::", 64)),
                Term::Address(PacketEnd::Destination, net("fd00:1::64", 128)),
            ] {
                assert!(holds(term, &frame), "{term:?}");
            }
            assert!(!holds(Term::Address(PacketEnd::Source, net("fd00:1::", 64)), &frame));
        }
    }

    #[test]
    fn arp_has_addresses_and_later_fragments_have_no_ports() {
        let packet = arp::Packet {
            operation: arp::Operation::Request,
            sender_mac: MacAddr([2; 6]),
            sender: [10, 0, 0, 9].into(),
            target_mac: MacAddr::default(),
            target: [10, 0, 0, 1].into(),
        };
        let frame = packet.frame(ethernet::BROADCAST);
        assert!(holds(Term::Arp, &frame) && holds(Term::Address(PacketEnd::Destination, net("10.0.0.1", 32)), &frame));
        let mut later = syn();
        later[ethernet::HEADER + 7] = 1;
        assert!(holds(Term::Protocol(6), &later) && !holds(Term::Port(PacketEnd::Either, 80), &later));
    }

    proptest! {
        #[test]
        fn never_panics(
            ethertype in prop::sample::select(vec![ethernet::IPV4, ethernet::IPV6, ethernet::ARP, 0x8100, 7]),
            bytes in prop::collection::vec(any::<u8>(), 0..120),
            cut in 0usize..20,
            length: u8,
        ) {
            let frame = ether(ethertype, &[&bytes]);
            let frame = &frame[cut.min(frame.len())..];
            let terms = [Term::Address(PacketEnd::Either, net("10.0.0.0", length)), Term::Port(PacketEnd::Source, 80)];
            let _ = Filter { terms: terms.map(|term| (term, true)).to_vec() }.matches(frame, 0);
            let _ = Filter { terms: vec![(Term::Address(PacketEnd::Either, net("fd00::", length)), false)] }.matches(frame, 0);
        }
    }
}
