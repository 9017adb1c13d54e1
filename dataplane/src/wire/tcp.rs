//! TCP headers (RFC 9293 3.1).

use super::{be16, be32, put};

/// Bytes of a header without options.
pub const HEADER: usize = 20;
/// Where the checksum sits.
pub const CHECKSUM: usize = 16;

/// No more data from the sender.
pub const FIN: u8 = 1;
/// Synchronise sequence numbers.
pub const SYN: u8 = 2;
/// Reset.
pub const RST: u8 = 4;
/// Acknowledgement is valid.
pub const ACK: u8 = 16;

/// A parsed header, as far as a director reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Bytes of the header.
    pub len: usize,
    /// FIN to CWR.
    pub flags: u8,
}

impl Header {
    /// Reads a header; `None` where it is shorter than itself.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let h = bytes.first_chunk::<HEADER>()?;
        let len = usize::from(h[12] >> 4) * 4;
        if len < HEADER || len > bytes.len() {
            return None;
        }
        Some(Self { sport: be16(h, 0), dport: be16(h, 2), seq: be32(h, 4), ack: be32(h, 8), len, flags: h[13] })
    }
}

/// The reset that answers a segment nobody expects (RFC 9293 3.10.7.1), checksum left zero.
#[must_use]
pub fn reset_for(segment: &Header, payload: usize) -> [u8; HEADER] {
    let mut h = [0; HEADER];
    put(&mut h, 0, &segment.dport.to_be_bytes());
    put(&mut h, 2, &segment.sport.to_be_bytes());
    h[12] = (HEADER as u8 / 4) << 4;
    if segment.flags & ACK != 0 {
        put(&mut h, 4, &segment.ack.to_be_bytes());
        h[13] = RST;
    } else {
        let occupied = payload as u32 + u32::from(segment.flags & SYN != 0) + u32::from(segment.flags & FIN != 0);
        put(&mut h, 8, &segment.seq.wrapping_add(occupied).to_be_bytes());
        h[13] = RST | ACK;
    }
    h
}
