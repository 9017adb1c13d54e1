//! The connection table of one worker. Two keys lead to one entry; buckets are one cache line of tags and indices.
//!
//! Keys may collide: reply keys (one client port to two VIPs that share a server), and request keys where a server begins
//! the connection (a call of SIP to a client whose packets go to another server). The newest wins, as in the kernel
//! (`ip_vs_conn_hash`), and its end restores the older one. Among reply keys stand the signposts of other workers'
//! connections. Entries of one key are a chain, linked both ways: an end costs the same wherever in it the entry stands,
//! and however long it is.
//!
//! ```text
//! bucket -> newest -older-> ... -older-> oldest -older-> NONE
//!             NONE <-newer- ... <-newer- oldest
//! ```
//! An entry of a bucket: `REPLY` = by the reply key, `POST` = a signpost, the rest is the index.

use std::ops::{Index, IndexMut};

use super::cold::Cold;
use super::hash::HashKey;
use super::index::{NONE, POST, REPLY};
use super::journal::Journal;
use super::later::Later;
use super::line::{Conn, flag};
use super::memory::ConnMemory;
use super::posts::Posts;
use super::seq::Shifts;
use crate::flow::{Direction, Tuple};
use crate::port::BURST;
use crate::prefetch;

/// What a key leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A connection, and by which of its two keys.
    Conn(u32, Direction),
    /// A signpost: the connection is another worker's.
    Away {
        /// Whose.
        home: u16,
        /// Its index there.
        conn: u32,
    },
}

/// What a candidate proves to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// A packet to the client of this connection.
    Reply(u32),
    /// A packet from the client of this connection.
    Request(u32),
    /// That takes a search.
    Unknown,
}

/// The table of one worker.
#[derive(Debug)]
pub struct ConnTable {
    pub(super) memory: ConnMemory,
    pub(super) posts: Posts,
    pub(super) capacity: u32,
    pub(super) key: HashKey,
    pub(super) primary: u64,
    pub(super) free: u32,
    pub(super) untouched: u32,
    pub(super) free_overflow: u32,
    pub(super) untouched_overflow: u32,
    pub(super) len: u32,
    pub(super) changes: u32,
    pub(super) later: Later,
    pub(super) journal: Journal,
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
    pub fn new(mut memory: ConnMemory, key: HashKey) -> Self {
        let posts = Posts::new(std::mem::take(&mut memory.posts), std::mem::take(&mut memory.post_heads), key);
        let capacity = memory.conns.len().saturating_sub(BURST) as u32;
        let primary = ConnMemory::bucket_counts(capacity).0;
        Self {
            memory,
            posts,
            capacity,
            key,
            primary: primary as u64,
            free: NONE,
            untouched: 0,
            free_overflow: 0,
            untouched_overflow: primary as u32 + 1,
            len: 0,
            changes: 0,
            later: Later::default(),
            journal: Journal::default(),
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
        self.capacity
    }

    /// Entries that were ever used: the end of a walk by index.
    #[must_use]
    pub fn walk_end(&self) -> u32 {
        self.untouched
    }

    /// Signposts that stand here.
    #[must_use]
    pub fn signposts(&self) -> u32 {
        self.posts.len()
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

    /// What stands for an IPv6 address in the keys of this table.
    #[inline]
    #[must_use]
    pub fn digest(&self, address: &[u8; 16]) -> u32 {
        self.key.digest(address)
    }

    /// The bucket of a hash, and its tag, which is not 0. In one word: no register is needed for the 1.
    #[inline(always)]
    pub(super) fn place(&self, hash: u64) -> (usize, u8) {
        ((((hash >> 32) * self.primary) >> 32) as usize, (hash & 0xff).max(1) as u8)
    }

    /// Asks for the bucket of a hash.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        prefetch::read(&self.memory.buckets[self.place(hash).0]);
    }

    pub(super) fn reply_key_of(&self, entry: u32) -> Tuple {
        if entry & POST == 0 { self[entry].reply_key() } else { self.posts.at(entry & !POST).key() }
    }

    /// Asks for the line of a connection.
    #[inline]
    pub fn prefetch_conn(&self, index: u32) {
        if let Some(conn) = self.memory.conns.get(index as usize) {
            prefetch::read(conn);
        }
    }

    /// Puts up a signpost: replies with this key belong to a connection of another worker. `false` where there is no
    /// room for it.
    pub fn put_signpost(&mut self, key: &Tuple, home: u16, conn: u32) -> bool {
        self.settle();
        let Some(post) = self.posts.take(key, home, conn) else { return false };
        let linked = self.link_newest(post | POST, self.key.hash(key), REPLY);
        if !linked {
            self.posts.give(post);
        }
        linked
    }

    /// Takes the signpost of another worker's connection down, if there is one.
    pub fn take_signpost(&mut self, home: u16, conn: u32) {
        self.settle();
        if let Some(post) = self.posts.find(home, conn) {
            self.unlink_key(post | POST, REPLY);
            self.posts.give(post);
        }
    }

    /// Takes a free entry, and asks for the lines of the next one.
    pub(super) fn take(&mut self) -> Option<u32> {
        let index = if self.free != NONE {
            let index = self.free;
            self.free = self.cold(index).wheel_next;
            self.prefetch_whole(self.free);
            index
        } else if self.untouched < self.capacity() {
            self.untouched += 1;
            self.prefetch_whole(self.untouched);
            self.untouched - 1
        } else {
            return None;
        };
        self.len += 1;
        Some(index)
    }

    fn prefetch_whole(&self, index: u32) {
        if let (Some(conn), Some(cold)) = (self.memory.conns.get(index as usize), self.memory.cold.get(index as usize))
        {
            prefetch::read(conn);
            prefetch::read(cold);
        }
    }

    /// Its place is free again.
    pub(super) fn give(&mut self, index: u32) {
        let free = std::mem::replace(&mut self.free, index);
        self[index].flags &= flag::NOTED;
        self.cold_mut(index).wheel_next = free;
        self.len -= 1;
    }

    /// How a connection's sequence numbers are shifted, if they are.
    #[must_use]
    pub fn shifts(&self, index: u32) -> Option<&Shifts> {
        let shifted = self[index].has(flag::SHIFTED);
        shifted.then(|| &self.memory.shifts[index as usize])
    }

    /// How the sequence numbers of a connection are shifted that has [`flag::SHIFTED`].
    #[inline(always)]
    #[must_use]
    pub fn shifts_of(&self, index: u32) -> &Shifts {
        &self.memory.shifts[index as usize]
    }

    /// How a connection's sequence numbers are shifted, to be changed; from now on they are.
    pub fn shifts_mut(&mut self, index: u32) -> &mut Shifts {
        let shifts = &mut self.memory.shifts[index as usize];
        let conn = &mut self.memory.conns[index as usize];
        if !conn.has(flag::SHIFTED) {
            conn.set_any(flag::SHIFTED, true);
            *shifts = Shifts::default();
        }
        shifts
    }
}

/// What lies beside a connection's line.
impl ConnTable {
    #[inline]
    pub(super) fn cold(&self, index: u32) -> &Cold {
        &self.memory.cold[index as usize]
    }

    #[inline]
    pub(super) fn cold_mut(&mut self, index: u32) -> &mut Cold {
        &mut self.memory.cold[index as usize]
    }

    /// What controls a connection: a template, or a control connection of FTP; [`NONE`] = without.
    #[must_use]
    pub fn controller(&self, index: u32) -> u32 {
        if self[index].has(flag::CONTROLLED) { self.cold(index).controller } else { NONE }
    }

    /// A connection's place among what helpers keep; [`NONE`] = no helper looks into it.
    #[must_use]
    pub fn helper(&self, index: u32) -> u32 {
        if self[index].has(flag::HELPED) { self.cold(index).helper } else { NONE }
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
