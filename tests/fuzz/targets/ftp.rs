//! What a control connection of FTP says, from both ends, byte by byte from outside: alone, and through a worker that has
//! such a connection. What is found lies within what was said; every packet ends in one verdict, what leaves is right,
//! and servers count what is there and what is expected.
//!
//! Lines are said in turn, unless one begins with `<` (the client) or `>` (the server).

#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use dataplane::conn::Mode;
use dataplane::flow::Protocol::Tcp;
use dataplane::proto::ftp;
use dataplane::wire::put;
use lab::Lab;
use lab::frames::{frame, framed, packet, pseudo, transport};
use libfuzzer_sys::fuzz_target;

const CLIENT: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 1);
const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 11);
const SERVICE: &str = "[[service]]\nprotocol = \"tcp\"\naddress = \"10.0.0.100:21\"\nscheduler = \"rr\"\n\
    [[service.server]]\naddress = \"10.1.0.11:21\"\nforward = \"nat\"\n";

fuzz_target!(|bytes: &[u8]| {
    for six in [false, true] {
        let _ = ftp::command(bytes, six);
    }
    for (mode, server) in [(Mode::Passive, IpAddr::V4(SERVER)), (Mode::Extended, IpAddr::from([0xfd; 16]))] {
        if let Some(offer) = ftp::offer(bytes, mode, server) {
            assert!(bytes.get(offer.range).is_some_and(|said| !said.is_empty()));
            assert!(ftp::text(mode, offer.address).len() <= ftp::LONGEST);
        }
    }
    let mut lab = Lab::configured(SERVICE);
    let ([client, server], mut numbers) = ([0, 1], [100, 500]);
    for (who, flags) in [(client, 2), (server, 18), (client, 16)] {
        lab.feed(who, &segment(who, flags, &mut numbers, b""));
    }
    let mut who = server;
    for line in bytes.split_inclusive(|byte| *byte == b'\n').take(16) {
        let (next, line) = match line {
            [b'<', rest @ ..] => (client, rest),
            [b'>', rest @ ..] => (server, rest),
            _ => (1 - who, line),
        };
        who = next;
        lab.feed(who, &segment(who, 16, &mut numbers, &line[..line.len().min(1460)]));
    }
    for port in [20, 1029, 25_610] {
        lab.feed(client, &frame(CLIENT, VIP, (4001, port), Tcp, 2, 64));
        lab.feed(server, &frame(SERVER, CLIENT, (20, port), Tcp, 2, 64));
    }
    lab.check();
    for _ in 0..3 {
        lab.pass(1000 * lab::SECOND);
        lab.check();
    }
});

/// What the client (0) or the server (1) says.
fn segment(who: u16, flags: u8, numbers: &mut [u32; 2], text: &[u8]) -> Vec<u8> {
    let (src, dst, ports) = if who == 0 { (CLIENT, VIP, (4000, 21)) } else { (SERVER, CLIENT, (21, 4000)) };
    let [own, others] = [numbers[usize::from(who)], numbers[usize::from(1 - who)]];
    numbers[usize::from(who)] += text.len() as u32 + u32::from(flags & 2 != 0);
    let mut said = transport(src.into(), dst.into(), ports, Tcp, flags, text);
    put(&mut said, 4, &[own.to_be_bytes(), others.to_be_bytes()].concat());
    put(&mut said, 16, &[0, 0]);
    let sum = pseudo(src.into(), dst.into(), 6, said.len()).bytes(&said).finish();
    put(&mut said, 16, &sum.to_be_bytes());
    framed(&packet(src.into(), dst.into(), 6, 64, &said))
}
