//! Replies to be linked: the reply keys of new connections wait until their buckets' lines have come, at most to the end
//! of the burst. Nobody can see that: whoever asks for a key that may be among them has all of them linked first, in the
//! order in which they came.
//!
//! ```text
//! filter: one bit of 512 by the hash of each key that waits; no bit, no such key
//! ```
//! What it earned: of 250 ns for a new connection among 200,000, 110 went to the line of its reply key.

use arrayvec::ArrayVec;

use crate::port::BURST;

const WORDS: usize = 8;

/// Entries whose reply keys wait, with the hashes of those.
#[derive(Debug, Default)]
pub(super) struct Later {
    waiting: ArrayVec<(u32, u64), BURST>,
    filter: [u64; WORDS],
}

impl Later {
    fn bit(hash: u64) -> (usize, u64) {
        ((hash >> 6) as usize % WORDS, 1 << (hash % 64))
    }

    #[inline]
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        let (word, bit) = Self::bit(hash);
        self.filter[word] & bit != 0
    }

    pub(super) fn push(&mut self, entry: u32, hash: u64) {
        let (word, bit) = Self::bit(hash);
        self.filter[word] |= bit;
        self.waiting.push((entry, hash));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.is_full()
    }

    /// All that wait, which no longer do.
    pub(super) fn take(&mut self) -> ArrayVec<(u32, u64), BURST> {
        self.filter = [0; WORDS];
        std::mem::take(&mut self.waiting)
    }
}
