//! Maglev hashing (`ip_vs_mh.c`; Eisenbud and others, NSDI 2016, 3.4).
//!
//! ```text
//! M = 4093 slots; h(value, key) = SipHash-1-3, cut to 32 bits
//! server i: offset = h(address + port, key1) mod M, skip = h(address + port, key2) mod (M - 1) + 1
//!           turns = (weight / gcd) >> shift, at least 1; shift brings the largest below 2^6
//! populate: around the list, each takes `turns` free slots of offset, offset + skip, offset + 2 skip, ... mod M
//! pick:     slot = h(source [+ source port with mh-port], key1) mod M; its server, if usable; else nobody
//!           with mh-fallback h(source + offset, key1) mod M, offset = slot, slot + 1, ... once around
//! ```
//! The weight is the last one above 0: a server quiesced later keeps its slots, one that was added with weight 0 has
//! none.

use super::asked::Asked;
use super::hash;
use crate::flow::Family;
use crate::service::{RealServer, SchedulerPlan};

/// Slots: the prime of `CONFIG_IP_VS_MH_TAB_INDEX` = 12, its default.
pub(super) const SIZE: usize = 4093;
/// Bits of the most turns that a server may have.
const TURN_BITS: u32 = 6;
const KEY1: u64 = 2_654_435_761;
const KEY2: u64 = 2_654_446_892;

pub(super) fn pick(asked: &Asked<'_>) -> Option<usize> {
    let word = asked.client_word();
    let slot = |offset: usize| hash::sip(word.wrapping_add(offset as u32), KEY1) as usize % SIZE;
    asked.hashed(slot, slot(0))
}

/// A server's walk over the slots.
struct Walk {
    index: u32,
    at: usize,
    skip: usize,
    turns: u32,
}

impl Walk {
    /// The next free slot; there is one.
    fn next(&mut self, taken: &[Option<u32>]) -> usize {
        while taken[self.at].is_some() {
            self.at = (self.at + self.skip) % SIZE;
        }
        self.at
    }
}

/// More servers than slots: the kernel then leaves its table as it was, so those that came last (the head of the list)
/// have no slots.
pub(super) fn buckets(family: Family, servers: &[RealServer]) -> Box<[u32]> {
    let newcomers = servers.len().saturating_sub(SIZE);
    let servers: Vec<(usize, &RealServer)> = servers.iter().enumerate().skip(newcomers).collect();
    let plan = SchedulerPlan::of_weights(servers.iter().map(|(_, server)| server.last_weight));
    if plan.gcd == 0 {
        return Box::default();
    }
    let shift = bits(plan.max_weight / plan.gcd).saturating_sub(TURN_BITS);
    let walk = |&(index, server): &(usize, &RealServer)| {
        let word = hash::fold(family, server.address).wrapping_add(u32::from(server.port));
        let skip = hash::sip(word, KEY2) as usize % (SIZE - 1) + 1;
        let turns = ((server.last_weight / plan.gcd) >> shift).max(1);
        Walk { index: index as u32, at: hash::sip(word, KEY1) as usize % SIZE, skip, turns }
    };
    let mut walks: Vec<Walk> = servers.iter().filter(|(_, server)| server.last_weight > 0).map(walk).collect();
    populate(&mut walks)
}

fn populate(walks: &mut [Walk]) -> Box<[u32]> {
    let mut slots = [None; SIZE];
    let mut free = SIZE;
    while free > 0 {
        for walk in walks.iter_mut() {
            for _ in 0..walk.turns.min(free as u32) {
                slots[walk.next(&slots)] = Some(walk.index);
                free -= 1;
            }
        }
    }
    slots.into_iter().flatten().collect()
}

/// Bits of a number (`fls`).
fn bits(number: u32) -> u32 {
    u32::BITS - number.leading_zeros()
}
