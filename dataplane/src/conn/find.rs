//! What a key leads to, in the connection table: at the first guess for a whole burst, or by looking at every entry.

use super::index::{NONE, POST, REPLY};
use super::line::flag;
use super::memory::Bucket;
use super::table::{Confirmed, ConnTable, Found};
use crate::flow::{Direction, Tuple};
use crate::packet::Candidate;
use crate::prefetch;

impl ConnTable {
    /// The first entry whose tag fits, and asks for its line; the keys are not compared yet.
    #[inline(always)]
    #[must_use]
    pub fn candidate(&self, hash: u64) -> Candidate {
        let (bucket, tag) = self.place(hash);
        let bucket = &self.memory.buckets[bucket];
        let bits = bucket.matches(tag);
        if bits == 0 {
            return Candidate::default();
        }
        let entry = bucket.entries[Bucket::slot(bits)];
        match self.memory.conns.get((entry & !REPLY) as usize) {
            Some(conn) => prefetch::read(conn),
            None => self.posts.get(entry & !(REPLY | POST)).map_or((), prefetch::read),
        }
        Candidate { entry, only: bits & (bits - 1) == 0 && bucket.head.overflow == 0 }
    }

    /// Asks for the IPv6 addresses of a candidate.
    #[inline]
    pub fn prefetch_addresses(&self, candidate: Candidate) {
        if let Some(addresses) = self.memory.addresses.get((candidate.entry & !REPLY) as usize) {
            prefetch::read(addresses);
        }
    }

    /// Whether a candidate taken when [`ConnTable::changes`] stood at `then` is what [`ConnTable::find`] gives: while
    /// nothing has changed, it is if its key fits and it is a reply, or the only one.
    #[inline(always)]
    #[must_use]
    pub fn confirm(&self, candidate: Candidate, then: u32, tuple: &Tuple) -> Confirmed {
        let index = candidate.entry & !REPLY;
        // Neither a signpost nor no entry is an index of a connection.
        let Some(conn) = self.memory.conns.get(index as usize).filter(|_| then == self.changes) else {
            return Confirmed::Unknown;
        };
        if candidate.entry & REPLY != 0 {
            if conn.reply_key() == *tuple { Confirmed::Reply(index) } else { Confirmed::Unknown }
        } else if candidate.only && conn.request_key() == *tuple {
            Confirmed::Request(index)
        } else {
            Confirmed::Unknown
        }
    }

    /// What a key leads to. Where both keys fit, the reply counts, as in the kernel.
    #[inline(never)]
    #[must_use]
    pub fn find(&self, hash: u64, tuple: &Tuple) -> Option<Found> {
        self.search(hash, tuple, |_, _| true)
    }

    /// What the key of an IPv6 packet leads to, whose source and destination are `ends`.
    #[inline(never)]
    #[must_use]
    pub fn find6(&self, hash: u64, tuple: &Tuple, ends: [&[u8; 16]; 2]) -> Option<Found> {
        self.search(hash, tuple, |index, direction| self.is_between(index, direction, ends))
    }

    #[inline(always)]
    fn search(&self, hash: u64, tuple: &Tuple, same: impl Fn(u32, Direction) -> bool) -> Option<Found> {
        debug_assert!(self.is_settled_for(hash), "a key may wait to be linked");
        let (mut bucket, tag) = self.place(hash);
        let mut request = None;
        loop {
            let line = &self.memory.buckets[bucket];
            let mut bits = line.matches(tag);
            while bits != 0 {
                let entry = line.entries[Bucket::slot(bits)];
                bits &= bits - 1;
                if entry & REPLY == 0 {
                    if self[entry].request_key() == *tuple && same(entry, Direction::Request) {
                        request = Some(Found::Conn(entry, Direction::Request));
                    }
                } else if self.reply_key_of(entry & !REPLY) == *tuple
                    && let Some(found) = self.found_by_reply(entry & !REPLY, &same)
                {
                    return Some(found);
                }
            }
            if line.head.overflow == 0 {
                return request;
            }
            bucket = line.head.overflow as usize;
        }
    }

    /// What a reply entry, or one of those behind it, stands for. A signpost does not know IPv6 addresses: home compares.
    #[inline(always)]
    fn found_by_reply(&self, newest: u32, same: &impl Fn(u32, Direction) -> bool) -> Option<Found> {
        let mut entry = newest;
        while entry != NONE {
            if entry & POST != 0 {
                let post = self.posts.at(entry & !POST);
                return Some(Found::Away { home: post.home, conn: post.conn });
            }
            if same(entry, Direction::Reply) {
                return Some(Found::Conn(entry, Direction::Reply));
            }
            entry = self.older(REPLY, entry);
        }
        None
    }

    /// Whether a packet that a signpost sent here is a reply of this connection.
    #[inline]
    #[must_use]
    pub fn is_reply_of(&self, index: u32, tuple: &Tuple) -> bool {
        let conn = self.memory.conns.get(index as usize);
        conn.is_some_and(|conn| conn.has(flag::LIVE) && !conn.has(flag::UNLINKED) && conn.reply_key() == *tuple)
    }
}
