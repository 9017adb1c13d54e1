//! Whoever runs a director: waits for workers, and has the network served while a long request goes on.

use std::any::Any;

use dataplane::clock::Nanos;

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

/// How a long request stands with the network.
#[derive(Debug)]
pub(super) struct Pauses {
    /// A request is being carried out: what it changes is half done.
    pub(super) in_request: bool,
    /// When neighbours are published next in the middle of one.
    pub(super) next_net: Nanos,
}

impl Pauses {
    pub(super) fn new(now: Nanos) -> Self {
        Self { in_request: false, next_net: now }
    }
}
