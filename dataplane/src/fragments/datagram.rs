//! A datagram that is whole again: a packet larger than any buffer.

use crate::port::PacketBuf;
use crate::wire::vlan::Lan;
use crate::wire::{ethernet, ipv6};

/// Bytes of the largest IP packet; IPv6 does not count its header among them.
pub const MOST: usize = u16::MAX as usize;
/// Bytes in front of a datagram, for the headers of a tunnel.
pub(super) const HEADROOM: usize = 128;

/// A datagram that came in fragments and is whole: a packet larger than any buffer.
#[derive(Debug)]
pub struct Datagram {
    room: Vec<u8>,
    start: usize,
    end: usize,
    /// Where its first fragment came from.
    pub lan: Lan,
    /// IPv6: nothing stood between the fixed header and the fragment header.
    pub all_fragmented: bool,
    /// The largest IP packet among the fragments: none that leaves is larger.
    pub largest: u16,
    /// Those fragments were not to be fragmented further; nor are the new ones.
    pub df: bool,
    /// Bytes of data of each fragment, where that is remembered.
    pub sizes: Vec<u16>,
    /// How many there were.
    pub pieces: u32,
}

impl Datagram {
    /// A frame behind [`HEADROOM`] bytes.
    pub(super) fn new(room: Vec<u8>) -> Self {
        let (lan, end) = (Lan::default(), room.len());
        Self {
            room,
            start: HEADROOM,
            end,
            lan,
            all_fragmented: false,
            largest: 0,
            df: false,
            sizes: Vec::new(),
            pieces: 0,
        }
    }
}

impl PacketBuf for Datagram {
    fn data(&self) -> &[u8] {
        &self.room[self.start..self.end]
    }

    fn data_mut(&mut self) -> &mut [u8] {
        &mut self.room[self.start..self.end]
    }

    fn set_len(&mut self, len: usize) -> bool {
        let fits = self.start + len <= self.room.len();
        if fits {
            self.end = self.start + len;
        }
        fits
    }

    fn prepend(&mut self, n: usize) -> bool {
        let fits = n <= self.start;
        if fits {
            self.start -= n;
        }
        fits
    }

    fn adj(&mut self, n: usize) -> bool {
        let fits = n <= self.end - self.start;
        if fits {
            self.start += n;
        }
        fits
    }
}

const _: () = assert!(HEADROOM >= ethernet::HEADER + ipv6::HEADER + 12);
