//! Sequence shifts: by how much the numbers of each direction of a connection differ on the two sides of the director.
//!
//! The shift is that of `nf_ct_seqadj_set` and `nf_ct_seq_adjust` (`net/netfilter/nf_conntrack_seqadj.c`): up to where the
//! last change took place the shift before it counts, so that what is sent again is shifted as it was the first time.

use bytemuck::{Pod, Zeroable};

/// How the sequence numbers of one direction are shifted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Shift {
    /// The sender's number where the last change took place.
    at: u32,
    before: i32,
    after: i32,
}

impl Shift {
    /// The segment with this number, of the sender's, gets so much longer.
    pub fn grow(&mut self, seq: u32, by: i32) {
        if by != 0 && (self.before == self.after || is_after(seq, self.at)) {
            *self = Self { at: seq, before: self.after, after: self.after.wrapping_add(by) };
        }
    }

    /// The receiver's number for one of the sender's.
    #[must_use]
    pub fn forth(&self, seq: u32) -> u32 {
        seq.wrapping_add_signed(if is_after(seq, self.at) { self.after } else { self.before })
    }

    /// The sender's number for one that the receiver acknowledges.
    #[must_use]
    pub fn back(&self, ack: u32) -> u32 {
        let seq = ack.wrapping_add_signed(self.before.wrapping_neg());
        let by = if is_after(seq, self.at) { self.after } else { self.before };
        ack.wrapping_add_signed(by.wrapping_neg())
    }

    /// Whether nothing is shifted.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.before == 0 && self.after == 0
    }
}

const fn is_after(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

/// The shifts of a connection, by direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Shifts {
    /// Of the client's numbers.
    pub request: Shift,
    /// Of the server's numbers.
    pub reply: Shift,
}

const _: () = assert!(size_of::<Shifts>() == 24);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_sent_again_is_shifted_as_the_first_time() {
        // The numbers of the kernel's trace: one byte longer at 501, one more at 556.
        let mut shift = Shift::default();
        shift.grow(501, 1);
        assert_eq!((shift.forth(501), shift.forth(548), shift.back(549), shift.back(557)), (501, 549, 548, 556));
        shift.grow(556, 1);
        assert_eq!((shift.forth(556), shift.forth(600), shift.back(601)), (557, 602, 599));
        // Again, and older than the last change: nothing new.
        let then = shift;
        shift.grow(556, 1);
        shift.grow(501, 1);
        assert_eq!(shift, then);
        assert_eq!(shift.forth(501), 502, "what came before the last change has the shift of before");
    }

    proptest! {
        #[test]
        fn acknowledgements_lead_back(start: u32, by in -30_i32..30, len in 60_u32..1460, ahead in 0_u32..100_000) {
            let mut shift = Shift::default();
            shift.grow(start, by);
            let seq = start.wrapping_add(len).wrapping_add(ahead);
            prop_assert_eq!(shift.back(shift.forth(seq)), seq);
            prop_assert_eq!(shift.back(shift.forth(start)), start);
        }
    }
}
