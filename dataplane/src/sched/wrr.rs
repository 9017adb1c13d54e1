//! Weighted round robin (`ip_vs_wrr.c`).
//!
//! ```text
//! state: cl = the server picked last (or the head), cw = current weight
//! di = gcd of weights, mw = largest weight - (di - 1)
//! walk from the one after cl: the first that is open and has weight >= cw
//! at the end of the list: cw -= di; if cw <= 0: cw = mw; go on from the head
//! give up when everybody has been asked for weight >= 1
//! at every change of the list: cl = head; if cw > mw or cw == 0: cw = mw, else if di > 1: cw = cw / di * di + 1
//! ```
//! Word: version of the list (16 bits), `index + 1` of cl (17 bits, 0 = the head), cw (31 bits).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::asked::Asked;
use crate::service::{RealServer, SchedulerPlan, ServerList};

#[derive(Clone, Copy)]
struct Position {
    last: Option<usize>,
    weight: i64,
}

pub(super) fn pick(asked: &Asked<'_>) -> Option<usize> {
    let position = asked.list.position;
    let mut seen = position.load(Relaxed);
    loop {
        let mut current = unpack(&asked.list, seen);
        let choice = turn(asked, &mut current);
        match position.compare_exchange_weak(seen, pack(version_of(seen), current), Relaxed, Relaxed) {
            Ok(_) => return choice,
            Err(now) => seen = now,
        }
    }
}

/// The list changed.
pub(super) fn follow(position: &AtomicU64, after: &[RealServer], version: u16) {
    let plan = SchedulerPlan::of_weights(after.iter().map(|server| server.weight));
    let (step, top) = (i64::from(plan.gcd), top(&plan));
    let change = |word| {
        let weight = match weight_of(word) {
            weight if weight > top || weight == 0 => top,
            weight if step > 1 => weight / step * step + 1,
            weight => weight,
        };
        Some(pack(version, Position { last: None, weight }))
    };
    // The closure never declines.
    let _ = position.fetch_update(Relaxed, Relaxed, change);
}

fn turn(asked: &Asked<'_>, current: &mut Position) -> Option<usize> {
    let plan = asked.list.plan;
    let step = i64::from(plan.gcd);
    let top = top(plan);
    if top <= 0 {
        return None;
    }
    let begin = current.last;
    let (mut restarted, mut last_pass) = (false, false);
    let mut from = begin.map_or(0, |index| index + 1);
    loop {
        for (index, server) in asked.list.servers.iter().enumerate().skip(from) {
            if i64::from(server.weight) >= current.weight && asked.open(server).is_some() {
                current.last = Some(index);
                return Some(index);
            }
            if last_pass && begin == Some(index) {
                return None;
            }
        }
        from = 0;
        current.weight = next_weight(asked, current.weight);
        if current.weight <= 0 {
            current.weight = top;
            if last_pass || begin.is_none() {
                return None;
            }
            restarted = true;
        }
        last_pass = restarted && current.weight <= step;
    }
}

/// The current weight of the next walk. Walks that nobody open is heavy enough for are left out: there may be as many
/// as the largest weight.
fn next_weight(asked: &Asked<'_>, weight: i64) -> i64 {
    let step = i64::from(asked.list.plan.gcd);
    let next = weight - step;
    let open = |server: &&RealServer| asked.open(server).is_some();
    let heaviest = asked.list.servers.iter().filter(open).map(|server| i64::from(server.weight)).max().unwrap_or(0);
    let fruitless = (next - heaviest + step - 1).max(0) / step;
    next - fruitless.min((next - 1).max(0) / step) * step
}

fn top(plan: &SchedulerPlan) -> i64 {
    i64::from(plan.max_weight) - (i64::from(plan.gcd) - 1).max(0)
}

fn version_of(word: u64) -> u16 {
    (word >> 48) as u16
}

fn weight_of(word: u64) -> i64 {
    (word & 0x7fff_ffff) as i64
}

/// A worker whose list is not the one the word was written for, for as long as a publication takes, starts at its head.
fn unpack(list: &ServerList<'_>, word: u64) -> Position {
    let index = (word >> 31 & 0x1_ffff) as usize;
    let current = version_of(word) == list.version;
    let last = if current { index.checked_sub(1) } else { None };
    Position { last, weight: weight_of(word).min(top(list.plan)) }
}

fn pack(version: u16, current: Position) -> u64 {
    let last = current.last.map_or(0, |index| index as u64 + 1);
    u64::from(version) << 48 | (last & 0x1_ffff) << 31 | current.weight.max(0) as u64 & 0x7fff_ffff
}
