//! Maps, by who chooses their keys. Those that the operator configures have fixed seeds. Those that outsiders choose
//! (clients' addresses, Call-IDs, destinations, hosts of a link) have secret ones: otherwise somebody finds keys that meet in
//! one place, and a look costs as much as there are of them. Such a map cannot be made without a [`Seed`].

use std::hash::{BuildHasher, Hash};

/// A hasher with fixed seeds.
#[derive(Clone, Debug)]
pub struct Fixed(ahash::RandomState);

impl Default for Fixed {
    fn default() -> Self {
        Self(ahash::RandomState::with_seeds(1, 2, 3, 4))
    }
}

impl BuildHasher for Fixed {
    type Hasher = <ahash::RandomState as BuildHasher>::Hasher;

    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}

/// A map whose keys the operator chooses.
pub type Map<K, V> = hashbrown::HashMap<K, V, Fixed>;

/// A map whose keys the operator chooses, sharing structure with its copies: an edit costs the same whatever its size.
pub type SharedMap<K, V> = imbl::GenericHashMap<K, V, Fixed, imbl::shared_ptr::DefaultSharedPtr>;

/// What is secret about the maps whose keys outsiders choose.
#[derive(Clone, Copy, Debug)]
pub struct Seed(pub [u64; 4]);

impl Seed {
    /// Its hasher.
    #[must_use]
    pub fn hasher(&self) -> Seeded {
        let [a, b, c, d] = self.0;
        Seeded(ahash::RandomState::with_seeds(a, b, c, d))
    }

    /// An empty map.
    #[must_use]
    pub fn map<K, V>(&self) -> SeededMap<K, V> {
        SeededMap::with_hasher(self.hasher())
    }
}

/// A hasher with a secret seed.
#[derive(Clone, Debug)]
pub struct Seeded(ahash::RandomState);

impl Seeded {
    /// Which of so many shards a key belongs to. By bits of the hash that a map of this shard's keys, with the same seed,
    /// does not use: they are the same for all of them.
    #[must_use]
    pub fn shard(&self, key: &impl Hash, shards: usize) -> usize {
        (self.hash_one(key) >> 32) as usize % shards
    }
}

impl BuildHasher for Seeded {
    type Hasher = <ahash::RandomState as BuildHasher>::Hasher;

    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}

/// A map whose keys outsiders choose.
pub type SeededMap<K, V> = hashbrown::HashMap<K, V, Seeded>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_even_and_so_is_a_map_of_one_of_them() {
        let hasher = Seed([11, 12, 13, 14]).hasher();
        let mut shards = [0u32; 64];
        let mut buckets = [0u32; 64];
        for key in 0..64_000u32 {
            let shard = hasher.shard(&key, 64);
            shards[shard] += 1;
            // What a map looks at first.
            if shard == 7 {
                buckets[hasher.hash_one(key) as usize % 64] += 1;
            }
        }
        assert!(shards.iter().all(|n| (850..1150).contains(n)), "{shards:?} around 1000");
        assert!(buckets.iter().all(|n| (1..40).contains(n)), "{buckets:?} around 16");
    }
}
