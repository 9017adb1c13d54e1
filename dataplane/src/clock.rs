//! Time as an argument: nanoseconds since the boot of the machine, and the coarse ticks that connections keep.

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
