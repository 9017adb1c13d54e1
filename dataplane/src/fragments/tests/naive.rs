//! The store's rules written down as plainly as can be: one list of datagrams, oldest first, searched from its head.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{SEED, add, frame};
use crate::chance::Chance;
use crate::clock::{TICKS_PER_SECOND, Tick};
use crate::fragments::blocks::SIZE;
use crate::fragments::{Fate, Fragments, MAX_BYTES, MAX_DATAGRAMS, MAX_FRAGMENTS, MAX_PER_SOURCE};

/// Ticks that a datagram of IPv4 has.
const PATIENCE: u32 = 30 * TICKS_PER_SECOND;

struct Datagram {
    name: (u32, u16),
    since: u32,
    /// Runs in order of place.
    runs: Vec<(usize, usize)>,
    length: usize,
    ended: bool,
    /// Bytes of each fragment, headers of the first included.
    sizes: Vec<usize>,
}

/// A fragment.
#[derive(Clone, Copy, Debug)]
struct Sent {
    name: (u32, u16),
    start: usize,
    end: usize,
    more: bool,
}

#[derive(Default)]
struct Model {
    list: Vec<Datagram>,
    lost: BTreeMap<&'static str, u32>,
}

impl Datagram {
    fn bytes(&self) -> usize {
        self.sizes.iter().map(|size| size.div_ceil(SIZE) * SIZE).sum()
    }

    /// Whether a fragment joins, or why not and whether that ends the datagram.
    fn join(&mut self, sent: Sent) -> Result<(), (&'static str, bool)> {
        let Sent { start, end, more, .. } = sent;
        if self.sizes.len() == MAX_FRAGMENTS as usize {
            return Err(("drop_fragment_too_many", true));
        }
        let contradicts = if more { self.ended && end > self.length } else { end < self.length };
        if contradicts || !more && self.ended && end != self.length {
            return Err(("drop_fragment_invalid", true));
        }
        (self.length, self.ended) = (self.length.max(end), self.ended || !more);
        if let Some(last) = self.runs.last_mut()
            && last.1 == start
        {
            last.1 = end;
            return Ok(());
        }
        if self.runs.iter().any(|run| run.0 <= start && end <= run.1) {
            return Err(("drop_fragment_duplicate", false));
        }
        if self.runs.iter().any(|run| run.0 < end && start < run.1) {
            return Err(("drop_fragment_overlap", true));
        }
        self.runs.push((start, end));
        self.runs.sort_unstable();
        Ok(())
    }
}

impl Model {
    fn bytes(&self) -> usize {
        self.list.iter().map(Datagram::bytes).sum()
    }

    fn fragments(&self) -> usize {
        self.list.iter().map(|datagram| datagram.sizes.len()).sum()
    }

    fn evict(&mut self, at: usize) {
        *self.lost.entry("drop_fragment_evicted").or_default() += self.list.remove(at).sizes.len() as u32;
    }

    fn make_room(&mut self, name: (u32, u16), size: usize) {
        let new = self.list.iter().all(|datagram| datagram.name != name);
        let mut of_source = self.list.iter().enumerate().filter(|(_, datagram)| datagram.name.0 == name.0);
        let oldest = of_source.next().map(|(at, _)| at);
        if new && of_source.count() + 1 >= MAX_PER_SOURCE {
            self.evict(oldest.expect("there are 64"));
        }
        let need = size.div_ceil(SIZE) * SIZE;
        while self.bytes() + need > MAX_BYTES || new && self.list.len() >= MAX_DATAGRAMS {
            self.evict(0);
        }
    }

    fn add(&mut self, sent: Sent, now: u32) -> &'static str {
        let size = sent.end - sent.start + if sent.start == 0 { 34 } else { 0 };
        self.make_room(sent.name, size);
        let at = self.list.iter().position(|datagram| datagram.name == sent.name).unwrap_or_else(|| {
            let (name, since) = (sent.name, now);
            self.list.push(Datagram { name, since, runs: Vec::new(), length: 0, ended: false, sizes: Vec::new() });
            self.list.len() - 1
        });
        match self.list[at].join(sent) {
            Err((reason, ends)) => {
                if ends {
                    *self.lost.entry(reason).or_default() += self.list.remove(at).sizes.len() as u32;
                }
                reason
            }
            Ok(()) => {
                let datagram = &mut self.list[at];
                datagram.sizes.push(size);
                let data: usize = datagram.runs.iter().map(|(start, end)| end - start).sum();
                if datagram.ended && data == datagram.length {
                    self.list.remove(at);
                    return "whole";
                }
                "kept"
            }
        }
    }

    /// The fragments of the oldest datagram, if it timed out.
    fn expire(&mut self, now: u32) -> Option<u32> {
        let over = self.list.first().is_some_and(|oldest| now - oldest.since >= PATIENCE);
        over.then(|| self.list.remove(0).sizes.len() as u32)
    }
}

fn said(fate: &Fate) -> &'static str {
    match fate {
        Fate::Kept => "kept",
        Fate::Whole(_) => "whole",
        Fate::Dropped(reason) => reason.name(),
        Fate::Unaligned => "unaligned",
    }
}

/// A fragment by chance: of few or many sources, near others or far, small or large.
fn any(chance: &Chance, (sources, ids, places, units): (u64, u64, u64, u64)) -> Sent {
    let name = (chance.below(sources) as u32, chance.below(ids) as u16);
    let start = chance.below(places) as usize * 8;
    let more = chance.below(8) > 0;
    let length = (1 + chance.below(units) as usize) * 8 - if more { 0 } else { 3 };
    Sent { name, start, end: start + length, more }
}

/// Plays fragments to both and wants the same of both.
fn play(seed: u64, shape: (u64, u64, u64, u64), count: usize, step: u64) -> Result<(), TestCaseError> {
    let (chance, mut now) = (Chance::seeded(seed), 0);
    let (mut store, mut model, mut lost) = (Fragments::v4(SEED), Model::default(), BTreeMap::new());
    for _ in 0..count {
        now += chance.below(step) as u32;
        while let Some(fragments) = model.expire(now) {
            prop_assert_eq!(store.expire(Tick(now)).map(|overdue| overdue.pieces), Some(fragments));
        }
        prop_assert!(store.expire(Tick(now)).is_none());
        let sent = any(&chance, shape);
        let Sent { name: (source, id), start, end, more } = sent;
        let fate = add(&mut store, &frame(source, id, start, end - start, more), Tick(now), &mut lost);
        prop_assert_eq!(said(&fate), model.add(sent, now), "{:?}", sent);
        prop_assert_eq!(&lost, &model.lost);
        prop_assert_eq!(
            (store.datagrams(), store.bytes(), store.pieces()),
            (model.list.len(), model.bytes(), model.fragments() as u64)
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Few datagrams of few sources, whose fragments touch each other in every way, and time.
    #[test]
    fn few_datagrams_and_time(seed: u64) {
        play(seed, (3, 4, 12, 4), 1500, 200)?;
    }

    /// More datagrams of some sources than each may have, and of all than there may be.
    #[test]
    fn more_datagrams_than_there_may_be(seed: u64, sources in 1_u64..40) {
        play(seed, (sources, 400, 3, 3), 2500, 3)?;
    }

    /// More bytes than there may be.
    #[test]
    fn more_bytes_than_there_may_be(seed: u64) {
        play(seed, (60, 30, 40, 1100), 1500, 2)?;
    }
}
