//! What schedulers derive from a list of servers: made by control when a service changes, read by workers.

use super::Scheduler;
use crate::flow::Family;
use crate::service::RealServer;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Greatest common divisor of the weights.
    pub gcd: u32,
    /// Largest weight.
    pub max_weight: u32,
    /// Buckets of dh, sh and mh: indices into the list. Empty for others, and where nobody has a bucket.
    pub buckets: Box<[u32]>,
}

impl Plan {
    /// The plan of a service's list; `family` is the service's.
    #[must_use]
    pub fn of(scheduler: Scheduler, family: Family, servers: &[RealServer]) -> Self {
        Self { buckets: scheduler.buckets(family, servers), ..Self::of_weights(servers.iter().map(|s| s.weight)) }
    }

    /// Without buckets.
    pub(super) fn of_weights(weights: impl Iterator<Item = u32> + Clone) -> Self {
        Self { gcd: weights.clone().fold(0, gcd), max_weight: weights.max().unwrap_or(0), buckets: Box::default() }
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
