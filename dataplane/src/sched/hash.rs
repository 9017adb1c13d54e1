//! The kernel's hashes of addresses, as dh, sh, mh and lblc need them: the same client must land in the same bucket on
//! every director of a cluster, kernel or not.

use std::net::IpAddr;

use crate::flow::Family;

/// An address of a service's family as one word: IPv6 folds its four into one. An IPv6 address where IPv4 is meant
/// gives its first word, as in the kernel, whose address is a union.
pub(super) fn fold(family: Family, address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            let words = [bits >> 96, bits >> 64, bits >> 32, bits].map(|word| word as u32);
            match family {
                Family::Ipv4 => words[0],
                Family::Ipv6 => words.into_iter().fold(0, |a, b| a ^ b),
            }
        }
    }
}

/// Multiplicative hash (`hash_32`, `linux/hash.h`): the upper `bits` bits of the product with the golden ratio.
pub(super) fn multiplicative(value: u32, bits: u32) -> usize {
    (value.wrapping_mul(0x61c8_8647) >> (32 - bits)) as usize
}

/// SipHash-1-3 of one 32-bit word, both halves of the key the same, cut to 32 bits (`hsiphash` of a 64-bit kernel).
pub(super) fn sip(value: u32, key: u64) -> u32 {
    let mut v = [
        key ^ 0x736f_6d65_7073_6575,
        key ^ 0x646f_7261_6e64_6f6d,
        key ^ 0x6c79_6765_6e65_7261,
        key ^ 0x7465_6462_7974_6573,
    ];
    let word = 4 << 56 | u64::from(value);
    v[3] ^= word;
    round(&mut v);
    v[0] ^= word;
    v[2] ^= 0xff;
    (0..3).for_each(|_| round(&mut v));
    (v[0] ^ v[1] ^ v[2] ^ v[3]) as u32
}

fn round(v: &mut [u64; 4]) {
    let half = |v: &mut [u64; 4], [a, b, c, d]: [usize; 4], [left, right]: [u32; 2]| {
        v[a] = v[a].wrapping_add(v[b]);
        v[b] = v[b].rotate_left(left) ^ v[a];
        v[a] = v[a].rotate_left(32);
        v[c] = v[c].wrapping_add(v[d]);
        v[d] = v[d].rotate_left(right) ^ v[c];
    };
    half(v, [0, 1, 2, 3], [13, 16]);
    half(v, [2, 1, 0, 3], [17, 21]);
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hasher};

    use super::*;

    #[test]
    fn sip_is_that_of_the_standard_library_where_keys_agree() {
        for value in [0, 1, 0xac10_0001, u32::MAX] {
            let mut hasher = DefaultHasher::new();
            hasher.write(&value.to_le_bytes());
            assert_eq!(sip(value, 0), hasher.finish() as u32);
        }
    }

    #[test]
    fn ipv6_folds_its_words() {
        let address: IpAddr = "fd00:1::2:3".parse().expect("an address");
        assert_eq!(fold(Family::Ipv6, address), 0xfd00_0001 ^ 0x0002_0003);
        assert_eq!(fold(Family::Ipv4, address), 0xfd00_0001);
    }
}
