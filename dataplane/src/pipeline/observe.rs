//! Observe: while a watch is on ([`crate::trace`]), every burst goes through the stages one packet at a time, and eyes
//! look at what is there between them. The stages do not know: what happened is what differs. Since a burst gives what
//! its packets would give one at a time, nothing else changes.

mod differences;

use std::mem;
use std::net::IpAddr;

use super::decide::{classify, track};
use super::desk::Desk;
use super::eyes::{Blind, Eyes, Stage};
use super::find::known;
use super::leave::{depart, park};
use super::scene::Context;
use super::stages;
use crate::conn::{Found, NONE, Snapshot};
use crate::flow::Direction;
use crate::method::{Towards, Treatment};
use crate::packet::{Arrival, Burst, Candidate, Kind, Meta, Step, Watchers};
use crate::parking::{Ending, Parked};
use crate::port::PacketBuf;
use crate::route::Action;
use crate::sched;
use crate::shard::Shard;
use crate::trace::{Decided, Later, Observer, Outcome, Outline, Parsed, Route, Scheduling, Sight, Trace, Way, Why};
use crate::wire::ethernet;
use crate::wire::vlan::Lan;
use differences::Before;

/// Takes a burst that a device delivered through the stages one packet at a time, under the eyes of a worker's watches.
#[cold]
pub(super) fn run<B: PacketBuf>(observer: &Observer, burst: &mut Burst<B>, port: u16, desk: &mut Desk<'_, B>) {
    for packet in mem::take(&mut burst.packets) {
        let watchers = observer.count(packet.data(), port);
        observer.show(watchers, Way::In, port, packet.data());
        (burst.meta[0].lan, burst.meta[0].watchers) = (Lan::untagged(port), watchers);
        burst.packets.push(packet);
        one(observer, burst, desk);
    }
}

/// Takes a burst that other workers handed over through the stages one packet at a time: whoever followed a packet follows
/// it on.
#[cold]
pub(super) fn run_handed<B: PacketBuf>(observer: &Observer, burst: &mut Burst<B>, desk: &mut Desk<'_, B>) {
    let came = burst.meta;
    for (packet, came) in mem::take(&mut burst.packets).into_iter().zip(&came) {
        burst.meta[0] = *came;
        burst.packets.push(packet);
        one(observer, burst, desk);
    }
}

/// Takes one packet through the stages. How it came is in its [`Meta`].
fn one<B: PacketBuf>(observer: &Observer, burst: &mut Burst<B>, desk: &mut Desk<'_, B>) {
    let Meta { lan, arrival, watchers, .. } = burst.meta[0];
    let mut tracer = observer.traces(watchers).then(|| Tracer::of(burst));
    let before = (!watchers.is_none()).then(|| Before::of(desk.shard, desk.context));
    match (arrival, &mut tracer) {
        (Arrival::Device, Some(tracer)) => stages::arrived(burst, lan.port(), desk, tracer),
        (Arrival::Device, None) => stages::arrived(burst, lan.port(), desk, &mut Blind),
        (_, Some(tracer)) => stages::handed(burst, desk, tracer),
        (_, None) => stages::handed(burst, desk, &mut Blind),
    }
    burst.meta[0].watchers = Watchers::default();
    let Some(before) = before else { return };
    let outcome = before.end(desk.shard, desk.context, observer, watchers);
    if let Some(Tracer { mut trace }) = tracer {
        trace.outcome = outcome;
        observer.tell(watchers, &Sight::Packet(trace));
    }
}

/// Sends a packet that another worker has finished.
#[cold]
pub(super) fn leave<B: PacketBuf>(
    observer: &Observer,
    packet: B,
    (port, ending, watchers): (u16, Ending, Watchers),
    desk: &mut Desk<'_, B>,
) {
    let (outline, before) = (Outline::of(packet.data()), Before::of(desk.shard, desk.context));
    depart::leave(packet, port, ending, desk);
    let outcome = before.end(desk.shard, desk.context, observer, watchers);
    observer.tell(watchers, &Sight::Later(Box::new(Later { outline, why: Why::Crossed, outcome })));
}

/// Eyes that follow one packet.
struct Tracer {
    trace: Box<Trace>,
}

impl Tracer {
    fn of<B: PacketBuf>(burst: &Burst<B>) -> Self {
        let frame = burst.packets.first().map_or(&[][..], PacketBuf::data);
        let parsed = Parsed { kind: Kind::default(), length: 0, step: Step::Undecided };
        let trace = Trace {
            lan: Lan::of(burst.meta[0].lan.port(), frame),
            arrival: burst.meta[0].arrival,
            length: frame.len() as u32,
            outline: Outline::of(frame),
            parsed,
            steered: None,
            candidate: None,
            decided: None,
            rewritten: None,
            outcome: Outcome::default(),
        };
        Self { trace: Box::new(trace) }
    }
}

impl<B: PacketBuf> Eyes<B> for Tracer {
    fn after(&mut self, stage: Stage, burst: &Burst<B>, Desk { shard, context, .. }: &Desk<'_, B>) {
        let (meta, trace) = (&burst.meta[0], &mut self.trace);
        let Some(packet) = burst.packets.first() else { return };
        let undecided = meta.step == Step::Undecided;
        match stage {
            Stage::Parse => {
                let length = if undecided { meta.ip_len() as u32 } else { 0 };
                trace.parsed = Parsed { kind: meta.kind, length, step: meta.step };
            }
            Stage::Lookup if undecided => {
                let known = |candidate: Candidate| candidate.entry != NONE;
                trace.candidate = meta.kind.has_key().then_some(known(meta.candidate));
                trace.decided = Some(before_decision(packet.data(), meta, shard, context));
            }
            Stage::Decide => {
                if let Some(decided) = &mut trace.decided {
                    decision(decided, packet.data(), meta, shard, context);
                }
            }
            Stage::Rewrite => {
                // The tag that it came with, or what a tunnel left of it, goes when it is sent.
                let header = usize::from(meta.l3).saturating_sub(ethernet::HEADER);
                let sent = matches!(meta.step, Step::Send { .. });
                let now =
                    if sent { Outline::of(packet.data().get(header..).unwrap_or_default()) } else { trace.outline };
                trace.rewritten = (now != trace.outline).then_some(now);
            }
            Stage::Lookup => {
                trace.steered = if let Step::Handoff { worker, .. } = meta.step { Some(worker) } else { None };
            }
        }
    }
}

/// The connection that a packet belongs to here, by the same search as the decision's.
fn connection<B>(frame: &[u8], meta: &Meta, shard: &Shard<B>, context: Context<'_>) -> Option<(Direction, Snapshot)> {
    let found = meta.kind.has_key().then(|| known::known(frame, meta, shard, context)).flatten();
    if let Some(Found::Conn(index, direction)) = found { Some((direction, shard.table.snapshot(index))) } else { None }
}

/// What is known before the decision, which changes it.
fn before_decision<B>(frame: &[u8], meta: &Meta, shard: &Shard<B>, context: Context<'_>) -> Decided {
    let found = connection(frame, meta, shard, context);
    let ends = matches!(&found, Some((Direction::Request, conn)) if track::ends(meta, conn, context));
    let service = if found.is_none() || ends { scheduling(frame, meta, context) } else { None };
    Decided { found, ends, service, conn: None, counts: (0, 0), route: None, step: Step::Undecided }
}

/// The service that a packet without a connection is for.
fn scheduling(frame: &[u8], meta: &Meta, context: Context<'_>) -> Option<Scheduling> {
    let classify::Class::Service(service) = classify::run(frame, meta, meta.ends(frame)?, context) else { return None };
    let usable = service.servers.iter().filter(|server| sched::usable(context.servers, server).is_some());
    Some(Scheduling {
        key: service.key,
        scheduler: service.scheduler,
        servers: service.servers.len() as u32,
        usable: usable.count() as u32,
    })
}

fn decision<B>(decided: &mut Decided, frame: &[u8], meta: &Meta, shard: &Shard<B>, context: Context<'_>) {
    decided.step = meta.step;
    if matches!(meta.step, Step::Handoff { .. }) {
        decided.service = None;
    }
    decided.conn = match meta.step {
        // One of a single packet is not found by its keys.
        Step::Send { conn, .. } if conn != NONE => Some(shard.table.snapshot(conn)),
        _ => connection(frame, meta, shard, context).map(|(_, conn)| conn),
    };
    if let Some(server) = decided.conn.and_then(|conn| context.servers.get(conn.server_slot())) {
        decided.counts = (server.active(), server.inactive());
    }
    if let Step::Send { conn, treatment, .. } = meta.step {
        let before = decided.found.filter(|_| !decided.ends);
        decided.route = route(meta.ends(frame), decided.conn.filter(|_| conn != NONE), treatment, before, context);
    }
}

/// Where a packet is sent, and whether its connection knew that before.
fn route(
    ends: Option<[IpAddr; 2]>,
    conn: Option<Snapshot>,
    treatment: Treatment,
    before: Option<(Direction, Snapshot)>,
    context: Context<'_>,
) -> Option<Route> {
    let net = &context.tables.net;
    let target = match (conn, treatment) {
        (None, _) | (_, Treatment::ERROR_TO_CLIENT) => ends?[1],
        (Some(conn), Treatment { towards: Towards::Client, .. }) => conn.client_address(),
        (Some(conn), _) => conn.server_address(),
    };
    let (interface, neighbor) = match net.routes.lookup(target)? {
        Action::OnLink { interface } => (interface, target),
        Action::Via { interface, gateway } => (interface, gateway),
        Action::Unreachable | Action::Blackhole => return None,
    };
    let remembered = before.is_some_and(|(direction, conn)| {
        let hop = conn.hop(direction);
        conn.net_version() == net.version && hop != NONE
    });
    Some(Route { interface, neighbor, remembered })
}

/// Eyes on packets that waited for a neighbour and leave.
pub(super) struct Releases<'a> {
    observer: &'a Observer,
    seen: Option<(Watchers, Before, Outline, Why)>,
}

impl<'a> Releases<'a> {
    pub(super) fn new(observer: &'a Observer) -> Self {
        Self { observer, seen: None }
    }
}

impl<B: PacketBuf> Eyes<B> for Releases<'_> {
    fn leaving(&mut self, parked: &Parked<B>, Desk { shard, context, .. }: &Desk<'_, B>) {
        let watchers = parked.meta.watchers;
        self.seen = (!watchers.is_none()).then(|| {
            let why = Why::Waited(park::waiting(parked), parked.since.until(context.now));
            (watchers, Before::of(shard, context), Outline::of(parked.packet.data()), why)
        });
    }

    fn left(&mut self, Desk { shard, context, .. }: &Desk<'_, B>) {
        if let Some((watchers, before, outline, why)) = self.seen.take() {
            let outcome = before.end(shard, context, self.observer, watchers);
            self.observer.tell(watchers, &Sight::Later(Box::new(Later { outline, why, outcome })));
        }
    }
}
