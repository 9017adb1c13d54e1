//! Chance as an argument: a worker's own generator, seeded from outside.
//!
//! splitmix64 (Steele, Lea, Flood 2014): `state += golden ratio`, then two rounds of multiply and shift. It decides
//! between servers, never about secrets.

use std::cell::Cell;

/// A generator; the same seed gives the same sequence.
#[derive(Debug)]
pub struct Chance(Cell<u64>);

impl Chance {
    /// A generator that starts from a seed.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// A number below `bound`, all about equally likely; 0 where `bound` is 0.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u64
    }

    fn draw(&self) -> u64 {
        self.0.set(self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let once = (self.0.get() ^ self.0.get() >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let twice = (once ^ once >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        twice ^ twice >> 31
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_what_its_authors_publish() {
        let chance = Chance::seeded(1_234_567);
        let drawn = [chance.draw(), chance.draw(), chance.draw()];
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn numbers_below_a_bound_are_even() {
        let chance = Chance::seeded(1);
        let mut seen = [0u32; 11];
        (0..11_000).for_each(|_| seen[chance.below(11) as usize] += 1);
        assert!(seen.iter().all(|&count| (850..1150).contains(&count)), "{seen:?}");
        assert_eq!(chance.below(0), 0);
    }
}
