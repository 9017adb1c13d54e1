//! What clients and servers send: headers around each other, right in everything that is not asked to be wrong.

use std::net::IpAddr;

use dataplane::flow::Protocol;
use dataplane::wire::checksum::{self, Sum};
use dataplane::wire::ethernet::{self, Header, MacAddr};
use dataplane::wire::{icmpv4, icmpv6, ipv4, ipv6, put};

use crate::MACS;

/// Who sends everything, if one asks Ethernet.
pub const SENDER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x77]);

/// A packet of a client or a server, in a frame without a tag.
#[must_use]
pub fn frame(
    src: impl Into<IpAddr>,
    dst: impl Into<IpAddr>,
    ports: (u16, u16),
    protocol: Protocol,
    flags: u8,
    ttl: u8,
) -> Vec<u8> {
    let (src, dst) = (src.into(), dst.into());
    framed(&packet(src, dst, protocol.number(), ttl, &transport(src, dst, ports, protocol, flags, b"")))
}

/// An IP packet in a frame to the director.
#[must_use]
pub fn framed(packet: &[u8]) -> Vec<u8> {
    let ethertype = if packet.first().is_some_and(|first| first >> 4 == 6) { ethernet::IPV6 } else { ethernet::IPV4 };
    [&Header { dst: MacAddr(MACS[0]), src: SENDER, ethertype }.bytes()[..], packet].concat()
}

/// A segment of TCP or a datagram of UDP.
#[must_use]
pub fn transport(
    src: IpAddr,
    dst: IpAddr,
    (sport, dport): (u16, u16),
    protocol: Protocol,
    flags: u8,
    payload: &[u8],
) -> Vec<u8> {
    let mut transport = [sport.to_be_bytes(), dport.to_be_bytes()].concat();
    let checksum_at = if protocol == Protocol::Tcp {
        transport.extend([0, 0, 0, 9, 0, 0, 0, 5, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
        16
    } else {
        transport.extend([&(8 + payload.len() as u16).to_be_bytes()[..], &[0, 0]].concat());
        6
    };
    transport.extend_from_slice(payload);
    let sum = pseudo(src, dst, protocol.number(), transport.len()).bytes(&transport).finish();
    put(&mut transport, checksum_at, &sum.to_be_bytes());
    transport
}

/// What a checksum covers of the header in front.
#[must_use]
pub fn pseudo(src: IpAddr, dst: IpAddr, protocol: u8, length: usize) -> Sum {
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => Sum::default().pseudo(&src.octets(), &dst.octets(), protocol, length),
        (IpAddr::V6(src), IpAddr::V6(dst)) => Sum::default().pseudo(&src.octets(), &dst.octets(), protocol, length),
        _ => panic!("{src} and {dst} are of two families"),
    }
}

/// A packet of either family, of which IPv4 is number 7 and may be cut.
#[must_use]
pub fn packet(src: IpAddr, dst: IpAddr, protocol: u8, ttl: u8, body: &[u8]) -> Vec<u8> {
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let (src, dst, payload) = (src.to_bits(), dst.to_bits(), body.len());
            let build = ipv4::Build { tos: 0, payload, id: 7, df: false, ttl, protocol, src, dst };
            [&build.bytes()[..], body].concat()
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            [&ipv6::build(body.len(), protocol, ttl, &src.octets(), &dst.octets())[..], body].concat()
        }
        _ => panic!("{src} and {dst} are of two families"),
    }
}

/// A message of the family's ICMP: type, code and the rest of the header, and what follows.
#[must_use]
pub fn icmp(src: IpAddr, dst: IpAddr, head: [u8; 6], body: &[u8]) -> Vec<u8> {
    let [kind, code, rest @ ..] = head;
    let mut message = [&[kind, code, 0, 0], &rest[..], body].concat();
    if let (IpAddr::V6(src), IpAddr::V6(dst)) = (src, dst) {
        icmpv6::seal(&mut message, &src.octets(), &dst.octets());
        return packet(src.into(), dst.into(), icmpv6::PROTOCOL, 64, &message);
    }
    icmpv4::seal(&mut message);
    packet(src, dst, icmpv4::PROTOCOL, 64, &message)
}

/// Makes the checksum of an IPv4 header right, as far as there is one; `packet` may be anything.
pub fn seal4(packet: &mut [u8]) {
    let len = packet.first().map_or(0, |first| usize::from(first & 15) * 4).max(ipv4::HEADER);
    if let Some(header) = packet.get_mut(..len) {
        put(header, 10, &[0, 0]);
        let sum = checksum::of(header);
        put(header, 10, &sum.to_be_bytes());
    }
}
