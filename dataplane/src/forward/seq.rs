//! Sequence shifts of a TCP segment: its number by the shift of its direction, what it acknowledges by that of the other
//! one, selectively too (RFC 2018 3). The checksum follows incrementally (RFC 1624). After `nf_ct_seq_adjust`
//! (`nf_conntrack_seqadj.c`).

use crate::conn::{Shift, Shifts};
use crate::flow::Direction;
use crate::packet::Meta;
use crate::wire::checksum::finish_longs;
use crate::wire::{be16, be32, put, tcp};

/// Where the numbers stand in a header.
const SEQUENCE: usize = 4;
const ACKNOWLEDGEMENT: usize = 8;
const DATA_OFFSET: usize = 12;
const FLAGS: usize = 13;

/// The shifts for segments of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shifting {
    own: Shift,
    other: Shift,
}

impl Shifting {
    /// Those of a connection for a direction.
    #[must_use]
    pub fn of(shifts: &Shifts, direction: Direction) -> Self {
        let [own, other] = shifts.of(direction).map(|shift| *shift);
        Self { own, other }
    }

    /// Shifts the numbers of a TCP packet.
    pub fn apply(&self, frame: &mut [u8], meta: &Meta) {
        rewrite_packet(frame, meta, [&self.own, &self.other]);
    }
}

/// Shifts the numbers of a TCP packet of a direction. One whose header is cut stays as it is.
#[inline(always)]
pub fn rewrite(frame: &mut [u8], meta: &Meta, shifts: &Shifts, direction: Direction) {
    rewrite_packet(frame, meta, shifts.of(direction));
}

#[inline(always)]
fn rewrite_packet(frame: &mut [u8], meta: &Meta, shifts: [&Shift; 2]) {
    // A plain packet ends where its frame does, and its header is whole.
    let segment = match meta.plain {
        true => frame.get_mut(usize::from(meta.l4)..),
        false => frame.get_mut(usize::from(meta.l4)..meta.end as usize),
    };
    if let Some(segment) = segment {
        rewrite_segment(segment, shifts);
    }
}

#[inline(always)]
fn rewrite_segment(segment: &mut [u8], [own, other]: [&Shift; 2]) {
    // `!(!checksum + !old + new)`: a word of 32 bits is the sum of its halves, with the carry around the end.
    let Some((header, rest)) = segment.split_first_chunk_mut::<{ tcp::HEADER }>() else { return };
    let seq = be32(header, SEQUENCE);
    let shifted = own.forth(seq);
    put(header, SEQUENCE, &shifted.to_be_bytes());
    let mut sum = u64::from(!be16(header, tcp::CHECKSUM)) + u64::from(!seq) + u64::from(shifted);
    if header[FLAGS] & tcp::ACK != 0 {
        let ack = be32(header, ACKNOWLEDGEMENT);
        let shifted = other.back(ack);
        put(header, ACKNOWLEDGEMENT, &shifted.to_be_bytes());
        sum += u64::from(!ack) + u64::from(shifted);
        let options = usize::from(header[DATA_OFFSET] >> 4) * 4;
        if options > tcp::HEADER
            && let Some(options) = rest.get_mut(..options - tcp::HEADER)
        {
            sum = shift_sack(options, other, sum);
        }
    }
    put(header, tcp::CHECKSUM, &finish_longs(sum, 0, 0).to_be_bytes());
}

/// Shifts selective acknowledgements among options, which 40 bytes are at most: pairs of the receiver's numbers.
#[inline(never)]
fn shift_sack(options: &mut [u8], other: &Shift, mut sum: u64) -> u64 {
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
                sum += u64::from(!old.rotate_left(turn)) + u64::from(new.rotate_left(turn));
            }
        }
        at += len;
    }
    sum
}

#[cfg(test)]
#[path = "seq_tests.rs"]
mod tests;
