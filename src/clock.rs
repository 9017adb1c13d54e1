//! The clock of the appliance: nanoseconds since the machine booted, also across suspension; and the
//! time of day.

use dataplane::clock::Nanos;
use rustix::time::{ClockId, clock_gettime};

/// Milliseconds since midnight UT.
pub(crate) fn since_midnight() -> u32 {
    const DAY: i64 = 86_400;
    let time = clock_gettime(ClockId::Realtime);
    (time.tv_sec.rem_euclid(DAY) * 1000 + time.tv_nsec / 1_000_000) as u32
}

/// Now.
pub(crate) fn now() -> Nanos {
    let time = clock_gettime(ClockId::Boottime);
    Nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}
