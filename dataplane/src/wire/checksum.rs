//! The Internet checksum: RFC 1071, updated incrementally as RFC 1624 (equation 3) says.

/// A running ones' complement sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// Adds bytes; an odd last byte counts as the high half of a word.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        let mut words = bytes.chunks_exact(4);
        for word in &mut words {
            self.0 += u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
        }
        match *words.remainder() {
            [a] => self.word(u16::from_be_bytes([a, 0])),
            [a, b] => self.word(u16::from_be_bytes([a, b])),
            [a, b, c] => self.word(u16::from_be_bytes([a, b])).word(u16::from_be_bytes([c, 0])),
            _ => self,
        }
    }

    /// Adds a 16-bit word.
    #[must_use]
    pub fn word(self, word: u16) -> Self {
        Self(self.0 + u64::from(word))
    }

    /// Adds a 32-bit word.
    #[must_use]
    pub fn long(self, long: u32) -> Self {
        Self(self.0 + u64::from(long))
    }

    /// Adds the pseudo header of an upper protocol (RFC 9293 3.1, RFC 8200 8.1).
    #[must_use]
    pub fn pseudo(self, src: &[u8], dst: &[u8], protocol: u8, length: usize) -> Self {
        self.bytes(src).bytes(dst).word(u16::from(protocol)).long(length as u32)
    }

    /// The sum folded to 16 bits.
    #[must_use]
    pub fn fold(self) -> u16 {
        let mut sum = self.0;
        while sum >> 16 != 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    /// The checksum: the complement of the folded sum.
    #[must_use]
    pub fn finish(self) -> u16 {
        !self.fold()
    }
}

/// The checksum of bytes.
#[must_use]
pub fn of(bytes: &[u8]) -> u16 {
    Sum::default().bytes(bytes).finish()
}

/// The sum of five 32-bit words, of which four come in pairs, as a 64-bit word: the carries come back in.
#[inline(always)]
#[must_use]
pub const fn add_longs(first: u64, second: u64, last: u32) -> u64 {
    let (sum, carry) = first.overflowing_add(second);
    let (sum, another) = sum.overflowing_add(last as u64 + carry as u64);
    sum + another as u64
}

/// The checksum of five such words.
#[inline(always)]
#[must_use]
pub const fn finish_longs(first: u64, second: u64, last: u32) -> u16 {
    let sum = add_longs(first, second, last);
    let (sum, carry) = (sum as u32).overflowing_add((sum >> 32) as u32);
    let sum = sum + carry as u32;
    let (sum, carry) = (sum as u16).overflowing_add((sum >> 16) as u16);
    !(sum + carry as u16)
}

/// The folded form of a change, as a connection keeps it: in the byte order of packets, which a ones' complement sum
/// does not care about (RFC 1071 2(B)). Never zero when made, so that it negates by complement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChecksumChange(u16);

/// A time to live lower by one: the word it is in goes down by 0x100, whatever it was.
const TTL: ChecksumChange = ChecksumChange(0xfeff_u16.to_be());

impl ChecksumChange {
    /// The change that a stored number means.
    #[inline(always)]
    #[must_use]
    pub const fn from_number(number: u16) -> Self {
        Self(number)
    }

    /// The number to store.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The change back.
    #[inline(always)]
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self(!self.0)
    }

    /// Brings a checksum, as it lies in a packet, up to the change: `!(!checksum + change)`, which is `checksum -
    /// change`, both with the carry around the end.
    #[inline(always)]
    pub fn apply(self, checksum: &mut [u8; 2]) {
        let (difference, borrow) = u16::from_ne_bytes(*checksum).overflowing_sub(self.0);
        *checksum = difference.wrapping_sub(u16::from(borrow)).to_ne_bytes();
    }

    /// Brings the checksum of an IPv4 header up to the change and to a time to live that is lower by one.
    #[inline(always)]
    pub fn apply_with_ttl(self, checksum: &mut [u8; 2]) {
        self.apply(checksum);
        TTL.apply(checksum);
    }
}

/// Brings the checksum of an IPv4 header up to a time to live that is lower by one.
#[inline(always)]
pub fn lower_ttl(checksum: &mut [u8; 2]) {
    TTL.apply(checksum);
}

/// What a change of covered words does to a checksum: the folded sum of the complements of the old words and of the
/// new ones. Deltas add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delta(u32);

impl Delta {
    /// A 16-bit word became another.
    #[inline]
    #[must_use]
    pub fn word(self, old: u16, new: u16) -> Self {
        Self(self.0 + u32::from(!old) + u32::from(new))
    }

    /// A 32-bit word became another.
    #[inline]
    #[must_use]
    pub fn long(self, old: u32, new: u32) -> Self {
        self.word((old >> 16) as u16, (new >> 16) as u16).word(old as u16, new as u16)
    }

    /// Folded. The sum of a word's complement and a word is never zero, so neither is this.
    #[must_use]
    pub fn fold(self) -> ChecksumChange {
        let sum = (self.0 & 0xffff) + (self.0 >> 16);
        ChecksumChange((((sum & 0xffff) + (sum >> 16)) as u16).to_be())
    }

    /// The checksum after the change.
    #[inline]
    #[must_use]
    pub fn apply(self, checksum: u16) -> u16 {
        let sum = u32::from(!checksum) + self.0;
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        !(sum as u16)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rfc_1071_example() {
        assert_eq!(Sum::default().bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]).fold(), 0xddf2);
    }

    proptest! {
        #[test]
        fn update_equals_recompute(
            mut bytes in proptest::collection::vec(any::<u8>(), 8..100),
            at in 0usize..40,
            long in any::<u32>(),
            word in any::<u16>(),
        ) {
            bytes[0] |= 1; // a header is never all zero, so +0 and -0 cannot be confused
            let at = 2 + (at % (bytes.len() / 2 - 3)) * 2;
            let before = of(&bytes);
            let old = u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
            bytes[at..at + 4].copy_from_slice(&long.to_be_bytes());
            let middle = Delta::default().long(old, long);
            prop_assert_eq!(middle.apply(before), of(&bytes));
            let old = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            bytes[at..at + 2].copy_from_slice(&word.to_be_bytes());
            let whole = middle.word(old, word);
            prop_assert_eq!(whole.apply(before), of(&bytes));
            let mut checksum = before.to_be_bytes();
            whole.fold().apply(&mut checksum);
            prop_assert_eq!(u16::from_be_bytes(checksum), of(&bytes));
            whole.fold().reversed().apply(&mut checksum);
            prop_assert_eq!(u16::from_be_bytes(checksum), before);
        }

        #[test]
        fn chunks_do_not_matter(bytes in proptest::collection::vec(any::<u8>(), 0..64), cut in 0usize..32) {
            let cut = (cut * 2).min(bytes.len());
            let (a, b) = bytes.split_at(cut);
            prop_assert_eq!(Sum::default().bytes(a).bytes(b).fold(), Sum::default().bytes(&bytes).fold());
        }
    }
}
