//! Pieces of packets that mutation chooses, of either family, to a virtual address and past it: whatever their places,
//! lengths, orders and repetitions, each ends once, every buffer comes back, and what is kept stays within its bounds.
//!
//! Five bytes a piece: family, sender, identification and whether more follows; place; length; what its header says
//! else; what its data is. 0xff passes time.

#![no_main]

use dataplane::wire::{ipv4, ipv6, put};
use lab::{Lab, frames};
use libfuzzer_sys::fuzz_target;

const CLIENT: u32 = 0xac10_0001;
const VIP: u32 = 0x0a00_0064;
const SERVER: u32 = 0x0a01_000b;

fuzz_target!(|bytes: &[u8]| {
    let mut lab = Lab::new();
    for piece in bytes.chunks_exact(5).take(300) {
        match piece[0] {
            0xff => lab.pass(u64::from(piece[1]) * lab::SECOND),
            first if first & 1 == 0 => lab.feed(0, &piece4(piece)),
            _ => lab.feed(0, &piece6(piece)),
        }
    }
    lab.check();
    lab.end();
});

/// Place and data of a piece: small numbers are near each other, large ones far.
fn body(piece: &[u8]) -> (u16, Vec<u8>) {
    let place = u16::from(piece[1] & 0x7f) << if piece[1] & 0x80 == 0 { 0 } else { 6 };
    let length = usize::from(piece[2]) * if piece[3] & 1 == 0 { 1 } else { 8 };
    // Ports of a service, where it is the first.
    let data = [0x0f, 0xa0, 0, 80].into_iter().chain(std::iter::repeat(piece[4])).take(length);
    (place & 0x1fff, data.collect())
}

fn piece4(piece: &[u8]) -> Vec<u8> {
    let (place, data) = body(piece);
    let build = ipv4::Build {
        tos: piece[3] >> 1 & 3,
        payload: data.len(),
        id: (piece[0] >> 4).into(),
        df: false,
        ttl: 9,
        protocol: if piece[3] & 8 == 0 { 17 } else { piece[4] },
        src: CLIENT + u32::from(piece[0] >> 2 & 1),
        dst: if piece[3] & 16 == 0 { VIP } else { SERVER },
    };
    let mut packet = [&build.bytes()[..], &data].concat();
    let flags = u16::from(piece[0] & 2) << 12 | u16::from(piece[3] & 32) << 9;
    put(&mut packet, 6, &(place | flags).to_be_bytes());
    frames::seal4(&mut packet);
    frames::framed(&packet)
}

fn piece6(piece: &[u8]) -> Vec<u8> {
    let (place, data) = body(piece);
    let (src, dst) =
        ([0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe]);
    let next = if piece[3] & 8 == 0 { 17 } else { piece[4] };
    let more = u16::from(piece[0] & 2) >> 1;
    let place = [&[next, 0][..], &(place << 3 | more).to_be_bytes(), &[0, 0, 0, piece[0] >> 4]].concat();
    let (between, first): (&[u8], u8) = if piece[3] & 16 == 0 { (&[], 44) } else { (&[44, 0, 1, 4, 0, 0, 0, 0], 60) };
    let header = ipv6::build(between.len() + place.len() + data.len(), first, 9, &src, &dst);
    frames::framed(&[&header[..], between, &place, &data].concat())
}
