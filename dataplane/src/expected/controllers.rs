//! Control connections by handle: how many data connections of each are not over, and what it has announced.

use arrayvec::ArrayVec;

use super::HANDLE;
use super::shard::Ticket;

/// What one control connection may have announced at a time. A client asks for the next transfer when it has connected
/// for the last one, so one would do; some ask for several ways at once.
pub const MOST_ANNOUNCED: usize = 16;

#[derive(Debug, Default)]
struct Controller {
    /// Data connections that are expected, or there.
    children: u32,
    /// Those that are expected, the oldest first.
    announced: ArrayVec<Ticket, MOST_ANNOUNCED>,
}

/// All of them. What is done takes as long as with one.
#[derive(Debug, Default)]
pub(super) struct Controllers {
    all: Vec<Controller>,
    free: Vec<u32>,
}

impl Controllers {
    fn at(&mut self, handle: u32) -> Option<&mut Controller> {
        self.all.get_mut((handle & !HANDLE) as usize)
    }

    /// A place for one more.
    pub(super) fn begin(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.all.push(Controller::default());
            self.all.len() as u32 - 1
        })
    }

    /// One is over.
    pub(super) fn end(&mut self, handle: u32) {
        if let Some(controller) = self.at(handle) {
            *controller = Controller::default();
            self.free.push(handle & !HANDLE);
        }
    }

    /// One more is expected. Returns what gives way to it.
    pub(super) fn announce(&mut self, handle: u32, ticket: Ticket) -> Option<Ticket> {
        let controller = self.at(handle)?;
        controller.children += 1;
        let oldest = controller.announced.is_full().then(|| controller.announced.remove(0));
        controller.announced.push(ticket);
        oldest
    }

    /// What was announced is expected no longer: it has come, or it is over.
    pub(super) fn forget_ticket(&mut self, handle: u32, ticket: Ticket) {
        if let Some(controller) = self.at(handle) {
            controller.announced.retain(|announced| *announced != ticket);
        }
    }

    pub(super) fn release(&mut self, handle: u32) {
        if let Some(controller) = self.at(handle) {
            controller.children = controller.children.saturating_sub(1);
        }
    }

    pub(super) fn children(&self, handle: u32) -> u32 {
        self.all.get((handle & !HANDLE) as usize).map_or(0, |controller| controller.children)
    }
}
