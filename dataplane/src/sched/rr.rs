//! Round robin (`ip_vs_rr.c`).
//!
//! ```text
//! start after the server picked last; the first usable one in list order, at most once around
//! ```
//! The position names the server picked last, so that additions at the head move nothing; when that server is removed,
//! control puts its predecessor there ([`follow`]). Word: `slot + 1` (0 = the head) in the high half, the index where
//! it was last seen in the low half.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::asked::Asked;
use crate::service::{RealServer, place};

pub(super) fn pick(asked: &Asked<'_>) -> Option<usize> {
    let (list, position) = (asked.list.servers, asked.list.position);
    let mut seen = position.load(Relaxed);
    loop {
        let (before, after) = list.split_at(last(list, seen).map_or(0, |index| index + 1));
        let usable = |server: &RealServer| asked.usable(server).is_some();
        let index = match after.iter().position(usable) {
            Some(index) => before.len() + index,
            None => before.iter().position(usable)?,
        };
        let next = word(list[index].slot, index);
        match position.compare_exchange_weak(seen, next, Relaxed, Relaxed) {
            Ok(_) => return Some(index),
            Err(now) => seen = now,
        }
    }
}

/// A position on a server that left moves to its predecessor.
pub(super) fn follow(position: &AtomicU64, before: &[RealServer], after: &[RealServer]) {
    let seen = position.load(Relaxed);
    let Some(index) = last(before, seen).filter(|&i| after.iter().all(|s| s.slot != before[i].slot)) else { return };
    let previous = index.checked_sub(1).map_or(0, |i| word(before[i].slot, i));
    // A worker that moved on meanwhile has the better position.
    let _ = position.compare_exchange(seen, previous, Relaxed, Relaxed);
}

fn word(slot: u32, index: usize) -> u64 {
    (u64::from(slot) + 1) << 32 | index as u64
}

fn last(list: &[RealServer], word: u64) -> Option<usize> {
    let slot = ((word >> 32) as u32).checked_sub(1)?;
    place(list, slot, word as u32 as usize)
}
