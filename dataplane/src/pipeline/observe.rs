//! Observe: while a watch is on ([`crate::trace`]), every burst goes through the stages one packet at a time, and eyes
//! look at what is there between them. The stages do not know: what happened is what differs. Since a burst gives what
//! its packets would give one at a time, nothing else changes.

mod differences;

use std::mem;
use std::sync::atomic::Ordering::Relaxed;

use super::{Context, classify, track};
use crate::conn::{Conn, NONE};
use crate::flow::Direction;
use crate::packet::{Burst, Kind, Meta, Step};
use crate::parking::{Ending, Parked};
use crate::port::PacketBuf;
use crate::route::Action;
use crate::shard::Shard;
use crate::trace::{
    Decided, Interest, Observer, Outcome, Outline, Parsed, Released, Route, Scheduling, Sight, Trace, Waiting, Way,
};
use crate::verdict::Forward;
use differences::Marks;

/// The stages, as eyes know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Parse,
    Lookup,
    Decide,
    Rewrite,
    Resolve,
}

/// Whoever looks between the stages.
pub(super) trait Eyes<B> {
    /// A stage is done with the burst.
    #[inline(always)]
    fn after(&mut self, _: Stage, _: &Burst<B>, _: &Shard<B>, _: Context<'_>) {}
    /// A packet that waited is about to leave.
    #[inline(always)]
    fn leaving(&mut self, _: &Parked<B>, _: &Shard<B>, _: Context<'_>) {}
    /// It has left.
    #[inline(always)]
    fn left(&mut self, _: &Shard<B>, _: Context<'_>) {}
}

/// Nobody looks.
pub(super) struct Blind;

impl<B> Eyes<B> for Blind {}

/// Takes a burst through the stages one packet at a time, under the eyes of a worker's watches.
#[cold]
#[inline(never)]
pub(super) fn run<B: PacketBuf>(
    observer: &Observer,
    burst: &mut Burst<B>,
    port: u16,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
) {
    for packet in mem::take(&mut burst.packets) {
        let interest = observer.count(packet.data(), port);
        observer.show(interest, Way::In, port, packet.data());
        let marks = (!interest.is_none()).then(|| Marks::of(shard, context));
        let mut tracer = observer.traces(interest).then(|| Tracer::of(packet.data(), port));
        burst.packets.push(packet);
        match &mut tracer {
            Some(tracer) => super::stages(burst, port, shard, context, alloc, tracer),
            None => super::stages(burst, port, shard, context, alloc, &mut Blind),
        }
        let Some(marks) = marks else { continue };
        marks.show_sent(shard, observer, interest);
        if let Some(Tracer { mut trace, .. }) = tracer {
            trace.outcome = marks.outcome(shard, context);
            observer.tell(interest, &Sight::Packet(trace));
        }
    }
}

/// Eyes that follow one packet.
struct Tracer {
    trace: Box<Trace>,
}

impl Tracer {
    fn of(frame: &[u8], port: u16) -> Self {
        let parsed = Parsed { kind: Kind::default(), length: 0, step: Step::Undecided };
        let trace = Trace {
            port,
            length: frame.len() as u32,
            outline: Outline::of(frame),
            parsed,
            candidate: None,
            decided: None,
            rewritten: None,
            outcome: Outcome::default(),
        };
        Self { trace: Box::new(trace) }
    }
}

impl<B: PacketBuf> Eyes<B> for Tracer {
    fn after(&mut self, stage: Stage, burst: &Burst<B>, shard: &Shard<B>, context: Context<'_>) {
        let (meta, trace) = (&burst.meta[0], &mut self.trace);
        let Some(packet) = burst.packets.first() else { return };
        let undecided = meta.step == Step::Undecided;
        match stage {
            Stage::Parse => {
                let length = if undecided { meta.ip_len() as u32 } else { 0 };
                trace.parsed = Parsed { kind: meta.kind, length, step: meta.step };
            }
            Stage::Lookup if undecided => {
                trace.candidate = (meta.kind == Kind::Transport4).then_some(meta.candidate.entry != NONE);
                trace.decided = Some(before_decision(packet.data(), meta, shard, context));
            }
            Stage::Decide => {
                if let Some(decided) = &mut trace.decided {
                    decision(decided, meta, shard, context);
                }
            }
            Stage::Rewrite => {
                let now = Outline::of(packet.data());
                trace.rewritten = (now != trace.outline).then_some(now);
            }
            Stage::Lookup | Stage::Resolve => {}
        }
    }
}

/// The connection that a packet belongs to, if it can have one.
fn connection<B>(meta: &Meta, shard: &Shard<B>) -> Option<(Direction, Conn)> {
    let found = (meta.kind == Kind::Transport4).then(|| shard.table.find(meta.hash, &meta.tuple)).flatten();
    found.map(|(index, direction)| (direction, shard.table[index]))
}

/// What is known before the decision, which changes it.
fn before_decision<B>(frame: &[u8], meta: &Meta, shard: &Shard<B>, context: Context<'_>) -> Decided {
    let found = connection(meta, shard);
    let anew = matches!(&found, Some((Direction::Request, conn)) if track::starts_anew(meta, conn));
    let service = if found.is_none() || anew { scheduling(frame, meta, context) } else { None };
    Decided { found, anew, service, conn: None, counts: (0, 0), route: None, step: Step::Undecided }
}

/// The service that a packet without a connection is for.
fn scheduling(frame: &[u8], meta: &Meta, context: Context<'_>) -> Option<Scheduling> {
    let classify::Class::Service(service) = classify::run(frame, meta, context) else { return None };
    let state = |slot| context.servers.get(slot);
    let usable = service
        .servers
        .iter()
        .filter(|server| server.weight > 0 && state(server.slot).is_some_and(|state| !state.overloaded.load(Relaxed)));
    Some(Scheduling {
        key: service.key,
        scheduler: service.scheduler,
        servers: service.servers.len() as u32,
        usable: usable.count() as u32,
    })
}

fn decision<B>(decided: &mut Decided, meta: &Meta, shard: &Shard<B>, context: Context<'_>) {
    decided.step = meta.step;
    decided.conn = connection(meta, shard).map(|(_, conn)| conn);
    if let Some(server) = decided.conn.and_then(|conn| context.servers.get(conn.server_slot)) {
        decided.counts = (server.active.load(Relaxed), server.inactive.load(Relaxed));
    }
    if let Step::Send { conn, reason, .. } = meta.step {
        let before = decided.found.filter(|_| !decided.anew);
        decided.route = route(meta, decided.conn.filter(|_| conn != NONE), reason, before, context);
    }
}

/// Where a packet is sent, and whether its connection knew that before.
fn route(
    meta: &Meta,
    conn: Option<Conn>,
    reason: Forward,
    before: Option<(Direction, Conn)>,
    context: Context<'_>,
) -> Option<Route> {
    let net = &context.tables.net;
    let target = match (conn, reason) {
        (None, _) => meta.tuple.dst,
        (Some(conn), Forward::NatReply) => conn.client,
        (Some(conn), _) => conn.server,
    };
    let target = std::net::Ipv4Addr::from_bits(target).into();
    let (interface, neighbor) = match net.routes.lookup(target)? {
        Action::OnLink { interface } => (interface, target),
        Action::Via { interface, gateway } => (interface, gateway),
        Action::Unreachable | Action::Blackhole => return None,
    };
    let remembered = before.is_some_and(|(direction, conn)| {
        let hop = if direction == Direction::Reply { conn.hop_reply } else { conn.hop_request };
        conn.net_version == net.version && hop != NONE
    });
    Some(Route { interface, neighbor, remembered })
}

/// Eyes on packets that waited for a neighbour and leave.
pub(super) struct Releases<'a> {
    observer: &'a Observer,
    seen: Option<(Interest, Marks, Box<Released>)>,
}

impl<'a> Releases<'a> {
    pub(super) fn new(observer: &'a Observer) -> Self {
        Self { observer, seen: None }
    }
}

impl<B: PacketBuf> Eyes<B> for Releases<'_> {
    fn leaving(&mut self, parked: &Parked<B>, shard: &Shard<B>, context: Context<'_>) {
        let (frame, port) = (parked.packet.data(), parked.meta.port);
        let interest = self.observer.look(frame, port);
        self.seen = (!interest.is_none()).then(|| {
            let (waited, outline) = (waiting(parked), Outline::of(frame));
            let ticks = parked.since.until(context.now);
            let released = Released { outline, port, waited, ticks, outcome: Outcome::default() };
            (interest, Marks::of(shard, context), Box::new(released))
        });
    }

    fn left(&mut self, shard: &Shard<B>, context: Context<'_>) {
        if let Some((interest, marks, mut released)) = self.seen.take() {
            marks.show_sent(shard, self.observer, interest);
            released.outcome = marks.outcome(shard, context);
            self.observer.tell(interest, &Sight::Released(released));
        }
    }
}

fn waiting<B>(parked: &Parked<B>) -> Waiting {
    let (interface, neighbor) = parked.neighbor;
    Waiting { interface, neighbor, since: parked.since, own: matches!(parked.ending, Ending::Own(_)) }
}
