//! Stores that are full. Whatever holds connections, packets and the like is bounded; what a bound costs is said in the
//! log and in the status.

mod alarm;
mod table;

use std::time::Duration;

use dataplane::clock::Nanos;
use log::warn;

use super::Director;
use crate::api::StoreStatus;
use alarm::{Alarm, Change, Phase};
use table::{Kind, Level, OF_WORKERS, OfWorker, SHARED, Shared};

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// What is known of every store, in the order in which they are found.
#[derive(Debug, Default)]
pub(super) struct Stores {
    alarms: Vec<Alarm>,
    looked: Option<Nanos>,
}

/// A store as it stands.
#[derive(Debug)]
struct Found {
    kind: &'static Kind,
    worker: Option<u32>,
    service: Option<String>,
    level: Level,
}

impl Found {
    fn status(self, full: bool) -> StoreStatus {
        let Level { used, capacity, refused, displaced } = self.level;
        let (store, worker, service) = (self.kind.name.to_owned(), self.worker, self.service);
        StoreStatus { store, worker, service, used, capacity, refused, displaced, full }
    }

    /// What the log says of it.
    fn line(&self, change: &Change) -> String {
        let Level { used, capacity, .. } = self.level;
        let whose = match (self.worker, &self.service) {
            (Some(worker), _) => format!("worker {worker} is "),
            (None, Some(service)) => format!("{service} is "),
            (None, None) => String::new(),
        };
        let (state, over) = match change.phase {
            Phase::Begins => ("full", String::new()),
            Phase::GoesOn => ("full", format!(" in the last {} s", change.took.as_secs())),
            Phase::Over => ("no longer full", format!(" in {} s", change.took.as_secs().max(1))),
        };
        let lost =
            [(change.refused, self.kind.refused, "refused"), (change.displaced, self.kind.displaced, "displaced")];
        let lost = lost.iter().filter(|(count, ..)| *count > 0);
        let lost: Vec<_> = lost.map(|(count, what, how)| format!("{} {what} {how}", grouped(*count))).collect();
        let (name, used, capacity) = (self.kind.name, grouped(used), grouped(capacity));
        format!("{name}: {whose}{state} ({used} of {capacity}): {}{over}", lost.join(", "))
    }
}

impl Director {
    /// Every store there is; those of a crew only where there is one.
    fn stores(&self) -> impl Iterator<Item = Found> {
        let of_workers = OF_WORKERS.iter().flat_map(move |OfWorker(kind, level)| {
            self.links.iter().zip(0..).map(move |(link, worker)| {
                let (worker, level) = (Some(worker), level(link, &self.config));
                Found { kind, worker, service: None, level }
            })
        });
        let shared = SHARED.iter().map(|Shared(kind, level)| {
            let (level, service) = level(self);
            Found { kind, worker: None, service, level }
        });
        of_workers.chain(shared)
    }

    /// Looks at every store once a second, and says of those that lose entries that they are full.
    pub(super) fn look_at_stores(&mut self) {
        if self.stores.looked.is_some_and(|looked| self.now.0.saturating_sub(looked.0) < LOOK.as_nanos() as u64) {
            return;
        }
        self.fullness().iter().for_each(|line| warn!("{line}"));
    }

    /// What is to be said of the stores now.
    fn fullness(&mut self) -> Vec<String> {
        let mut alarms = std::mem::take(&mut self.stores.alarms);
        let stores: Vec<Found> = self.stores().collect();
        alarms.resize(stores.len(), Alarm::default());
        let changes = stores.iter().zip(&mut alarms).filter_map(|(store, alarm)| {
            let change = alarm.look(store.level, self.now)?;
            Some(store.line(&change))
        });
        let lines = changes.collect();
        self.stores = Stores { alarms, looked: Some(self.now) };
        lines
    }

    /// Every store that can hold anything here, with whether it is full.
    pub(super) fn store_status(&self) -> Vec<StoreStatus> {
        let full = self.stores.alarms.iter().map(Alarm::is_full).chain(std::iter::repeat(false));
        let stores = self.stores().zip(full).filter(|(store, _)| store.level.capacity > 0);
        stores.map(|(store, full)| store.status(full)).collect()
    }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
#[path = "stores_tests.rs"]
mod tests;
