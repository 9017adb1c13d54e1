//! Publication: what changed becomes tables that every worker sees.

use std::collections::VecDeque;

use dataplane::clock::Nanos;

use super::pauses::SLICE;
use super::pending::Index;
use super::{Director, Pump};
use crate::api::ApiError;

/// Nanoseconds that a batch waits for the one that was to follow it.
const PATIENCE: u64 = 1_000_000_000;
/// Changed services that wait for more of them, at most. Each is built anew when it is published.
const MOST_HELD: usize = 32_768;
/// Slots of removed servers looked at after a change.
const SWEEP_BUDGET: usize = 64;
/// Changes that one turn makes ready to be published, where nobody waits for them.
const TURN_BUDGET: usize = 256;

impl Director {
    /// Publishes what changed and waits until every worker has seen it.
    pub(super) fn commit(&mut self, pump: Pump<'_>) -> Result<(), ApiError> {
        self.pending.held_until = None;
        self.take_all_services(pump);
        self.publish();
        self.audit.end();
        // What is published meanwhile, of neighbours, is none of who asked.
        let epoch = self.crew.epoch();
        while self.services.retire(SLICE) {
            self.pause(pump);
        }
        while let Some(worker) = self.crew.behind(epoch) {
            self.drain();
            if !self.wait(pump) {
                return Err(self.crew.late(worker, self.now));
            }
        }
        self.sweep_tables();
        self.sweep_slots(SWEEP_BUDGET);
        Ok(())
    }

    /// Brings every change of services into the tables to be published.
    pub(super) fn take_all_services(&mut self, pump: Pump<'_>) {
        while !self.take_services(SLICE) {
            self.pause(pump);
        }
    }

    /// Has the tables published: something in them is new.
    pub(super) fn publish_soon(&mut self) {
        self.pending.unpublished = true;
    }

    /// Whether something is new in the tables, or in what they have of the network.
    fn is_unpublished(&self) -> bool {
        self.pending.unpublished || self.net.is_unpublished()
    }

    /// Whether anything waits for its publication.
    pub(super) fn is_to_publish(&self) -> bool {
        self.is_unpublished() || self.is_held() || self.has_changes()
    }

    /// Keeps changes of services back: more of them follow, and are to be published together with these.
    pub(super) fn hold(&mut self, pump: Pump<'_>) -> Result<(), ApiError> {
        if self.services.changed() >= MOST_HELD {
            return self.commit(pump);
        }
        self.pending.held_until = Some(Nanos(self.now.0 + PATIENCE));
        Ok(())
    }

    /// Whether changes of services wait.
    pub(super) fn is_held(&self) -> bool {
        self.pending.held_until.is_some()
    }

    /// Publishes what changed, if anything did. Changes of services that wait, and many of them at once, follow later.
    pub(super) fn publish(&mut self) {
        // Who was to send more may have gone.
        self.pending.held_until = self.pending.held_until.filter(|until| self.now < *until);
        if self.is_held() || !self.take_services(TURN_BUDGET) {
            return self.publish_net();
        }
        if self.net.is_changed() {
            self.tables.net = self.net.make_tables();
            self.pending.unpublished = true;
        }
        if self.is_unpublished() {
            self.tables.locals = self.net.publish_locals();
            self.published = self.tables.clone();
            self.crew.publish(self.tables.clone());
            self.sweep_tables();
            self.pending.unpublished = false;
        }
    }

    /// Has packets of removed servers' connections dropped, a bounded number of servers at a time, once the tables without
    /// them are published.
    pub(super) fn retire_servers(&mut self) {
        if self.is_settled() {
            self.services.retire(TURN_BUDGET);
        }
    }

    /// Frees slots of removed servers, unless a worker may still see these.
    pub(super) fn sweep_slots(&mut self, most: usize) {
        if self.crew.behind(self.crew.epoch()).is_none() && self.is_settled() {
            self.services.sweep(most);
        }
    }

    /// Whether every change of services is in the tables that were published last.
    pub(super) fn is_settled(&self) -> bool {
        !self.has_changes() && !self.is_unpublished()
    }

    /// Brings at most so many changes of each kind into the tables to be published. Returns whether these are all.
    pub(super) fn take_services(&mut self, most: usize) -> bool {
        if !self.follow_addresses(true, most) {
            return false;
        }
        for (key, service) in self.services.take_changes(most) {
            self.pending.unpublished = true;
            match service {
                Some(service) => self.tables.services.insert(key, service),
                None => self.tables.services.remove(&key),
            };
        }
        self.services.changed() == 0 && self.take_index(most)
    }

    /// Brings at most so many changes of what services amount to into the tables to be published: where servers listen,
    /// paths to them, and whose calls are whose. Returns whether these are all.
    fn take_index(&mut self, most: usize) -> bool {
        let (pending, tables) = (&mut self.pending.index, &mut self.tables);
        if pending.listeners.is_empty() {
            pending.listeners = self.services.take_listener_changes();
        }
        if pending.paths.is_empty() {
            pending.paths = self.services.take_path_changes().into();
        }
        if pending.callers.is_empty() {
            pending.callers = self.services.take_caller_changes().into();
        }
        for (listener, present) in first(&mut pending.listeners, most) {
            self.pending.unpublished = true;
            match present {
                true => tables.listeners.insert(listener, ()),
                false => tables.listeners.remove(&listener),
            };
        }
        for address in first(&mut pending.paths, most) {
            self.pending.unpublished = true;
            match self.services.path(address) {
                Some(path) => tables.paths.insert(address, path),
                None => tables.paths.remove(&address),
            };
        }
        for (listener, service) in first(&mut pending.callers, most) {
            self.pending.unpublished = true;
            match service {
                Some(service) => tables.callers.insert(listener, service),
                None => tables.callers.remove(&listener),
            };
        }
        tables.unhooked = self.services.unhooked();
        !self.has_pending()
    }

    /// Whether something of what services amount to is on its way into the tables.
    fn has_pending(&self) -> bool {
        let Index { listeners, paths, callers } = &self.pending.index;
        listeners.len() + paths.len() + callers.len() > 0 || self.services.has_index_changes()
    }

    /// Whether a change of services is on its way into the tables.
    pub(super) fn has_changes(&self) -> bool {
        self.services.changed() > 0 || self.services.has_new_addresses() || self.has_pending()
    }
}

/// Takes the first so many out.
fn first<T>(queue: &mut VecDeque<T>, most: usize) -> impl Iterator<Item = T> {
    queue.drain(..most.min(queue.len()))
}
