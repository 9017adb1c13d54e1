//! When something is said of a store that loses entries.
//!
//! ```text
//! it begins    one line at once
//! it goes on   one line in ten seconds, with what was lost since the last one
//! it is over   ten seconds without a loss: one line, with what was lost in all
//! ```

use std::time::Duration;

use dataplane::clock::Nanos;

use super::table::Level;

/// How long a store counts as full after its last loss, and the least time between two lines while it goes on.
pub(super) const QUIET: Duration = Duration::from_secs(10);

/// What is to be said, with the entries that it is about and how long it took to lose them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AlarmChange {
    pub(super) phase: Phase,
    pub(super) refused: u64,
    pub(super) displaced: u64,
    pub(super) took: Duration,
}

/// Where an episode stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Begins,
    GoesOn,
    Over,
}

/// What is known of one store.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Alarm {
    seen: Level,
    episode: Option<Episode>,
}

/// A time in which a store loses entries.
#[derive(Clone, Copy, Debug)]
struct Episode {
    began: (Nanos, Level),
    told: (Nanos, Level),
    last: Nanos,
}

impl Alarm {
    /// Looks at the store.
    pub(super) fn look(&mut self, level: Level, now: Nanos) -> Option<AlarmChange> {
        let before = std::mem::replace(&mut self.seen, level);
        let lost = lost(before, level) != (0, 0);
        let Some(episode) = &mut self.episode else {
            self.episode = lost.then_some(Episode { began: (now, before), told: (now, level), last: now });
            return lost.then(|| change(Phase::Begins, before, level, Duration::ZERO));
        };
        if lost {
            episode.last = now;
        }
        if since(episode.last, now) >= QUIET {
            let over = change(Phase::Over, episode.began.1, level, since(episode.began.0, episode.last));
            self.episode = None;
            return Some(over);
        }
        let (told, then) = episode.told;
        if since(told, now) < QUIET || self::lost(then, level) == (0, 0) {
            return None;
        }
        episode.told = (now, level);
        Some(change(Phase::GoesOn, then, level, since(told, now)))
    }

    /// Whether the store has lost entries lately.
    pub(super) fn is_full(&self) -> bool {
        self.episode.is_some()
    }
}

fn change(phase: Phase, from: Level, to: Level, took: Duration) -> AlarmChange {
    let (refused, displaced) = lost(from, to);
    AlarmChange { phase, refused, displaced, took }
}

/// Entries refused, and displaced, between two looks. What is counted by a service goes with it.
fn lost(from: Level, to: Level) -> (u64, u64) {
    (to.refused.saturating_sub(from.refused), to.displaced.saturating_sub(from.displaced))
}

fn since(then: Nanos, now: Nanos) -> Duration {
    Duration::from_nanos(now.0.saturating_sub(then.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Nanos {
        Nanos(seconds * 1_000_000_000)
    }

    /// What is said in each second, of a store that has refused so many by then.
    fn said(refused: impl Iterator<Item = u64>) -> Vec<(u64, Phase, u64, u64)> {
        let mut alarm = Alarm::default();
        let looked = (1..).zip(refused).filter_map(|(second, refused)| {
            let change = alarm.look(Level { refused, ..Level::default() }, at(second))?;
            Some((second, change.phase, change.refused, change.took.as_secs()))
        });
        looked.collect()
    }

    #[test]
    fn a_line_at_once_one_in_ten_seconds_and_one_at_the_end() {
        let refused = (0..60).map(|second: u64| if second < 5 { 0 } else { (second - 4).min(25) * 100 });
        let expected = [
            (6, Phase::Begins, 100, 0),
            (16, Phase::GoesOn, 1000, 10),
            (26, Phase::GoesOn, 1000, 10),
            (36, Phase::GoesOn, 400, 10),
            (40, Phase::Over, 2500, 24),
        ];
        assert_eq!(said(refused), expected);
    }

    #[test]
    fn a_store_that_loses_an_entry_now_and_then_is_full_all_the_time() {
        let refused = (0..40).map(|second: u64| second / 9);
        assert!(said(refused).iter().all(|(_, phase, ..)| *phase != Phase::Over));
        assert_eq!(said([0, 1].into_iter().chain([1; 30])), [(2, Phase::Begins, 1, 0), (12, Phase::Over, 1, 0)]);
        assert_eq!(said([7, 7, 0, 0].into_iter()), [(1, Phase::Begins, 7, 0)], "a count that went with its service");
    }
}
