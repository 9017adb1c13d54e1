//! Statistics of all services together, and of each: sampled when due, a bounded piece in a turn.

use dataplane::clock::Nanos;
use dataplane::service::TotalsRead;

use super::Director;
use crate::statistics::{self, Meter};

/// Meters sampled in one turn.
const SAMPLE_BUDGET: usize = 2048;

/// What all services together have carried.
#[derive(Debug, Default)]
pub(super) struct Sampling {
    pub(super) total: Meter,
    /// When they are sampled next; not before there is a service.
    next: Option<Nanos>,
}

impl Director {
    /// The counters of all services since the start.
    pub(super) fn raw_total(&mut self) -> TotalsRead {
        let crew = &self.crew;
        self.services.total(&|slot| crew.totals(slot))
    }

    /// Samples what is due, a bounded piece of it; the rest follows in the next turns.
    pub(super) fn sample(&mut self) {
        if self.tables.sysctls.run_estimation == 0 {
            return;
        }
        let crew = &self.crew;
        self.services.sample(self.now, SAMPLE_BUDGET, &|slot| crew.totals(slot));
        let period = statistics::PERIOD * 1_000_000_000;
        if self.sampling.next.is_none() && !self.services.is_empty() {
            self.sampling.next = Some(Nanos(self.now.0 + period));
        }
        if let Some(due) = self.sampling.next.filter(|due| self.now >= *due) {
            let total = self.raw_total();
            self.sampling.total.sample(total);
            let missed = (self.now.0 - due.0) / period;
            self.sampling.next = Some(Nanos(due.0 + (missed + 1) * period));
        }
    }
}
