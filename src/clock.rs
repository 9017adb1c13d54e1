//! The clock of the appliance: nanoseconds since the machine booted, also across suspension.

use dataplane::clock::Nanos;
use rustix::time::{ClockId, clock_gettime};

/// Now.
pub(crate) fn now() -> Nanos {
    let time = clock_gettime(ClockId::Boottime);
    Nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}
