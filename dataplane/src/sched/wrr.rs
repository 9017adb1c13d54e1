//! Weighted round robin (`ip_vs_wrr.c`).
//!
//! ```text
//! state: cl = the server picked last (or the head), cw = current weight
//! di = gcd of weights, mw = largest weight - (di - 1)
//! walk from the one after cl: the first that is open and has weight >= cw
//! at the end of the list: cw -= di; if cw <= 0: cw = mw; go on from the head
//! give up when everybody has been asked for weight >= 1
//! when the list changes: cl = head; if cw > mw or cw == 0: cw = mw, else if di > 1: cw = cw / di * di + 1
//! ```
//! Word: version of the list (16 bits), `index + 1` of cl (17 bits, 0 = the head), cw (31 bits).

use std::sync::atomic::Ordering::Relaxed;

use crate::service::{Servers, VirtualService};

#[derive(Clone, Copy)]
struct Mark {
    last: Option<usize>,
    weight: i64,
}

pub(super) fn pick(service: &VirtualService, servers: &Servers) -> Option<usize> {
    let position = &service.state.position;
    let mut seen = position.load(Relaxed);
    loop {
        let mut mark = unpack(service, seen);
        let choice = turn(service, servers, &mut mark);
        match position.compare_exchange_weak(seen, pack(service, mark), Relaxed, Relaxed) {
            Ok(_) => return choice,
            Err(now) => seen = now,
        }
    }
}

fn turn(service: &VirtualService, servers: &Servers, mark: &mut Mark) -> Option<usize> {
    let list = &service.servers;
    let step = i64::from(service.plan.gcd);
    let top = top(service);
    if top <= 0 {
        return None;
    }
    let begin = mark.last;
    let (mut restarted, mut last_pass) = (false, false);
    let mut from = begin.map_or(0, |index| index + 1);
    loop {
        for (index, server) in list.iter().enumerate().skip(from) {
            if i64::from(server.weight) >= mark.weight && super::open(servers, server).is_some() {
                mark.last = Some(index);
                return Some(index);
            }
            if last_pass && begin == Some(index) {
                return None;
            }
        }
        from = 0;
        mark.weight -= step;
        if mark.weight <= 0 {
            mark.weight = top;
            if last_pass || begin.is_none() {
                return None;
            }
            restarted = true;
        }
        last_pass = restarted && mark.weight <= step;
    }
}

fn top(service: &VirtualService) -> i64 {
    i64::from(service.plan.max_weight) - (i64::from(service.plan.gcd) - 1).max(0)
}

fn unpack(service: &VirtualService, word: u64) -> Mark {
    let weight = (word & 0x7fff_ffff) as i64;
    if (word >> 48) as u16 == service.list_version {
        return Mark { last: ((word >> 31 & 0x1_ffff) as usize).checked_sub(1), weight };
    }
    let (step, top) = (i64::from(service.plan.gcd), top(service));
    let weight = match weight {
        weight if weight > top || weight == 0 => top,
        weight if step > 1 => weight / step * step + 1,
        weight => weight,
    };
    Mark { last: None, weight }
}

fn pack(service: &VirtualService, mark: Mark) -> u64 {
    let last = mark.last.map_or(0, |index| index as u64 + 1);
    u64::from(service.list_version) << 48 | (last & 0x1_ffff) << 31 | mark.weight as u64 & 0x7fff_ffff
}
