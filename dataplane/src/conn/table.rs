//! The connection table of one worker. Two keys lead to one entry; buckets are one cache line of tags and indices.
//!
//! Request keys are unique. Reply keys may collide (one client port to two VIPs that share a server): the newest wins,
//! as in the kernel, and its removal restores the older one.

use std::ops::{Index, IndexMut};

use super::memory::{Bucket, ConnMemory, SLOTS};
use super::{Conn, HashKey, flag};
use crate::flow::{Direction, Tuple};
use crate::packet::Candidate;
use crate::prefetch;

/// No index.
pub const NONE: u32 = u32::MAX;

const REPLY: u32 = 1 << 31;

/// The table of one worker.
#[derive(Debug)]
pub struct ConnTable {
    memory: ConnMemory,
    key: HashKey,
    primary: u64,
    free: u32,
    untouched: u32,
    free_overflow: u32,
    untouched_overflow: u32,
    len: u32,
    changes: u32,
}

impl Index<u32> for ConnTable {
    type Output = Conn;

    #[inline]
    fn index(&self, index: u32) -> &Conn {
        &self.memory.conns[index as usize]
    }
}

impl IndexMut<u32> for ConnTable {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut Conn {
        &mut self.memory.conns[index as usize]
    }
}

impl ConnTable {
    /// An empty table over zeroed memory.
    #[must_use]
    pub fn new(memory: ConnMemory, key: HashKey) -> Self {
        let primary = ConnMemory::bucket_counts(memory.conns.len() as u32).0;
        Self {
            memory,
            key,
            primary: primary as u64,
            free: NONE,
            untouched: 0,
            free_overflow: 0,
            untouched_overflow: primary as u32 + 1,
            len: 0,
            changes: 0,
        }
    }

    /// Entries in use, listed ones that no longer match included.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Room for entries.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.memory.conns.len() as u32
    }

    /// Entries that were ever used: the end of a walk by index.
    #[must_use]
    pub fn walk_end(&self) -> u32 {
        self.untouched
    }

    /// Changes whenever a key is added or removed: what was looked up before may be stale after.
    #[inline]
    #[must_use]
    pub fn changes(&self) -> u32 {
        self.changes
    }

    /// The hash of a key in this table.
    #[inline]
    #[must_use]
    pub fn hash(&self, tuple: &Tuple) -> u64 {
        self.key.hash(tuple)
    }

    #[inline]
    fn place(&self, hash: u64) -> (usize, u8) {
        ((((hash >> 32) * self.primary) >> 32) as usize, (hash as u8).max(1))
    }

    /// Asks for the bucket of a hash.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        prefetch::read(&self.memory.buckets[self.place(hash).0]);
    }

    /// The first entry whose tag fits, and asks for its line; the keys are not compared yet.
    #[inline]
    #[must_use]
    pub fn candidate(&self, hash: u64) -> Candidate {
        let (bucket, tag) = self.place(hash);
        let bucket = &self.memory.buckets[bucket];
        let bits = bucket.matches(tag);
        if bits == 0 {
            return Candidate::default();
        }
        let entry = bucket.entries[Bucket::slot(bits)];
        prefetch::read(&self.memory.conns[(entry & !REPLY) as usize]);
        Candidate { entry, only: bits & (bits - 1) == 0 && bucket.overflow == 0 }
    }

    /// As [`ConnTable::find`], with a candidate taken when [`ConnTable::changes`] stood at `then`: while nothing has
    /// changed, a candidate whose key fits is what `find` would give, if it is a reply or the only one.
    #[inline]
    #[must_use]
    pub fn confirm(&self, candidate: Candidate, then: u32, hash: u64, tuple: &Tuple) -> Option<(u32, Direction)> {
        let Candidate { entry, only } = candidate;
        if then == self.changes && entry != NONE {
            let index = entry & !REPLY;
            let direction = if entry & REPLY != 0 { Direction::Reply } else { Direction::Request };
            if (only || direction == Direction::Reply) && self[index].key(direction) == *tuple {
                return Some((index, direction));
            }
        }
        self.find(hash, tuple)
    }

    /// The connection that a key leads to, and by which of its two keys. Where both fit, the reply counts, as in the
    /// kernel.
    #[must_use]
    pub fn find(&self, hash: u64, tuple: &Tuple) -> Option<(u32, Direction)> {
        let (mut bucket, tag) = self.place(hash);
        let mut request = None;
        loop {
            let line = &self.memory.buckets[bucket];
            let mut bits = line.matches(tag);
            while bits != 0 {
                let entry = line.entries[Bucket::slot(bits)];
                bits &= bits - 1;
                let index = entry & !REPLY;
                let conn = &self[index];
                if entry & REPLY != 0 {
                    if conn.reply_key() == *tuple {
                        return Some((index, Direction::Reply));
                    }
                } else if conn.request_key() == *tuple {
                    request = Some((index, Direction::Request));
                }
            }
            if line.overflow == 0 {
                return request;
            }
            bucket = line.overflow as usize;
        }
    }

    /// Takes a free entry and makes it findable by its keys. `None` when the table is full.
    pub fn insert(&mut self, conn: Conn) -> Option<u32> {
        let index = self.take()?;
        self[index] = conn;
        self[index].set(flag::LIVE, true);
        self[index].shadowed = NONE;
        let linked = self.link(index, Direction::Request)
            && (!conn.method().has_replies() || self.link_reply(index) || {
                self.unlink_key(index, Direction::Request);
                false
            });
        if !linked {
            self.give(index);
            return None;
        }
        Some(index)
    }

    fn take(&mut self) -> Option<u32> {
        let index = if self.free != NONE {
            let index = self.free;
            self.free = self[index].wheel_next;
            index
        } else if self.untouched < self.capacity() {
            self.untouched += 1;
            self.untouched - 1
        } else {
            return None;
        };
        self.len += 1;
        Some(index)
    }

    fn give(&mut self, index: u32) {
        let free = self.free;
        self[index].flags = 0;
        self[index].wheel_next = free;
        self.free = index;
        self.len -= 1;
    }

    /// Reply keys may be taken by an older connection: it steps behind the new one.
    fn link_reply(&mut self, index: u32) -> bool {
        let tuple = self[index].reply_key();
        let Some(place) = self.locate(&tuple, REPLY) else {
            return self.link(index, Direction::Reply);
        };
        self[index].shadowed = place.index;
        self.memory.buckets[place.bucket].entries[place.slot] = index | REPLY;
        self.changes = self.changes.wrapping_add(1);
        true
    }

    fn link(&mut self, index: u32, direction: Direction) -> bool {
        let hash = self.key.hash(&self[index].key(direction));
        let (mut at, tag) = self.place(hash);
        let entry = if direction == Direction::Reply { index | REPLY } else { index };
        loop {
            let line = &mut self.memory.buckets[at];
            let empty = line.matches(0);
            if empty != 0 {
                let slot = Bucket::slot(empty);
                line.tags[slot] = tag;
                line.entries[slot] = entry;
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

    /// The place of the entry that holds a key; `side` is `REPLY` or 0.
    fn locate(&self, tuple: &Tuple, side: u32) -> Option<Place> {
        let (mut bucket, tag) = self.place(self.key.hash(tuple));
        let mut before = 0;
        loop {
            let line = &self.memory.buckets[bucket];
            for slot in 0..SLOTS {
                let entry = line.entries[slot];
                if line.tags[slot] != tag || entry & REPLY != side {
                    continue;
                }
                let index = entry & !REPLY;
                let key = if side == 0 { self[index].request_key() } else { self[index].reply_key() };
                if key == *tuple {
                    return Some(Place { before, bucket, slot, index });
                }
            }
            if line.overflow == 0 {
                return None;
            }
            before = bucket;
            bucket = line.overflow as usize;
        }
    }

    /// Makes an entry no longer findable; it stays listed until [`ConnTable::remove`].
    pub fn unlink(&mut self, index: u32) {
        if self[index].has(flag::UNLINKED) {
            return;
        }
        self.unlink_key(index, Direction::Request);
        if self[index].method().has_replies() {
            self.unlink_reply(index);
        }
        self[index].set(flag::UNLINKED, true);
    }

    /// Ends an entry: no key leads to it and its place is free.
    pub fn remove(&mut self, index: u32) {
        self.unlink(index);
        self.give(index);
    }

    fn unlink_key(&mut self, index: u32, direction: Direction) {
        let side = if direction == Direction::Reply { REPLY } else { 0 };
        if let Some(place) = self.locate(&self[index].key(direction), side).filter(|place| place.index == index) {
            self.clear(&place);
        }
    }

    /// The newest of colliding replies stands in the bucket, older ones behind it in a chain.
    fn unlink_reply(&mut self, index: u32) {
        let Some(place) = self.locate(&self[index].reply_key(), REPLY) else { return };
        let older = self[index].shadowed;
        if place.index != index {
            let mut before = place.index;
            while self[before].shadowed != index && self[before].shadowed != NONE {
                before = self[before].shadowed;
            }
            if self[before].shadowed == index {
                self[before].shadowed = older;
            }
        } else if older == NONE {
            self.clear(&place);
        } else {
            self.memory.buckets[place.bucket].entries[place.slot] = older | REPLY;
            self.changes = self.changes.wrapping_add(1);
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

/// Where an entry stands: its bucket, the one before that in the chain, and its slot.
struct Place {
    before: usize,
    bucket: usize,
    slot: usize,
    index: u32,
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
