//! One datagram: its pieces while some are missing, and all of it when none is.

use super::{Overdue, PIECE_COST, Piece};
use crate::clock::Tick;
use crate::port::PacketBuf;
use crate::verdict::Drop;
use crate::wire::vlan::Lan;
use crate::wire::{checksum, ethernet, ipv4, ipv6, put};

/// Bytes of the largest IP packet; IPv6 does not count its header among them.
pub const MOST: usize = u16::MAX as usize;
/// Room in front of a datagram for the headers of a tunnel.
const HEADROOM: usize = 128;

/// Bytes of a datagram from one place to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A piece that is kept.
#[derive(Debug)]
pub(super) struct Held {
    offset: usize,
    /// Bytes before its data: only of the first, which keeps its frame.
    skip: usize,
    bytes: Box<[u8]>,
}

impl Held {
    pub(super) fn of(piece: &Piece<'_>, span: Run) -> Self {
        let data = piece.l3 + piece.place.at;
        let start = if span.start == 0 { 0 } else { data };
        let bytes = piece.frame.get(start..data + (span.end - span.start)).unwrap_or_default();
        Self { offset: span.start, skip: data - start, bytes: bytes.into() }
    }

    fn data(&self) -> &[u8] {
        self.bytes.get(self.skip..).unwrap_or_default()
    }
}

/// The pieces of one datagram.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) serial: u64,
    pub(super) since: Tick,
    /// As they came.
    pieces: Vec<Held>,
    /// In order of place, none touching another but where they came in another order.
    runs: Vec<Run>,
    /// How long it is as far as is known.
    length: usize,
    /// The last piece has come, so that is how long it is.
    ended: bool,
    /// Bytes of data that have come.
    data: usize,
    /// The largest IP packet among the pieces, and the largest with DF.
    largest: usize,
    largest_df: usize,
    /// Which marks of congestion have come, one bit each.
    ecn: u8,
    /// The first piece's frame: where its IP header starts, bytes of headers that stay, and what names what follows.
    head: Head,
    passes: bool,
    cost: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Head {
    l3: usize,
    length: usize,
    named_at: usize,
    next: u8,
    lan: Lan,
}

impl Queue {
    pub(super) fn new(serial: u64, since: Tick, piece: &Piece<'_>) -> Self {
        Self {
            serial,
            since,
            pieces: Vec::new(),
            runs: Vec::new(),
            length: 0,
            ended: false,
            data: 0,
            largest: 0,
            largest_df: 0,
            ecn: 0,
            head: Head { lan: piece.lan, ..Head::default() },
            passes: piece.passes,
            cost: 0,
        }
    }

    pub(super) fn count(&self) -> u32 {
        self.pieces.len() as u32
    }

    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    /// Why a piece does not belong, if it does not, and whether that ends the datagram. Notes how long the piece says the
    /// datagram is.
    pub(super) fn refusal(&mut self, span: Run, more: bool, six: bool) -> Option<(Drop, bool)> {
        let invalid = Some((Drop::FragmentInvalid, !six));
        if !more {
            if span.end < self.length || self.ended && span.end != self.length {
                return invalid;
            }
            (self.ended, self.length) = (true, span.end);
        } else if span.end > self.length {
            if self.ended {
                return invalid;
            }
            self.length = span.end;
        }
        if span.start == span.end {
            return invalid;
        }
        self.place(span)
    }

    /// Puts a piece among the runs (`inet_frag_queue_insert`).
    fn place(&mut self, span: Run) -> Option<(Drop, bool)> {
        let overlap = Some((Drop::FragmentOverlap, true));
        match self.runs.last_mut() {
            Some(last) if last.end < span.end && span.start < last.end => return overlap,
            Some(last) if last.end < span.end && span.start == last.end => {
                last.end = span.end;
                return None;
            }
            _ => {}
        }
        let at = self.runs.partition_point(|run| run.end <= span.start);
        match self.runs.get(at) {
            Some(run) if span.start >= run.start && span.end <= run.end => {
                return Some((Drop::FragmentDuplicate, false));
            }
            Some(run) if span.end > run.start => return overlap,
            _ => self.runs.insert(at, span),
        }
        None
    }

    /// Keeps a piece. Returns the bytes that it takes.
    pub(super) fn keep(&mut self, held: Held, piece: &Piece<'_>, span: Run) -> usize {
        let place = &piece.place;
        if span.start == 0 {
            self.head =
                Head { l3: piece.l3, length: place.head, named_at: place.named_at, next: place.next, lan: piece.lan };
        }
        let size = place.at + (span.end - span.start);
        self.largest = self.largest.max(size);
        if place.df {
            self.largest_df = self.largest_df.max(size);
        }
        self.ecn |= 1 << place.ecn;
        self.data += span.end - span.start;
        let cost = held.bytes.len() + PIECE_COST;
        self.cost += cost;
        self.pieces.push(held);
        cost
    }

    pub(super) fn is_whole(&self) -> bool {
        self.ended && self.data == self.length
    }

    fn first(&self) -> Option<&Held> {
        self.pieces.iter().find(|held| held.offset == 0)
    }

    /// All of it, in one (`ip_frag_reasm`, `nf_ct_frag6_reasm`), behind an Ethernet header without a tag.
    pub(super) fn assemble(mut self) -> Result<Datagram, Drop> {
        let congestion = congestion(self.ecn).ok_or(Drop::FragmentInvalid)?;
        let Head { l3, length: head, named_at, next, lan } = self.head;
        let front = self.first().and_then(|first| first.bytes.get(..l3 + head)).ok_or(Drop::FragmentInvalid)?;
        let (before, header) = front.split_at(l3);
        let macs = before.get(..ethernet::HEADER - 2).ok_or(Drop::FragmentInvalid)?;
        let six = header.first().is_some_and(|byte| byte >> 4 == 6);
        let total = head + self.length;
        if total - if six { ipv6::HEADER } else { 0 } > MOST {
            return Err(Drop::FragmentOversize);
        }
        let at = HEADROOM + ethernet::HEADER;
        let mut room = vec![0; at + total];
        put(&mut room, HEADROOM, macs);
        put(&mut room, at - 2, &if six { ethernet::IPV6 } else { ethernet::IPV4 }.to_be_bytes());
        put(&mut room, at, header);
        for held in &self.pieces {
            put(&mut room, at + head + held.offset, held.data());
        }
        let df = self.largest_df == self.largest;
        let packet = &mut room[at..];
        if six {
            packet[1] |= congestion << 4;
            put(packet, 4, &((total - ipv6::HEADER) as u16).to_be_bytes());
            packet[named_at] = next;
        } else {
            packet[1] |= congestion;
            put(packet, 2, &(total as u16).to_be_bytes());
            put(packet, 6, &if df { ipv4::DF } else { 0 }.to_be_bytes());
            put(packet, 10, &[0, 0]);
            let sum = checksum::of(&packet[..head]);
            put(packet, 10, &sum.to_be_bytes());
        }
        self.pieces.sort_by_key(|held| held.offset);
        // The kernel puts the pieces of a local IPv4 datagram into one buffer; of others it remembers what they were.
        let sizes =
            if six || self.passes { self.pieces.iter().map(|h| h.data().len() as u16).collect() } else { Vec::new() };
        let (start, end) = (HEADROOM, room.len());
        Ok(Datagram {
            room,
            start,
            end,
            lan,
            all_fragmented: six && head == ipv6::HEADER,
            largest: self.largest as u16,
            df,
            sizes,
            pieces: self.pieces.len() as u32,
        })
    }

    pub(super) fn overdue(mut self) -> Overdue {
        let (pieces, passes) = (self.count(), self.passes);
        let first = self.pieces.iter().position(|held| held.offset == 0).map(|at| self.pieces.swap_remove(at));
        Overdue { pieces, passes, first: first.map(|first| (first.bytes, self.head.l3, self.head.lan)) }
    }
}

/// What marks of congestion together make, as bits to be added (`ip_frag_ecn_table`, RFC 3168 5.3); `None` where they
/// contradict: some pieces say that the transport knows of it, some that it does not.
fn congestion(seen: u8) -> Option<u8> {
    const NOT: u8 = 1;
    const CE: u8 = 1 << 3;
    match seen {
        NOT => Some(0),
        _ if seen & NOT != 0 => None,
        CE => Some(0),
        _ if seen & CE != 0 => Some(3),
        _ => Some(0),
    }
}

/// A datagram that came in pieces and is whole: a packet larger than any buffer.
#[derive(Debug)]
pub struct Datagram {
    room: Vec<u8>,
    start: usize,
    end: usize,
    /// Where its first piece came from.
    pub lan: Lan,
    /// IPv6: nothing stood between the fixed header and the fragment header.
    pub all_fragmented: bool,
    /// The largest IP packet among the pieces: none that leaves is larger.
    pub largest: u16,
    /// Those pieces were not to be fragmented further; nor are the new ones.
    pub df: bool,
    /// Bytes of data of each piece, where that is remembered.
    pub sizes: Vec<u16>,
    /// How many there were.
    pub pieces: u32,
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
