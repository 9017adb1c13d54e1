//! The Toeplitz hash by which devices spread packets over queues: Microsoft, "RSS hashing types" and "Verifying the RSS
//! hash calculation".
//!
//! ```text
//! hash = 0; for each bit of the input, left to right: if set, hash ^= leftmost 32 bits of key; key <<= 1
//! ```
//!
//! The input is source address, destination address, source port, destination port, as on the wire.

/// The key of Microsoft's verification suite, and the default of many drivers. Everybody knows it.
pub const MICROSOFT_KEY: [u8; 40] = [
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b,
    0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac,
    0x01, 0xfa,
];

/// Bytes of the longest key that a device is known to take; the first 40 are all that any input here reaches.
pub const LONGEST_KEY: usize = 52;

/// Bytes of the longest input: two IPv6 addresses and two ports.
pub const LONGEST_INPUT: usize = 36;

/// A key that repeats 16 bits, under which it does not matter at which field of the input a value stands: source and
/// destination hash alike, whether a device leaves other fields out or takes them as zero.
///
/// A word with an even number of ones would map different inputs to the same hash; its last bit is turned.
#[must_use]
pub const fn repeating(word: u16) -> [u8; LONGEST_KEY] {
    let odd = if word.count_ones() % 2 == 1 { word } else { word ^ 1 };
    let mut key = [0; LONGEST_KEY];
    let mut at = 0;
    while at < LONGEST_KEY {
        key[at] = odd.to_be_bytes()[at % 2];
        at += 1;
    }
    key
}

/// The input of IPv4 addresses alone.
#[inline]
#[must_use]
pub fn ipv4(src: u32, dst: u32) -> [u8; 8] {
    (u64::from(src) << 32 | u64::from(dst)).to_be_bytes()
}

/// The input of IPv4 addresses and ports.
#[inline]
#[must_use]
pub fn ipv4_ports(src: u32, dst: u32, sport: u16, dport: u16) -> [u8; 12] {
    let mut input = [0; 12];
    input[..8].copy_from_slice(&ipv4(src, dst));
    input[8..].copy_from_slice(&ports(sport, dport));
    input
}

/// The input of IPv6 addresses alone.
#[inline]
#[must_use]
pub fn ipv6(src: [u8; 16], dst: [u8; 16]) -> [u8; 32] {
    let mut input = [0; 32];
    input[..16].copy_from_slice(&src);
    input[16..].copy_from_slice(&dst);
    input
}

/// The input of IPv6 addresses and ports.
#[inline]
#[must_use]
pub fn ipv6_ports(src: [u8; 16], dst: [u8; 16], sport: u16, dport: u16) -> [u8; LONGEST_INPUT] {
    let mut input = [0; LONGEST_INPUT];
    input[..32].copy_from_slice(&ipv6(src, dst));
    input[32..].copy_from_slice(&ports(sport, dport));
    input
}

fn ports(sport: u16, dport: u16) -> [u8; 4] {
    (u32::from(sport) << 16 | u32::from(dport)).to_be_bytes()
}

/// The hash, bit by bit. A key shorter than the input needs (its bytes + 4) goes on with zeroes.
#[must_use]
pub fn hash(key: &[u8], input: &[u8]) -> u32 {
    input.iter().enumerate().fold(0, |hash, (at, byte)| hash ^ of_byte(key, at, *byte))
}

/// What one byte of the input adds to the hash.
fn of_byte(key: &[u8], at: usize, byte: u8) -> u32 {
    let window = (at..at + 5).fold(0u64, |w, i| w << 8 | u64::from(key.get(i).copied().unwrap_or(0)));
    (0..8).filter(|bit| byte & 0x80 >> bit != 0).fold(0, |hash, bit| hash ^ (window >> (8 - bit)) as u32)
}

/// The hash of one key by tables: one look-up and one xor a byte. IPv4 touches the first 12 KiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table(Box<[[u32; 256]]>);

impl Table {
    /// The tables of a key.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        let mut bytes = vec![[0; 256]; LONGEST_INPUT];
        for (at, values) in bytes.iter_mut().enumerate() {
            for (byte, value) in (0..=u8::MAX).zip(values) {
                *value = of_byte(key, at, byte);
            }
        }
        Self(bytes.into())
    }

    /// The hash of an input; bytes past [`LONGEST_INPUT`] do not count.
    #[inline]
    #[must_use]
    pub fn hash(&self, input: &[u8]) -> u32 {
        self.0.iter().zip(input).fold(0, |hash, (values, byte)| hash ^ values[usize::from(*byte)])
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

    use proptest::prelude::*;

    use super::*;

    /// Microsoft's suite: source, destination, hash of the addresses, hash with ports.
    const SUITE_V4: [(&str, &str, u32, u32); 5] = [
        ("66.9.149.187:2794", "161.142.100.80:1766", 0x323e_8fc2, 0x51cc_c178),
        ("199.92.111.2:14230", "65.69.140.83:4739", 0xd718_262a, 0xc626_b0ea),
        ("24.19.198.95:12898", "12.22.207.184:38024", 0xd2d0_a5de, 0x5c2b_394a),
        ("38.27.205.30:48228", "209.142.163.6:2217", 0x8298_9176, 0xafc7_327f),
        ("153.39.163.191:44251", "202.188.127.2:1303", 0x5d18_09c5, 0x10e8_28a2),
    ];
    const SUITE_V6: [(&str, &str, u32, u32); 3] = [
        ("[3ffe:2501:200:1fff::7]:2794", "[3ffe:2501:200:3::1]:1766", 0x2cc1_8cd5, 0x4020_7d3d),
        ("[3ffe:501:8::260:97ff:fe40:efab]:14230", "[ff02::1]:4739", 0x0f0c_461c, 0xdde5_1bbf),
        ("[3ffe:1900:4545:3:200:f8ff:fe21:67cf]:44251", "[fe80::200:f8ff:fe21:67cf]:38024", 0x4b61_e985, 0x02d1_feef),
    ];

    #[test]
    fn microsofts_suite_ipv4() {
        let table = Table::new(&MICROSOFT_KEY);
        for (src, dst, addresses, with_ports) in SUITE_V4 {
            let (src, dst): (SocketAddrV4, SocketAddrV4) = (src.parse().unwrap(), dst.parse().unwrap());
            let (s, d): (u32, u32) = (Ipv4Addr::into(*src.ip()), Ipv4Addr::into(*dst.ip()));
            let ports = ipv4_ports(s, d, src.port(), dst.port());
            assert_eq!(hash(&MICROSOFT_KEY, &ipv4(s, d)), addresses, "{src} {dst}");
            assert_eq!(hash(&MICROSOFT_KEY, &ports), with_ports, "{src} {dst}");
            assert_eq!((table.hash(&ipv4(s, d)), table.hash(&ports)), (addresses, with_ports), "{src} {dst}");
        }
    }

    #[test]
    fn microsofts_suite_ipv6() {
        let table = Table::new(&MICROSOFT_KEY);
        for (src, dst, addresses, with_ports) in SUITE_V6 {
            let (src, dst): (SocketAddrV6, SocketAddrV6) = (src.parse().unwrap(), dst.parse().unwrap());
            let (s, d) = (Ipv6Addr::octets(src.ip()), Ipv6Addr::octets(dst.ip()));
            let ports = ipv6_ports(s, d, src.port(), dst.port());
            assert_eq!(hash(&MICROSOFT_KEY, &ipv6(s, d)), addresses, "{src} {dst}");
            assert_eq!(hash(&MICROSOFT_KEY, &ports), with_ports, "{src} {dst}");
            assert_eq!((table.hash(&ipv6(s, d)), table.hash(&ports)), (addresses, with_ports), "{src} {dst}");
        }
    }

    #[test]
    fn the_repeating_key_is_one_to_one_on_ports() {
        assert_eq!(repeating(0x6d5a)[..4], [0x6d, 0x5a, 0x6d, 0x5a]);
        assert_eq!(repeating(0)[..2], [0, 1]);
        let key = repeating(0x1234);
        let hashes: std::collections::BTreeSet<u32> = (0..=u16::MAX).map(|p| hash(&key, &p.to_be_bytes())).collect();
        assert_eq!(hashes.len(), 65_536);
    }

    proptest! {
        #[test]
        fn tables_equal_bits(key in proptest::collection::vec(any::<u8>(), 40..=52), input in proptest::collection::vec(any::<u8>(), 0..=36)) {
            prop_assert_eq!(Table::new(&key).hash(&input), hash(&key, &input));
        }

        #[test]
        fn only_forty_bytes_of_a_key_count(key in any::<[u8; 40]>(), tail in any::<[u8; 12]>(), input in any::<[[u8; 18]; 2]>()) {
            let long = [key.as_slice(), &tail].concat();
            prop_assert_eq!(hash(&long, input.as_flattened()), hash(&key, input.as_flattened()));
        }

        #[test]
        fn under_a_repeating_key_place_does_not_matter(word: u16, address: u32, port: u16) {
            let key = repeating(word);
            let source = hash(&key, &ipv4_ports(address, 0, port, 0));
            let destination = hash(&key, &ipv4_ports(0, address, 0, port));
            let left_out = hash(&key, &[address.to_be_bytes().as_slice(), &port.to_be_bytes()].concat());
            prop_assert_eq!((source, source), (destination, left_out));
        }
    }
}
