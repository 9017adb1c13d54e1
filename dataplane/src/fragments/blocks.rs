//! Memory of fragments: blocks of one size, handed out once for each store. A fragment takes whole blocks; all that a
//! datagram has are one chain, which is given back in one step, however many fragments it holds.

/// Bytes of a block.
pub(super) const SIZE: usize = 256;
/// No block.
const NONE: u32 = u32::MAX;

/// A fragment as it is kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    /// Where its data stands in the datagram's.
    pub(super) offset: usize,
    /// Bytes in front of its data: of the first its frame's headers, of others none.
    pub(super) skip: usize,
    /// Bytes of its data.
    pub(super) length: usize,
}

/// The blocks of one datagram, in the order in which its fragments came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    first: u32,
    last: u32,
    blocks: usize,
}

impl Default for Chain {
    fn default() -> Self {
        Self { first: NONE, last: NONE, blocks: 0 }
    }
}

/// All blocks. Those that have never been used take no memory yet.
#[derive(Debug)]
pub(super) struct Blocks {
    bytes: Vec<[u8; SIZE]>,
    /// The block behind each, in its chain or among the free ones.
    behind: Vec<u32>,
    /// Of a fragment's first block, which fragment that is.
    held: Vec<Held>,
    free: u32,
    used: usize,
    most: usize,
}

impl Blocks {
    /// So many blocks.
    pub(super) fn new(most: usize) -> Self {
        let (bytes, behind) = (Vec::with_capacity(most), Vec::with_capacity(most));
        Self { bytes, behind, held: Vec::with_capacity(most), free: NONE, used: 0, most }
    }

    /// Blocks that some bytes take.
    pub(super) const fn needed(bytes: usize) -> usize {
        bytes.div_ceil(SIZE)
    }

    /// Blocks in use.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Blocks that are free.
    pub(super) fn free(&self) -> usize {
        self.most - self.used
    }

    /// Adds a fragment to a chain. There are blocks enough: [`Blocks::free`] was asked.
    pub(super) fn add(&mut self, chain: &mut Chain, held: Held, bytes: &[u8]) {
        for (n, part) in bytes.chunks(SIZE).enumerate() {
            let at = self.take();
            self.bytes[at as usize][..part.len()].copy_from_slice(part);
            if n == 0 {
                self.held[at as usize] = held;
            }
            match self.behind.get_mut(chain.last as usize) {
                Some(behind) => *behind = at,
                None => chain.first = at,
            }
            chain.last = at;
            chain.blocks += 1;
        }
    }

    fn take(&mut self) -> u32 {
        self.used += 1;
        let at = self.free;
        if at == NONE {
            self.bytes.push([0; SIZE]);
            self.behind.push(NONE);
            self.held.push(Held::default());
            return self.bytes.len() as u32 - 1;
        }
        self.free = std::mem::replace(&mut self.behind[at as usize], NONE);
        at
    }

    /// Takes a datagram's blocks back.
    pub(super) fn give_back(&mut self, chain: Chain) {
        if let Some(behind) = self.behind.get_mut(chain.last as usize) {
            *behind = self.free;
            self.free = chain.first;
            self.used -= chain.blocks;
        }
    }

    /// The fragments of a chain, as they came.
    pub(super) fn fragments(&self, chain: Chain) -> impl Iterator<Item = Stored<'_>> {
        let mut next = chain.first;
        let mut left = chain.blocks;
        std::iter::from_fn(move || {
            let stored = (left > 0).then(|| Stored { blocks: self, at: next, held: self.held[next as usize] })?;
            let blocks = Self::needed(stored.held.skip + stored.held.length);
            next = self.after(next, blocks);
            left -= blocks;
            Some(stored)
        })
    }

    /// The block so many behind one.
    fn after(&self, from: u32, blocks: usize) -> u32 {
        (0..blocks).fold(from, |at, _| self.behind.get(at as usize).copied().unwrap_or(NONE))
    }
}

/// A fragment in its blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored<'a> {
    blocks: &'a Blocks,
    at: u32,
    pub(super) held: Held,
}

impl Stored<'_> {
    /// Copies its bytes from one of them on.
    pub(super) fn read(&self, from: usize, mut into: &mut [u8]) {
        let mut at = self.blocks.after(self.at, from / SIZE);
        let mut from = from % SIZE;
        while !into.is_empty() {
            let (part, rest) = into.split_at_mut(into.len().min(SIZE - from));
            part.copy_from_slice(&self.blocks.bytes[at as usize][from..from + part.len()]);
            (into, from, at) = (rest, 0, self.blocks.after(at, 1));
        }
    }
}
