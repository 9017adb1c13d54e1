//! Long requests make nobody on the network wait. A reload, a restore, a removal of everything go on for seconds in a large
//! table; every few items they ask their [`Host`] whether the network is to be served first.
//!
//! ```text
//! request: item, item, item, pause -> frames of the workers (ARP, ND), neighbours' timers, housekeeping -> item, item ...
//! ```
//!
//! What is half done is not published meanwhile: workers get the tables of before, with what is new of neighbours.

use std::any::Any;
use std::sync::Arc;

use dataplane::clock::Nanos;

use super::Director;
use crate::net;

/// Services, servers, addresses and the like that are dealt with between two questions for a pause.
pub(super) const SLICE: usize = 32;

/// Whoever runs the director, as far as a long request needs it.
pub trait Host {
    /// Waits a little for workers; `false` when it has waited long enough in all.
    fn wait(&mut self) -> bool;

    /// The time, if the network is to be served before the request goes on.
    fn pause(&mut self) -> Option<Nanos> {
        None
    }

    /// The network has been served; whether every worker turns.
    fn served(&mut self, _workers_turn: bool) {}
}

/// A function that waits: nobody else is to be served.
impl<F: FnMut() -> bool> Host for F {
    fn wait(&mut self) -> bool {
        self()
    }
}

/// The host of a request.
pub type Pump<'a> = &'a mut dyn Host;

/// What is not needed any more and may be large: whoever takes it lets go of it while nobody waits.
pub type Garbage = Box<dyn Any + Send>;

impl Director {
    /// Serves the network, if it is time to, in the middle of a request.
    pub(super) fn pause(&mut self, host: Pump<'_>) {
        if let Some(now) = host.pause() {
            self.now = now;
            self.serve_network();
            self.publish_net();
            host.served(self.workers_turn());
        }
    }

    /// Waits for workers, and serves the network meanwhile. `false` when they have been waited for long enough.
    pub(super) fn wait(&mut self, host: Pump<'_>) -> bool {
        self.pause(host);
        host.wait()
    }

    /// Gives workers what is new of neighbours, and nothing of what is half done.
    pub(super) fn publish_net(&mut self) {
        if self.net_changed {
            self.make_net();
            self.published.net = Arc::clone(&self.tables.net);
            self.publisher.publish(self.published.clone());
        }
    }

    /// Makes the tables of the network anew.
    pub(super) fn make_net(&mut self) {
        let version = self.tables.net.version.wrapping_add(1);
        self.tables.net =
            Arc::new(net::tables(version, &self.interfaces, &self.routes, &self.neighbors, self.facts.seeds.maps));
        self.net_changed = false;
    }

    /// Lets go of tables that no worker uses.
    pub(super) fn sweep_tables(&mut self) {
        for tables in self.publisher.sweep() {
            (self.facts.discard)(Box::new(tables));
        }
    }
}
