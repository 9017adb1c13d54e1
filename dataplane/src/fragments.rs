//! Fragments of datagrams, until these are whole. One store for each family, bounded; what it holds are copies, so that the
//! fragments' buffers go back at once. After `inet_fragment.c`, `ip_fragment.c` and `nf_conntrack_reasm.c`; RFC 815,
//! RFC 5722, RFC 8200 4.5.
//!
//! ```text
//! which datagram    source, destination, identification, and for IPv4 the protocol
//! its time          30 s from its first fragment, IPv6 60 s; more fragments do not prolong it
//! bounds            bytes and datagrams in all, datagrams of one source: where one is reached, the oldest goes. Fragments
//!                   of one datagram: one more ends it
//! runs              fragments in a row that came in order are one run. One within a run is a duplicate and is ignored;
//!                   one that shares bytes with a run otherwise ends the datagram
//! whole             first and last fragment are there, and as many bytes as the last one says
//! ```
//!
//! What a fragment costs does not depend on how many there are, nor on whose they are: a datagram is found by its key, the
//! oldest stands at the head of a list, of all or of its source, and gives all its bytes back in one step. Only its own
//! runs are searched, in a tree.

mod blocks;
mod datagram;
mod queue;
#[cfg(test)]
mod tests;
mod waiting;

use std::net::IpAddr;

use crate::clock::{TICKS_PER_SECOND, Tick};
use crate::map::Seed;
use crate::verdict::Drop;
use crate::wire::fragment::{FragmentHeader, UNIT};
use crate::wire::vlan::Lan;
use blocks::Blocks;
pub use datagram::{Datagram, MOST};
pub use queue::MAX_FRAGMENTS;
use queue::{Queue, Run};
use waiting::Waiting;

/// Bytes that one family's fragments take at most, on one worker (`ipfrag_high_thresh`).
pub const MAX_BYTES: usize = 4 << 20;
/// Datagrams of one family that may be incomplete at once, on one worker.
pub const MAX_DATAGRAMS: usize = 1024;
/// Those of them that one source may have.
pub const MAX_PER_SOURCE: usize = 64;

/// Which datagram a fragment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Who sent it.
    pub src: IpAddr,
    /// To whom.
    pub dst: IpAddr,
    /// Its identification.
    pub id: u32,
    /// Its protocol, where that is part of the key: 0 for IPv6.
    pub protocol: u8,
}

/// A fragment.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Its datagram.
    pub key: Key,
    /// From the Ethernet header on.
    pub frame: &'a [u8],
    /// Where its IP header starts.
    pub l3: usize,
    /// Where it belongs.
    pub place: FragmentHeader,
    /// Where it came from.
    pub lan: Lan,
    /// For somebody else, not for an address of the director.
    pub passes: bool,
}

/// What became of a fragment.
#[derive(Debug)]
pub enum Fate {
    /// It is kept.
    Kept,
    /// It was the last that was missing.
    Whole(Box<Datagram>),
    /// It is of no use.
    Dropped(Drop),
    /// IPv6: more is to follow it, but not at a multiple of eight bytes, which its sender is to be told of.
    Unaligned,
}

/// A datagram that timed out.
#[derive(Debug)]
pub struct Overdue {
    /// How many fragments there were.
    pub pieces: u32,
    /// The frame of the first, if it came, with where its IP header starts and where it came from.
    pub first: Option<(Box<[u8]>, usize, Lan)>,
    /// It was for somebody else.
    pub passes: bool,
}

/// The incomplete datagrams of one family.
#[derive(Debug)]
pub struct Fragments {
    waiting: Waiting,
    blocks: Blocks,
    pieces: u64,
    displaced: Displaced,
    patience: u32,
}

/// Fragments that made room for others since the start, by the bound of the store that was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Displaced {
    /// As many datagrams as may be.
    pub by_count: u64,
    /// As many bytes as may be.
    pub by_bytes: u64,
}

impl Fragments {
    /// An empty store of IPv4.
    #[must_use]
    pub fn v4(seed: Seed) -> Self {
        Self::new(seed, 30)
    }

    /// An empty store of IPv6.
    #[must_use]
    pub fn v6(seed: Seed) -> Self {
        Self::new(seed, 60)
    }

    fn new(seed: Seed, seconds: u32) -> Self {
        Self {
            waiting: Waiting::new(seed),
            blocks: Blocks::new(MAX_BYTES / blocks::SIZE),
            pieces: 0,
            displaced: Displaced::default(),
            patience: seconds * TICKS_PER_SECOND,
        }
    }

    /// Fragments that it holds.
    #[must_use]
    pub fn pieces(&self) -> u64 {
        self.pieces
    }

    /// Datagrams that are incomplete.
    #[must_use]
    pub fn datagrams(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes that it holds, in whole blocks.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.blocks.used() * blocks::SIZE
    }

    /// Fragments that made room for others. Those of a source that had too many datagrams are not among them.
    #[must_use]
    pub fn displaced(&self) -> Displaced {
        self.displaced
    }

    /// Takes a fragment. `lost` is told of fragments that came earlier and are given up because of it.
    pub fn add(&mut self, piece: &Piece<'_>, now: Tick, lost: &mut impl FnMut(Drop, u32)) -> Fate {
        let six = piece.key.src.is_ipv6();
        let FragmentHeader { offset, more, at, end, .. } = piece.place;
        let mut length = end.saturating_sub(at);
        if six && offset + length > MOST {
            return Fate::Dropped(Drop::FragmentOversize);
        }
        if more && !length.is_multiple_of(UNIT) {
            if six {
                self.give_up(self.waiting.find(&piece.key), Drop::FragmentInvalid, lost);
                return Fate::Unaligned;
            }
            length -= length % UNIT;
        }
        if piece.place.short || six && length == 0 {
            return Fate::Dropped(Drop::FragmentInvalid);
        }
        let span = Run { start: offset, end: offset + length };
        if six && offset == 0 && !more {
            return Self::at_once(piece, span, now);
        }
        self.make_room(piece, span, lost);
        self.keep(piece, span, now, lost)
    }

    /// A fragment that is all there is has nothing to do with others, whatever its identification (RFC 6946).
    fn at_once(piece: &Piece<'_>, span: Run, now: Tick) -> Fate {
        let mut queue = Queue::new(now, piece);
        queue.refusal(span, false, true);
        queue.note(piece, span);
        let data = piece.l3 + piece.place.at;
        let (Some(front), Some(body)) =
            (piece.frame.get(..piece.l3 + piece.place.head), piece.frame.get(data..data + span.end))
        else {
            return Fate::Dropped(Drop::FragmentInvalid);
        };
        let built = queue.build(front, |room| room.copy_from_slice(body));
        built.map_or_else(Fate::Dropped, |datagram| Fate::Whole(Box::new(datagram)))
    }

    /// Adds a fragment to its datagram, which begins if it is the first.
    fn keep(&mut self, piece: &Piece<'_>, span: Run, now: Tick, lost: &mut impl FnMut(Drop, u32)) -> Fate {
        let known = self.waiting.find(&piece.key);
        let at = known.unwrap_or_else(|| self.waiting.begin(piece.key, Queue::new(now, piece)));
        let Some(queue) = self.waiting.get_mut(at) else { return Fate::Kept };
        if let Some(refusal) = queue.refusal(span, piece.place.more, piece.key.src.is_ipv6()) {
            if refusal.ends || known.is_none() {
                self.give_up(Some(at), refusal.reason, lost);
            }
            return Fate::Dropped(refusal.reason);
        }
        queue.keep(piece, span, &mut self.blocks);
        self.pieces += 1;
        if queue.is_whole() { self.complete(at, lost) } else { Fate::Kept }
    }

    fn complete(&mut self, at: u32, lost: &mut impl FnMut(Drop, u32)) -> Fate {
        let Some(queue) = self.remove(at) else { return Fate::Kept };
        let assembled = queue.assemble(&self.blocks);
        self.blocks.give_back(queue.chain);
        match assembled {
            Ok(datagram) => Fate::Whole(Box::new(datagram)),
            Err(reason) => {
                lost(reason, queue.count() - 1);
                Fate::Dropped(reason)
            }
        }
    }

    /// Gives old datagrams up until a fragment fits: one of its source at most, and of others at most as many as the fragment
    /// needs blocks, of which each has one.
    fn make_room(&mut self, piece: &Piece<'_>, span: Run, lost: &mut impl FnMut(Drop, u32)) {
        let new = self.waiting.find(&piece.key).is_none();
        if new && self.waiting.count_of(piece.key.src) >= MAX_PER_SOURCE {
            self.give_up(self.waiting.oldest_of(piece.key.src), Drop::FragmentEvicted, lost);
        }
        let need = Queue::blocks(piece, span);
        while self.blocks.free() < need
            && let Some(oldest) = self.waiting.oldest()
        {
            self.displaced.by_bytes += self.displace(oldest, lost);
        }
        while new
            && self.waiting.len() >= MAX_DATAGRAMS
            && let Some(oldest) = self.waiting.oldest()
        {
            self.displaced.by_count += self.displace(oldest, lost);
        }
    }

    /// Gives a datagram up for others. Returns how many fragments it had.
    fn displace(&mut self, at: u32, lost: &mut impl FnMut(Drop, u32)) -> u64 {
        let before = self.pieces;
        self.give_up(Some(at), Drop::FragmentEvicted, lost);
        before - self.pieces
    }

    fn give_up(&mut self, at: Option<u32>, reason: Drop, lost: &mut impl FnMut(Drop, u32)) {
        if let Some(queue) = at.and_then(|at| self.remove(at)) {
            self.blocks.give_back(queue.chain);
            if queue.count() > 0 {
                lost(reason, queue.count());
            }
        }
    }

    /// Takes a datagram out. Its blocks are still its own.
    fn remove(&mut self, at: u32) -> Option<Queue> {
        let queue = self.waiting.remove(at)?;
        self.pieces -= u64::from(queue.count());
        Some(queue)
    }

    /// Takes out the oldest datagram, if it timed out.
    pub fn expire(&mut self, now: Tick) -> Option<Overdue> {
        let at = self.waiting.oldest()?;
        if self.waiting.get(at)?.since.until(now) < self.patience {
            return None;
        }
        let queue = self.remove(at)?;
        let overdue = queue.overdue(&self.blocks);
        self.blocks.give_back(queue.chain);
        Some(overdue)
    }
}
