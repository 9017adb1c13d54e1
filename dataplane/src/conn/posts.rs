//! Signposts: reply keys that lead to a connection of another worker. Where replies of a connection land by their own
//! tuple, its home puts one up; replies then follow it home.
//!
//! Storage only, preallocated like the connections. The table finds them among its own reply keys.

use bytemuck::{Pod, Zeroable};

use super::NONE;
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
    /// What stands behind it with the same key; in a free one, the next free one.
    pub(super) shadowed: u32,
    /// The connection's worker.
    pub(super) home: u16,
    protocol: u8,
    pad: u8,
}

const _: () = assert!(size_of::<Post>() == 24);

impl Post {
    fn new(key: &Tuple, home: u16, conn: u32) -> Self {
        let Tuple { src, dst, sport, dport, protocol } = *key;
        Self { src, dst, sport, dport, conn, shadowed: NONE, home, protocol, pad: 0 }
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
    free: u32,
    untouched: u32,
    len: u32,
}

impl Posts {
    /// Over zeroed memory.
    pub(super) fn new(places: Box<[Post]>) -> Self {
        Self { places, free: NONE, untouched: 0, len: 0 }
    }

    /// How many stand.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Takes a place; `None` when all are taken.
    pub(super) fn take(&mut self, key: &Tuple, home: u16, conn: u32) -> Option<u32> {
        let index = if self.free != NONE {
            let index = self.free;
            self.free = self.places[index as usize].shadowed;
            index
        } else if (self.untouched as usize) < self.places.len() {
            self.untouched += 1;
            self.untouched - 1
        } else {
            return None;
        };
        self.places[index as usize] = Post::new(key, home, conn);
        self.len += 1;
        Some(index)
    }

    /// Gives a place back.
    pub(super) fn give(&mut self, index: u32) {
        self.places[index as usize].shadowed = self.free;
        self.free = index;
        self.len -= 1;
    }

    /// One of them, if there is such a place.
    pub(super) fn get(&self, index: u32) -> Option<&Post> {
        self.places.get(index as usize)
    }

    /// One that stands.
    pub(super) fn at(&self, index: u32) -> &Post {
        &self.places[index as usize]
    }

    /// Puts something behind one.
    pub(super) fn set_shadowed(&mut self, index: u32, behind: u32) {
        self.places[index as usize].shadowed = behind;
    }
}
