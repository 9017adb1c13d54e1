//! Sequence shifts of a TCP segment: its number by the shift of its direction, what it acknowledges by that of the other
//! one, selectively too (RFC 2018 3). The checksum follows incrementally (RFC 1624). After `nf_ct_seq_adjust`
//! (`nf_conntrack_seqadj.c`).

use crate::conn::{Shift, Shifts};
use crate::flow::Direction;
use crate::packet::Meta;
use crate::wire::checksum::Delta;
use crate::wire::{be16, be32, put, tcp};

/// Where the numbers stand in a header.
const SEQUENCE: usize = 4;
const ACKNOWLEDGEMENT: usize = 8;
const DATA_OFFSET: usize = 12;
const FLAGS: usize = 13;

/// Shifts the numbers of a TCP packet of a direction. One whose header is cut stays as it is.
#[inline(always)]
pub fn rewrite(frame: &mut [u8], meta: &Meta, shifts: &Shifts, direction: Direction) {
    if let Some(segment) = frame.get_mut(usize::from(meta.l4)..meta.end as usize) {
        rewrite_segment(segment, shifts.of(direction));
    }
}

#[inline(always)]
fn rewrite_segment(segment: &mut [u8], [own, other]: [&Shift; 2]) {
    let Some((header, rest)) = segment.split_first_chunk_mut::<{ tcp::HEADER }>() else { return };
    let seq = be32(header, SEQUENCE);
    let shifted = own.forth(seq);
    put(header, SEQUENCE, &shifted.to_be_bytes());
    let mut delta = Delta::default().long(seq, shifted);
    if header[FLAGS] & tcp::ACK != 0 {
        let ack = be32(header, ACKNOWLEDGEMENT);
        let shifted = other.back(ack);
        put(header, ACKNOWLEDGEMENT, &shifted.to_be_bytes());
        delta = delta.long(ack, shifted);
        let options = usize::from(header[DATA_OFFSET] >> 4) * 4;
        if options > tcp::HEADER
            && let Some(options) = rest.get_mut(..options - tcp::HEADER)
        {
            delta = shift_sack(options, other, delta);
        }
    }
    let sum = delta.apply(be16(header, tcp::CHECKSUM));
    put(header, tcp::CHECKSUM, &sum.to_be_bytes());
}

/// Shifts selective acknowledgements among options, which 40 bytes are at most: pairs of the receiver's numbers.
#[inline(never)]
fn shift_sack(options: &mut [u8], other: &Shift, mut delta: Delta) -> Delta {
    const END: u8 = 0;
    const NOTHING: u8 = 1;
    const SACK: u8 = 5;
    let mut at = 0;
    while let [kind, ref rest @ ..] = options[at..] {
        let len = match (kind, rest.first()) {
            (NOTHING, _) => 1,
            (END, _) | (_, None) => break,
            (_, Some(len)) => usize::from(*len),
        };
        let Some(option) = options.get_mut(at..at + len).filter(|_| len > 0) else { break };
        if kind == SACK && len % 8 == 2 {
            for (n, edge) in option[2..].chunks_exact_mut(4).enumerate() {
                let (old, new) = (be32(edge, 0), other.back(be32(edge, 0)));
                put(edge, 0, &new.to_be_bytes());
                // Where words begin at odd bytes, the halves of the sum change places (RFC 1071 2(B)).
                let turn = (at + 2 + n * 4) as u32 % 2 * 8;
                delta = delta.long(old.rotate_left(turn), new.rotate_left(turn));
            }
        }
        at += len;
    }
    delta
}

#[cfg(test)]
#[path = "seq_tests.rs"]
mod tests;
