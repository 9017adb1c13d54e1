//! Publication: what changed becomes tables that every worker sees.

use std::sync::Arc;

use dataplane::clock::Nanos;

use super::{Director, Pump};
use crate::api::{ApiError, Code};
use crate::net;

/// Nanoseconds that a batch waits for the one that was to follow it.
const PATIENCE: u64 = 1_000_000_000;
/// Changed services that wait for more of them, at most. Each is built anew when it is published.
const MOST_HELD: usize = 32_768;
/// Slots of removed servers looked at after a change.
const SWEEP_BUDGET: usize = 64;

impl Director {
    /// Publishes what changed and waits until every worker has seen it.
    pub(super) fn commit(&mut self, pump: Pump<'_>) -> Result<(), ApiError> {
        self.held_until = None;
        self.publish();
        while let Some(worker) = self.publisher.behind() {
            self.drain();
            if !pump() {
                return Err(ApiError {
                    code: Code::Timeout,
                    place: format!("worker {worker}"),
                    text: "did not take over the new tables in time; they stay published".to_owned(),
                });
            }
        }
        self.publisher.sweep();
        self.services.sweep(SWEEP_BUDGET);
        Ok(())
    }

    /// Keeps changes of services back: more of them follow, and are to be published together with these.
    pub(super) fn hold(&mut self, pump: Pump<'_>) -> Result<(), ApiError> {
        if self.services.changed() >= MOST_HELD {
            return self.commit(pump);
        }
        self.held_until = Some(Nanos(self.now.0 + PATIENCE));
        Ok(())
    }

    /// Whether changes of services wait.
    pub(super) fn is_held(&self) -> bool {
        self.held_until.is_some()
    }

    /// Publishes what changed, if anything did.
    pub(super) fn publish(&mut self) {
        // Who was to send more may have gone.
        self.held_until = self.held_until.filter(|until| self.now < *until);
        if !self.is_held() {
            self.take_services();
        }
        if self.net_changed {
            let version = self.tables.net.version.wrapping_add(1);
            self.tables.net =
                Arc::new(net::tables(version, &self.interfaces, &self.routes, &self.neighbors, self.facts.seeds.maps));
            self.net_changed = false;
            self.unpublished = true;
        }
        if self.unpublished {
            self.publisher.publish(self.tables.clone());
            self.unpublished = false;
        }
    }

    fn take_services(&mut self) {
        self.follow_addresses(true);
        for (key, service) in self.services.take_changes() {
            self.unpublished = true;
            match service {
                Some(service) => self.tables.services.insert(key, service),
                None => self.tables.services.remove(&key),
            };
        }
        for (listener, present) in self.services.take_listener_changes() {
            match present {
                true => self.tables.listeners.insert(listener, ()),
                false => self.tables.listeners.remove(&listener),
            };
        }
        for (address, path) in self.services.take_path_changes() {
            self.unpublished = true;
            match path {
                Some(path) => self.tables.paths.insert(address, path),
                None => self.tables.paths.remove(&address),
            };
        }
        for (listener, service) in self.services.take_caller_changes() {
            self.unpublished = true;
            match service {
                Some(service) => self.tables.callers.insert(listener, service),
                None => self.tables.callers.remove(&listener),
            };
        }
        self.tables.unhooked = self.services.unhooked();
    }
}
