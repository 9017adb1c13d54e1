//! Packets of flows that are open, in random order, one way or both in turn.

use dataplane::wire::tcp::ACK;

use crate::args::Direction;
use crate::check::{self, Wrong};
use crate::frame::Order;
use crate::opening::Homes;
use crate::plan::{End, Plan, Protocol};
use crate::seen::Packet;
use crate::traffic::Traffic;

/// Open flows.
#[derive(Debug)]
pub(crate) struct Steady {
    plan: Plan,
    homes: Homes,
    direction: Direction,
    reply: bool,
    flags: u8,
    chance: u64,
    winding_down: bool,
}

impl Steady {
    /// Traffic of flows whose servers are known.
    pub(crate) fn new(plan: Plan, homes: Homes, direction: Direction) -> Self {
        let flags = if plan.protocol == Protocol::Tcp { ACK } else { 0 };
        let reply = direction == Direction::Reply;
        Self { plan, homes, direction, reply, flags, chance: 0x9e37_79b9_7f4a_7c15, winding_down: false }
    }

    /// Any flow (Marsaglia, "Xorshift RNGs": the shifts 13, 7, 17).
    fn any(&mut self) -> u32 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (((self.chance >> 32) * u64::from(self.homes.flows())) >> 32) as u32
    }
}

impl Traffic for Steady {
    fn next(&mut self, _now: u64) -> Option<Order> {
        if self.winding_down {
            return None;
        }
        let flow = self.any();
        let reply = self.reply;
        self.reply ^= self.direction == Direction::Both;
        Some(match reply {
            true => Order::reply(flow, self.homes.server(flow), self.flags, 1),
            false => Order::request(flow, self.flags, 1),
        })
    }

    fn arrived(&mut self, _now: u64, end: End, packet: &Packet<'_>) -> Result<(), Wrong> {
        let whose = check::whose(&self.plan, end, packet)?;
        match end {
            End::Servers => self.homes.came(whose.flow, whose.server),
            End::Clients => Ok(()),
        }
    }

    fn follows(&self) -> bool {
        false
    }

    fn wind_down(&mut self) {
        self.winding_down = true;
    }

    fn is_over(&self) -> bool {
        self.winding_down
    }
}
