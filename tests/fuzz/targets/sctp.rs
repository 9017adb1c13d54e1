//! SCTP packets of hostile chunks, as a conversation: each goes through a worker with an SCTP service by every method,
//! and through the functions that walk chunks.
//!
//! ```text
//! input = packet...   packet = from:1 length:1 chunks:length
//! from: bit 0 the server answers, bits 1 and 2 the client's port, bits 3 and 4 the service, bit 5 a wrong checksum
//! ```

#![no_main]

use std::net::Ipv4Addr;

use dataplane::proto::sctp::{STATES, next, said};
use dataplane::proto::tcp::Seen;
use dataplane::wire::sctp::{HEADER, PROTOCOL, is_right, out_of_the_blue, set_checksum};
use lab::{Lab, frames};
use libfuzzer_sys::fuzz_target;

/// Virtual ports: of a service by NAT with another port, by NAT with the same, by DR and TUN, of none.
const PORTS: [u16; 4] = [80, 81, 82, 83];

fuzz_target!(|bytes: &[u8]| {
    let mut lab = Lab::new();
    let mut rest = bytes;
    while let Some(([from, length], behind)) = rest.split_first_chunk() {
        let (chunks, behind) = behind.split_at(behind.len().min(usize::from(*length)));
        rest = behind;
        let reply = from & 1 != 0;
        let packet = packet(*from, chunks);
        walk(&packet);
        let (client, vip) = (Ipv4Addr::new(172, 16, 0, 2), Ipv4Addr::new(10, 0, 0, 100));
        let (src, dst) = if reply { (Ipv4Addr::new(10, 1, 0, 11), client) } else { (client, vip) };
        let packet = frames::packet(src.into(), dst.into(), PROTOCOL, 64, &packet);
        lab.feed(reply.into(), &frames::framed(&packet));
    }
    lab.check();
});

fn packet(from: u8, chunks: &[u8]) -> Vec<u8> {
    let (client, service) = (4000 + u16::from(from >> 1 & 3), usize::from(from >> 3 & 3));
    // The first service's server listens elsewhere.
    let server = [8080, 81, 82, 83][service];
    let (sport, dport) = if from & 1 != 0 { (server, client) } else { (client, PORTS[service]) };
    let ports = [sport.to_be_bytes(), dport.to_be_bytes()].concat();
    let mut packet = [&ports[..], &[0, 0, 0, 7, 0, 0, 0, 0], chunks].concat();
    set_checksum(&mut packet);
    packet[8] ^= from & 1 << 5;
    packet
}

/// What walks chunks takes anything, and says nothing that cannot be.
fn walk(packet: &[u8]) {
    if let Some(answer) = out_of_the_blue(packet) {
        assert!(is_right(&answer) && answer.len() < HEADER + 8);
    }
    let said = said(packet);
    for seen in [Seen::Input, Seen::Output, Seen::InputOnly] {
        let states = 0..STATES as u8;
        let moves = states.filter(|state| next(seen, *state, said).is_some()).count();
        assert_eq!(moves, if packet.len() < HEADER + 4 { 0 } else { STATES });
    }
}
