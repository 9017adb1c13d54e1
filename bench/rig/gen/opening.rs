//! Opens flows before they are measured: the first datagram of each, or the handshake of TCP, in which the servers'
//! end answers as real servers do. Learns which server each flow went to.
//!
//! ```text
//! pass: for each flow that is not open, SYN -> SYN-ACK -> ACK        (DR: the SYN-ACK does not pass the director)
//! what a pass leaves closed is tried again in the next one, after a while of silence
//! ```

use std::collections::VecDeque;

use dataplane::wire::tcp::{ACK, SYN};

use crate::check::{self, Wrong};
use crate::frame::Order;
use crate::plan::{End, Method, Plan, Protocol};
use crate::seen::Packet;
use crate::traffic::Traffic;

/// How often it is tried.
const PASSES: u32 = 20;

/// Which server each flow went to.
#[derive(Clone, Debug)]
pub(crate) struct Homes(Vec<u8>);

impl Homes {
    const UNKNOWN: u8 = u8::MAX;

    /// So many flows, whose servers are not known.
    pub(crate) fn new(flows: u32) -> Self {
        Self(vec![Self::UNKNOWN; flows as usize])
    }

    /// So many flows, dealt to the servers in turn.
    pub(crate) fn dealt(flows: u32, servers: u8) -> Self {
        Self((0..flows).map(|flow| (flow % u32::from(servers)) as u8).collect())
    }

    /// How many flows there are.
    pub(crate) fn flows(&self) -> u32 {
        self.0.len() as u32
    }

    /// The server of a flow below [`Self::flows`].
    pub(crate) fn server(&self, flow: u32) -> u8 {
        self.0[flow as usize]
    }

    /// A packet of a flow came to a server. The first one is remembered, another one is wrong.
    pub(crate) fn came(&mut self, flow: u32, server: u8) -> Result<(), Wrong> {
        let home = self.0.get_mut(flow as usize).ok_or(Wrong::Source)?;
        match *home {
            Self::UNKNOWN => *home = server,
            known if known != server => return Err(Wrong::Moved),
            _ => {}
        }
        Ok(())
    }
}

/// Flows being opened.
#[derive(Debug)]
pub(crate) struct Opening {
    plan: Plan,
    homes: Homes,
    open: Vec<bool>,
    closed: u32,
    cursor: u32,
    passes: u32,
    pending: VecDeque<Order>,
    last: u64,
    silence: u64,
}

impl Opening {
    /// Flows 0 to `flows` - 1, all of them closed. After so much silence the next pass begins.
    pub(crate) fn new(plan: Plan, flows: u32, silence: u64) -> Self {
        let (homes, open) = (Homes::new(flows), vec![false; flows as usize]);
        Self { plan, homes, open, closed: flows, cursor: 0, passes: 0, pending: VecDeque::new(), last: 0, silence }
    }

    /// Flows that are not open.
    pub(crate) fn closed(&self) -> u32 {
        self.closed
    }

    /// What was learned.
    pub(crate) fn homes(self) -> Homes {
        self.homes
    }

    fn begin(&self, flow: u32) -> Order {
        Order::request(flow, if self.plan.protocol == Protocol::Tcp { SYN } else { 0 }, 0)
    }

    fn opened(&mut self, flow: u32) {
        let open = &mut self.open[flow as usize];
        self.closed -= u32::from(!*open);
        *open = true;
    }

    fn at_server(&mut self, flow: u32, server: u8, flags: u8) {
        match (self.plan.protocol, flags & (SYN | ACK), self.plan.method) {
            (Protocol::Udp, ..) | (_, ACK, _) => self.opened(flow),
            (_, SYN, Method::Nat) => self.pending.push_back(Order::reply(flow, server, SYN | ACK, 0)),
            (_, SYN, Method::Dr) => self.pending.push_back(Order::request(flow, ACK, 1)),
            _ => {}
        }
    }
}

impl Traffic for Opening {
    fn next(&mut self, now: u64) -> Option<Order> {
        if let Some(order) = self.pending.pop_front() {
            return Some(order);
        }
        let from = self.cursor as usize;
        if let Some(ahead) = self.open[from..].iter().position(|open| !open) {
            let flow = self.cursor + ahead as u32;
            self.cursor = flow + 1;
            self.last = now;
            return Some(self.begin(flow));
        }
        self.cursor = self.open.len() as u32;
        if now - self.last >= self.silence {
            (self.cursor, self.passes, self.last) = (0, self.passes + 1, now);
        }
        None
    }

    fn arrived(&mut self, now: u64, end: End, packet: &Packet<'_>) -> Result<(), Wrong> {
        let whose = check::whose(&self.plan, end, packet)?;
        self.last = now;
        match end {
            End::Servers => {
                self.homes.came(whose.flow, whose.server)?;
                self.at_server(whose.flow, whose.server, packet.flags);
            }
            End::Clients if packet.flags & (SYN | ACK) == SYN | ACK => {
                self.pending.push_back(Order::request(whose.flow, ACK, 1));
            }
            End::Clients => {}
        }
        Ok(())
    }

    fn follows(&self) -> bool {
        true
    }

    fn is_over(&self) -> bool {
        self.closed == 0 || self.passes >= PASSES
    }
}
