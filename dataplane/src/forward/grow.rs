//! Growing a packet: some bytes of a TCP segment become others, and it gets longer or shorter. The lengths in its IP header
//! and both checksums follow incrementally (RFC 1624); only what moves by an odd number of bytes is summed again.

use std::ops::Range;

use crate::packet::Meta;
use crate::port::PacketBuf;
use crate::wire::checksum::{Delta, Sum};
use crate::wire::{be16, ipv6, put, tcp};

/// Why a packet did not grow. It is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It would be longer than what its next hop takes.
    TooLarge,
    /// Its buffer has no room behind it.
    NoTailroom,
}

/// Puts a text in the place of a range of the frame's bytes, which is a range of its TCP segment. The IP packet is to be no
/// longer than `mtu` afterwards. Returns by how many bytes it grew.
pub fn replace<B: PacketBuf>(
    packet: &mut B,
    meta: &mut Meta,
    range: Range<usize>,
    text: &[u8],
    mtu: u16,
) -> Result<i32, Refused> {
    let old = (meta.end as usize).min(packet.len());
    let (l3, l4) = (usize::from(meta.l3), usize::from(meta.l4).min(old));
    let start = range.start.clamp(l4, old);
    let range = start..range.end.clamp(start, old);
    let new = old - range.len() + text.len();
    let len = new.saturating_sub(l3);
    if len > usize::from(mtu) {
        return Err(Refused::TooLarge);
    }
    if new > packet.len() && !packet.set_len(new) {
        return Err(Refused::NoTailroom);
    }
    let change = transport_change(&packet.data()[..old], l4, &range, text);
    let frame = packet.data_mut();
    frame.copy_within(range.end..old, range.start + text.len());
    put(frame, range.start, text);
    packet.set_len(new);
    meta.end = new as u32;
    let frame = packet.data_mut();
    say_length(frame, meta, len as u16);
    let sum = change.apply(be16(frame, l4 + tcp::CHECKSUM));
    put(frame, l4 + tcp::CHECKSUM, &sum.to_be_bytes());
    Ok(new as i32 - old as i32)
}

/// What the exchange does to the segment's checksum, its length in the pseudo header included.
fn transport_change(frame: &[u8], l4: usize, range: &Range<usize>, text: &[u8]) -> Delta {
    let is_odd = |at: usize| (at - l4) % 2 == 1;
    let sum = |bytes: &[u8], odd: bool| {
        let sum = Sum::default().bytes(bytes).fold();
        // Bytes that begin at an odd place count for the other half of a word (RFC 1071 2(B)).
        if odd { sum.swap_bytes() } else { sum }
    };
    let length = (frame.len() - l4) as u16;
    let longer = (text.len() as u16).wrapping_sub(range.len() as u16);
    let odd = is_odd(range.start);
    let delta = Delta::default()
        .word(length, length.wrapping_add(longer))
        .word(sum(&frame[range.clone()], odd), sum(text, odd));
    if longer.is_multiple_of(2) {
        return delta;
    }
    let (rest, odd) = (&frame[range.end..], is_odd(range.end));
    delta.word(sum(rest, odd), sum(rest, !odd))
}

fn say_length(frame: &mut [u8], meta: &Meta, len: u16) {
    const TOTAL_LENGTH: usize = 2;
    const HEADER_CHECKSUM: usize = 10;
    let l3 = usize::from(meta.l3);
    if meta.kind.is_v6() {
        let payload = len.saturating_sub(ipv6::HEADER as u16);
        return put(frame, l3 + usize::from(ipv6::PAYLOAD_LENGTH), &payload.to_be_bytes());
    }
    let change = Delta::default().word(be16(frame, l3 + TOTAL_LENGTH), len);
    let sum = change.apply(be16(frame, l3 + HEADER_CHECKSUM));
    put(frame, l3 + TOTAL_LENGTH, &len.to_be_bytes());
    put(frame, l3 + HEADER_CHECKSUM, &sum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::packet::Kind;
    use crate::port::mem::MemBuf;
    use crate::wire::ipv4;

    const SEGMENT: usize = 60;

    /// A packet around a segment, every length and checksum made anew.
    fn packet(six: bool, segment: &[u8]) -> (Vec<u8>, Meta) {
        let header = if six {
            ipv6::build(segment.len(), 6, 9, &[1; 16], &[2; 16]).to_vec()
        } else {
            let payload = segment.len();
            let ends = (0xac10_0001, 0x0a00_0064);
            ipv4::Build { tos: 0, payload, id: 1, df: true, ttl: 9, protocol: 6, src: ends.0, dst: ends.1 }
                .bytes()
                .to_vec()
        };
        let (ends, kind) = if six { (8..40, Kind::Transport6) } else { (12..20, Kind::Transport4) };
        let (from, to) = header[ends.clone()].split_at(ends.len() / 2);
        let mut segment = segment.to_vec();
        put(&mut segment, tcp::CHECKSUM, &[0, 0]);
        let sum = Sum::default().pseudo(from, to, 6, segment.len()).bytes(&segment).finish();
        put(&mut segment, tcp::CHECKSUM, &sum.to_be_bytes());
        let l4 = 14 + header.len();
        let frame = [&[0; 14][..], &header, &segment].concat();
        (frame.clone(), Meta { l3: 14, l4: l4 as u16, end: frame.len() as u32, kind, ..Meta::default() })
    }

    #[test]
    fn what_does_not_fit_stays_as_it_was() {
        let (frame, mut meta) = packet(false, &[3; SEGMENT]);
        let (mut buf, end) = (MemBuf::from_frame(&frame), meta.end);
        let range = usize::from(meta.l4) + 20..usize::from(meta.l4) + 22;
        let mtu = (end - 14 + 2) as u16;
        assert_eq!(replace(&mut buf, &mut meta, range.clone(), b"12345", mtu), Err(Refused::TooLarge));
        assert_eq!(replace(&mut buf, &mut meta, range.clone(), &[0; 10_000], u16::MAX), Err(Refused::NoTailroom));
        assert_eq!((buf.data(), meta.end), (&frame[..], end));
        assert_eq!(replace(&mut buf, &mut meta, range, b"1234", mtu), Ok(2));
        assert_eq!((buf.len(), meta.end), (frame.len() + 2, end + 2));
    }

    proptest! {
        #[test]
        fn equals_a_packet_that_is_made_anew(
            segment: [[u8; 30]; 2],
            text in proptest::collection::vec(any::<u8>(), 0..30),
            from in 20..SEGMENT,
            len in 0_usize..40,
            six: bool,
        ) {
            let segment = segment.concat();
            let to = (from + len).min(SEGMENT);
            let (frame, mut meta) = packet(six, &segment);
            let mut buf = MemBuf::from_frame(&frame);
            let l4 = usize::from(meta.l4);
            let grown = replace(&mut buf, &mut meta, l4 + from..l4 + to, &text, 1500);
            prop_assert_eq!(grown, Ok(text.len() as i32 - (to - from) as i32));
            let (expected, of) = packet(six, &[&segment[..from], &text, &segment[to..]].concat());
            prop_assert_eq!((buf.data(), meta.end), (&expected[..], of.end));
        }

        #[test]
        fn lengths_are_not_trusted(
            frame in proptest::collection::vec(any::<u8>(), 0..90),
            places: [u8; 5],
            text in proptest::collection::vec(any::<u8>(), 0..9),
            six: bool,
        ) {
            let [l3, l4, end, from, to] = places.map(|place| place % 100);
            let kind = if six { Kind::Transport6 } else { Kind::Transport4 };
            let mut meta = Meta { l3: l3.into(), l4: l4.into(), end: end.into(), kind, ..Meta::default() };
            let mut buf = MemBuf::from_frame(&frame);
            let _ = replace(&mut buf, &mut meta, from.into()..to.into(), &text, 1500);
        }
    }
}
