//! How much may be sent now: a rate, and a bound for what is under way.
//!
//! ```text
//! under way = sent - received or refused - given up        given up: sent a while ago, and still not here
//! ```
//!
//! A bound below the slots of a ring makes the generator send as fast as packets come back, and loses none. It sends in
//! bursts: a window that opens by a few packets stays closed, or bursts would become smaller and smaller on both sides.

use std::collections::VecDeque;

use dataplane::port::BURST;

use crate::engine::Limits;

/// How often the number sent is noted.
const NOTE: u64 = 10_000_000;

/// The pace of one run. Times are nanoseconds since any beginning.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: u64,
    window: u64,
    patience: u64,
    begun: u64,
    given_up: u64,
    notes: VecDeque<(u64, u64)>,
}

impl Pace {
    /// One that begins now; zero for no rate, or no window. What has not come back after its patience will not.
    pub(crate) fn new(limits: Limits, now: u64) -> Self {
        let Limits { rate, window, patience, .. } = limits;
        Self { rate, window, patience: patience.as_nanos() as u64, begun: now, given_up: 0, notes: VecDeque::new() }
    }

    /// How many more may be sent, given how many were sent and came back so far.
    pub(crate) fn room(&mut self, now: u64, sent: u64, received: u64) -> u64 {
        self.give_up(now, sent, received);
        let by_window = match self.window {
            0 => u64::MAX,
            window => Some(window.saturating_sub(self.under_way(sent, received)))
                .filter(|room| *room >= (window / 4).min(BURST as u64))
                .unwrap_or(0),
        };
        let by_rate = match self.rate {
            0 => u64::MAX,
            rate => {
                (u128::from(rate) * u128::from(now - self.begun) / 1_000_000_000).saturating_sub(sent.into()) as u64
            }
        };
        by_window.min(by_rate)
    }

    /// Packets that may still come.
    pub(crate) fn under_way(&self, sent: u64, received: u64) -> u64 {
        sent.saturating_sub(received + self.given_up)
    }

    fn give_up(&mut self, now: u64, sent: u64, received: u64) {
        if self.notes.back().is_none_or(|(at, _)| now - at >= NOTE) {
            self.notes.push_back((now, sent));
        }
        while let Some((_, old)) = self.notes.front().copied().filter(|(at, _)| now - at >= self.patience) {
            self.notes.pop_front();
            self.given_up = self.given_up.max(old.saturating_sub(received));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MS: u64 = 1_000_000;

    fn limits(rate: u64, window: u64) -> Limits {
        Limits { time: Duration::ZERO, rate, window, patience: Duration::from_millis(200) }
    }

    #[test]
    fn a_window_opens_as_packets_come_back() {
        let mut pace = Pace::new(limits(0, 100), 0);
        assert_eq!(pace.room(0, 0, 0), 100);
        assert_eq!(pace.room(MS, 100, 0), 0);
        assert_eq!(pace.room(2 * MS, 100, 30), 30);
        assert_eq!((pace.room(3 * MS, 130, 54), pace.room(3 * MS, 130, 55)), (0, 25), "a burst, or nothing");
    }

    #[test]
    fn what_does_not_come_back_is_given_up_after_a_while() {
        let mut pace = Pace::new(limits(0, 100), 0);
        assert_eq!(pace.room(0, 100, 0), 0);
        for ms in 1..200 {
            assert_eq!(pace.room(ms * MS, 100, 40), 40, "{ms}");
        }
        assert_eq!((pace.room(220 * MS, 100, 40), pace.under_way(100, 40)), (100, 0));
        // What comes after all makes no room twice.
        assert_eq!(pace.room(221 * MS, 200, 100), 60);
    }

    #[test]
    fn a_rate_is_kept_on_average() {
        let mut pace = Pace::new(limits(1000, 0), 5 * MS);
        assert_eq!(pace.room(5 * MS, 0, 0), 0);
        assert_eq!(pace.room(15 * MS, 0, 0), 10);
        assert_eq!(pace.room(1005 * MS, 990, 0), 10);
    }
}
