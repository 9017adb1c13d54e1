//! Datagrams that come in pieces, until they are whole. One store for each family, bounded; what it holds are copies, so
//! the pieces' buffers go back at once. After `inet_fragment.c`, `ip_fragment.c` and `nf_conntrack_reasm.c`; RFC 815,
//! RFC 5722, RFC 8200 4.5.
//!
//! ```text
//! which datagram    source, destination, identification, and for IPv4 the protocol
//! its time          30 s from its first piece, IPv6 60 s; more pieces do not prolong it
//! its bounds        bytes and datagrams in all, datagrams of one source: where one is reached, the oldest goes
//! runs              pieces in a row that came in order are one run. A piece within a run is a duplicate and is ignored;
//!                   one that shares bytes with a run otherwise ends the datagram
//! whole             first and last piece are there, and as many bytes as the last one says
//! ```

mod datagram;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::clock::{TICKS_PER_SECOND, Tick};
use crate::map::{Seed, SeededMap};
use crate::verdict::Drop;
use crate::wire::fragment::{Place, UNIT};
use crate::wire::vlan::Lan;
pub use datagram::{Datagram, MOST};
use datagram::{Held, Queue, Run};

/// Bytes that one family's pieces take at most, on one worker (`ipfrag_high_thresh`).
pub const MAX_BYTES: usize = 4 << 20;
/// Datagrams of one family that may be incomplete at once, on one worker.
pub const MAX_DATAGRAMS: usize = 1024;
/// Those of them that one source may have.
pub const MAX_PER_SOURCE: usize = 64;

/// What a datagram takes beyond its bytes, about.
const DATAGRAM_COST: usize = 256;
/// What a piece takes beyond its bytes, about.
const PIECE_COST: usize = 64;

/// Which datagram a piece belongs to.
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

/// A piece.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Its datagram.
    pub key: Key,
    /// From the Ethernet header on.
    pub frame: &'a [u8],
    /// Where its IP header starts.
    pub l3: usize,
    /// Where it belongs.
    pub place: Place,
    /// Where it came from.
    pub lan: Lan,
    /// For somebody else, not for an address of the director.
    pub passes: bool,
}

/// What became of a piece.
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

/// A datagram whose time is over.
#[derive(Debug)]
pub struct Overdue {
    /// How many pieces there were.
    pub pieces: u32,
    /// The frame of the first, if it came, with where its IP header starts and where it came from.
    pub first: Option<(Box<[u8]>, usize, Lan)>,
    /// It was for somebody else.
    pub passes: bool,
}

type Queues = SeededMap<Key, Queue>;

/// The incomplete datagrams of one family.
#[derive(Debug)]
pub struct Fragments {
    queues: Queues,
    /// Oldest first; some may be gone.
    order: VecDeque<(u64, Key)>,
    sources: SeededMap<IpAddr, usize>,
    serial: u64,
    bytes: usize,
    pieces: u64,
    patience: u32,
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
            queues: seed.map(),
            order: VecDeque::new(),
            sources: seed.map(),
            serial: 0,
            bytes: 0,
            pieces: 0,
            patience: seconds * TICKS_PER_SECOND,
        }
    }

    /// Pieces that it holds.
    #[must_use]
    pub fn pieces(&self) -> u64 {
        self.pieces
    }

    /// Datagrams that are incomplete.
    #[must_use]
    pub fn datagrams(&self) -> usize {
        self.queues.len()
    }

    /// Bytes that it holds, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a piece. `lost` is told of pieces that came earlier and are given up because of it.
    pub fn add(&mut self, piece: &Piece<'_>, now: Tick, lost: &mut impl FnMut(Drop, u32)) -> Fate {
        let six = piece.key.src.is_ipv6();
        let Place { offset, more, at, end, .. } = piece.place;
        let mut length = end.saturating_sub(at);
        if six && offset + length > MOST {
            return Fate::Dropped(Drop::FragmentOversize);
        }
        if more && !length.is_multiple_of(UNIT) {
            if six {
                self.give_up(piece.key, Drop::FragmentInvalid, lost);
                return Fate::Unaligned;
            }
            length -= length % UNIT;
        }
        if piece.place.short || six && length == 0 {
            return Fate::Dropped(Drop::FragmentInvalid);
        }
        if six && offset == 0 && !more {
            return Self::at_once(piece, length, now);
        }
        self.make_room(piece.key, length, lost);
        let span = Run { start: offset, end: offset + length };
        let queue = self.queue(piece, now);
        let refused = queue.refusal(span, more, six);
        match refused {
            None => {}
            Some((reason, false)) => {
                self.forget_if_empty(piece.key);
                return Fate::Dropped(reason);
            }
            Some((reason, true)) => {
                self.give_up(piece.key, reason, lost);
                return Fate::Dropped(reason);
            }
        }
        let cost = queue.keep(Held::of(piece, span), piece, span);
        let whole = queue.is_whole();
        self.bytes += cost;
        self.pieces += 1;
        if whole { self.complete(piece.key, lost) } else { Fate::Kept }
    }

    /// A piece that is all there is has nothing to do with others, whatever its identification (RFC 6946).
    fn at_once(piece: &Piece<'_>, length: usize, now: Tick) -> Fate {
        let (mut queue, span) = (Queue::new(0, now, piece), Run { start: 0, end: length });
        queue.refusal(span, false, true);
        queue.keep(Held::of(piece, span), piece, span);
        queue.assemble().map_or_else(Fate::Dropped, |datagram| Fate::Whole(Box::new(datagram)))
    }

    fn complete(&mut self, key: Key, lost: &mut impl FnMut(Drop, u32)) -> Fate {
        let Some(queue) = self.remove(key) else { return Fate::Kept };
        let pieces = queue.count();
        match queue.assemble() {
            Ok(datagram) => Fate::Whole(Box::new(datagram)),
            Err(reason) => {
                lost(reason, pieces - 1);
                Fate::Dropped(reason)
            }
        }
    }

    /// The queue of a piece's datagram, new if it is the first.
    fn queue(&mut self, piece: &Piece<'_>, now: Tick) -> &mut Queue {
        let Self { queues, order, sources, serial, bytes, .. } = self;
        queues.entry(piece.key).or_insert_with(|| {
            *serial += 1;
            *bytes += DATAGRAM_COST;
            order.push_back((*serial, piece.key));
            *sources.entry(piece.key.src).or_default() += 1;
            Queue::new(*serial, now, piece)
        })
    }

    /// Gives old datagrams up until there is room for a piece.
    fn make_room(&mut self, key: Key, length: usize, lost: &mut impl FnMut(Drop, u32)) {
        let new = !self.queues.contains_key(&key);
        if new && self.sources.get(&key.src).is_some_and(|count| *count >= MAX_PER_SOURCE) {
            let mut live = self.order.iter().filter(|(_, other)| other.src == key.src);
            let oldest = live.find(|(serial, other)| self.queues.get(other).is_some_and(|q| q.serial == *serial));
            if let Some((_, oldest)) = oldest.copied() {
                self.give_up(oldest, Drop::FragmentEvicted, lost);
            }
        }
        let need = length + PIECE_COST + DATAGRAM_COST;
        while self.bytes + need > MAX_BYTES || new && self.queues.len() >= MAX_DATAGRAMS {
            let Some(oldest) = self.oldest() else { return };
            self.give_up(oldest, Drop::FragmentEvicted, lost);
        }
        if self.order.len() > 2 * MAX_DATAGRAMS {
            let queues = &self.queues;
            self.order.retain(|(serial, key)| queues.get(key).is_some_and(|queue| queue.serial == *serial));
        }
    }

    /// The datagram that has waited longest.
    fn oldest(&mut self) -> Option<Key> {
        while let Some((serial, key)) = self.order.front().copied() {
            if self.queues.get(&key).is_some_and(|queue| queue.serial == serial) {
                return Some(key);
            }
            self.order.pop_front();
        }
        None
    }

    fn give_up(&mut self, key: Key, reason: Drop, lost: &mut impl FnMut(Drop, u32)) {
        if let Some(queue) = self.remove(key)
            && queue.count() > 0
        {
            lost(reason, queue.count());
        }
    }

    fn forget_if_empty(&mut self, key: Key) {
        if self.queues.get(&key).is_some_and(|queue| queue.count() == 0) {
            self.remove(key);
        }
    }

    fn remove(&mut self, key: Key) -> Option<Queue> {
        let queue = self.queues.remove(&key)?;
        self.bytes -= DATAGRAM_COST + queue.cost();
        self.pieces -= u64::from(queue.count());
        if let Some(count) = self.sources.get_mut(&key.src) {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&key.src);
            }
        }
        Some(queue)
    }

    /// Takes out the oldest datagram, if its time is over.
    pub fn expire(&mut self, now: Tick) -> Option<Overdue> {
        let key = self.oldest()?;
        let since = self.queues.get(&key)?.since;
        if since.until(now) < self.patience {
            return None;
        }
        self.remove(key).map(Queue::overdue)
    }
}
