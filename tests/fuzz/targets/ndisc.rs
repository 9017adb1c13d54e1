//! A message of neighbour discovery, or a question about groups, byte by byte from outside, through a worker and control.
//! What is read of the former is written and read again as the same; a packet ends in one verdict, and control does not
//! panic at it.
//!
//! The first byte says the port, and whether the frame goes to the director's MAC or to a group's; the rest is the
//! packet. On a second way through hop limit, length and checksum are right, so that mutations reach what lies behind.

#![no_main]

use std::net::Ipv6Addr;

use dataplane::wire::checksum::Sum;
use dataplane::wire::ethernet::{self, MacAddr};
use dataplane::wire::mld::{self, RecordChange};
use dataplane::wire::ndisc::{ALL_NODES, Message, group_mac};
use dataplane::wire::{icmpv6, ipv6, put};
use lab::{Lab, frames};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, packet)) = bytes.split_first() else { return };
    let packet = &packet[..packet.len().min(1500)];
    read_and_write(packet);
    let right = right(packet);
    read_and_write(&right);
    let mut lab = Lab::new();
    for packet in [packet, &right, &alerting(packet)] {
        lab.feed(u16::from(*first) % 2, &framed(packet, *first & 2 != 0));
    }
    for _ in 0..5 {
        lab.pass(lab::SECOND);
    }
    lab.check();
});

/// What is read, written and read again is the same.
fn read_and_write(packet: &[u8]) {
    let frame = match Message::parse(packet) {
        Some(Message::Solicitation(asked)) => asked.frame(frames::SENDER, MacAddr(lab::MACS[0])),
        Some(Message::Advertisement(told)) => told.frame(frames::SENDER, MacAddr(lab::MACS[0])),
        None => return,
    };
    assert_eq!(Message::parse(&frame[ethernet::HEADER..]), Message::parse(packet));
}

/// The packet with what a sender on the link would have right.
fn right(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet.resize(packet.len().max(ipv6::HEADER + icmpv6::HEADER), 0);
    let length = (packet.len() - ipv6::HEADER) as u16;
    put(&mut packet, 0, &[0x60]);
    put(&mut packet, 4, &length.to_be_bytes());
    put(&mut packet, 6, &[icmpv6::PROTOCOL, 255]);
    put(&mut packet, ipv6::HEADER + 2, &[0, 0]);
    let (header, body) = packet.split_at(ipv6::HEADER);
    let sum = Sum::default().pseudo(&header[8..24], &header[24..], icmpv6::PROTOCOL, body.len()).bytes(body).finish();
    put(&mut packet, ipv6::HEADER + 2, &sum.to_be_bytes());
    packet
}

/// The packet as the message behind what a question about groups begins with.
fn alerting(packet: &[u8]) -> Vec<u8> {
    let near = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);
    let mut frame = mld::old_report(near, frames::SENDER, RecordChange::Joins, ALL_NODES)[ethernet::HEADER..].to_vec();
    let start = ipv6::HEADER + 8;
    frame.truncate(start);
    frame.extend(packet);
    let length = (frame.len() - ipv6::HEADER) as u16;
    put(&mut frame, 4, &length.to_be_bytes());
    if packet.len() >= icmpv6::HEADER {
        put(&mut frame, start, &[mld::QUERY]);
        icmpv6::seal(&mut frame[start..], &near.octets(), &ALL_NODES.octets());
    }
    frame
}

/// In a frame to the director, or to the group that the packet is addressed to.
fn framed(packet: &[u8], to_group: bool) -> Vec<u8> {
    let group = || packet.get(24..)?.first_chunk::<16>().map(|bytes| group_mac((*bytes).into()));
    let dst = if to_group { group() } else { None }.unwrap_or(MacAddr(lab::MACS[0]));
    let header = ethernet::Header { dst, src: frames::SENDER, ethertype: ethernet::IPV6 };
    [&header.bytes()[..], packet].concat()
}
