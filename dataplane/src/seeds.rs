//! What nobody outside may know: words that whoever starts a director draws from the system's generator, each for one
//! purpose. None is derived from another, so that what the one shows (identifications of packets, choices between servers)
//! says nothing about the rest.

use crate::conn::HashKey;
use crate::map::Seed;

/// See the module. All workers of a director have the same.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    /// Of the connection tables: keys of connections, digests of IPv6 addresses.
    pub table: HashKey,
    /// Of maps whose keys outsiders choose.
    pub maps: Seed,
    /// Of [`crate::chance::Chance`].
    pub chance: u64,
    /// Where IPv4 identifications begin.
    pub ids: [u16; 2],
    /// Of the order of IPv6 identifications.
    pub ids6: HashKey,
}

impl Seeds {
    /// How many words they are.
    pub const WORDS: usize = 10;

    /// Of words that are independent of each other.
    #[must_use]
    pub const fn new(words: [u64; Self::WORDS]) -> Self {
        let [table0, table1, map0, map1, map2, map3, chance, ids, id0, id1] = words;
        Self {
            table: HashKey([table0, table1]),
            maps: Seed([map0, map1, map2, map3]),
            chance,
            ids: [ids as u16, (ids >> 16) as u16],
            ids6: HashKey([id0, id1]),
        }
    }
}
