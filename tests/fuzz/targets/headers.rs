//! What stands in front of a transport: tags of every kind around frames, chains of extension headers of every kind and
//! length in IPv6 and options in IPv4, before pieces, and inside what ICMP errors quote. Each packet ends once, every
//! buffer comes back, what leaves is whole; a priority tag changes nothing; and a packet that is cut can be put together.
//!
//! ```text
//! input  = packet...   packet = how:1 tag:1 count:1 item:3 x count
//! how    bit 0 port, bit 1 IPv4, bits 2 and 3 to whom, bit 4 inside an ICMP error, bit 5 in pieces, bits 6 and 7 what is carried
//! tag    bits 0 to 2 which tags, the others priority
//! item   kind (bit 7: it says another length than it has), length, what fills it; IPv4: kind, length and data of an option
//! ```

#![no_main]

use std::net::IpAddr;

use dataplane::flow::Protocol::{Tcp, Udp};
use dataplane::wire::echoed4::Echoed;
use dataplane::wire::fragment::{Cut, How, place4, place6};
use dataplane::wire::options4::{self, Here};
use dataplane::wire::{ipv4, ipv6, vlan};
use lab::frames::{framed, icmp, packet, seal4, transport};
use lab::{Lab, Place, VLANS};
use libfuzzer_sys::fuzz_target;

/// Extension headers, those that the director walks first; then what is none.
const KINDS: [u8; 10] = [0, 43, 44, 51, 60, 135, 139, 140, 59, 253];
/// Behind the MACs there is room for tags.
const MACS: usize = 12;

fuzz_target!(|bytes: &[u8]| {
    let mut labs = [Lab::new(), Lab::new()];
    let mut rest = bytes;
    for _ in 0..8 {
        let Some(([how, tag, count], behind)) = rest.split_first_chunk() else { break };
        let (items, behind) = behind.split_at(behind.len().min(usize::from(count % 32) * 3));
        rest = behind;
        let port = u16::from(how & 1);
        let packet = told(*how, items);
        put_together(&packet);
        filled_in(&packet);
        let parts = if how & 0x20 == 0 { vec![packet] } else { pieces(&packet, 8 + usize::from(*tag)) };
        for part in parts {
            let frame = framed(&part);
            for (lab, frame) in labs.iter_mut().zip([tagged(&frame, *tag, port), prioritized(&frame, *tag, port)]) {
                lab.feed(port, &frame);
            }
        }
    }
    let [lab, other] = &mut labs;
    assert_eq!(lab.sent(), other.sent());
    assert_eq!(lab.counters(), other.counters());
    lab.check();
    lab.end();
});

/// Puts tags into a frame.
fn tagged(frame: &[u8], tag: u8, port: u16) -> Vec<u8> {
    let [own, others] = [VLANS[usize::from(port)], VLANS[usize::from(1 - port)]];
    let word = |vlan: u16| (u16::from(tag >> 3) << 12 | vlan).to_be_bytes();
    let one = |kind: u16, vlan| [kind.to_be_bytes(), word(vlan)].concat();
    let tags = match tag & 7 {
        0 | 1 => Vec::new(),
        2 => one(vlan::TPID, own),
        3 => one(vlan::TPID, others),
        4 => [one(vlan::TPID, own), one(vlan::TPID, own)].concat(),
        5 => [one(vlan::SERVICE_TPID, own), one(vlan::TPID, own)].concat(),
        6 => one(vlan::SERVICE_TPID, own),
        _ => one(vlan::TPID, 0xfff),
    };
    [&frame[..MACS], &tags, &frame[MACS..]].concat()
}

/// A frame with tags; what would have none has one that says a priority.
fn prioritized(frame: &[u8], tag: u8, port: u16) -> Vec<u8> {
    if tag & 7 > 1 {
        return tagged(frame, tag, port);
    }
    [&frame[..MACS], &vlan::TPID.to_be_bytes(), &[tag & 0xf0, 0], &frame[MACS..]].concat()
}

/// A packet as the bytes tell.
fn told(how: u8, items: &[u8]) -> Vec<u8> {
    let place = Place { six: how & 2 == 0, tagged: false };
    let (src, dst) = match (how & 1, how >> 2 & 3) {
        (0, 0) => (place.client(1), place.vip(100)),
        (0, 1) => (place.client(1), place.vip(101)),
        (0, 2) => (place.client(1), place.server(11)),
        (0, _) => (place.client(1), place.director(0)),
        (_, 0) => (place.server(11), place.client(1)),
        (_, 1) => (place.server(12), place.director(1)),
        (_, 2) => (place.vip(101), place.client(1)),
        (..) => (place.server(13), place.vip(100)),
    };
    let ports = if how & 1 == 0 { (4000, 80) } else { (80, 4000) };
    let (protocol, body) = match how >> 6 {
        0 => (6, transport(src, dst, ports, Tcp, 2, &[])),
        1 => (17, transport(src, dst, ports, Udp, 0, &[0; 64])),
        2 => (if place.six { 58 } else { 1 }, icmp(src, dst, echo(place.six), &[7; 40])[head(place.six)..].to_vec()),
        _ => (4, packet(place.client(2), place.vip(100), 6, 9, &[0; 20])),
    };
    let plain =
        if place.six { chain(src, dst, protocol, &body, items) } else { options(src, dst, protocol, &body, items) };
    if how & 0x10 == 0 { plain } else { quote(&plain, src, dst, items) }
}

fn echo(six: bool) -> [u8; 6] {
    [if six { 128 } else { 8 }, 0, 0, 1, 0, 1]
}

const fn head(six: bool) -> usize {
    if six { ipv6::HEADER } else { ipv4::HEADER }
}

/// An error of whom the packet was sent to, and about it.
fn quote(about: &[u8], src: IpAddr, dst: IpAddr, items: &[u8]) -> Vec<u8> {
    let [kind, code] = [items.len() as u8, items.first().copied().unwrap_or_default()];
    let kind = if src.is_ipv6() { 1 + kind % 4 } else { [3, 4, 11, 12][usize::from(kind % 4)] };
    icmp(dst, src, [kind, code % 5, 0, 0, 5, 0], &about[..about.len().min(1200)])
}

/// Extension headers before a transport.
fn chain(src: IpAddr, dst: IpAddr, protocol: u8, body: &[u8], items: &[u8]) -> Vec<u8> {
    let kind = |item: &[u8]| KINDS[usize::from(item[0] & 0x7f) % KINDS.len()];
    let kinds = items.chunks_exact(3).map(kind).chain([protocol]);
    let mut between = Vec::new();
    for (item, next) in items.chunks_exact(3).zip(kinds.clone().skip(1)) {
        let (lies, kind) = (item[0] & 0x80 != 0, kind(item));
        let length = item[1] & if lies { 0xff } else { 7 };
        if kind == 44 {
            between.extend([next, 0, item[1], item[2], 0, 0, 0, 1]);
            continue;
        }
        // What counts eight bytes does not count the first eight; AH counts words of four, and not two of them.
        let unit = if kind == 51 { 4 } else { 8 };
        let bytes = 8 + if lies { usize::from(item[2] & 3) * 8 } else { usize::from(length) * unit };
        between.extend([next, length]);
        if matches!(kind, 0 | 60) && !lies {
            // One option that fills the header.
            between.extend([item[2], bytes as u8 - 4]);
            between.extend(std::iter::repeat_n(item[1], bytes - 4));
        } else {
            between.extend(std::iter::repeat_n(item[2], bytes - 2));
        }
    }
    let first = kinds.clone().next().expect("at least the transport");
    packet(src, dst, first, 64, &[&between, body].concat())
}

/// Options between IPv4 and a transport.
fn options(src: IpAddr, dst: IpAddr, protocol: u8, body: &[u8], items: &[u8]) -> Vec<u8> {
    let mut options = items[..items.len().min(40)].to_vec();
    options.resize(options.len().next_multiple_of(4), 1);
    let mut packet = packet(src, dst, protocol, 64, &[&options, body].concat());
    packet[0] += (options.len() / 4) as u8;
    seal4(&mut packet);
    packet
}

/// A station that fills in a header's options changes nothing else, and what it answers with is a whole header.
fn filled_in(packet: &[u8]) {
    let Ok(header) = ipv4::Header::parse(packet) else { return };
    let here = Here { route: 1, stamp: 2, time: 3, is_ours: &|address| address & 1 == 0 };
    let mut filled = packet.to_vec();
    let found = options4::fill(&mut filled[..header.len], &here);
    assert_eq!((&filled[..ipv4::HEADER], &filled[header.len..]), (&packet[..ipv4::HEADER], &packet[header.len..]));
    assert!(found.problem.is_none_or(|at| usize::from(at) < header.len));
    if let Some(echoed) = Echoed::of(&filled[..header.len], &found, &here) {
        assert!(echoed.bytes().len() <= options4::MOST && echoed.bytes().len() % 4 == 0);
    }
}

/// Pieces of at most so much, if it can be cut.
fn pieces(packet: &[u8], most: usize) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    if let Some(cut) = Cut::of(packet, How { most, df: false, sizes: &[], id: 9 }) {
        cut.pieces(|header, data| {
            pieces.push([header, data].concat());
            true
        });
    }
    pieces
}

/// Pieces are what they should be: each in its place, together the packet.
fn put_together(packet: &[u8]) {
    let six = packet[0] >> 4 == 6;
    for most in [100, 200] {
        let mut data = Vec::new();
        let pieces = pieces(packet, most);
        for piece in &pieces {
            assert!(piece.len() <= most);
            let place = if six { place6(piece) } else { place4(piece) }.expect("a piece");
            assert_eq!((place.offset, place.end), (data.len(), piece.len()));
            data.extend_from_slice(&piece[place.at..]);
        }
        assert!(pieces.is_empty() || packet.ends_with(&data));
    }
}
