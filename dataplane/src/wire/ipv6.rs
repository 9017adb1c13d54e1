//! IPv6 (RFC 8200). Extension headers are left to the caller, who sees the next header.

use super::{be16, put};

/// Bytes of the fixed header.
pub const HEADER: usize = 40;

/// Why bytes are not an IPv6 packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than its header.
    Short,
    /// Version is not 6.
    Version,
    /// The payload length exceeds the bytes there are.
    Length,
}

/// A parsed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the packet, header included.
    pub total: usize,
    /// What follows.
    pub next: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source.
    pub src: [u8; 16],
    /// Destination.
    pub dst: [u8; 16],
}

impl Header {
    /// Reads and checks the header at the start of `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let h = bytes.first_chunk::<HEADER>().ok_or(Malformed::Short)?;
        if h[0] >> 4 != 6 {
            return Err(Malformed::Version);
        }
        let total = HEADER + usize::from(be16(h, 4));
        if total > bytes.len() {
            return Err(Malformed::Length);
        }
        let address = |at: usize| *h[at..].first_chunk().expect("sixteen bytes within forty");
        Ok(Self { total, next: h[6], hop_limit: h[7], src: address(8), dst: address(24) })
    }
}

/// A new header. Its flow label follows from the addresses and is never zero, so that routers spread flows (RFC 6437).
#[must_use]
pub fn build(payload: usize, next: u8, hop_limit: u8, src: &[u8; 16], dst: &[u8; 16]) -> [u8; HEADER] {
    let mut h = [0; HEADER];
    let label = super::checksum::Sum::default().bytes(src).bytes(dst).word(u16::from(next)).fold().max(1);
    put(&mut h, 0, &(0x6000_0000 | u32::from(label)).to_be_bytes());
    put(&mut h, 4, &(payload as u16).to_be_bytes());
    h[6] = next;
    h[7] = hop_limit;
    put(&mut h, 8, src);
    put(&mut h, 24, dst);
    h
}
