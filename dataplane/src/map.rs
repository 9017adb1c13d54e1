//! Maps of what the operator configures: fast hashing with fixed seeds, since no outsider chooses their keys.

use std::hash::BuildHasher;

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

/// A map.
pub type Map<K, V> = hashbrown::HashMap<K, V, Fixed>;

/// A map that shares structure with its copies: an edit costs the same whatever its size.
pub type SharedMap<K, V> = imbl::GenericHashMap<K, V, Fixed, imbl::shared_ptr::DefaultSharedPtr>;
