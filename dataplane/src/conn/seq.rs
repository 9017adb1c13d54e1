//! Sequence shifts: by how much the numbers of a TCP connection differ on the director's two sides, one number a direction.
//! Constant where the director itself opened one of the sides, moving where it makes packets longer in between.
//!
//! A moving shift is that of `nf_ct_seqadj_set` and `nf_ct_seq_adjust` (`net/netfilter/nf_conntrack_seqadj.c`): up to where
//! the last change took place the shift before it counts, so that what is sent again is shifted as it was the first time.

use bytemuck::{Pod, Zeroable};

use crate::flow::Direction;

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
    /// Every number is shifted by so much.
    #[must_use]
    pub const fn constant(by: i32) -> Self {
        Self { at: 0, before: by, after: by }
    }

    /// The segment with this number, of the sender's, gets so much longer.
    pub fn grow(&mut self, seq: u32, by: i32) {
        if by != 0 && (self.before == self.after || is_after(seq, self.at)) {
            *self = Self { at: seq, before: self.after, after: self.after.wrapping_add(by) };
        }
    }

    /// The receiver's number for one of the sender's.
    #[inline(always)]
    #[must_use]
    pub const fn forth(&self, seq: u32) -> u32 {
        seq.wrapping_add_signed(if is_after(seq, self.at) { self.after } else { self.before })
    }

    /// The sender's number for one that the receiver acknowledges.
    #[inline(always)]
    #[must_use]
    pub const fn back(&self, ack: u32) -> u32 {
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

#[inline(always)]
const fn is_after(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

/// The sequence shifts of a connection, one for each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Shifts {
    /// That of the client's numbers.
    pub request: Shift,
    /// That of the server's numbers.
    pub reply: Shift,
}

const _: () = assert!(size_of::<Shifts>() == 24);

impl Shifts {
    /// For segments of a direction: the shift of their sender's numbers, and that of the numbers that they acknowledge.
    #[inline(always)]
    #[must_use]
    pub const fn of(&self, direction: Direction) -> [&Shift; 2] {
        match direction {
            Direction::Request => [&self.request, &self.reply],
            Direction::Reply => [&self.reply, &self.request],
        }
    }

    /// Whether nothing is shifted.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.request.is_none() && self.reply.is_none()
    }
}

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

    #[test]
    fn a_constant_shift_may_move_later() {
        let mut shift = Shift::constant(-5);
        shift.grow(100, 3);
        assert_eq!((shift.forth(100), shift.forth(101)), (95, 99));
        assert_eq!((shift.back(95), shift.back(99)), (100, 101));
    }

    #[test]
    fn a_direction_has_its_own_shift_and_that_of_what_it_acknowledges() {
        let (request, reply) = (Shift::constant(1), Shift::constant(2));
        let shifts = Shifts { request, reply };
        assert_eq!(shifts.of(Direction::Request), [&request, &reply]);
        assert_eq!(shifts.of(Direction::Reply), [&reply, &request]);
        assert!(!shifts.is_none() && Shifts::default().is_none());
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

        #[test]
        fn a_constant_shift_is_one_everywhere(by: i32, seq: u32) {
            let shift = Shift::constant(by);
            prop_assert_eq!(shift.forth(seq), seq.wrapping_add_signed(by));
            prop_assert_eq!(shift.back(shift.forth(seq)), seq);
        }
    }
}
