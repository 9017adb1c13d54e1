//! Statistics of all services together, and of each: sampled when due, a bounded piece in a turn.

use dataplane::clock::Nanos;
use dataplane::service::TotalsRead;

use super::crew::Crew;
use crate::ipvs::Services;
use crate::statistics::{self, Meter, Reading};

/// Meters sampled in one turn.
const SAMPLE_BUDGET: usize = 2048;

/// What all services together have carried.
#[derive(Debug, Default)]
pub(super) struct Sampling {
    total: Meter,
    /// When they are sampled next; not before there is a service.
    next: Option<Nanos>,
}

impl Sampling {
    /// What all services together have carried, and how fast they do.
    pub(super) fn total(&self) -> &Meter {
        &self.total
    }

    /// Counts from what is read now on.
    pub(super) fn zero(&mut self, read: TotalsRead, reading: Reading) {
        self.total = self.total.zeroed(read, reading);
    }

    /// Samples what is due, a bounded piece of it; the rest follows in the next turns.
    pub(super) fn sample(&mut self, services: &mut Services, crew: &Crew, now: Nanos) {
        services.sample(now, SAMPLE_BUDGET, &|slot| crew.totals(slot));
        let period = statistics::PERIOD * 1_000_000_000;
        if self.next.is_none() && !services.is_empty() {
            self.next = Some(Nanos(now.0 + period));
        }
        if let Some(due) = self.next.filter(|due| now >= *due) {
            self.total.sample(services.total(&|slot| crew.totals(slot)));
            let missed = (now.0 - due.0) / period;
            self.next = Some(Nanos(due.0 + (missed + 1) * period));
        }
    }
}
