//! What a service's list of servers comes to, for its scheduler: made by control when the list changes
//! ([`Scheduler::plan`](super::Scheduler)), read by workers.

/// Numbers derived from a list of servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchedulerPlan {
    /// Greatest common divisor of the weights.
    pub gcd: u32,
    /// Largest weight.
    pub max_weight: u32,
    /// Buckets of dh, sh and mh: indices into the list. Empty for others, and where nobody has a bucket.
    pub buckets: Box<[u32]>,
}

impl SchedulerPlan {
    /// That of a list with such weights, without buckets.
    #[must_use]
    pub fn of_weights(weights: impl Iterator<Item = u32> + Clone) -> Self {
        Self { gcd: weights.clone().fold(0, gcd), max_weight: weights.max().unwrap_or(0), buckets: Box::default() }
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
