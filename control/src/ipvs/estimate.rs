//! When meters are sampled: each every two seconds, as in the kernel (`ip_vs_est.c`), and not all at once.
//!
//! The kernel has 50 ticks of 40 ms. What is added has its turn when the tick before the present one comes again, or, as
//! ticks fill up, at an earlier one. So do we, in the order in which things are added:
//!
//! ```text
//! tick = number / 4096 mod 50        number: services and servers added so far
//! due  = when added + 49 - tick ticks (50 where that is none) + k * 2 s
//! ```
//!
//! A small table is sampled whole two seconds after it was made; a table of a million servers a piece every 40 ms. A
//! service and its servers are sampled together.

use std::collections::BTreeSet;

use dataplane::clock::Nanos;

use crate::statistics::PERIOD;

const PERIOD_NANOS: u64 = PERIOD * 1_000_000_000;
const TICKS: u64 = 50;
const TICK_NANOS: u64 = PERIOD_NANOS / TICKS;
/// Meters that share a tick before the next one is begun.
const PER_TICK: u64 = 4096;

/// What is to be sampled when.
#[derive(Debug, Default)]
pub(super) struct Estimates {
    /// By time, then by a service's number.
    due: BTreeSet<(Nanos, u64)>,
}

impl Estimates {
    /// Has a service sampled from now on. Returns when, to be kept for [`Estimates::forget`].
    pub(super) fn add(&mut self, number: u64, now: Nanos) -> Nanos {
        let tick = number / PER_TICK % TICKS;
        let ticks = (2 * TICKS - 2 - tick) % TICKS + 1;
        let due = Nanos(now.0 + ticks * TICK_NANOS);
        self.due.insert((due, number));
        due
    }

    /// A service is gone.
    pub(super) fn forget(&mut self, due: Nanos, number: u64) {
        self.due.remove(&(due, number));
    }

    /// The next service whose time has come, and when it will come again.
    pub(super) fn pop(&mut self, now: Nanos) -> Option<(u64, Nanos)> {
        let &(due, number) = self.due.first().filter(|(due, _)| *due <= now)?;
        let again = next(due, now);
        self.due.pop_first();
        self.due.insert((again, number));
        Some((number, again))
    }
}

/// The first time after `now` that lies whole periods after `due`.
fn next(due: Nanos, now: Nanos) -> Nanos {
    let missed = (now.0 + 1).saturating_sub(due.0).div_ceil(PERIOD_NANOS);
    Nanos(due.0 + missed * PERIOD_NANOS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn every_two_seconds_however_late_a_look_is() {
        let mut estimates = Estimates::default();
        let added = Nanos(SECOND + TICK_NANOS);
        assert_eq!(estimates.add(1, added), Nanos(3 * SECOND), "when the tick before comes again");
        assert_eq!(estimates.pop(Nanos(3 * SECOND - 1)), None);
        assert_eq!(estimates.pop(Nanos(3 * SECOND)), Some((1, Nanos(5 * SECOND))));
        assert_eq!(estimates.pop(Nanos(3 * SECOND)), None);
        assert_eq!(estimates.pop(Nanos(6 * SECOND)), Some((1, Nanos(7 * SECOND))), "late, and the next is not");
        assert_eq!(estimates.pop(Nanos(12 * SECOND)), Some((1, Nanos(13 * SECOND))), "two were missed");
        estimates.forget(Nanos(13 * SECOND), 1);
        assert_eq!(estimates.pop(Nanos(20 * SECOND)), None);
    }

    #[test]
    fn a_large_table_is_spread() {
        let mut estimates = Estimates::default();
        let numbers = 1..=100 * PER_TICK;
        numbers.clone().step_by(10).for_each(|number| _ = estimates.add(number, Nanos(0)));
        let mut most = 0;
        for tick in 0..100 {
            let now = Nanos(tick * TICK_NANOS);
            most = most.max(std::iter::from_fn(|| estimates.pop(now)).count() as u64);
        }
        assert_eq!(estimates.pop(Nanos(100 * TICK_NANOS - 1)), None);
        // Two rounds over the ticks, a tenth of the numbers.
        assert!(most <= 2 * PER_TICK / 10 + 2, "{most}");
    }
}
