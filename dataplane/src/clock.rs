//! Time as an argument: nanoseconds since the boot of the machine, and the coarse ticks that connections keep; and the
//! time of day, for those packets that ask for it.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

/// Nanoseconds since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The coarse tick of this moment.
    #[must_use]
    pub const fn tick(self) -> Tick {
        Tick((self.0 / NANOS_PER_TICK) as u32)
    }
}

const NANOS_PER_TICK: u64 = 10_000_000;

/// Milliseconds of a day; none of UT is longer (POSIX, 4.19).
const MS_PER_DAY: u64 = 86_400_000;
const MS_PER_TICK: u64 = 10;

/// What the time of day follows from: how long before the boot of the machine a midnight UT was, in milliseconds. Written
/// by who has a clock, as often as that may be set; read by workers where a packet asks for it.
#[derive(Debug, Default)]
pub struct Midnight(AtomicU32);

impl Midnight {
    /// Says how many milliseconds have passed since midnight UT at a moment.
    pub fn set(&self, now: Tick, since_midnight: u32) {
        let since_boot = u64::from(now.0) * MS_PER_TICK % MS_PER_DAY;
        let before = (u64::from(since_midnight) + MS_PER_DAY - since_boot) % MS_PER_DAY;
        self.0.store(before as u32, Relaxed);
    }

    /// Milliseconds since midnight UT at a moment.
    #[must_use]
    pub fn time_of_day(&self, now: Tick) -> u32 {
        ((u64::from(now.0) * MS_PER_TICK + u64::from(self.0.load(Relaxed))) % MS_PER_DAY) as u32
    }
}

/// Ticks in a second.
pub const TICKS_PER_SECOND: u32 = 100;

/// A moment in hundredths of a second. Wraps after 497 days; differences are meaningful up to half of that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick(pub u32);

impl Tick {
    /// This many ticks later.
    #[must_use]
    pub const fn after(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }

    /// Ticks from `self` until `later`, 0 if that is in the past.
    #[must_use]
    pub const fn until(self, later: Self) -> u32 {
        let ahead = later.0.wrapping_sub(self.0) as i32;
        if ahead > 0 { ahead as u32 } else { 0 }
    }

    /// Whether `self` comes before `other`.
    #[must_use]
    pub const fn is_before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }
}

/// Seconds in ticks, at most a quarter of the clock's range.
#[must_use]
pub const fn ticks(seconds: u32) -> u32 {
    let most = u32::MAX / 4 / TICKS_PER_SECOND;
    (if seconds < most { seconds } else { most }) * TICKS_PER_SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_goes_on_from_what_was_said() {
        let midnight = Midnight::default();
        midnight.set(Tick(500), 86_399_990);
        let times = [0, 1, 100].map(|later| midnight.time_of_day(Tick(500 + later)));
        assert_eq!(times, [86_399_990, 0, 990]);
        midnight.set(Tick(u32::MAX), 7);
        assert_eq!(midnight.time_of_day(Tick(u32::MAX)), 7);
    }
}
