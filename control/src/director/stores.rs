//! Stores that all workers share, beside those of each ([`super::crew`]): templates, announced connections, neighbours,
//! remembered destinations. All of them are bounded; what a bound costs is said in the log and in the status.

use std::sync::atomic::Ordering::Relaxed;

use dataplane::expected::MOST_EXPECTED;
use dataplane::service::MOST_DESTINATIONS;
use dataplane::template;
use dataplane::verdict::Drop;

use super::Director;
use super::crew::{Found, Kind, Level, kind};
use crate::api::StoreStatus;
use crate::neighbors;

/// What a store is called, and how full it is, with the service that it is of.
struct Shared(Kind, fn(&Director) -> (Level, Option<String>));

const SHARED: [Shared; 4] = [
    Shared(kind("persistence templates", "new clients", "templates"), |director| {
        let used = director.templates.count() as u64;
        let refused = director.crew.dropped(Drop::TemplatesFull);
        let displaced = director.crew.counted(|counters| counters.templates_evicted.load(Relaxed));
        (Level::new(used, template::MOST as u64).refused(refused).displaced(displaced), None)
    }),
    Shared(kind("announced FTP connections", "announcements", "announcements"), |director| {
        let expected = &director.expected;
        (Level::new(expected.count().into(), MOST_EXPECTED as u64).displaced(expected.displaced()), None)
    }),
    Shared(kind("neighbours", "neighbours", "neighbours"), |director| {
        let (known, (refused, displaced)) = (director.net.neighbors(), director.net.neighbors().lost());
        (Level::new(known.dynamic() as u64, neighbors::MOST as u64).refused(refused).displaced(displaced), None)
    }),
    Shared(kind("remembered destinations", "destinations", "destinations"), |director| {
        let Some((service, used, refused)) = director.services.destinations() else { return Default::default() };
        (Level::new(used as u64, MOST_DESTINATIONS as u64).refused(refused), Some(service.to_string()))
    }),
];

impl Director {
    /// Every store there is.
    fn stores(&self) -> impl Iterator<Item = Found> {
        let shared = SHARED.iter().map(|Shared(kind, level)| {
            let (level, service) = level(self);
            Found::shared(kind, level, service)
        });
        self.crew.stores(&self.config).chain(shared)
    }

    /// Looks at every store once a second, and says of those that lose entries that they are full.
    pub(super) fn look_at_stores(&mut self) {
        if self.crew.is_store_look_due(self.now) {
            let stores: Vec<Found> = self.stores().collect();
            self.crew.look_at_stores(&stores, self.now);
        }
    }

    /// Every store that can hold anything here, with whether it is full.
    pub(super) fn store_status(&self) -> Vec<StoreStatus> {
        self.crew.store_status(self.stores())
    }

    /// What is to be said of the stores now.
    #[cfg(test)]
    pub(super) fn fullness(&mut self) -> Vec<String> {
        let stores: Vec<Found> = self.stores().collect();
        self.crew.fullness(&stores, self.now)
    }
}
