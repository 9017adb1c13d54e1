//! Whether the workers turn: control compares their counts of turns by its own clock.
//!
//! ```text
//! every round:   turns moved?   remember when; it stood still before -> "turns again"
//!                not moved      for 500 ms and at three looks -> one stall, reported once
//! ```
//!
//! Three looks, because the whole process may have stood still (stopped, or the machine asleep): then control finds a
//! long time gone by, and a worker that has had no time to turn either.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use dataplane::clock::Nanos;
use log::{error, warn};

use super::Crew;

/// A worker that has not turned for so long is stalled. Idle workers turn thousands of times a second.
const PATIENCE: Duration = Duration::from_millis(500);
/// Looks in a row that must find it standing.
const LOOKS: u32 = 3;
/// Nanoseconds between two samples of the load.
const SECOND: u64 = 1_000_000_000;

/// What a worker showed of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beat {
    /// Turns so far; 0 = it has not begun.
    pub(super) turns: u64,
    /// Nanoseconds of work so far.
    pub(super) busy: u64,
}

/// What a look found that nobody knew before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerChange {
    /// Stalled, for so long already.
    Stalled(Duration),
    /// It turns again after so long.
    Resumed(Duration),
}

/// What control knows of one worker's heart.
#[derive(Debug)]
pub(super) struct Heart {
    turns: u64,
    moved: Nanos,
    looks: u32,
    stalled: bool,
    stalls: u64,
    sampled: (Nanos, u64),
    load: f64,
}

impl Heart {
    pub(super) fn new(now: Nanos) -> Self {
        Self { turns: 0, moved: now, looks: 0, stalled: false, stalls: 0, sampled: (now, 0), load: 0.0 }
    }

    /// Takes the pulse.
    pub(super) fn look(&mut self, beat: Beat, now: Nanos) -> Option<WorkerChange> {
        self.sample(beat.busy, now);
        let stood = since(self.moved, now);
        if beat.turns != self.turns || beat.turns == 0 {
            (self.turns, self.moved, self.looks) = (beat.turns, now, 0);
            return std::mem::take(&mut self.stalled).then_some(WorkerChange::Resumed(stood));
        }
        self.looks = self.looks.saturating_add(1);
        if self.stalled || stood < PATIENCE || self.looks < LOOKS {
            return None;
        }
        self.stalled = true;
        self.stalls += 1;
        Some(WorkerChange::Stalled(stood))
    }

    /// Once a second: how much of it was work.
    fn sample(&mut self, busy: u64, now: Nanos) {
        let (at, before) = self.sampled;
        let passed = now.0.saturating_sub(at.0);
        if passed >= SECOND {
            let permille = u128::from(busy.saturating_sub(before)) * 1000 / u128::from(passed);
            // The worker's last busy turn may have begun before this second.
            self.load = permille.min(1000) as f64 / 10.0;
            self.sampled = (now, busy);
        }
    }

    /// Per cent of the last second spent in work.
    pub(super) fn load(&self) -> f64 {
        self.load
    }

    /// How often it stood still.
    pub(super) fn stalls(&self) -> u64 {
        self.stalls
    }

    /// How long it has stood still, if it does.
    pub(super) fn stalled_for(&self, now: Nanos) -> Option<Duration> {
        self.stalled.then(|| since(self.moved, now))
    }
}

fn since(then: Nanos, now: Nanos) -> Duration {
    Duration::from_nanos(now.0.saturating_sub(then.0))
}

impl Crew {
    /// Whether every worker turns, as far as the last look knows.
    pub(in crate::director) fn turns(&self) -> bool {
        !self.hearts.iter().any(|heart| heart.stalled)
    }

    /// Looks at every worker and tells what changed.
    pub(in crate::director) fn check_heartbeats(&mut self, now: Nanos) {
        for (worker, (heart, link)) in self.hearts.iter_mut().zip(self.links.iter()).enumerate() {
            let beat = Beat { turns: link.turns.load(Relaxed), busy: link.busy_nanos.load(Relaxed) };
            let cpu = self.cpus.get(worker).copied().unwrap_or(0);
            match heart.look(beat, now) {
                Some(WorkerChange::Stalled(stood)) => {
                    error!("worker {worker} (CPU {cpu}) is stalled: it has not polled for {} ms", stood.as_millis());
                }
                Some(WorkerChange::Resumed(stood)) => {
                    warn!("worker {worker} (CPU {cpu}) recovered; it was stalled for {} ms", stood.as_millis());
                }
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::director::lab;

    const MS: u64 = 1_000_000;

    fn at(ms: u64) -> Nanos {
        Nanos(ms * MS)
    }

    fn look(heart: &mut Heart, turns: u64, ms: u64) -> Option<WorkerChange> {
        heart.look(Beat { turns, busy: 0 }, at(ms))
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_stall_is_told_once_and_so_is_its_end() {
        let mut heart = Heart::new(at(0));
        let found: Vec<_> = (0..=20).filter_map(|round| look(&mut heart, 7, round * 100)).collect();
        assert_eq!(found, [WorkerChange::Stalled(ms(500))], "half a second, and never again");
        assert_eq!((heart.stalls(), heart.stalled_for(at(3000))), (1, Some(ms(3000))));
        assert_eq!(look(&mut heart, 8, 3000), Some(WorkerChange::Resumed(ms(3000))));
        assert_eq!((heart.stalls(), heart.stalled_for(at(3000))), (1, None));
        let found: Vec<_> = (31..=40).filter_map(|round| look(&mut heart, 8, round * 100)).collect();
        assert_eq!((found, heart.stalls()), (vec![WorkerChange::Stalled(ms(500))], 2), "a second one");
    }

    #[test]
    fn who_turns_slowly_or_has_not_begun_does_not_stand_still() {
        let mut heart = Heart::new(at(0));
        assert!((0..100).all(|round| look(&mut heart, 0, round * 100).is_none()), "its memory is large");
        assert!((100..200).all(|round| look(&mut heart, round / 4, round * 100).is_none()), "one turn in 400 ms");
    }

    #[test]
    fn a_long_sleep_of_the_whole_process_is_no_stall() {
        let mut heart = Heart::new(at(0));
        assert_eq!(look(&mut heart, 5, 100), None);
        assert_eq!(look(&mut heart, 5, 3_600_000), None, "control woke first");
        assert_eq!(look(&mut heart, 6, 3_600_100), None);
        assert_eq!(heart.stalls(), 0);
    }

    #[test]
    fn load_is_the_busy_share_of_a_second() {
        let mut heart = Heart::new(at(0));
        let mut load = |busy: u64, now: u64| {
            heart.look(Beat { turns: now, busy: busy * MS }, at(now));
            heart.load()
        };
        assert_eq!(load(900, 900), 0.0, "the second is not over");
        assert_eq!([load(123, 1000), load(123, 2000), load(2123, 3000)], [12.3, 0.0, 100.0]);
    }

    #[test]
    fn a_stall_is_in_the_status_until_it_ends() {
        let (mut crew, ends) = Crew::new(1, vec![3], lab::tables(), at(0));
        let turns = &ends[0].1.turns;
        let status = |crew: &Crew, ms| {
            let status = crew.status(0, at(ms)).remove(0);
            (crew.turns(), status.cpu, status.stalls, status.stalled_for)
        };
        for round in 0..10 {
            turns.store(round + 1, Relaxed);
            crew.check_heartbeats(at(round * 100));
        }
        assert_eq!(status(&crew, 900), (true, 3, 0, None));
        (10..30).for_each(|round| crew.check_heartbeats(at(round * 100)));
        assert_eq!(status(&crew, 2900), (false, 3, 1, Some(2)));
        turns.store(11, Relaxed);
        crew.check_heartbeats(at(3000));
        assert_eq!(status(&crew, 3000), (true, 3, 1, None));
    }
}
