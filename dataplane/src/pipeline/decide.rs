//! Decide: packet by packet in order of arrival. A packet belongs to a connection, starts one, is for the director
//! itself, or is for others.

use std::net::IpAddr;

use super::{Context, classify, schedule, track};
use crate::conn::{Found, NONE};
use crate::flow::Direction;
use crate::packet::{Arrival, Meta, Step};
use crate::shard::Shard;
use crate::verdict::{Answer, Drop};

/// What happens to a packet that no stage before decided.
#[inline(never)]
pub(super) fn run<B>(frame: &[u8], meta: &mut Meta, shard: &mut Shard<B>, context: Context<'_>) -> Step {
    if meta.kind.is_transport() {
        shard.table.settle_for(meta.hash);
        match known(frame, meta, shard, context) {
            Some(Found::Conn(index, Direction::Request)) if track::ends(meta, &shard.table[index], context) => {
                shard.end_now(index, context.now);
            }
            Some(Found::Conn(index, direction)) => return track::step(meta, index, direction, shard, context),
            Some(Found::Away { home, conn }) => return Step::Handoff { worker: home, conn },
            None => {}
        }
        if let Some(worker) = belongs_elsewhere(frame, meta, shard) {
            return Step::Handoff { worker, conn: NONE };
        }
    }
    let Some(ends) = meta.ends(frame) else { return Step::Drop(Drop::Malformed) };
    match classify::run(frame, meta, ends, context) {
        // Its connection would not be where its next packet lands.
        classify::Class::Service(_) if matches!(meta.arrival, Arrival::Signed { .. }) => {
            Step::Drop(Drop::SignpostStale)
        }
        classify::Class::Service(_) if shard.defence.drops_packet() => Step::Drop(Drop::Defence),
        classify::Class::Service(service) => schedule::run(meta, ends, service, shard, context),
        classify::Class::Other(step) => step,
        classify::Class::Forward => forward(meta, ends, context),
    }
}

/// What a packet belongs to, where connections count ([`Unhooked`](crate::tables::Unhooked)). A signpost that led here
/// named the connection.
pub(super) fn known<B>(frame: &[u8], meta: &Meta, shard: &Shard<B>, context: Context<'_>) -> Option<Found> {
    if context.tables.unhooked.passes(meta.kind) {
        return None;
    }
    let table = &shard.table;
    let six = if meta.kind.is_v6() { Some(meta.ends6(frame)?) } else { None };
    if let Arrival::Signed { conn } = meta.arrival {
        let same = |ends| table[conn].is_between(Direction::Reply, ends);
        let there = table.is_reply_of(conn, &meta.tuple) && six.is_none_or(same);
        return there.then_some(Found::Conn(conn, Direction::Reply));
    }
    match six {
        None => table.find(meta.hash, &meta.tuple),
        Some(ends) => table.find6(meta.hash, &meta.tuple, ends),
    }
}

/// Devices that land packets at home may err, so a packet without a connection is looked at again before it starts one.
fn belongs_elsewhere<B>(frame: &[u8], meta: &Meta, shard: &Shard<B>) -> Option<u16> {
    if shard.station.is_alone() || meta.arrival != Arrival::Device {
        return None;
    }
    let six = if meta.kind.is_v6() { meta.ends6(frame) } else { None };
    shard.station.stray(meta.lan.port(), &meta.tuple, six)
}

/// For others: plain routing. What a router refuses is refused before anybody asks for its connection.
fn forward(meta: &mut Meta, [source, destination]: [IpAddr; 2], context: Context<'_>) -> Step {
    let way = context.tables.net.path(destination);
    match track::send(meta, NONE, crate::verdict::Forward::Routed, way, context) {
        Step::Send { .. } if classify::is_orphan(meta, source, context) => Step::Answer(Answer::NoConnection),
        step => step,
    }
}
