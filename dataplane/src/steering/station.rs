//! Where a worker stands: its number, where packets belong by the port they came by, and who sends by which port.

use std::sync::Arc;

use super::{Case, Keys, Landing, Plan, Steering};
use crate::conn::New;
use crate::flow::{Direction, Tuple};

/// One worker's view of the plan.
#[derive(Clone, Debug)]
pub struct Station {
    me: u16,
    alone: bool,
    signposts: bool,
    ports: Vec<Door>,
}

/// A port, as one worker sees it.
#[derive(Clone, Debug)]
struct Door {
    landing: Arc<Landing>,
    /// The device lands packets at home: only those that belong to no connection here are looked at again.
    trusted: bool,
    /// The worker that sends by it what this one has for it.
    sender: u16,
}

impl Station {
    /// Of the only worker.
    #[must_use]
    pub fn alone() -> Self {
        Self { me: 0, alone: true, signposts: false, ports: Vec::new() }
    }

    /// This worker's number.
    #[must_use]
    pub fn me(&self) -> u16 {
        self.me
    }

    /// Whether it is the only worker.
    #[inline]
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    /// The landing function by which packets of a port are steered before anything is looked up; none where they land
    /// at home.
    #[must_use]
    pub fn steers(&self, port: u16) -> Option<&Landing> {
        self.ports.get(usize::from(port)).filter(|door| !door.trusted).map(|door| &*door.landing)
    }

    /// The landing function of a port.
    #[must_use]
    pub fn landing(&self, port: u16) -> Option<&Landing> {
        self.ports.get(usize::from(port)).map(|door| &*door.landing)
    }

    /// The other worker where a packet belongs that came by a port, if it does not belong here.
    #[must_use]
    pub fn stray(&self, port: u16, tuple: &Tuple, six: Option<[&[u8; 16]; 2]>) -> Option<u16> {
        let door = self.ports.get(usize::from(port))?;
        Some(door.landing.worker(tuple, six)).filter(|home| *home != self.me)
    }

    /// The other worker that needs a signpost for a connection's replies; `ends6` are their source and destination, if they
    /// are IPv6. They may come by any port: where signposts are needed, all ports land alike.
    #[must_use]
    pub fn signpost_for(&self, reply_key: &Tuple, ends6: Option<[&[u8; 16]; 2]>) -> Option<u16> {
        if self.signposts { self.stray(0, reply_key, ends6) } else { None }
    }

    /// The other worker that a connection's client's packets land on, where replies land elsewhere.
    #[must_use]
    pub fn home_of(&self, new: &New) -> Option<u16> {
        if self.signposts { self.stray(0, &new.line().request_key(), new.ends6(Direction::Request)) } else { None }
    }

    /// The other worker that sends by a port for this one.
    #[must_use]
    pub fn sender(&self, port: u16) -> Option<u16> {
        self.ports.get(usize::from(port)).map(|door| door.sender).filter(|sender| *sender != self.me)
    }

    /// Whether this worker sends by a port itself.
    #[must_use]
    pub fn sends(&self, port: u16) -> bool {
        self.sender(port).is_none()
    }
}

impl Plan {
    /// The station of every worker.
    #[must_use]
    pub fn stations(&self, keys: &Keys) -> Vec<Station> {
        let landings: Vec<Arc<Landing>> =
            (0..self.ports.len()).map(|port| Arc::new(self.landing(port, keys))).collect();
        let door = |me: u16, port: usize| {
            let plan = &self.ports[port];
            let trusted = plan.case == Case::Alone || plan.case == Case::Hardware && me < plan.rx_queues;
            Door { landing: Arc::clone(&landings[port]), trusted, sender: me % plan.tx_queues }
        };
        let station = |me| Station {
            me,
            alone: self.workers == 1,
            signposts: self.signposts && self.steering == Steering::Tuple,
            ports: (0..self.ports.len()).map(|port| door(me, port)).collect(),
        };
        (0..self.workers).map(station).collect()
    }
}
