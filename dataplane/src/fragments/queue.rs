//! What is there of one incomplete datagram: which of its bytes have come, and what the whole of it will say.

use std::collections::BTreeMap;

use super::blocks::{Blocks, Chain, Held, Stored};
use super::datagram::{Datagram, HEADROOM, MOST};
use super::{Overdue, Piece};
use crate::clock::Tick;
use crate::verdict::Drop;
use crate::wire::vlan::Lan;
use crate::wire::{checksum, ethernet, ipv4, ipv6, put};

/// Fragments of one datagram, at most: those of the largest over the narrowest link that IPv4 allows, of 68 bytes
/// (RFC 791 3.2), 48 of them data.
pub const MAX_FRAGMENTS: u32 = MOST.div_ceil(48) as u32;

/// Bytes of a datagram from one place to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Why a fragment does not belong to a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: Drop,
    /// The datagram ends with it.
    pub(super) ends: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) since: Tick,
    /// Where its fragments are.
    pub(super) chain: Chain,
    count: u32,
    /// Ends of runs by where they start, none touching another but where they came in another order.
    runs: BTreeMap<usize, usize>,
    /// How long it is as far as is known.
    length: usize,
    /// The last fragment has come, so that is how long it is.
    ended: bool,
    /// Bytes of data that have come.
    data: usize,
    /// The largest IP packet among the fragments, and the largest with DF.
    largest: usize,
    largest_df: usize,
    /// Which marks of congestion have come, one bit each.
    ecn: u8,
    head: Head,
    passes: bool,
}

/// Of the first fragment's frame: where its IP header starts, bytes of headers that stay, and what names what follows.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    l3: usize,
    length: usize,
    named_at: usize,
    next: u8,
    lan: Lan,
}

impl Queue {
    pub(super) fn new(since: Tick, piece: &Piece<'_>) -> Self {
        Self {
            since,
            chain: Chain::default(),
            count: 0,
            runs: BTreeMap::new(),
            length: 0,
            ended: false,
            data: 0,
            largest: 0,
            largest_df: 0,
            ecn: 0,
            head: Head { lan: piece.lan, ..Head::default() },
            passes: piece.passes,
        }
    }

    /// Fragments that are kept.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Why a fragment does not belong, if it does not. Notes how long the fragment says the datagram is.
    pub(super) fn refusal(&mut self, span: Run, more: bool, six: bool) -> Option<Refusal> {
        let invalid = Some(Refusal { reason: Drop::FragmentInvalid, ends: !six });
        if self.count == MAX_FRAGMENTS {
            return Some(Refusal { reason: Drop::FragmentTooMany, ends: true });
        }
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

    /// Puts a fragment among the runs (`inet_frag_queue_insert`).
    fn place(&mut self, span: Run) -> Option<Refusal> {
        let overlap = Some(Refusal { reason: Drop::FragmentOverlap, ends: true });
        if let Some(mut last) = self.runs.last_entry()
            && *last.get() < span.end
        {
            if span.start < *last.get() {
                return overlap;
            }
            if span.start == *last.get() {
                last.insert(span.end);
                return None;
            }
        }
        match self.first_behind(span.start) {
            Some(run) if span.start >= run.start && span.end <= run.end => {
                return Some(Refusal { reason: Drop::FragmentDuplicate, ends: false });
            }
            Some(run) if span.end > run.start => return overlap,
            _ => self.runs.insert(span.start, span.end),
        };
        None
    }

    /// The first run that ends behind a place.
    fn first_behind(&self, at: usize) -> Option<Run> {
        let over = self.runs.range(..=at).next_back().filter(|(_, end)| **end > at);
        over.or_else(|| self.runs.range(at..).next()).map(|(start, end)| Run { start: *start, end: *end })
    }

    /// Blocks that a fragment takes.
    pub(super) fn blocks(piece: &Piece<'_>, span: Run) -> usize {
        Blocks::needed(held(piece, span).1.len())
    }

    /// Keeps a fragment, for which there are blocks enough.
    pub(super) fn keep(&mut self, piece: &Piece<'_>, span: Run, blocks: &mut Blocks) {
        let (held, bytes) = held(piece, span);
        blocks.add(&mut self.chain, held, bytes);
        self.note(piece, span);
    }

    /// Counts a fragment, and remembers what the whole datagram will say.
    pub(super) fn note(&mut self, piece: &Piece<'_>, span: Run) {
        let place = &piece.place;
        self.count += 1;
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
    }

    pub(super) fn is_whole(&self) -> bool {
        self.ended && self.data == self.length
    }

    /// All of it, in one, from its fragments.
    pub(super) fn assemble(&self, blocks: &Blocks) -> Result<Datagram, Drop> {
        let first = self.first(blocks).ok_or(Drop::FragmentInvalid)?;
        let mut front = vec![0; self.head.l3 + self.head.length];
        first.read(0, &mut front);
        let mut datagram = self.build(&front, |room| {
            for stored in blocks.fragments(self.chain) {
                let Held { offset, skip, length } = stored.held;
                stored.read(skip, &mut room[offset..offset + length]);
            }
        })?;
        // The kernel puts the fragments of a local IPv4 datagram into one buffer; of others it remembers the sizes.
        if is_six(&front[self.head.l3..]) || self.passes {
            let mut held: Vec<Held> = blocks.fragments(self.chain).map(|stored| stored.held).collect();
            held.sort_unstable_by_key(|held| held.offset);
            datagram.sizes = held.iter().map(|held| held.length as u16).collect();
        }
        Ok(datagram)
    }

    fn first<'a>(&self, blocks: &'a Blocks) -> Option<Stored<'a>> {
        blocks.fragments(self.chain).find(|stored| stored.held.offset == 0)
    }

    /// The datagram (`ip_frag_reasm`, `nf_ct_frag6_reasm`) behind an Ethernet header without a tag, from the front of its
    /// first fragment's frame and from its data, which `body` puts in place.
    pub(super) fn build(&self, front: &[u8], body: impl FnOnce(&mut [u8])) -> Result<Datagram, Drop> {
        let congestion = congestion(self.ecn).ok_or(Drop::FragmentInvalid)?;
        let (before, header) = front.split_at_checked(self.head.l3).ok_or(Drop::FragmentInvalid)?;
        let macs = before.get(..ethernet::HEADER - 2).ok_or(Drop::FragmentInvalid)?;
        let six = is_six(header);
        let total = header.len() + self.length;
        if total - if six { ipv6::HEADER } else { 0 } > MOST {
            return Err(Drop::FragmentOversize);
        }
        let at = HEADROOM + ethernet::HEADER;
        let mut room = vec![0; at + total];
        put(&mut room, HEADROOM, macs);
        put(&mut room, at - 2, &if six { ethernet::IPV6 } else { ethernet::IPV4 }.to_be_bytes());
        put(&mut room, at, header);
        body(&mut room[at + header.len()..]);
        let df = self.largest_df == self.largest;
        if six {
            self.close6(&mut room[at..], congestion)
        } else {
            close4(&mut room[at..], header.len(), congestion, df)
        };
        let mut datagram = Datagram::new(room);
        (datagram.lan, datagram.largest, datagram.df) = (self.head.lan, self.largest as u16, df);
        datagram.all_fragmented = six && header.len() == ipv6::HEADER;
        datagram.pieces = self.count;
        Ok(datagram)
    }

    /// The header of a whole IPv6 packet.
    fn close6(&self, packet: &mut [u8], congestion: u8) {
        packet[1] |= congestion << 4;
        let payload = packet.len() - ipv6::HEADER;
        put(packet, 4, &(payload as u16).to_be_bytes());
        packet[self.head.named_at] = self.head.next;
    }

    /// What is told of it when it times out.
    pub(super) fn overdue(&self, blocks: &Blocks) -> Overdue {
        let first = self.first(blocks).map(|stored| {
            let mut frame = vec![0; stored.held.skip + stored.held.length];
            stored.read(0, &mut frame);
            (frame.into(), self.head.l3, self.head.lan)
        });
        Overdue { pieces: self.count, passes: self.passes, first }
    }
}

/// How a fragment is kept, and its bytes: the first with its frame's headers, which go into the whole and into answers.
fn held<'a>(piece: &Piece<'a>, span: Run) -> (Held, &'a [u8]) {
    let data = piece.l3 + piece.place.at;
    let skip = if span.start == 0 { data } else { 0 };
    let bytes = piece.frame.get(data - skip..data + (span.end - span.start)).unwrap_or_default();
    (Held { offset: span.start, skip, length: bytes.len().saturating_sub(skip) }, bytes)
}

fn is_six(packet: &[u8]) -> bool {
    packet.first().is_some_and(|byte| byte >> 4 == 6)
}

/// The header of a whole IPv4 packet.
fn close4(packet: &mut [u8], header: usize, congestion: u8, df: bool) {
    packet[1] |= congestion;
    let total = packet.len();
    put(packet, 2, &(total as u16).to_be_bytes());
    put(packet, 6, &if df { ipv4::DF } else { 0 }.to_be_bytes());
    put(packet, 10, &[0, 0]);
    let sum = checksum::of(&packet[..header]);
    put(packet, 10, &sum.to_be_bytes());
}

/// What marks of congestion together make, as bits to be added (`ip_frag_ecn_table`, RFC 3168 5.3); `None` where they
/// contradict: some fragments say that the transport knows of it, some that it does not.
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
