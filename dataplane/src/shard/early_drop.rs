//! Early drop: near full, a new connection pays for itself with one that is worth less, as in `early_drop` of
//! `net/netfilter/nf_conntrack_core.c`. So whoever fills the table with half-open connections displaces his own.
//!
//! ```text
//! free >= low water                  nobody pays
//! free >= half of it                 of 8 taken by chance, one of least value that has been silent for 3 s ends
//! less                               two end, however short they have been silent
//! of several, the one that has been silent longest; established ones, and datagrams that were answered, never
//! ```
//! Two, so that room comes back also where most of what is looked at is of value.

use arrayvec::ArrayVec;

use super::Shard;
use crate::chance::Chance;
use crate::clock::Tick;
use crate::conn::flag;
use crate::counters;
use crate::defence::{PATIENCE, is_of_least_value};
use crate::mailbox::Link;
use crate::service::Servers;
use crate::template::Templates;

/// Entries that a new connection looks at, at most (`NF_CT_EVICTION_RANGE`).
const LOOKED_AT: usize = 8;

/// Entries that could end: ticks of silence, index.
type Candidates = ArrayVec<(u32, u32), LOOKED_AT>;

impl<B> Shard<B> {
    /// Ends what a new connection displaces, if room is short and the defence is on.
    #[inline]
    pub fn make_room(&mut self, now: Tick, chance: &Chance, servers: &Servers, templates: &Templates, link: &Link) {
        let (low, free) = (self.defence.low_water(), self.table.capacity() - self.table.len());
        if free < low {
            let (patience, most) = if free < low.div_ceil(2) { (0, 2) } else { (PATIENCE, 1) };
            let candidates = self.candidates(now, patience, chance);
            self.displace(candidates, most, servers, templates, link);
        }
    }

    /// Entries of least value among some that chance names, silent for so long.
    fn candidates(&self, now: Tick, patience: u32, chance: &Chance) -> Candidates {
        let end = u64::from(self.table.walk_end());
        let named: [u32; LOOKED_AT] = std::array::from_fn(|_| chance.below(end) as u32);
        // All lines are on their way before the first is looked at.
        named.iter().for_each(|index| self.table.prefetch_conn(*index));
        let mut candidates = Candidates::new();
        for index in named {
            let conn = &self.table[index];
            let silence = Tick(conn.last_seen).until(now);
            let ends = conn.flags & (flag::LIVE | flag::UNLINKED | flag::WATCHED) == flag::LIVE | flag::WATCHED
                && silence >= patience
                && is_of_least_value(conn);
            if ends && candidates.iter().all(|(_, known)| *known != index) {
                candidates.push((silence, index));
            }
        }
        candidates
    }

    /// Ends the longest silent of them, so many at most.
    fn displace(
        &mut self,
        mut candidates: Candidates,
        most: usize,
        servers: &Servers,
        templates: &Templates,
        link: &Link,
    ) {
        for _ in 0..most {
            let oldest = candidates.iter().enumerate().max_by_key(|(_, (silence, _))| *silence).map(|(at, _)| at);
            let Some((_, index)) = oldest.map(|at| candidates.swap_remove(at)) else { return };
            // One that controls others stays; so does one whose signpost cannot be taken down now.
            if self.is_needed(index, &templates.expected) || !self.take_signpost(index) {
                continue;
            }
            self.wheel.remove(&mut self.table, index);
            self.table[index].set(flag::DROPPED, true);
            self.end(index, servers, templates, link);
            counters::add(&link.counters.connections_dropped_early, 1);
        }
    }
}
