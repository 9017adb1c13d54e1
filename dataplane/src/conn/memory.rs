//! The storage of a connection table: plain data linked by indices, so that it can lie in huge pages, or in a file that
//! a successor maps. By index of a connection:
//!
//! ```text
//! conns       64 bytes   what packets touch                                     resident
//! cold        32 bytes   links, whom it depends on                              resident
//! addresses   64 bytes   IPv6 addresses        not touched, so no memory, where all is IPv4
//! shifts      24 bytes   sequence shifts       not touched, so no memory, where nothing is shifted
//! ```
//! With two keys of 4 bytes and their tags in buckets that are half full: 119 bytes an IPv4 connection.

use bytemuck::Zeroable;

use super::addresses::Addresses;
use super::cold::Cold;
use super::index::NONE;
use super::line::Conn;
use super::posts::Post;
use super::seq::Shifts;
use super::tags::{SLOTS, Tags};
use crate::port::BURST;

/// A bucket, one cache line: twelve tags, the bucket that takes the overflow, and twelve indices (top bit: the key is the
/// reply key).
#[derive(Clone, Copy, Debug, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Bucket {
    pub(super) head: Tags,
    pub(super) entries: [u32; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == 64);

impl Bucket {
    /// Bit i is set where tag i matches, and nowhere else.
    #[inline(always)]
    pub(super) fn matches(&self, tag: u8) -> u32 {
        self.head.matches(tag)
    }

    /// Fills a slot.
    #[inline(always)]
    pub(super) fn put(&mut self, slot: usize, tag: u8, entry: u32) {
        self.head.tags[slot] = tag;
        self.entries[slot] = entry;
    }

    /// The slot of the first match; there is one.
    #[inline(always)]
    pub(super) const fn slot(bits: u32) -> usize {
        let slot = bits.trailing_zeros() as usize;
        if slot < SLOTS { slot } else { SLOTS - 1 }
    }
}

/// The storage of a table, handed in from outside: plain data, zeroed, or [`NONE`] where it is links.
#[derive(Debug)]
pub struct ConnMemory {
    /// Here and in what lies beside them: behind the table's own, room for a burst of connections of one packet.
    pub(super) conns: Box<[Conn]>,
    pub(super) cold: Box<[Cold]>,
    pub(super) addresses: Box<[Addresses]>,
    pub(super) shifts: Box<[Shifts]>,
    pub(super) buckets: Box<[Bucket]>,
    pub(super) posts: Box<[Post]>,
    /// By hash of home and connection: the first signpost, [`NONE`] = there is none.
    pub(super) post_heads: Box<[u32]>,
}

impl ConnMemory {
    /// Memory for `capacity` connections. Every page of it is touched, so that a new connection faults none in, but for
    /// IPv6 addresses and sequence shifts, which take memory when the first connection needs them. With
    /// `signposts` there is room for those of other workers' connections, too.
    #[must_use]
    pub fn new(capacity: u32, signposts: bool) -> Self {
        let (primary, overflow) = Self::bucket_counts(capacity);
        let places = capacity as usize + BURST;
        let posts = Self::signposts(capacity, signposts);
        Self {
            conns: resident(places),
            cold: vec![Cold::NONE; places].into(),
            addresses: bytemuck::allocation::zeroed_slice_box(places),
            shifts: bytemuck::allocation::zeroed_slice_box(places),
            buckets: resident(primary + overflow + 1),
            posts: resident(posts),
            post_heads: vec![NONE; posts].into(),
        }
    }

    /// Bytes of a table for `capacity` connections that are resident from the start: all but IPv6 addresses and sequence
    /// shifts, [`ConnMemory::bytes_later`].
    #[must_use]
    pub fn bytes(capacity: u32, signposts: bool) -> usize {
        let (primary, overflow) = Self::bucket_counts(capacity);
        (capacity as usize + BURST) * (size_of::<Conn>() + size_of::<Cold>())
            + (primary + overflow + 1) * size_of::<Bucket>()
            + Self::signposts(capacity, signposts) * (size_of::<Post>() + size_of::<u32>())
    }

    /// Bytes that a table for `capacity` connections takes beyond, as soon as all of them are IPv6 and shifted.
    #[must_use]
    pub fn bytes_later(capacity: u32) -> usize {
        (capacity as usize + BURST) * (size_of::<Addresses>() + size_of::<Shifts>())
    }

    /// Signposts that there is room for: replies spread over workers as evenly as connections do; an eighth more for luck.
    #[must_use]
    pub fn signposts(capacity: u32, signposts: bool) -> usize {
        if signposts { capacity as usize + capacity as usize / 8 } else { 0 }
    }

    /// Two keys a connection, six of twelve slots used at most on average: then one bucket in 110 overflows, and a
    /// packet hardly ever waits for a line that nobody asked for. A sixteenth more for overflow,
    /// and what the connections of a few bursts may take.
    pub(super) fn bucket_counts(capacity: u32) -> (usize, usize) {
        let primary = (capacity as usize).div_ceil(3).max(16);
        (primary, primary / 16 + 4 * BURST)
    }
}

/// Zeroed elements whose pages the kernel has given out.
fn resident<T: Zeroable>(n: usize) -> Box<[T]> {
    const PAGE: usize = 4096;
    let mut elements: Box<[T]> = bytemuck::allocation::zeroed_slice_box(n);
    for element in elements.iter_mut().step_by((PAGE / size_of::<T>()).max(1)) {
        *std::hint::black_box(element) = T::zeroed();
    }
    elements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_connection_takes_128_bytes_at_most() {
        let capacity = 1_000_000;
        let bytes = ConnMemory::bytes(capacity, false);
        assert!(bytes <= capacity as usize * 128, "{bytes} bytes of {capacity} connections");
    }
}
