//! Whole TCP connections, so many at the same time; where one ends the next begins, on a flow of its own.
//!
//! ```text
//! client                 server
//!   SYN        -------->
//!              <--------  SYN-ACK
//!   ACK        -------->
//!   FIN-ACK    -------->
//!              <--------  FIN-ACK
//!   ACK        -------->  complete
//! ```
//!
//! Nothing is sent again: what is lost leaves a connection that is given up after a while. With DR the server's
//! packets do not pass the director; the client hears them at once.

use std::collections::VecDeque;

use dataplane::wire::tcp::{ACK, FIN, SYN};

use crate::check::{self, Whose, Wrong};
use crate::frame::Order;
use crate::plan::{End, Method, Plan};
use crate::report::Report;
use crate::seen::Packet;
use crate::traffic::Traffic;

/// A place for one connection at a time. Place `n` of `m` has the flows `n`, `n + m`, `n + 2 m`, and so on.
#[derive(Clone, Copy, Debug)]
struct Place {
    flow: u32,
    server: Option<u8>,
    since: u64,
    busy: bool,
}

/// How many connections came to what.
#[derive(Clone, Copy, Debug, Default)]
struct Fates {
    /// Begun.
    begun: u64,
    /// Ended as they should.
    completed: u64,
    /// Refused by ICMP or by a reset.
    refused: u64,
    /// Given up.
    given_up: u64,
    /// Packets of connections that had ended.
    late: u64,
}

/// Connections.
#[derive(Debug)]
pub(crate) struct Conns {
    plan: Plan,
    places: Vec<Place>,
    free: Vec<u32>,
    pending: VecDeque<Order>,
    looked_at: usize,
    winding_down: bool,
    patience: u64,
    fates: Fates,
}

impl Conns {
    /// At most so many at the same time, each of which may take so long.
    pub(crate) fn new(plan: Plan, places: u32, patience: u64) -> Self {
        let place = |flow| Place { flow, server: None, since: 0, busy: false };
        Self {
            plan,
            places: (0..places).map(place).collect(),
            free: (0..places).rev().collect(),
            pending: VecDeque::new(),
            looked_at: 0,
            winding_down: false,
            patience,
            fates: Fates::default(),
        }
    }

    fn begin(&mut self, now: u64) -> Option<Order> {
        let index = if self.winding_down { None } else { self.free.pop() }?;
        let place = &mut self.places[index as usize];
        (place.busy, place.server, place.since) = (true, None, now);
        self.fates.begun += 1;
        Some(Order::request(place.flow, SYN, 0))
    }

    /// The place of a flow, if that is its connection now.
    fn place(&mut self, flow: u32) -> Option<&mut Place> {
        let index = flow as usize % self.places.len();
        let place = &mut self.places[index];
        (place.busy && place.flow == flow).then_some(place)
    }

    /// A connection is over: its place takes the next flow, or its first one again when there are no more.
    fn end(&mut self, flow: u32) {
        let places = self.places.len() as u32;
        let most = self.plan.clients.flows();
        let next = flow.checked_add(places).filter(|next| *next < most).unwrap_or(flow % places);
        if let Some(place) = self.place(flow) {
            (place.busy, place.flow) = (false, next);
            self.free.push(flow % places);
        }
    }

    /// Gives up the connection of one place if it takes too long; places take turns.
    fn give_up(&mut self, now: u64) {
        self.looked_at = (self.looked_at + 1) % self.places.len();
        let place = self.places[self.looked_at];
        if place.busy && now - place.since > self.patience {
            self.fates.given_up += 1;
            self.end(place.flow);
        }
    }

    /// A client's packet arrived. `step` is 2 for its last one.
    fn at_server(&mut self, Whose { flow, server }: Whose, flags: u8, step: u32) -> Result<(), Wrong> {
        let direct = self.plan.method == Method::Dr;
        let Some(place) = self.place(flow) else {
            self.fates.late += 1;
            return Ok(());
        };
        if *place.server.get_or_insert(server) != server {
            return Err(Wrong::Moved);
        }
        match flags & (SYN | FIN) {
            SYN if direct => self.hear_syn_ack(flow),
            SYN => self.pending.push_back(Order::reply(flow, server, SYN | ACK, 0)),
            FIN if direct => self.pending.push_back(Order::request(flow, ACK, 2)),
            FIN => self.pending.push_back(Order::reply(flow, server, FIN | ACK, 1)),
            _ if step == 2 => {
                self.fates.completed += 1;
                self.end(flow);
            }
            _ => {}
        }
        Ok(())
    }

    /// The client hears the server's SYN-ACK.
    fn hear_syn_ack(&mut self, flow: u32) {
        self.pending.push_back(Order::request(flow, ACK, 1));
        self.pending.push_back(Order::request(flow, FIN | ACK, 1));
    }

    fn refuse(&mut self, flow: u32) {
        if self.place(flow).is_some() {
            self.fates.refused += 1;
            self.end(flow);
        }
    }
}

impl Traffic for Conns {
    fn next(&mut self, now: u64) -> Option<Order> {
        self.give_up(now);
        self.pending.pop_front().or_else(|| self.begin(now))
    }

    fn arrived(&mut self, _now: u64, end: End, packet: &Packet<'_>) -> Result<(), Wrong> {
        let whose = match check::whose(&self.plan, end, packet) {
            Err(Wrong::Reset) => {
                self.plan.clients.flow(packet.dst, packet.dport).into_iter().for_each(|flow| self.refuse(flow));
                return Err(Wrong::Reset);
            }
            other => other?,
        };
        let step = packet.tag.wrapping_sub(Plan::tag(whose.flow));
        match end {
            End::Servers => return self.at_server(whose, packet.flags, step),
            End::Clients if self.place(whose.flow).is_none() => self.fates.late += 1,
            End::Clients if packet.flags & SYN != 0 => self.hear_syn_ack(whose.flow),
            End::Clients => self.pending.push_back(Order::request(whose.flow, ACK, 2)),
        }
        Ok(())
    }

    fn follows(&self) -> bool {
        true
    }

    fn refused(&mut self, address: u32, port: u16) {
        self.plan.clients.flow(address, port).into_iter().for_each(|flow| self.refuse(flow));
    }

    fn wind_down(&mut self) {
        self.winding_down = true;
    }

    fn is_over(&self) -> bool {
        self.winding_down && self.free.len() == self.places.len()
    }

    fn report(&self, seconds: f64, report: &mut Report) {
        let Fates { begun, completed, refused, given_up, late } = self.fates;
        report.count("connections_begun", begun, "connections");
        report.count("connections_completed", completed, "connections");
        report.count("connections_refused", refused, "connections");
        report.count("connections_lost", begun - completed - refused, "connections");
        report.count("connections_given_up", given_up, "connections");
        report.count("packets_late", late, "packets");
        report.figure("connections_per_second", completed as f64 / seconds, "1/s");
    }
}
