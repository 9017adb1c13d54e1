//! IPv4 (RFC 791, RFC 1812).

use super::{be16, be32, checksum, put};

/// Bytes of a header without options.
pub const HEADER: usize = 20;
/// "More fragments" and the offset: zero in whole packets.
pub const FRAGMENT_MASK: u16 = 0x3fff;
/// The offset, in units of eight bytes.
pub const OFFSET_MASK: u16 = 0x1fff;
/// "Don't fragment".
pub const DF: u16 = 0x4000;
/// Where the header's checksum stands.
pub const CHECKSUM: usize = 10;
/// What every link takes.
pub const LEAST_MTU: u16 = 68;

/// Why bytes are not an IPv4 packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than its header.
    Short,
    /// Version is not 4, or a header length below five words.
    Version,
    /// The total length exceeds the bytes there are, or is below the header.
    Length,
    /// The header checksum is wrong.
    Checksum,
}

/// A parsed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the header, options included.
    pub len: usize,
    /// Bytes of the packet.
    pub total: usize,
    /// Type of service.
    pub tos: u8,
    /// Flags and fragment offset.
    pub fragment: u16,
    /// Time to live.
    pub ttl: u8,
    /// Upper protocol.
    pub protocol: u8,
    /// Source.
    pub src: u32,
    /// Destination.
    pub dst: u32,
}

impl Header {
    /// Reads and checks the header at the start of `bytes` (RFC 1122 3.2.1: version, lengths, checksum).
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let h = bytes.first_chunk::<HEADER>().ok_or(Malformed::Short)?;
        let len = usize::from(h[0] & 15) * 4;
        if h[0] >> 4 != 4 || len < HEADER {
            return Err(Malformed::Version);
        }
        let total = usize::from(be16(h, 2));
        if total < len || total > bytes.len() {
            return Err(Malformed::Length);
        }
        let right = || checksum::Sum::default().bytes(&bytes[..len]).fold() == 0xffff;
        if !(if len == HEADER { is_right(h) } else { right() }) {
            return Err(Malformed::Checksum);
        }
        Ok(Self {
            len,
            total,
            tos: h[1],
            fragment: be16(h, 6),
            ttl: h[8],
            protocol: h[9],
            src: be32(h, 12),
            dst: be32(h, 16),
        })
    }

    /// Whether it is a fragment of a packet.
    #[must_use]
    pub const fn is_fragment(&self) -> bool {
        self.fragment & FRAGMENT_MASK != 0
    }
}

/// Whether the checksum of a header without options is right. The caller has seen that its version is 4: a sum of zero
/// would not be right, and is not possible then.
///
/// RFC 1071 (2): the sum is one modulo 65535, so words of any width and byte order do.
#[inline(always)]
#[must_use]
pub fn is_right(h: &[u8; HEADER]) -> bool {
    let long = |at: usize| {
        u64::from_ne_bytes([h[at], h[at + 1], h[at + 2], h[at + 3], h[at + 4], h[at + 5], h[at + 6], h[at + 7]])
    };
    let last = u32::from_ne_bytes([h[16], h[17], h[18], h[19]]);
    checksum::add_longs(long(0), long(8), last).is_multiple_of(0xffff)
}

/// What to write into a new header.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    /// Type of service.
    pub tos: u8,
    /// Bytes after the header.
    pub payload: usize,
    /// Identification.
    pub id: u16,
    /// Whether it must not be fragmented.
    pub df: bool,
    /// Time to live.
    pub ttl: u8,
    /// Upper protocol.
    pub protocol: u8,
    /// Source.
    pub src: u32,
    /// Destination.
    pub dst: u32,
}

impl Build {
    /// The header, checksum included.
    #[inline(always)]
    #[must_use]
    pub fn bytes(&self) -> [u8; HEADER] {
        let total = (HEADER + self.payload) as u16;
        let long = |high: u64, low: u32| high << 32 | u64::from(low);
        let fragment = u32::from(self.id) << 16 | u32::from(if self.df { DF } else { 0 });
        let first = long(0x4500_0000 | u64::from(self.tos) << 16 | u64::from(total), fragment);
        let second = long(u64::from(self.ttl) << 24 | u64::from(self.protocol) << 16, self.src);
        let sum = checksum::finish_longs(first, second, self.dst);
        let mut h = [0; HEADER];
        h[..8].copy_from_slice(&first.to_be_bytes());
        h[8..16].copy_from_slice(&(second | u64::from(sum) << 32).to_be_bytes());
        h[16..].copy_from_slice(&self.dst.to_be_bytes());
        h
    }
}

/// Writes the checksum of a whole header.
pub fn seal(header: &mut [u8]) {
    put(header, 10, &[0, 0]);
    let sum = checksum::of(header);
    put(header, 10, &sum.to_be_bytes());
}

/// Lowers the TTL by one and keeps the checksum right. The caller has seen that the TTL is above 1.
#[inline]
pub fn decrement_ttl(header: &mut [u8; HEADER]) {
    header[8] = header[8].wrapping_sub(1);
    if let Some(sum) = header[10..].first_chunk_mut() {
        checksum::lower_ttl(sum);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::put;

    fn build() -> Build {
        Build { tos: 0, payload: 4, id: 7, df: true, ttl: 64, protocol: 17, src: 0x0a00_0001, dst: 0x0a00_0002 }
    }

    #[test]
    fn built_headers_parse() {
        let mut packet = build().bytes().to_vec();
        packet.extend([1, 2, 3, 4, 9, 9]);
        let header = Header::parse(&packet).unwrap();
        assert_eq!((header.total, header.ttl, header.src, header.is_fragment()), (24, 64, 0x0a00_0001, false));
        assert_eq!(Header::parse(&packet[..23]), Err(Malformed::Length));
        assert_eq!(Header::parse(&packet[..19]), Err(Malformed::Short));
        packet[8] = 63;
        assert_eq!(Header::parse(&packet), Err(Malformed::Checksum));
    }

    proptest! {
        #[test]
        fn ttl_keeps_the_checksum(ttl in 2u8.., id: u16, src: u32, dst: u32) {
            let mut bytes = Build { ttl, id, src, dst, payload: 0, ..build() }.bytes();
            decrement_ttl(&mut bytes);
            prop_assert_eq!(Header::parse(&bytes).map(|h| h.ttl), Ok(ttl - 1));
        }

        #[test]
        fn right_is_what_sums_to_all_ones(mut bytes: [u8; HEADER], made: bool) {
            bytes[0] = 0x45;
            if made {
                bytes[10..12].fill(0);
                let sum = checksum::of(&bytes);
                put(&mut bytes, 10, &sum.to_be_bytes());
            }
            prop_assert_eq!(is_right(&bytes), checksum::Sum::default().bytes(&bytes).fold() == 0xffff);
            prop_assert!(!made || is_right(&bytes));
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Header::parse(&bytes);
        }
    }
}
