//! The storage of a connection table: plain data linked by indices, so that it can lie in huge pages, or in a file that
//! a successor maps.

use bytemuck::{Pod, Zeroable};

use super::posts::Post;
use super::{Conn, NONE};
use crate::port::BURST;

/// Entries of a bucket.
pub(super) const SLOTS: usize = 8;

/// A bucket: eight tags, eight indices (top bit: the key is the reply key), and the bucket that takes the overflow.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Bucket {
    pub(super) tags: [u8; SLOTS],
    pub(super) entries: [u32; SLOTS],
    pub(super) overflow: u32,
    pad: [u32; 5],
}

const _: () = assert!(size_of::<Bucket>() == 64);

impl Bucket {
    /// The top bit of byte i is set where tag i matches, and nowhere else. All eight are compared at once.
    #[inline]
    pub(super) fn matches(&self, tag: u8) -> u64 {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const BELOW_TOP: u64 = ONES * 0x7f;
        let differs = u64::from_le_bytes(self.tags) ^ (ONES * u64::from(tag));
        !(((differs & BELOW_TOP) + BELOW_TOP) | differs | BELOW_TOP)
    }

    /// Fills a slot.
    #[inline(always)]
    pub(super) fn put(&mut self, slot: usize, tag: u8, entry: u32) {
        self.tags[slot] = tag;
        self.entries[slot] = entry;
    }

    /// The slot of the first match.
    #[inline]
    pub(super) const fn slot(bits: u64) -> usize {
        bits.trailing_zeros() as usize / 8 % SLOTS
    }
}

/// Where a connection stands in the chains of those with the same request key and the same reply key; [`NONE`] = nothing is
/// on that side. What is older by the reply key stands in the connection itself ([`Conn::older`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Links {
    pub(super) older_request: u32,
    pub(super) newer_request: u32,
    pub(super) newer_reply: u32,
}

impl Links {
    /// In no chain.
    pub(super) const NONE: Self = Self { older_request: NONE, newer_request: NONE, newer_reply: NONE };
}

/// The storage of a table, handed in from outside: plain data, zeroed, or [`NONE`] where it is links.
#[derive(Debug)]
pub struct ConnMemory {
    /// Behind the table's own, room for a burst of connections of one packet.
    pub(super) conns: Box<[Conn]>,
    /// By connection. Beside the connections, whose two lines are full: packets do not ask for it.
    pub(super) links: Box<[Links]>,
    pub(super) buckets: Box<[Bucket]>,
    pub(super) posts: Box<[Post]>,
    /// By hash of home and connection: the first signpost, [`NONE`] = there is none.
    pub(super) post_heads: Box<[u32]>,
}

impl ConnMemory {
    /// Zeroed memory for `capacity` connections, every page of it touched: a new connection faults none in. With
    /// `signposts` there is room for those of other workers' connections, too.
    #[must_use]
    pub fn new(capacity: u32, signposts: bool) -> Self {
        let (primary, overflow) = Self::bucket_counts(capacity);
        let posts = Self::signposts(capacity, signposts);
        Self {
            conns: resident(capacity as usize + BURST),
            links: vec![Links::NONE; capacity as usize].into(),
            buckets: resident(primary + overflow + 1),
            posts: resident(posts),
            post_heads: vec![NONE; posts].into(),
        }
    }

    /// Bytes of a table for `capacity` connections.
    #[must_use]
    pub fn bytes(capacity: u32, signposts: bool) -> usize {
        let (primary, overflow) = Self::bucket_counts(capacity);
        (capacity as usize + BURST) * size_of::<Conn>()
            + capacity as usize * size_of::<Links>()
            + (primary + overflow + 1) * size_of::<Bucket>()
            + Self::signposts(capacity, signposts) * (size_of::<Post>() + size_of::<u32>())
    }

    /// Replies spread over workers as evenly as connections do; an eighth more for luck.
    /// Signposts that there is room for.
    #[must_use]
    pub fn signposts(capacity: u32, signposts: bool) -> usize {
        if signposts { capacity as usize + capacity as usize / 8 } else { 0 }
    }

    /// Two keys a connection, three of eight slots used at most on average: then one bucket in 260 overflows, and a
    /// packet hardly ever waits for a line that nobody asked for. A sixteenth more for overflow,
    /// and what the connections of a few bursts may take.
    pub(super) fn bucket_counts(capacity: u32) -> (usize, usize) {
        let primary = (capacity as usize * 2).div_ceil(3).max(16);
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
