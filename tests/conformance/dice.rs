//! Chance from a seed: splitmix64 (Steele, Lea, Flood 2014). The same seed rolls the same on every machine.

use std::ops::RangeInclusive;

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The stream of scenario `number` of a seed.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let mut dice = Self(seed);
        Self(dice.next() ^ number.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number of a range.
    pub(crate) fn number(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = range.into_inner();
        low + self.next() % (high - low + 1)
    }

    /// Whether what happens in so many of a hundred cases happens now.
    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.number(1..=100) <= chance
    }

    /// One of several; those that stand there twice come twice as often.
    pub(crate) fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.number(0..=list.len() as u64 - 1) as usize].clone()
    }

    /// `count` different ones, in order of the list.
    pub(crate) fn sample<T: Clone>(&mut self, list: &[T], count: usize) -> Vec<T> {
        let mut left: Vec<usize> = (0..list.len()).collect();
        while left.len() > count {
            left.remove(self.number(0..=left.len() as u64 - 1) as usize);
        }
        left.into_iter().map(|i| list[i].clone()).collect()
    }
}
