//! ICMP errors whose quotes are anything, to a worker that has connections of every method: each ends in one verdict, its
//! buffer comes back, no connection changes its state for it, and what leaves is whole.
//!
//! The first byte says who is told by which port, the second and third are type and code, the next four the rest of the
//! header; what follows is quoted. Checksums are made right, so that mutations reach what lies behind them.

#![no_main]

#[path = "../lab.rs"]
mod lab;

use std::net::Ipv4Addr;

use dataplane::flow::Protocol::{Tcp, Udp};
use dataplane::wire::checksum;
use dataplane::wire::ethernet::{self, Header, MacAddr};
use dataplane::wire::{icmpv6, ipv4, ipv6, put};
use lab::Lab;
use libfuzzer_sys::fuzz_target;

const CLIENT: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 2);
const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const OTHER_VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 101);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 12);
const DIRECTOR: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 254);
const SYN: u8 = 2;

fuzz_target!(|bytes: &[u8]| {
    let Some((head, quoted)) = bytes.split_first_chunk::<7>() else { return };
    let quoted = &quoted[..quoted.len().min(1400)];
    let mut lab = Lab::new();
    for sport in 4000..4003 {
        lab.feed(0, &lab::frame(CLIENT, VIP, (sport, 80), Tcp, SYN, 64, 0));
        lab.feed(0, &lab::frame(CLIENT, OTHER_VIP, (sport, 80), Tcp, SYN, 64, 0));
    }
    lab.feed(0, &lab::frame(CLIENT, VIP, (4000, 80), Udp, 0, 64, 0));
    let before = lab.connections();
    let (port, src, dst) = match head[0] & 3 {
        0 => (0, CLIENT, VIP),
        1 => (1, ROUTER, CLIENT),
        2 => (1, ROUTER, DIRECTOR),
        _ => (0, CLIENT, OTHER_VIP),
    };
    let mut message = [&head[1..3], &[0, 0], &head[3..7], quoted].concat();
    let frame = if head[0] & 4 == 0 { four(&mut message, src, dst) } else { six(&mut message) };
    lab.feed(port, &frame);
    assert_eq!(lab.connections(), before, "an error neither begins a connection nor ends one");
    lab.check();
});

fn four(message: &mut [u8], src: Ipv4Addr, dst: Ipv4Addr) -> Vec<u8> {
    let sum = checksum::of(message);
    put(message, 2, &sum.to_be_bytes());
    let (src, dst, payload) = (src.to_bits(), dst.to_bits(), message.len());
    let header = ipv4::Build { tos: 0, payload, id: 7, df: false, ttl: 64, protocol: 1, src, dst }.bytes();
    [&ether(ethernet::IPV4)[..], &header, message].concat()
}

fn six(message: &mut [u8]) -> Vec<u8> {
    let (src, dst) = ([0xfd; 16], [0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe]);
    icmpv6::seal(message, &src, &dst);
    let header = ipv6::build(message.len(), icmpv6::PROTOCOL, 64, &src, &dst);
    [&ether(ethernet::IPV6)[..], &header, message].concat()
}

fn ether(ethertype: u16) -> [u8; ethernet::HEADER] {
    Header { dst: MacAddr(lab::MACS[0]), src: MacAddr([2, 0, 0, 0, 0, 0x77]), ethertype }.bytes()
}
