//! Bytes to meaning and back. Knows nothing of connections, drivers or time; every length is checked at the door.

pub mod arp;
pub mod checksum;
pub mod echoed4;
pub mod ecn;
pub mod ethernet;
pub mod fragment;
pub mod icmpv4;
pub mod icmpv6;
pub mod ipsec;
pub mod ipv4;
pub mod ipv6;
pub mod mld;
pub mod ndisc;
pub mod options4;
pub mod options6;
pub mod quoted;
pub mod sctp;
pub mod tcp;
pub mod toeplitz;
pub mod udp;
pub mod vlan;

/// The big-endian 16-bit word at `at`; 0 past the end.
#[inline(always)]
#[must_use]
pub fn be16(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u16::from_be_bytes(*b))
}

/// The big-endian 32-bit word at `at`; 0 past the end.
#[inline(always)]
#[must_use]
pub fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_be_bytes(*b))
}

/// Writes bytes at `at`; nothing where they do not fit.
#[inline(always)]
pub fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(room) = bytes.get_mut(at..at + value.len()) {
        room.copy_from_slice(value);
    }
}
