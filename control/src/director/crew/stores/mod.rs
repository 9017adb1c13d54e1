//! Stores that are full. Whatever holds connections, packets and the like is bounded; what a bound costs is said in the
//! log and in the status.

mod alarm;
mod table;

use std::time::Duration;

use dataplane::clock::Nanos;
use log::warn;

use super::Crew;
use crate::api::StoreStatus;
use crate::config::Config;
use alarm::{Alarm, AlarmChange, Phase};
pub(in crate::director) use table::{Kind, Level, kind};
use table::{OF_WORKERS, OfWorker};

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
pub(in crate::director) struct Found {
    kind: &'static Kind,
    worker: Option<u32>,
    service: Option<String>,
    level: Level,
}

impl Found {
    /// A store that all workers share, with the service that it is of.
    pub(in crate::director) fn shared(kind: &'static Kind, level: Level, service: Option<String>) -> Self {
        Self { kind, worker: None, service, level }
    }

    fn status(self, full: bool) -> StoreStatus {
        let Level { used, capacity, refused, displaced } = self.level;
        let (store, worker, service) = (self.kind.name.to_owned(), self.worker, self.service);
        StoreStatus { store, worker, service, used, capacity, refused, displaced, full }
    }

    /// What the log says of it.
    fn line(&self, change: &AlarmChange) -> String {
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

impl Crew {
    /// Every store of every worker; those between workers only where there are several.
    pub(in crate::director) fn stores(&self, config: &Config) -> impl Iterator<Item = Found> {
        OF_WORKERS.iter().flat_map(move |OfWorker(kind, level)| {
            self.links.iter().zip(0..).map(move |(link, worker)| {
                let (worker, level) = (Some(worker), level(link, config));
                Found { kind, worker, service: None, level }
            })
        })
    }

    /// Whether it is time to look at the stores again.
    pub(in crate::director) fn is_store_look_due(&self, now: Nanos) -> bool {
        let passed = |looked: Nanos| now.0.saturating_sub(looked.0);
        self.stores.looked.is_none_or(|looked| passed(looked) >= LOOK.as_nanos() as u64)
    }

    /// Looks at stores, always all of them in the same order, and says of those that lose entries that they are full.
    pub(in crate::director) fn look_at_stores(&mut self, stores: &[Found], now: Nanos) {
        self.fullness(stores, now).iter().for_each(|line| warn!("{line}"));
    }

    /// What is to be said of the stores now.
    pub(in crate::director) fn fullness(&mut self, stores: &[Found], now: Nanos) -> Vec<String> {
        self.stores.alarms.resize(stores.len(), Alarm::default());
        self.stores.looked = Some(now);
        let changes = stores.iter().zip(&mut self.stores.alarms).filter_map(|(store, alarm)| {
            let change = alarm.look(store.level, now)?;
            Some(store.line(&change))
        });
        changes.collect()
    }

    /// Stores that can hold anything here, each with whether it is full.
    pub(in crate::director) fn store_status(&self, stores: impl Iterator<Item = Found>) -> Vec<StoreStatus> {
        let full = self.stores.alarms.iter().map(Alarm::is_full).chain(std::iter::repeat(false));
        let stores = stores.zip(full).filter(|(store, _)| store.level.capacity > 0);
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
#[path = "../stores_tests.rs"]
mod tests;
