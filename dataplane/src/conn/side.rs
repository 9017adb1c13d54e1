//! Rare state of connections: what the control connections of FTP are in the middle of, and by how much their sequence
//! numbers are shifted since an answer of the server was rewritten. Preallocated and bounded; a connection that has some
//! names it by its index.
//!
//! The shift is that of `nf_ct_seqadj_set` and `nf_ct_seq_adjust` (`net/netfilter/nf_conntrack_seqadj.c`): up to where the
//! last change took place the shift before it counts, so that what is sent again is shifted as it was the first time.

use super::NONE;

/// Most at a time, of each worker.
pub const MOST: usize = 1 << 16;

/// How a client wants its next data connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The server connects, or nothing has been said.
    #[default]
    Active,
    /// PASV: the server's answer names an address.
    Passive,
    /// EPSV: the server's answer names a port.
    Extended,
}

/// How the sequence numbers of one direction are shifted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

/// What is kept of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Side {
    /// What its client asked for last.
    pub mode: Mode,
    /// How the server's numbers are shifted.
    pub shift: Shift,
    /// By what its data connections name it ([`crate::expected`]), [`NONE`] = it had none.
    pub controller: u32,
}

/// The places for it.
#[derive(Debug)]
pub struct Sides {
    places: Vec<Side>,
    free: Vec<u32>,
}

impl Default for Sides {
    fn default() -> Self {
        Self { places: Vec::with_capacity(MOST), free: Vec::with_capacity(MOST) }
    }
}

impl Sides {
    /// A place for a new connection's; `None` when all are taken.
    pub fn take(&mut self) -> Option<u32> {
        let new = Side { mode: Mode::default(), shift: Shift::default(), controller: NONE };
        if let Some(index) = self.free.pop() {
            self.places[index as usize] = new;
            return Some(index);
        }
        if self.places.len() == MOST {
            return None;
        }
        self.places.push(new);
        Some(self.places.len() as u32 - 1)
    }

    /// How many are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Gives a place back.
    pub fn give(&mut self, index: u32) {
        self.free.push(index);
    }

    /// What is kept at a place.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&Side> {
        self.places.get(index as usize)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, index: u32) -> Option<&mut Side> {
        self.places.get_mut(index as usize)
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
    fn places_run_out_and_come_back() {
        let mut sides = Sides::default();
        let all: Vec<u32> = std::iter::from_fn(|| sides.take()).collect();
        assert_eq!(all.len(), MOST);
        sides.give(7);
        assert_eq!((sides.take(), sides.take()), (Some(7), None));
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
