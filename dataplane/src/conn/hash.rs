//! The hash of connection keys: keyed, because an attacker chooses client ports, and of fixed specification, because
//! a table in memory may outlive the process that made it.
//!
//! ```text
//! fold(x, y) = high and low half of the 128-bit product x * y, xored
//! addresses = destination + (source << 32); rest = protocol + (destination port << 8) + (source port << 24)
//! h = fold(addresses ^ key0, rest ^ key1); hash = fold(h ^ key1, 0x9e3779b97f4a7c15)
//! digest of an IPv6 address = high half of fold(first ^ key1, last ^ key0) * 0x9e3779b97f4a7c15
//! ```

use crate::flow::Tuple;

/// The key of a table's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashKey(pub [u64; 2]);

impl HashKey {
    /// The hash of a key.
    #[inline]
    #[must_use]
    pub fn hash(&self, tuple: &Tuple) -> u64 {
        let rest = u64::from(tuple.ports()) << 8 | u64::from(tuple.protocol);
        let once = fold(tuple.addresses() ^ self.0[0], rest ^ self.0[1]);
        fold(once ^ self.0[1], SPREAD)
    }

    /// The hash of what names a connection among all workers: its home, and its index there.
    #[must_use]
    pub(super) fn of_connection(&self, home: u16, conn: u32) -> u64 {
        let once = fold((u64::from(home) << 32 | u64::from(conn)) ^ self.0[0], self.0[1]);
        fold(once ^ self.0[1], SPREAD)
    }

    /// What stands for an IPv6 address in a [`Tuple`]. Workers that hand packets to each other have the same key.
    #[inline]
    #[must_use]
    pub fn digest(&self, address: &[u8; 16]) -> u32 {
        let address = u128::from_be_bytes(*address);
        let once = fold((address >> 64) as u64 ^ self.0[1], address as u64 ^ self.0[0]);
        (once.wrapping_mul(SPREAD) >> 32) as u32
    }
}

const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline]
fn fold(x: u64, y: u64) -> u64 {
    let product = u128::from(x) * u128::from(y);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_neighbouring_ports_and_addresses() {
        let key = HashKey([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]);
        let mut buckets = [0u32; 256];
        for i in 0..25_600u32 {
            let tuple = Tuple { src: 0xac10_0001 + i % 25, dst: 0x0a00_0064, sport: i as u16, dport: 80, protocol: 6 };
            buckets[(key.hash(&tuple) >> 56) as usize] += 1;
        }
        let (low, high) = (buckets.iter().min(), buckets.iter().max());
        assert!(low > Some(&50) && high < Some(&160), "{low:?} {high:?} around 100");
    }

    #[test]
    fn neighbouring_ipv6_addresses_have_digests_of_their_own() {
        let key = HashKey([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]);
        for step in [1u128, 1 << 40, 1 << 64, 1 << 100] {
            let addresses = (0..10_000u128).map(|n| ((0xfd << 120) + n * step).to_be_bytes());
            let digests: std::collections::HashSet<u32> = addresses.map(|address| key.digest(&address)).collect();
            // Of 10,000 numbers of 32 bits, 0.01 pairs are alike.
            assert!(digests.len() >= 9_998, "{} of 10,000 apart by {step:#x}", digests.len());
        }
    }
}
