//! Slots of server states: taken for a new server, kept while a connection names them, revived when the same server
//! comes back (the kernel's destination trash).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use dataplane::flow::ServiceKey;
use dataplane::method::ForwardMethod;
use dataplane::service::{PathMtu, Servers};

use crate::api::ServerSpec;
use crate::statistics::Meter;

/// Hands out slots.
#[derive(Debug)]
pub struct Slots {
    states: Arc<Servers>,
    free: Vec<u32>,
    next: u32,
    /// Removed servers whose connections still name them.
    /// A tree, as a hash map that grows moves all of them at once.
    trash: BTreeMap<(ServiceKey, SocketAddr), Retired>,
    /// Who of the trash is looked at next. One that came back, or was removed again since, has another number.
    /// In the order of their turns.
    looks: BTreeMap<u64, ((ServiceKey, SocketAddr), u64)>,
    turns: u64,
    retired: u64,
    /// Those that workers may still choose, by number: the tables without them are not published yet.
    retiring: BTreeMap<u64, (ServiceKey, SocketAddr)>,
}

/// A removed server.
#[derive(Clone, Copy, Debug)]
struct Retired {
    slot: u32,
    /// Of all that were removed.
    number: u64,
    /// Its statistics, and the number of the service that it was a server of.
    meter: (Meter, u64),
}

impl Slots {
    /// All slots of a slab are free.
    pub(super) fn new(states: Arc<Servers>) -> Self {
        Self {
            states,
            free: Vec::new(),
            next: 0,
            trash: BTreeMap::new(),
            looks: BTreeMap::new(),
            turns: 0,
            retired: 0,
            retiring: BTreeMap::new(),
        }
    }

    /// Slots that have ever been taken: those below.
    pub(super) fn end(&self) -> u32 {
        self.next
    }

    pub(super) fn states(&self) -> &Servers {
        &self.states
    }

    /// A slot for a server: its old one, with what was kept of it, if it is still in the trash. `None` when all are
    /// taken.
    pub(super) fn take(&mut self, key: ServiceKey, address: SocketAddr) -> Option<(u32, Option<(Meter, u64)>)> {
        if let Some(retired) = self.trash.remove(&(key, address)) {
            return Some((retired.slot, Some(retired.meter)));
        }
        let slot = self.free.pop().or_else(|| {
            let slot = self.next;
            self.states.ensure(slot).then(|| {
                self.next += 1;
                slot
            })
        })?;
        let state = self.states.get(slot)?;
        state.references.fetch_add(1, Relaxed);
        state.reopen();
        state.unresolved.store(0, Relaxed);
        Some((slot, None))
    }

    /// Applies settings, as `__ip_vs_update_dest` does. `path` is what is known of the path to it.
    pub(super) fn configure(&self, slot: u32, spec: &ServerSpec, method: ForwardMethod, path: &PathMtu) {
        let Some(state) = self.states.get(slot) else { return };
        state.set_thresholds(spec.upper, spec.lower);
        state.weight.store(spec.weight, Relaxed);
        state.serve(spec.address.port(), method);
        state.set_tunnel(super::view::tunnel(spec));
        state.forget_route(path);
        state.available.store(true, Relaxed);
    }

    /// A server leaves its service: its slot waits until nothing names it.
    pub(super) fn retire(&mut self, who: (ServiceKey, SocketAddr), slot: u32, meter: (Meter, u64)) {
        self.retired += 1;
        self.retiring.insert(self.retired, who);
        self.trash.insert(who, Retired { slot, number: self.retired, meter });
        self.look_later(who, self.retired);
    }

    /// Has packets of so many removed servers' connections dropped from now on. Returns whether there are more. Call it when
    /// tables without these servers are published.
    pub(super) fn shut(&mut self, most: usize) -> bool {
        for _ in 0..most {
            let Some((number, who)) = self.retiring.pop_first() else { return false };
            // One that came back meanwhile is in service.
            let Some(retired) = self.trash.get(&who).filter(|retired| retired.number == number) else { continue };
            if let Some(state) = self.states.get(retired.slot) {
                state.available.store(false, Relaxed);
            }
        }
        !self.retiring.is_empty()
    }

    fn look_later(&mut self, who: (ServiceKey, SocketAddr), number: u64) {
        self.turns += 1;
        self.looks.insert(self.turns, (who, number));
    }

    /// Frees what nothing but the trash refers to; looks at so many at most, in turn.
    pub(super) fn sweep(&mut self, most: usize) {
        for _ in 0..most.min(self.looks.len()) {
            let Some((_, (who, number))) = self.looks.pop_first() else { return };
            let Some(slot) = self.trash.get(&who).filter(|retired| retired.number == number).map(|r| r.slot) else {
                continue;
            };
            if self.is_named(slot) {
                self.look_later(who, number);
                continue;
            }
            self.trash.remove(&who);
            if let Some(state) = self.states.get(slot) {
                state.references.store(0, Relaxed);
                state.generation.fetch_add(1, Relaxed);
                self.free.push(slot);
            }
        }
    }

    /// Whether connections refer to a slot.
    fn is_named(&self, slot: u32) -> bool {
        self.states.get(slot).is_some_and(|state| state.names() > 1)
    }
}
