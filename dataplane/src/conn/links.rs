//! How keys are put into buckets and taken out again: chains of overflow buckets, and chains of entries whose reply keys
//! are the same. An outsider chooses how long such a chain is (one client's port to many ports of a service by mark), so
//! nobody walks one.

use super::memory::{Bucket, SLOTS};
use super::table::{ConnTable, NONE, POST, REPLY};
use crate::flow::Tuple;

/// Where an entry stands: its bucket, the one before that in the chain, and its slot.
pub(super) struct Place {
    before: usize,
    bucket: usize,
    slot: usize,
    /// Without `REPLY`.
    pub(super) entry: u32,
}

impl ConnTable {
    /// Reply keys may be taken by an older entry: it steps behind the new one.
    #[inline]
    pub(super) fn link_reply(&mut self, entry: u32, hash: u64) -> bool {
        let (bucket, tag) = self.place(hash);
        let line = &self.memory.buckets[bucket];
        // Usually nothing there is like it.
        if line.matches(tag) != 0 || line.overflow != 0 {
            return self.link_behind(entry, hash);
        }
        self.link(hash, entry | REPLY)
    }

    #[cold]
    fn link_behind(&mut self, entry: u32, hash: u64) -> bool {
        let Some(place) = self.locate_reply(&self.reply_key_of(entry), hash) else {
            return self.link(hash, entry | REPLY);
        };
        self.set_older(entry, place.entry);
        self.set_newer(place.entry, entry);
        self.memory.buckets[place.bucket].entries[place.slot] = entry | REPLY;
        self.changes = self.changes.wrapping_add(1);
        true
    }

    #[inline]
    pub(super) fn link(&mut self, hash: u64, entry: u32) -> bool {
        let (bucket, tag) = self.place(hash);
        let line = &mut self.memory.buckets[bucket];
        let empty = line.matches(0);
        if empty == 0 {
            return self.link_in_chain(hash, entry);
        }
        line.put(Bucket::slot(empty), tag, entry);
        self.changes = self.changes.wrapping_add(1);
        true
    }

    #[cold]
    fn link_in_chain(&mut self, hash: u64, entry: u32) -> bool {
        let (mut at, tag) = self.place(hash);
        loop {
            let line = &mut self.memory.buckets[at];
            let empty = line.matches(0);
            if empty != 0 {
                line.put(Bucket::slot(empty), tag, entry);
                self.changes = self.changes.wrapping_add(1);
                return true;
            }
            if line.overflow == 0 {
                let Some(fresh) = self.take_overflow() else { return false };
                self.memory.buckets[at].overflow = fresh;
            }
            at = self.memory.buckets[at].overflow as usize;
        }
    }

    fn take_overflow(&mut self) -> Option<u32> {
        if self.free_overflow != 0 {
            let bucket = self.free_overflow;
            self.free_overflow = std::mem::take(&mut self.memory.buckets[bucket as usize].overflow);
            return Some(bucket);
        }
        let bucket = self.untouched_overflow;
        ((bucket as usize) < self.memory.buckets.len()).then(|| {
            self.untouched_overflow += 1;
            bucket
        })
    }

    /// The place of the newest entry that holds a reply key.
    pub(super) fn locate_reply(&self, key: &Tuple, hash: u64) -> Option<Place> {
        self.locate(hash, REPLY, |entry| self.reply_key_of(entry) == *key)
    }

    /// The place of an entry by the hash of its key; `side` is `REPLY` or 0.
    fn locate(&self, hash: u64, side: u32, fits: impl Fn(u32) -> bool) -> Option<Place> {
        let (mut bucket, tag) = self.place(hash);
        let mut before = 0;
        loop {
            let line = &self.memory.buckets[bucket];
            let mut bits = line.matches(tag);
            while bits != 0 {
                let slot = Bucket::slot(bits);
                bits &= bits - 1;
                let entry = line.entries[slot] & !REPLY;
                if line.entries[slot] & REPLY == side && fits(entry) {
                    return Some(Place { before, bucket, slot, entry });
                }
            }
            if line.overflow == 0 {
                return None;
            }
            before = bucket;
            bucket = line.overflow as usize;
        }
    }

    pub(super) fn unlink_request(&mut self, index: u32) {
        let hash = self.key.hash(&self[index].request_key());
        if let Some(place) = self.locate(hash, 0, |entry| entry == index) {
            self.clear(&place);
        }
    }

    /// The newest of colliding replies stands in the bucket, older ones behind it in a chain.
    pub(super) fn unlink_reply(&mut self, entry: u32) {
        let (newer, older) = (self.newer(entry), self.older(entry));
        if newer == NONE {
            self.unlink_newest(entry, older);
        } else {
            self.set_older(newer, older);
        }
        if older != NONE {
            self.set_newer(older, newer);
        }
        self.set_newer(entry, NONE);
    }

    /// The next older one takes the place of an entry that stands in the bucket itself.
    fn unlink_newest(&mut self, entry: u32, older: u32) {
        let hash = self.key.hash(&self.reply_key_of(entry));
        let Some(place) = self.locate(hash, REPLY, |other| other == entry) else { return };
        if older == NONE {
            self.clear(&place);
        } else {
            self.memory.buckets[place.bucket].entries[place.slot] = older | REPLY;
            self.changes = self.changes.wrapping_add(1);
        }
    }

    /// What stands behind a reply entry with the same key.
    pub(super) fn older(&self, entry: u32) -> u32 {
        if entry & POST == 0 { self[entry].older } else { self.posts.at(entry & !POST).older }
    }

    fn set_older(&mut self, entry: u32, older: u32) {
        if entry & POST == 0 { self[entry].older = older } else { self.posts.at_mut(entry & !POST).older = older }
    }

    /// What stands before it, [`NONE`] = it stands in the bucket itself.
    fn newer(&self, entry: u32) -> u32 {
        if entry & POST == 0 { self.memory.newer[entry as usize] } else { self.posts.at(entry & !POST).newer }
    }

    fn set_newer(&mut self, entry: u32, newer: u32) {
        if entry & POST == 0 {
            self.memory.newer[entry as usize] = newer;
        } else {
            self.posts.at_mut(entry & !POST).newer = newer;
        }
    }

    /// Empties a slot; an overflow bucket that holds nothing any more leaves its chain.
    fn clear(&mut self, place: &Place) {
        let line = &mut self.memory.buckets[place.bucket];
        line.tags[place.slot] = 0;
        line.entries[place.slot] = 0;
        let empty = line.tags == [0; SLOTS];
        if empty && place.bucket as u64 >= self.primary {
            let next = std::mem::replace(&mut line.overflow, self.free_overflow);
            self.memory.buckets[place.before].overflow = next;
            self.free_overflow = place.bucket as u32;
        }
        self.changes = self.changes.wrapping_add(1);
    }
}
