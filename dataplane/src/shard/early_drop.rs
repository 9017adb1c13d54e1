//! Early drop: near full, a new connection pays for itself with one that is worth less, as in `early_drop` of
//! `net/netfilter/nf_conntrack_core.c`. So whoever fills the table with half-open connections displaces his own.
//!
//! ```text
//! free >= low water                  nobody pays
//! free >= half of it                 of 8 taken by chance, one that is worth least and has been silent for 3 s ends
//! less                               two that are worth least end, however short they have been silent; where none is,
//!                                    one that is worth little
//! of several, the one that has been silent longest; what is worth more, never (`defence::Worth`)
//! ```
//! Two, so that room comes back also where most of what is looked at is worth more.

use std::cmp::Reverse;

use arrayvec::ArrayVec;

use super::{Shard, Shared};
use crate::chance::Chance;
use crate::clock::Tick;
use crate::conn::flag;
use crate::counters;
use crate::defence::{PATIENCE, Worth};
use crate::mailbox::Link;

/// Entries that a new connection looks at, at most (`NF_CT_EVICTION_RANGE`).
const LOOKED_AT: usize = 8;

/// An entry that could end.
#[derive(Clone, Copy)]
struct Candidate {
    worth: Worth,
    /// Ticks since its last packet.
    silence: u32,
    index: u32,
}

impl<B> Shard<B> {
    /// Ends what a new connection displaces, if room is short and the defence is on.
    #[inline]
    pub fn make_room(&mut self, now: Tick, chance: &Chance, shared: Shared<'_>, link: &Link) {
        let (low, free) = (self.defence.low_water(), self.table.capacity() - self.table.len());
        if free >= low {
            return;
        }
        let pressed = free < low.div_ceil(2);
        let mut candidates = self.candidates(now, pressed, chance);
        candidates.sort_unstable_by_key(|candidate| (candidate.worth, Reverse(candidate.silence)));
        let least = candidates.iter().filter(|candidate| candidate.worth == Worth::Least).count();
        let most = if pressed { least.clamp(1, 2) } else { 1 };
        for candidate in candidates.into_iter().take(most) {
            self.displace(candidate.index, shared, link);
        }
    }

    /// Entries that could end, of some that chance names.
    fn candidates(&self, now: Tick, pressed: bool, chance: &Chance) -> ArrayVec<Candidate, LOOKED_AT> {
        let end = u64::from(self.table.walk_end());
        let named: [u32; LOOKED_AT] = std::array::from_fn(|_| chance.below(end) as u32);
        // All lines are on their way before the first is looked at.
        named.iter().for_each(|index| self.table.prefetch_conn(*index));
        let mut candidates = ArrayVec::<Candidate, LOOKED_AT>::new();
        for index in named {
            let conn = &self.table[index];
            let (worth, silence) = (Worth::of(conn), conn.last_seen().until(now));
            let found = conn.flags() & (flag::LIVE | flag::UNLINKED | flag::WATCHED) == flag::LIVE | flag::WATCHED;
            let ends = if pressed { worth < Worth::Full } else { worth == Worth::Least && silence >= PATIENCE };
            if found && ends && candidates.iter().all(|known| known.index != index) {
                candidates.push(Candidate { worth, silence, index });
            }
        }
        candidates
    }

    /// Ends an entry at once. One that controls others stays; so does one whose signpost cannot be taken down now.
    fn displace(&mut self, index: u32, shared: Shared<'_>, link: &Link) {
        if self.is_needed(index, shared.expected) || !self.take_signpost(index) {
            return;
        }
        self.wheel.remove(&mut self.table, index);
        self.table[index].set::<{ flag::DROPPED }>(true);
        self.end(index, shared, link);
        counters::add(&link.counters.connections_dropped_early, 1);
    }
}
