//! Slots of server states: taken for a new server, kept while a connection names them, revived when the same server
//! comes back (the kernel's destination trash).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use dataplane::flow::ServiceKey;
use dataplane::service::Servers;

use crate::api::ServerSpec;

/// Hands out slots.
#[derive(Debug)]
pub struct Slots {
    states: Arc<Servers>,
    free: Vec<u32>,
    next: u32,
    /// Removed servers whose connections still name them.
    trash: HashMap<(ServiceKey, SocketAddr), u32>,
}

impl Slots {
    /// All slots of a slab are free.
    pub(super) fn new(states: Arc<Servers>) -> Self {
        Self { states, free: Vec::new(), next: 0, trash: HashMap::new() }
    }

    pub(super) fn states(&self) -> &Servers {
        &self.states
    }

    /// A slot for a server: its old one if it is still in the trash. `None` when all are taken.
    pub(super) fn take(&mut self, key: ServiceKey, address: SocketAddr) -> Option<u32> {
        if let Some(slot) = self.trash.remove(&(key, address)) {
            return Some(slot);
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
        Some(slot)
    }

    /// Applies settings, as `__ip_vs_update_dest` does: a raised or removed upper threshold reopens the server.
    pub(super) fn configure(&self, slot: u32, spec: &ServerSpec) {
        let Some(state) = self.states.get(slot) else { return };
        let before = state.upper.swap(spec.upper, Relaxed);
        state.lower.store(spec.lower, Relaxed);
        state.weight.store(spec.weight, Relaxed);
        if spec.upper == 0 || spec.upper > before {
            state.reopen();
        }
        state.available.store(true, Relaxed);
    }

    /// A server leaves its service: its slot waits until nothing names it.
    pub(super) fn retire(&mut self, key: ServiceKey, address: SocketAddr, slot: u32) {
        if let Some(state) = self.states.get(slot) {
            state.available.store(false, Relaxed);
        }
        self.trash.insert((key, address), slot);
    }

    /// Frees what nothing but the trash refers to.
    pub(super) fn sweep(&mut self) {
        let Self { states, free, trash, .. } = self;
        trash.retain(|_, slot| {
            let Some(state) = states.get(*slot) else { return false };
            let named = state.references.load(Relaxed) > 1;
            if !named {
                state.references.store(0, Relaxed);
                state.generation.fetch_add(1, Relaxed);
                free.push(*slot);
            }
            named
        });
    }
}
