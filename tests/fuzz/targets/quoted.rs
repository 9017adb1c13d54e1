//! ICMP errors whose quotes are anything, to a worker that has connections of every method: each ends in one verdict, its
//! buffer comes back, no connection changes its state for it, and what leaves is whole.
//!
//! The first byte says who is told by which port, the second and third are type and code, the next four the rest of the
//! header; what follows is quoted. Checksums are made right, so that mutations reach what lies behind them.

#![no_main]

use std::net::{Ipv4Addr, Ipv6Addr};

use dataplane::flow::Protocol::{Tcp, Udp};
use lab::Lab;
use lab::frames::{framed, icmp};
use libfuzzer_sys::fuzz_target;

const CLIENT: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 2);
const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const OTHER_VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 101);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 12);
const DIRECTOR: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 254);
const CLIENT6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 2);
const VIP6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xf, 0, 0, 0, 0, 0, 0x64);
const DIRECTOR6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 0xfe);
const SYN: u8 = 2;

fuzz_target!(|bytes: &[u8]| {
    let Some((head, quoted)) = bytes.split_first_chunk::<7>() else { return };
    let quoted = &quoted[..quoted.len().min(1400)];
    let mut lab = Lab::new();
    for sport in 4000..4003 {
        lab.feed(0, &lab::frames::frame(CLIENT, VIP, (sport, 80), Tcp, SYN, 64));
        lab.feed(0, &lab::frames::frame(CLIENT, OTHER_VIP, (sport, 80), Tcp, SYN, 64));
        lab.feed(0, &lab::frames::frame(CLIENT6, VIP6, (sport, 80), Tcp, SYN, 64));
    }
    lab.feed(0, &lab::frames::frame(CLIENT, VIP, (4000, 80), Udp, 0, 64));
    let before = lab.connections();
    let (port, src, dst) = match head[0] & 3 {
        0 => (0, CLIENT, VIP),
        1 => (1, ROUTER, CLIENT),
        2 => (1, ROUTER, DIRECTOR),
        _ => (0, CLIENT, OTHER_VIP),
    };
    let told = head[1..].first_chunk().expect("six of seven bytes");
    let packet = if head[0] & 4 == 0 {
        icmp(src.into(), dst.into(), *told, quoted)
    } else {
        icmp(CLIENT6.into(), if head[0] & 8 == 0 { DIRECTOR6 } else { VIP6 }.into(), *told, quoted)
    };
    lab.feed(port, &framed(&packet));
    assert_eq!(lab.connections(), before, "an error neither begins a connection nor ends one");
    lab.check();
    lab.end();
});
