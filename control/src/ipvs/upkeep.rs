//! What services and servers need beside edits: what they have not needed for long, or what is no longer true, is
//! forgotten.

use dataplane::clock::{Tick, ticks};
use dataplane::flow::ServiceKey;
use dataplane::sched::Scheduler;
use dataplane::service::PathMtu;
use dataplane::sysctl::Sysctls;

use super::Services;

impl Services {
    /// Nothing is known of the paths to servers: routes have changed.
    pub fn forget_paths(&self) {
        self.paths.forget();
    }

    /// Has servers forget which kind of packet made their routes, so many from a slot on. Returns where to go on.
    pub fn forget_routes(&self, from: u32, most: u32) -> Option<u32> {
        let end = self.slots.end().min(from.saturating_add(most));
        let states = (from..end).filter_map(|slot| self.slots.states().get(slot));
        states.for_each(|state| state.forget_route(&PathMtu::default()));
        (end < self.slots.end()).then_some(end)
    }

    /// Has schedulers that remember where destinations went forget what they have not needed for long.
    pub fn forget_destinations(&self, now: Tick, sysctls: &Sysctls) {
        for service in self.remembering.iter().filter_map(|key| self.by_key.get(key)) {
            let seconds = match service.spec.scheduler {
                Scheduler::Lblcr => sysctls.lblcr_expiration,
                _ => sysctls.lblc_expiration,
            };
            if let Some(cache) = &service.state.cache {
                cache.collect(now, ticks(seconds.max(0).cast_unsigned()), self.slots.states());
            }
        }
    }

    /// The service that remembers most destinations, with how many those are, and how many were refused by all of them.
    #[must_use]
    pub fn destinations(&self) -> Option<(ServiceKey, usize, u64)> {
        let cache = |key: &ServiceKey| self.by_key.get(key)?.state.cache.as_ref();
        let of = self.remembering.iter().filter_map(|key| Some((*key, cache(key)?.len(), cache(key)?.refused())));
        of.reduce(|most, next| {
            let refused = most.2 + next.2;
            let fuller = if next.1 > most.1 { next } else { most };
            (fuller.0, fuller.1, refused)
        })
    }

    /// Has packets to so many removed servers dropped, now that workers do not choose them any more. Returns whether there
    /// are more.
    pub fn retire(&mut self, most: usize) -> bool {
        self.slots.shut(most)
    }

    /// Frees slots of removed servers that nothing refers to; looks at so many at most. Call only when every worker has
    /// seen the tables without them.
    pub fn sweep(&mut self, most: usize) {
        self.slots.sweep(most);
    }
}
