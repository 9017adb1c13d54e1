//! How reply keys wait, and are linked ([`super::later`]).

use super::index::REPLY;
use super::table::ConnTable;
use crate::port::BURST;

impl ConnTable {
    /// Has a reply key linked later, if that cannot fail then: each key may take one bucket of overflow, and so may every
    /// request key of the burst.
    pub(super) fn link_reply_later(&mut self, entry: u32, hash: u64) -> bool {
        let spare = self.memory.buckets.len().saturating_sub(self.untouched_overflow as usize);
        let fits = !self.later.is_full() && spare > 2 * BURST;
        if fits {
            self.later.push(entry, hash);
        }
        fits
    }

    /// Links what a key may be among. Call it before [`ConnTable::find`].
    #[inline]
    pub fn settle_for(&mut self, hash: u64) {
        if self.later.may_hold(hash) {
            self.settle();
        }
    }

    /// Links every reply key that waits.
    #[inline]
    pub fn settle(&mut self) {
        if !self.later.is_empty() {
            self.settle_all();
        }
    }

    fn settle_all(&mut self) {
        for (entry, hash) in self.later.take() {
            let linked = self.link_newest(entry, hash, REPLY);
            debug_assert!(linked, "there was a free place");
        }
    }

    /// Whether a search for this hash misses no key.
    pub(super) fn is_settled_for(&self, hash: u64) -> bool {
        !self.later.may_hold(hash)
    }
}
