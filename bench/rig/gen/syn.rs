//! SYNs that nobody answers, each of a flow of its own.

use dataplane::wire::tcp::SYN;

use crate::check::{self, Wrong};
use crate::frame::Order;
use crate::plan::{End, Plan};
use crate::report::Report;
use crate::seen::Packet;
use crate::traffic::Traffic;

/// A flood.
#[derive(Debug)]
pub(crate) struct Syn {
    plan: Plan,
    sent: u32,
    most: u32,
    winding_down: bool,
}

impl Syn {
    /// At most so many.
    pub(crate) fn new(plan: Plan, most: u32) -> Self {
        Self { plan, sent: 0, most, winding_down: false }
    }
}

impl Traffic for Syn {
    fn next(&mut self, _now: u64) -> Option<Order> {
        if self.is_over() {
            return None;
        }
        self.sent += 1;
        Some(Order::request(self.sent - 1, SYN, 0))
    }

    fn arrived(&mut self, _now: u64, end: End, packet: &Packet<'_>) -> Result<(), Wrong> {
        check::whose(&self.plan, end, packet).map(drop)
    }

    fn follows(&self) -> bool {
        false
    }

    fn wind_down(&mut self) {
        self.winding_down = true;
    }

    fn is_over(&self) -> bool {
        self.winding_down || self.sent >= self.most
    }

    fn report(&self, _seconds: f64, report: &mut Report) {
        report.count("flows", self.sent.into(), "flows");
    }
}
