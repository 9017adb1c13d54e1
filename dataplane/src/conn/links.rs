//! How keys are put into buckets and taken out again: chains of overflow buckets, and chains of entries that have a key in
//! common. An outsider chooses how long those are (one client's port to many ports of a service by mark), so
//! whoever joins or leaves one walks none of it.

use super::index::{NONE, POST, REPLY};
use super::line::flag;
use super::memory::Bucket;
use super::table::ConnTable;
use super::tags::SLOTS;
use crate::flow::Direction;

/// Where an entry stands: its bucket, the one before that in the chain, and its slot.
pub(super) struct Located {
    before: usize,
    bucket: usize,
    slot: usize,
    /// Without `REPLY`.
    pub(super) entry: u32,
}

impl ConnTable {
    /// Makes an entry findable by one of its keys; `side` is `REQUEST` or `REPLY`. An older entry with the same key
    /// steps behind the new one.
    #[inline]
    pub(super) fn link_newest(&mut self, entry: u32, hash: u64, side: u32) -> bool {
        let (bucket, tag) = self.place(hash);
        let line = &self.memory.buckets[bucket];
        // Usually nothing there is like it.
        if line.matches(tag) != 0 || line.head.overflow != 0 {
            return self.link_before(entry, hash, side);
        }
        self.link(hash, entry | side)
    }

    #[cold]
    fn link_before(&mut self, entry: u32, hash: u64, side: u32) -> bool {
        let Some(place) = self.locate(hash, side, |other| self.has_same_key(side, entry, other)) else {
            return self.link(hash, entry | side);
        };
        self.set_older(side, entry, place.entry);
        self.set_newer(side, place.entry, entry);
        self.memory.buckets[place.bucket].entries[place.slot] = entry | side;
        self.changes = self.changes.wrapping_add(1);
        true
    }

    /// Request keys are told apart by IPv6 addresses, too; of replies, signposts do not know them.
    fn has_same_key(&self, side: u32, one: u32, other: u32) -> bool {
        if side == REPLY {
            return self.reply_key_of(one) == self.reply_key_of(other);
        }
        let ends = |index: u32| self.addresses(index).ends(Direction::Request);
        let key = self[one].request_key();
        key == self[other].request_key() && (!self[one].has(flag::CLIENT_V6) || ends(one) == ends(other))
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
            if line.head.overflow == 0 {
                let Some(fresh) = self.take_overflow() else { return false };
                self.memory.buckets[at].head.overflow = fresh;
            }
            at = self.memory.buckets[at].head.overflow as usize;
        }
    }

    fn take_overflow(&mut self) -> Option<u32> {
        if self.free_overflow != 0 {
            let bucket = self.free_overflow;
            self.free_overflow = std::mem::take(&mut self.memory.buckets[bucket as usize].head.overflow);
            return Some(bucket);
        }
        let bucket = self.untouched_overflow;
        ((bucket as usize) < self.memory.buckets.len()).then(|| {
            self.untouched_overflow += 1;
            bucket
        })
    }

    /// The place of an entry by the hash of its key; `side` is `REQUEST` or `REPLY`.
    fn locate(&self, hash: u64, side: u32, fits: impl Fn(u32) -> bool) -> Option<Located> {
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
                    return Some(Located { before, bucket, slot, entry });
                }
            }
            if line.head.overflow == 0 {
                return None;
            }
            before = bucket;
            bucket = line.head.overflow as usize;
        }
    }

    /// Has one of an entry's keys no longer lead to it.
    pub(super) fn unlink_key(&mut self, entry: u32, side: u32) {
        let (newer, older) = (self.newer(side, entry), self.older(side, entry));
        if newer == NONE {
            self.unlink_newest(side, entry, older);
        } else {
            self.set_older(side, newer, older);
        }
        if older != NONE {
            self.set_newer(side, older, newer);
        }
        self.set_older(side, entry, NONE);
        self.set_newer(side, entry, NONE);
    }

    /// The next older one takes the place of an entry that stands in the bucket itself.
    fn unlink_newest(&mut self, side: u32, entry: u32, older: u32) {
        let key = if side == REPLY { self.reply_key_of(entry) } else { self[entry].request_key() };
        let Some(place) = self.locate(self.key.hash(&key), side, |other| other == entry) else { return };
        if older == NONE {
            self.clear(&place);
        } else {
            self.memory.buckets[place.bucket].entries[place.slot] = older | side;
            self.changes = self.changes.wrapping_add(1);
        }
    }

    /// Empties a slot; an overflow bucket that holds nothing any more leaves its chain.
    fn clear(&mut self, place: &Located) {
        let line = &mut self.memory.buckets[place.bucket];
        line.head.tags[place.slot] = 0;
        line.entries[place.slot] = 0;
        let empty = line.head.tags == [0; SLOTS];
        if empty && place.bucket as u64 >= self.primary {
            let next = std::mem::replace(&mut line.head.overflow, self.free_overflow);
            self.memory.buckets[place.before].head.overflow = next;
            self.free_overflow = place.bucket as u32;
        }
        self.changes = self.changes.wrapping_add(1);
    }
}

/// Chains of entries that have a key in common.
impl ConnTable {
    /// What stands behind an entry, [`NONE`] = it is the oldest.
    pub(super) fn older(&self, side: u32, entry: u32) -> u32 {
        match (side, entry & POST) {
            (REPLY, 0) => self.cold(entry).older_reply,
            (REPLY, _) => self.posts.at(entry & !POST).older,
            _ => self.cold(entry).older_request,
        }
    }

    fn set_older(&mut self, side: u32, entry: u32, older: u32) {
        *match (side, entry & POST) {
            (REPLY, 0) => &mut self.cold_mut(entry).older_reply,
            (REPLY, _) => &mut self.posts.at_mut(entry & !POST).older,
            _ => &mut self.cold_mut(entry).older_request,
        } = older;
    }

    /// What stands before an entry, [`NONE`] = it is the newest, which stands in the bucket itself.
    fn newer(&self, side: u32, entry: u32) -> u32 {
        match (side, entry & POST) {
            (REPLY, 0) => self.cold(entry).newer_reply,
            (REPLY, _) => self.posts.at(entry & !POST).newer,
            _ => self.cold(entry).newer_request,
        }
    }

    fn set_newer(&mut self, side: u32, entry: u32, newer: u32) {
        *match (side, entry & POST) {
            (REPLY, 0) => &mut self.cold_mut(entry).newer_reply,
            (REPLY, _) => &mut self.posts.at_mut(entry & !POST).newer,
            _ => &mut self.cold_mut(entry).newer_request,
        } = newer;
    }
}
