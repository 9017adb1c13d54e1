//! The timing wheel: when to look at a connection again. It is lazy: packets only store "last seen", and a connection
//! whose time moved on is put back when its slot comes up. Never early; late by at most one slot and the budget.

use super::cold::Cold;
use super::index::NONE;
use super::line::flag;
use super::table::ConnTable;
use crate::clock::Tick;

/// Ticks a slot spans.
const SPAN: u32 = 16;
/// Slots: a round takes about 22 minutes; later ends are looked at once a round.
const SLOTS: u32 = 8192;

/// The wheel of one worker: heads of lists that run through the connections.
#[derive(Debug)]
pub struct Wheel {
    heads: Box<[u32]>,
    /// The slot to be emptied next, counted since the clock's zero.
    current: u32,
    /// First and last of those that ended before their time.
    doomed: Option<(u32, u32)>,
}

impl Wheel {
    /// An empty wheel that starts now.
    #[must_use]
    pub fn new(now: Tick) -> Self {
        Self { heads: vec![NONE; SLOTS as usize].into(), current: now.0 / SPAN, doomed: None }
    }

    /// Puts a connection where it will be looked at, not before `due`. It must not be in the wheel.
    pub fn insert(&mut self, table: &mut ConnTable, index: u32, due: Tick) {
        let slot = self.slot_of(due) % SLOTS;
        let head = std::mem::replace(&mut self.heads[slot as usize], index);
        let conn = &mut table[index];
        conn.wheel_slot = slot as u16;
        conn.set_any(flag::WATCHED, true);
        let cold = table.cold_mut(index);
        (cold.wheel_next, cold.wheel_previous) = (head, NONE);
        if head != NONE {
            table.cold_mut(head).wheel_previous = index;
        }
    }

    /// The first slot that begins at or after `due`, within one round.
    fn slot_of(&self, due: Tick) -> u32 {
        let base = Tick(self.current.wrapping_mul(SPAN));
        self.current + base.until(due).div_ceil(SPAN).min(SLOTS - 1)
    }

    /// When a slot begins that is not behind the one to be emptied next.
    fn begin_of(&self, slot: u16) -> Tick {
        let ahead = u32::from(slot).wrapping_sub(self.current) % SLOTS;
        Tick(self.current.wrapping_add(ahead).wrapping_mul(SPAN))
    }

    /// Takes a connection out.
    pub fn remove(&mut self, table: &mut ConnTable, index: u32) {
        let Cold { wheel_next, wheel_previous, .. } = *table.cold(index);
        let conn = &mut table[index];
        conn.set_any(flag::WATCHED, false);
        let slot = u32::from(conn.wheel_slot) % SLOTS;
        if wheel_next != NONE {
            table.cold_mut(wheel_next).wheel_previous = wheel_previous;
        }
        if wheel_previous != NONE {
            table.cold_mut(wheel_previous).wheel_next = wheel_next;
        } else {
            self.heads[slot as usize] = wheel_next;
        }
    }

    /// After a connection's life got shorter: moves it if it would be looked at too late.
    pub fn shorten(&mut self, table: &mut ConnTable, index: u32) {
        let conn = &table[index];
        let due = conn.due();
        if conn.has(flag::WATCHED) && due.is_before(Tick(self.begin_of(conn.wheel_slot).0.wrapping_sub(SPAN))) {
            self.remove(table, index);
            self.insert(table, index, due);
        }
    }

    /// Has a connection that ended now, before its time, be the next to be taken, from the next tick on.
    pub fn doom(&mut self, table: &mut ConnTable, index: u32) {
        if table[index].has(flag::WATCHED) {
            self.remove(table, index);
        }
        table.cold_mut(index).wheel_next = NONE;
        self.doomed = Some(match self.doomed {
            None => (index, index),
            Some((first, last)) => {
                table.cold_mut(last).wheel_next = index;
                (first, index)
            }
        });
    }

    /// The first that ended before its time, in an earlier tick.
    fn pop_doomed(&mut self, table: &ConnTable, now: Tick) -> Option<u32> {
        let (first, last) = self.doomed.filter(|(first, _)| table[*first].last_seen() != now)?;
        self.doomed = (first != last).then(|| (table.cold(first).wheel_next, last));
        Some(first)
    }

    /// After a sleep of more than a round, one round shows every slot: those before it need not be looked at.
    fn catch_up(&mut self, now: Tick) {
        let behind = Tick(self.current.wrapping_mul(SPAN)).until(now) / SPAN;
        if behind > SLOTS {
            self.current = self.current.wrapping_add(behind - SLOTS) & (u32::MAX / SPAN);
        }
    }

    /// Takes the next connection out whose slot has come up.
    pub fn pop(&mut self, table: &mut ConnTable, now: Tick) -> Option<u32> {
        if let Some(index) = self.pop_doomed(table, now) {
            return Some(index);
        }
        self.catch_up(now);
        loop {
            if now.is_before(Tick(self.current.wrapping_mul(SPAN))) {
                return None;
            }
            let index = self.heads[(self.current % SLOTS) as usize];
            if index != NONE {
                self.remove(table, index);
                return Some(index);
            }
            self.current = self.current.wrapping_add(1) & (u32::MAX / SPAN);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conn::{ConnMemory, HashKey, New};
    use crate::flow::Tuple;
    use crate::method::ForwardMethod;

    /// A connection that lives from `now` for so many ticks.
    fn new(client_port: u16, now: u32, timeout: u32) -> New {
        let outside = Tuple { sport: client_port, protocol: 6, ..Tuple::default() };
        New::of4(outside, outside, ForwardMethod::Nat).living(Tick(now), timeout, 0)
    }

    proptest! {
        #[test]
        fn never_early_and_hardly_late(
            start in prop_oneof![Just(0u32), Just(u32::MAX - 500), any::<u32>()],
            lives in proptest::collection::vec((1u32..200_000, 0u16..1000), 1..40),
        ) {
            let mut table = ConnTable::new(ConnMemory::new(64, false), HashKey([1, 2]));
            let mut wheel = Wheel::new(Tick(start));
            for (i, (timeout, _)) in lives.iter().enumerate() {
                let index = table.insert(&new(i as u16, start, *timeout)).unwrap();
                let due = table[index].due();
                wheel.insert(&mut table, index, due);
            }
            let mut left = lives.len();
            let mut now = Tick(start);
            while left > 0 {
                now = now.after(SPAN);
                while let Some(index) = wheel.pop(&mut table, now) {
                    let due = table[index].due();
                    if now.is_before(due) {
                        wheel.insert(&mut table, index, due); // its round was not the last
                        continue;
                    }
                    prop_assert!(due.until(now) <= 2 * SPAN, "late by {}", due.until(now));
                    table.end(index, None);
                    left -= 1;
                }
            }
        }

        #[test]
        fn after_a_long_sleep_all_that_are_due_are_found_within_a_round(
            start in prop_oneof![Just(0u32), Just(u32::MAX - 500), any::<u32>()],
            slept in 1u32..1 << 30,
            lives in proptest::collection::vec(1u32..1 << 30, 1..40),
        ) {
            let mut table = ConnTable::new(ConnMemory::new(64, false), HashKey([1, 2]));
            let mut wheel = Wheel::new(Tick(start));
            for (port, timeout) in lives.iter().enumerate() {
                let index = table.insert(&new(port as u16, start, *timeout)).unwrap();
                let due = table[index].due();
                wheel.insert(&mut table, index, due);
            }
            let now = Tick(start).after(slept);
            let mut found = 0;
            while let Some(index) = wheel.pop(&mut table, now) {
                let due = table[index].due();
                if now.is_before(due) {
                    wheel.insert(&mut table, index, due);
                } else {
                    found += 1;
                }
            }
            let sure = lives.iter().filter(|timeout| **timeout + SPAN <= slept).count();
            let due = lives.iter().filter(|timeout| **timeout <= slept).count();
            prop_assert!((sure..=due).contains(&found), "{found} of {sure} to {due}");
            prop_assert!(Tick(wheel.current.wrapping_mul(SPAN)).until(now) < SPAN, "it has caught up");
        }

        #[test]
        fn the_doomed_go_first_in_order_and_not_before_the_next_tick(lives in proptest::collection::vec(1u32..2000, 1..20)) {
            let mut table = ConnTable::new(ConnMemory::new(64, false), HashKey([1, 2]));
            let mut wheel = Wheel::new(Tick(0));
            let mut doomed = Vec::new();
            for (port, timeout) in lives.iter().enumerate() {
                let index = table.insert(&new(port as u16, 0, *timeout)).unwrap();
                let due = table[index].due();
                wheel.insert(&mut table, index, due);
                if port % 2 == 0 {
                    table[index].renew(Tick(0), 0);
                    wheel.doom(&mut table, index);
                    doomed.push(index);
                }
            }
            prop_assert_eq!(wheel.pop(&mut table, Tick(0)), None);
            let gone: Vec<u32> = (0..doomed.len()).filter_map(|_| wheel.pop(&mut table, Tick(1))).collect();
            prop_assert_eq!(gone, doomed);
            let rest = std::iter::from_fn(|| wheel.pop(&mut table, Tick(5000))).count();
            prop_assert_eq!(rest, lives.len() / 2);
        }

        #[test]
        fn shortening_moves_forward(first in 2000u32..100_000, second in 1u32..2000) {
            let mut table = ConnTable::new(ConnMemory::new(4, false), HashKey([1, 2]));
            let mut wheel = Wheel::new(Tick(0));
            let index = table.insert(&new(0, 0, first)).unwrap();
            let due = table[index].due();
            wheel.insert(&mut table, index, due);
            table[index].renew(Tick(0), second);
            wheel.shorten(&mut table, index);
            prop_assert_eq!(wheel.pop(&mut table, Tick(second - 1)), None);
            prop_assert_eq!(wheel.pop(&mut table, Tick(second + 2 * SPAN)), Some(index));
        }
    }
}
