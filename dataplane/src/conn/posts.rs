//! Signposts: reply keys that lead to a connection of another worker. Where replies of a connection land by their own
//! tuple, its home puts one up; replies then follow it home.
//!
//! Storage only, preallocated like the connections. The table finds them among its own reply keys; whoever takes one down
//! names the connection, and it is found by that: home and connection are unique, so the lists of this second index stay
//! short, however many signposts have the same reply key.

use bytemuck::{Pod, Zeroable};

use super::hash::HashKey;
use super::index::NONE;
use crate::flow::Tuple;

/// A signpost: the reply key, and the connection that it leads to.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Post {
    src: u32,
    dst: u32,
    sport: u16,
    dport: u16,
    /// The connection's index in its home's table.
    pub(super) conn: u32,
    /// What stands behind it in the chain of its reply key; in a free one, the next free one.
    pub(super) older: u32,
    /// What stands before it there, [`NONE`] = it is the newest.
    pub(super) newer: u32,
    /// The next in its list of the index by connection.
    next: u32,
    /// The connection's worker.
    pub(super) home: u16,
    protocol: u8,
    pad: u8,
}

const _: () = assert!(size_of::<Post>() == 32);

impl Post {
    fn new(key: &Tuple, home: u16, conn: u32, next: u32) -> Self {
        let Tuple { src, dst, sport, dport, protocol } = *key;
        Self { src, dst, sport, dport, conn, older: NONE, newer: NONE, next, home, protocol, pad: 0 }
    }

    /// The reply key.
    pub(super) fn key(&self) -> Tuple {
        Tuple { src: self.src, dst: self.dst, sport: self.sport, dport: self.dport, protocol: self.protocol }
    }
}

/// The places for signposts.
#[derive(Debug)]
pub(super) struct Posts {
    places: Box<[Post]>,
    /// Where the lists of the index by connection begin.
    heads: Box<[u32]>,
    key: HashKey,
    free: u32,
    untouched: u32,
    len: u32,
}

impl Posts {
    /// Over zeroed memory, and as many heads that are all [`NONE`].
    pub(super) fn new(places: Box<[Post]>, heads: Box<[u32]>, key: HashKey) -> Self {
        Self { places, heads, key, free: NONE, untouched: 0, len: 0 }
    }

    /// How many stand.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Takes a place; `None` when all are taken.
    pub(super) fn take(&mut self, key: &Tuple, home: u16, conn: u32) -> Option<u32> {
        let index = if self.free != NONE {
            let index = self.free;
            self.free = self.places[index as usize].older;
            index
        } else if (self.untouched as usize) < self.places.len() {
            self.untouched += 1;
            self.untouched - 1
        } else {
            return None;
        };
        let head = self.head(home, conn);
        let next = std::mem::replace(&mut self.heads[head], index);
        self.places[index as usize] = Post::new(key, home, conn, next);
        self.len += 1;
        Some(index)
    }

    /// Gives a place back.
    pub(super) fn give(&mut self, index: u32) {
        self.leave_index(index);
        self.places[index as usize].older = self.free;
        self.free = index;
        self.len -= 1;
    }

    /// The one that leads to a connection.
    pub(super) fn find(&self, home: u16, conn: u32) -> Option<u32> {
        let link = |index: u32| (index != NONE).then_some(index);
        let first = *self.heads.get(self.head(home, conn))?;
        let mut list = std::iter::successors(link(first), |index| link(self.at(*index).next));
        list.find(|index| {
            let post = self.at(*index);
            (post.home, post.conn) == (home, conn)
        })
    }

    /// The list of a connection's signpost.
    fn head(&self, home: u16, conn: u32) -> usize {
        (((self.key.of_connection(home, conn) >> 32) * self.heads.len() as u64) >> 32) as usize
    }

    fn leave_index(&mut self, index: u32) {
        let Post { home, conn, next, .. } = self.places[index as usize];
        let head = self.head(home, conn);
        let mut at = self.heads[head];
        if at == index {
            self.heads[head] = next;
            return;
        }
        while self.places[at as usize].next != index {
            at = self.places[at as usize].next;
        }
        self.places[at as usize].next = next;
    }

    /// One of them, if there is such a place.
    pub(super) fn get(&self, index: u32) -> Option<&Post> {
        self.places.get(index as usize)
    }

    /// One that stands.
    pub(super) fn at(&self, index: u32) -> &Post {
        &self.places[index as usize]
    }

    /// One that stands, to be changed.
    pub(super) fn at_mut(&mut self, index: u32) -> &mut Post {
        &mut self.places[index as usize]
    }
}
