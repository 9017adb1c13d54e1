//! What the director tells workers by their mailboxes: frames to send, neighbours that failed. Parts that speak to the
//! network have one of their own.

use std::net::IpAddr;
use std::sync::Arc;

use dataplane::mailbox::{Command, Link};
use dataplane::wire::vlan::{self, Lan};

/// The mailboxes of all workers.
#[derive(Clone, Debug)]
pub(super) struct Mail(Arc<[Arc<Link>]>);

impl Mail {
    pub(super) fn new(links: Arc<[Arc<Link>]>) -> Self {
        Self(links)
    }

    /// Sends a frame by the first worker: whichever others send by a port, it does.
    pub(super) fn send(&self, lan: Lan, frame: Vec<u8>) {
        if let Some(link) = self.0.first() {
            let (port, frame) = (lan.port(), vlan::tagged(frame, lan.vlan()));
            // Lost like any frame on a busy wire: whoever needs the answer asks again.
            let _ = link.commands.push(Command::Send { port, frame });
        }
    }

    /// Questions for neighbours that may be sent now: they leave by the first worker.
    pub(super) fn room_for_questions(&self) -> usize {
        self.0.first().map_or(0, |link| link.room_for_questions())
    }

    /// Tells every worker that a neighbour does not answer.
    pub(super) fn neighbor_failed(&self, interface: u16, address: IpAddr) {
        for link in self.0.iter() {
            // A worker that does not empty its mailbox has worse troubles than packets parked too long.
            let _ = link.commands.push(Command::NeighborFailed { interface, address });
        }
    }
}
