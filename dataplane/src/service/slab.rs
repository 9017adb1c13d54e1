//! An array whose elements never move, grown in chunks: stable memory for state that several threads share.

use std::sync::OnceLock;

const CHUNK: usize = 1024;

/// Elements by index. Control makes chunks exist before it tells workers of an index; workers only read them.
#[derive(Debug)]
pub struct Slab<T> {
    chunks: Box<[OnceLock<Box<[T; CHUNK]>>]>,
}

impl<T: Default> Slab<T> {
    /// Room for `capacity` elements, none of them in memory yet.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { chunks: (0..capacity.div_ceil(CHUNK)).map(|_| OnceLock::new()).collect() }
    }

    /// Makes the element at `index` exist. `false` where the index is out of range.
    pub fn ensure(&self, index: u32) -> bool {
        let chunk = self.chunks.get(index as usize / CHUNK);
        chunk.map(|chunk| chunk.get_or_init(Self::fresh)).is_some()
    }

    /// Made in place: an array on the stack would be large.
    fn fresh() -> Box<[T; CHUNK]> {
        let elements: Vec<T> = std::iter::repeat_with(T::default).take(CHUNK).collect();
        elements.try_into().unwrap_or_else(|_| unreachable!("as many as asked for"))
    }

    /// The element at `index`, if it exists.
    #[inline]
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&T> {
        Some(&self.chunks.get(index as usize / CHUNK)?.get()?[index as usize % CHUNK])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exists_once_ensured() {
        let slab = Slab::<u8>::new(2000);
        assert_eq!(slab.get(1500), None);
        assert!(slab.ensure(1500) && !slab.ensure(3000));
        assert_eq!((slab.get(1500), slab.get(10)), (Some(&0), None));
    }
}
