//! What leaves the director is addressed, from it, by a VLAN of its own, whole, and small enough.
//!
//! Checksums of transports are wanted only if all that came was right: what is forwarded stays as wrong as it was.

use dataplane::wire::checksum::Sum;
use dataplane::wire::ethernet::{self, Header};
use dataplane::wire::vlan::{self, Lan, Tagging};
use dataplane::wire::{arp, be16, icmpv4, icmpv6, ipv4, ipv6, ndisc, sctp};

use crate::{MACS, VLANS};

/// What is inside IP, with addresses and protocol.
struct Transport<'a> {
    ends: &'a [u8],
    protocol: u8,
    body: &'a [u8],
}

/// Checks a frame; `right` if every packet that came was.
pub(crate) fn check(port: u16, frame: &[u8], right: bool) {
    let header = Header::parse(frame).expect("a whole Ethernet header");
    assert_eq!(header.src.0, MACS[usize::from(port)], "from the director");
    let tagging = Tagging::of(frame);
    let ours = |vlan| vlan == VLANS[usize::from(port)] && be16(frame, ethernet::HEADER) == vlan;
    let l3 = match tagging {
        Tagging::Untagged => ethernet::HEADER,
        Tagging::Tagged(vlan) if ours(vlan) => ethernet::HEADER + vlan::LEN,
        other => panic!("{other:?} by port {port}"),
    };
    let (ethertype, packet) = (be16(frame, l3 - 2), &frame[l3..]);
    assert!(ethertype == ethernet::ARP || packet.len() <= mtu(Lan::of(port, frame)), "{} bytes", packet.len());
    match ethertype {
        ethernet::ARP => assert!(arp::Packet::parse(packet).is_some(), "{packet:02x?}"),
        ethernet::IPV4 => check4(packet, right),
        ethernet::IPV6 => check6(packet, right),
        other => panic!("EtherType {other:04x}"),
    }
}

/// What a link takes, see [`crate::network`].
fn mtu(lan: Lan) -> usize {
    if lan == Lan::new(1, VLANS[1]) { 1400 } else { 1500 }
}

fn check4(packet: &[u8], right: bool) {
    let header = ipv4::Header::parse(packet).expect("a right IPv4 header");
    assert_eq!(header.total, packet.len());
    assert_ne!(header.ttl, 0);
    if right && !header.is_fragment() {
        let body = &packet[header.len..];
        Transport { ends: &packet[12..20], protocol: header.protocol, body }.check();
    }
}

fn check6(packet: &[u8], right: bool) {
    let header = ipv6::Header::parse(packet).expect("a right IPv6 header");
    assert_eq!(header.total, packet.len());
    assert_ne!(header.hop_limit, 0);
    let upper = ipv6::upper(packet, header.next).expect("headers that end");
    let transport = Transport { ends: &packet[8..40], protocol: upper.protocol, body: &packet[upper.at..] };
    // Only who is on the link sends this, and nobody forwards it.
    if header.hop_limit == 255 {
        assert!(ndisc::Message::parse(packet).is_some(), "{packet:02x?}");
        return transport.check();
    }
    if right && !upper.piece {
        transport.check();
    }
}

impl Transport<'_> {
    fn check(&self) {
        let Self { ends, protocol, body } = *self;
        let (src, dst) = ends.split_at(ends.len() / 2);
        let pseudo = Sum::default().pseudo(src, dst, protocol, body.len());
        let sum = match protocol {
            4 => return check4(body, true),
            41 => return check6(body, true),
            icmpv4::PROTOCOL => Sum::default(),
            6 | icmpv6::PROTOCOL => pseudo,
            17 if be16(body, 6) != 0 => pseudo,
            sctp::PROTOCOL => return assert!(sctp::is_right(body)),
            47 if be16(body, 0) & 0x8000 != 0 => Sum::default(),
            _ => return,
        };
        assert_eq!(sum.bytes(body).fold(), 0xffff, "protocol {protocol}: {body:02x?}");
    }
}
