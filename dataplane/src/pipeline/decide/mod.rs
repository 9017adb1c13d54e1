//! The second floor: what becomes of a packet, decided packet by packet in order of arrival. A packet belongs to a connection,
//! starts one, is for the director itself, or is for others.
//!
//! ```text
//! classify  -> a service's, the host's, or for others (route)
//! schedule  -> choose (persist) a server, connect: a new connection; also by expected, calls, icmp
//! track     -> state, way: the next step of a packet of a connection
//! icmp      -> that of an error about one (icmp_tunnel)
//! local     -> a server that is the director itself        fragment -> kept until its packet is whole
//! ```
//!
//! What is decided is a [`Step`]; it is carried out elsewhere.

pub(super) mod classify;
pub(super) mod track;
pub(super) mod way;

mod calls;
mod choose;
mod connect;
mod expected;
mod fragment;
mod icmp;
mod icmp_tunnel;
mod local;
mod persist;
mod route;
mod schedule;
pub(super) mod state;

use std::net::IpAddr;

use super::desk::Desk;
use super::find::{known, options};
use crate::conn::{Found, NONE};
use crate::flow::Direction;
use crate::packet::{Arrival, Meta, Step};
use crate::service::VirtualService;
use crate::verdict::{Answer, Drop};
use classify::Class;

/// What happens to a packet that no stage before decided.
#[inline(never)]
pub(super) fn run<B>(frame: &[u8], meta: &mut Meta, desk: &mut Desk<'_, B>) -> Step {
    if meta.kind.has_key() {
        desk.shard.table.settle_for(meta.hash);
        match known::known(frame, meta, desk.shard, desk.context) {
            Some(Found::Conn(index, Direction::Request))
                if track::ends(meta, &desk.shard.table[index], desk.context) =>
            {
                desk.shard.give_way(index, desk.context.now, desk.context.expected);
            }
            Some(Found::Conn(index, direction)) => return track::step(meta, index, direction, desk),
            Some(Found::Away { home, conn }) => return Step::Handoff { worker: home, conn },
            None => {}
        }
        if let Some(worker) = known::belongs_elsewhere(frame, meta, desk.shard) {
            return Step::Handoff { worker, conn: NONE };
        }
        if !desk.context.expected.is_empty()
            && let Some(step) = expected::step(frame, meta, desk)
        {
            return step;
        }
    }
    let Some(ends) = meta.ends(frame) else { return Step::Drop(Drop::Malformed) };
    let class = classify::run(frame, meta, ends, desk.context);
    if !meta.kind.has_key()
        && let Some(step) = icmp::run(frame, meta, ends, &class, desk)
    {
        return step;
    }
    match class {
        Class::Service(service) => begin(frame, meta, ends, service, desk),
        Class::Host(step) => deliver(step, frame, meta, desk),
        Class::Other(step) => step,
        Class::Forward if fragment::is_of_interest(meta, desk.context) => fragment::passing(frame, meta, ends, desk),
        Class::Forward => route::run(frame, meta, ends, desk),
    }
}

/// A packet to a service begins a connection.
fn begin<'a, B>(
    frame: &[u8],
    meta: &mut Meta,
    ends: [IpAddr; 2],
    service: &'a VirtualService,
    desk: &mut Desk<'a, B>,
) -> Step {
    if matches!(meta.arrival, Arrival::Signed { .. }) {
        // Its connection would not be where its next packet lands.
        return Step::Drop(Drop::SignpostStale);
    }
    if desk.shard.defence.drops_packet() {
        return Step::Drop(Drop::Defence);
    }
    match schedule::run(frame, meta, ends, service, desk) {
        Ok(begun) => {
            let step = track::step(meta, begun.index, Direction::Request, desk);
            begun.keep(desk.shard);
            step
        }
        // A service of FTP takes what no other does, but what it cannot take it leaves to the host.
        Err(Step::Answer(Answer::NoServer)) if classify::is_data_of_ftp(meta, service) => {
            deliver(classify::host(frame, meta), frame, meta, desk)
        }
        Err(step) => step,
    }
}

/// For the director as a host, which looks at the extension headers of IPv6 first. Fragments are put together before
/// that, where connections count at all: then it sees what is in front of their fragment header, too.
fn deliver<B>(step: Step, frame: &[u8], meta: &mut Meta, desk: &Desk<'_, B>) -> Step {
    let gathers = step == Step::Gather;
    let looks = meta.kind.is_v6() && (!gathers || desk.context.tables.unhooked.passes(meta.kind));
    let refused = if looks { options::delivered6(frame, meta) } else { None };
    match refused {
        Some(refused) => refused,
        None if gathers => fragment::here_or_there(frame, meta, desk.shard),
        None => step,
    }
}
