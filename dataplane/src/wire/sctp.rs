//! SCTP packets (RFC 9260 3): the common header, chunks, the CRC32c, and what a host answers to a packet that belongs to
//! no association (8.4, "out of the blue").
//!
//! ```text
//! an ABORT or SHUTDOWN COMPLETE anywhere, an INIT behind another chunk   nothing
//! first chunk INIT, alone and whole                                      ABORT with the tag that it brings
//!             SHUTDOWN ACK                                               SHUTDOWN COMPLETE, the packet's tag
//!             COOKIE ACK, "stale cookie" ERROR, ECNE, CWR                nothing
//!             anything else                                              ABORT, the packet's tag
//! ```

use super::{be16, be32, put};

/// IANA protocol number.
pub const PROTOCOL: u8 = 132;
/// Bytes of the common header.
pub const HEADER: usize = 12;
/// Bytes of a chunk's header.
pub const CHUNK: usize = 4;

const TAG: usize = 4;
const CHECKSUM: usize = 8;
/// The flag that says: the tag is the other side's (RFC 9260 8.5.1).
const T: u8 = 1;
/// Least bytes of an INIT chunk.
const INIT: usize = 20;
/// The cause of an ERROR chunk that says that a cookie came too late.
const STALE_COOKIE: u16 = 3;

/// Types of chunks.
pub mod chunk {
    /// User data.
    pub const DATA: u8 = 0;
    /// Opens.
    pub const INIT: u8 = 1;
    /// Answers [`INIT`].
    pub const INIT_ACK: u8 = 2;
    /// Selective acknowledgement.
    pub const SACK: u8 = 3;
    /// Is the path alive?
    pub const HEARTBEAT: u8 = 4;
    /// It is.
    pub const HEARTBEAT_ACK: u8 = 5;
    /// Ends at once.
    pub const ABORT: u8 = 6;
    /// Closes.
    pub const SHUTDOWN: u8 = 7;
    /// Answers [`SHUTDOWN`].
    pub const SHUTDOWN_ACK: u8 = 8;
    /// Something was wrong.
    pub const ERROR: u8 = 9;
    /// Brings back the cookie of [`INIT_ACK`].
    pub const COOKIE_ECHO: u8 = 10;
    /// Answers [`COOKIE_ECHO`].
    pub const COOKIE_ACK: u8 = 11;
    /// Congestion was seen.
    pub const ECNE: u8 = 12;
    /// The window was reduced.
    pub const CWR: u8 = 13;
    /// Answers [`SHUTDOWN_ACK`].
    pub const SHUTDOWN_COMPLETE: u8 = 14;
}

/// A chunk's header, and what the packet has of the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// [`chunk`] type.
    pub kind: u8,
    /// Length that it says it has, header included and padding not.
    pub length: usize,
    /// From its header to the end of the packet.
    pub rest: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// The chunk that bytes begin with; `None` where they are fewer than its header.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.first_chunk::<CHUNK>()?;
        Some(Self { kind: header[0], length: usize::from(be16(header, 2)), rest: bytes })
    }

    /// The first of a packet.
    #[must_use]
    pub fn first(packet: &'a [u8]) -> Option<Self> {
        Self::parse(packet.get(HEADER..)?)
    }

    /// The one behind it; `None` too where its length is less than its header's, or leads beyond the packet.
    #[must_use]
    pub fn next(&self) -> Option<Self> {
        if self.length < CHUNK { None } else { Self::parse(self.rest.get(self.padded()..)?) }
    }

    /// Its bytes without the padding, if the packet has them.
    #[must_use]
    pub fn bytes(&self) -> Option<&'a [u8]> {
        self.rest.get(..self.length).filter(|bytes| bytes.len() >= CHUNK)
    }

    /// Up to the next chunk.
    const fn padded(&self) -> usize {
        self.length.next_multiple_of(CHUNK)
    }

    fn is_whole(&self) -> bool {
        self.length >= CHUNK && self.padded() <= self.rest.len()
    }

    /// Whether it is an ERROR whose causes name a stale cookie.
    fn says_stale_cookie(&self) -> bool {
        let mut causes = self.bytes().and_then(|bytes| bytes.get(CHUNK..)).unwrap_or_default();
        while causes.len() >= CHUNK {
            if be16(causes, 0) == STALE_COOKIE {
                return true;
            }
            let length = usize::from(be16(causes, 2)).max(CHUNK).next_multiple_of(CHUNK);
            causes = causes.get(length..).unwrap_or_default();
        }
        false
    }
}

/// The whole chunks of a packet, up to the first that is not.
fn whole_chunks(packet: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    std::iter::successors(Chunk::first(packet), Chunk::next).take_while(Chunk::is_whole)
}

/// The CRC32c of a packet with at least a common header, its own field taken as zero.
fn crc(packet: &[u8]) -> [u8; 4] {
    let (before, behind) = packet.split_at_checked(CHECKSUM + 4).unwrap_or((packet, &[]));
    let crc = crc32c::crc32c(before.get(..CHECKSUM).unwrap_or_default());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, &[0; 4]), behind).to_le_bytes()
}

/// Whether a packet's checksum is right.
#[must_use]
pub fn is_right(packet: &[u8]) -> bool {
    packet.get(CHECKSUM..).and_then(|field| field.first_chunk()) == Some(&crc(packet))
}

/// Writes the checksum.
pub fn set_checksum(packet: &mut [u8]) {
    let crc = crc(packet);
    put(packet, CHECKSUM, &crc);
}

/// What a host that nobody listens on answers to a packet.
#[must_use]
pub fn out_of_the_blue(packet: &[u8]) -> Option<[u8; HEADER + CHUNK]> {
    let silent = |at: usize, one: &Chunk<'_>| {
        matches!(one.kind, chunk::ABORT | chunk::SHUTDOWN_COMPLETE) || at > 0 && one.kind == chunk::INIT
    };
    if whole_chunks(packet).enumerate().any(|(at, one)| silent(at, &one)) {
        return None;
    }
    let first = Chunk::first(packet)?;
    let tag = be32(packet, TAG);
    let (tag, kind, flags) = match first.kind {
        chunk::INIT if first.length < INIT || !first.is_whole() || first.next().is_some() => return None,
        chunk::INIT => (be32(first.rest, CHUNK), chunk::ABORT, 0),
        chunk::SHUTDOWN_ACK => (tag, chunk::SHUTDOWN_COMPLETE, T),
        chunk::ABORT | chunk::COOKIE_ACK | chunk::ECNE | chunk::CWR => return None,
        chunk::ERROR if first.says_stale_cookie() => return None,
        _ => (tag, chunk::ABORT, T),
    };
    let mut made = [0; HEADER + CHUNK];
    put(&mut made, 0, &be16(packet, 2).to_be_bytes());
    put(&mut made, 2, &be16(packet, 0).to_be_bytes());
    put(&mut made, TAG, &tag.to_be_bytes());
    put(&mut made, HEADER, &[kind, flags, 0, CHUNK as u8]);
    set_checksum(&mut made);
    Some(made)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// From port 4000 to 80, tag 7, as a kernel was sent it.
    fn packet(chunks: &[u8]) -> Vec<u8> {
        let mut packet = [&[0x0f, 0xa0, 0, 0x50, 0, 0, 0, 7, 0, 0, 0, 0], chunks].concat();
        set_checksum(&mut packet);
        packet
    }

    #[test]
    fn the_checksum_is_that_of_a_kernel() {
        let sent = [0x0f, 0xa0, 0, 0x50, 0, 0, 0, 7, 0x50, 0x2e, 0xd6, 0xf2, 0, 0, 0, 4];
        assert_eq!(packet(&[0, 0, 0, 4]), sent);
        assert!(is_right(&sent));
        let mut wrong = sent;
        wrong[8] ^= 1;
        assert!(!is_right(&wrong));
    }

    #[test]
    fn a_host_answers_as_a_kernel_does() {
        let abort = [0, 0x50, 0x0f, 0xa0, 0, 0, 0, 7, 0x93, 0x00, 0x73, 0xcc, 6, 1, 0, 4];
        let complete = [0, 0x50, 0x0f, 0xa0, 0, 0, 0, 7, 0x75, 0x63, 0x37, 0x3a, 14, 1, 0, 4];
        let init = [1, 0, 0, 20, 0x11, 0x22, 0x33, 0x44, 0, 0, 0x10, 0, 0, 1, 0, 1, 0, 0, 0, 9];
        let cause = |code| [9, 0, 0, 12, 0, code, 0, 8, 0, 0, 0, 0];
        for (chunks, answer) in [
            (&[0, 0, 0, 4][..], Some(abort)),
            (&[2, 0, 0, 4], Some(abort)),
            (&[10, 0, 0, 4], Some(abort)),
            (&[0x40, 0, 0, 4], Some(abort)),
            (&[0, 0, 0, 4, 8, 0, 0, 4], Some(abort)),
            (&cause(1), Some(abort)),
            (&[8, 0, 0, 4], Some(complete)),
            (&[8, 0, 0, 4, 11, 0, 0, 4], Some(complete)),
            (&[6, 0, 0, 4], None),
            (&[6, 0, 0, 0], None),
            (&[11, 0, 0, 4], None),
            (&[13, 0, 0, 4], None),
            (&[14, 0, 0, 4], None),
            (&cause(3), None),
            (&[10, 0, 0, 4, 6, 0, 0, 4], None),
            (&[0, 0, 0, 4, 14, 0, 0, 4], None),
            (&[&[0, 0, 0, 4], &init[..]].concat(), None),
            (&[&init[..], &[0, 0, 0, 4]].concat(), None),
            (&[1, 0, 0, 0xff, 1, 2, 3, 4], None),
            (&[], None),
        ] {
            assert_eq!(out_of_the_blue(&packet(chunks)), answer, "{chunks:02x?}");
        }
        let to_init = out_of_the_blue(&packet(&init)).expect("an answer");
        assert_eq!(
            (be32(&to_init, TAG), &to_init[HEADER..], is_right(&to_init)),
            (0x1122_3344, &[6, 0, 0, 4][..], true)
        );
    }

    proptest! {
        #[test]
        fn chunks_end_and_lie_within_the_packet(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let chunks: Vec<Chunk<'_>> = std::iter::successors(Chunk::first(&bytes), Chunk::next).collect();
            prop_assert!(chunks.len() <= bytes.len() / CHUNK);
            prop_assert!(chunks.iter().all(|one| one.bytes().is_none_or(|own| own.len() == one.length)));
            prop_assert!(out_of_the_blue(&bytes).is_none_or(|answer| is_right(&answer)));
            let _ = is_right(&bytes);
        }
    }
}
