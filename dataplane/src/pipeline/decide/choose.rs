//! The choice of a server for a new connection, with a place taken there.

use std::net::{IpAddr, SocketAddr};

use crate::clock::ticks;
use crate::packet::{Meta, Step};
use crate::pipeline::scene::Context;
use crate::sched::Asked;
use crate::service::{RealServer, Server, VirtualService};
use crate::template::Ended;
use crate::verdict::{Answer, Drop};

pub(super) const NO_SERVER: Step = Step::Answer(Answer::NoServer);

/// A server that was chosen, and has taken the connection.
#[derive(Clone, Copy)]
pub(super) struct Bound<'a> {
    pub(super) server: RealServer,
    pub(super) state: &'a Server,
    /// Whether it was open to any before.
    pub(super) was_open: bool,
}

/// A server that a connection has a place at.
pub(super) struct Assignment<'a> {
    pub(super) bound: Bound<'a>,
    /// The server's port, as far as the service says.
    pub(super) port: u16,
    /// The template that led there.
    pub(super) controller: u32,
    /// Whether that template was made for another service, whose server this is.
    pub(super) guest: bool,
}

impl Assignment<'_> {
    /// There is no room for the connection.
    pub(super) fn give_back(&self, reason: Drop, context: Context<'_>) -> Step {
        self.bound.state.give_back(self.bound.was_open);
        context.shared().release(self.controller, Ended::Refused);
        Step::Drop(reason)
    }
}

/// The scheduler's choice, with a place taken. Where another worker took the last one meanwhile, that server is out and
/// the scheduler is asked again.
#[inline(always)]
pub(super) fn choose<'a>(
    meta: &Meta,
    [client, vip]: [IpAddr; 2],
    service: &'a VirtualService,
    context: Context<'a>,
) -> Option<Bound<'a>> {
    let asked = Asked {
        list: service.list(),
        servers: context.servers,
        client: SocketAddr::new(client, meta.tuple.sport),
        vip,
        now: context.now,
        lblcr_expiration: ticks(context.tables.sysctls.lblcr_expiration.max(0).cast_unsigned()),
        chance: context.chance,
    };
    for _ in 0..=service.servers.len() {
        let server = service.servers[service.scheduler.pick(&asked)?];
        let state = context.servers.get(server.slot)?;
        if service.scheduler.passes_thresholds() {
            return Some(Bound { server, state, was_open: state.bind_anyway() });
        }
        if state.bind() {
            return Some(Bound { server, state, was_open: true });
        }
    }
    None
}
