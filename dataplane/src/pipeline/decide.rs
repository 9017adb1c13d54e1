//! Decide: packet by packet in order of arrival. A packet belongs to a connection, starts one, is for the director
//! itself, or is for others.

use super::{Context, classify, schedule, track};
use crate::conn::{Found, NONE};
use crate::flow::Direction;
use crate::packet::{Arrival, Kind, Meta, Step};
use crate::proto::ipsec;
use crate::shard::Shard;
use crate::verdict::{Answer, Drop};

/// What happens to a packet that no stage before decided.
#[inline(never)]
pub(super) fn run<B>(frame: &[u8], meta: &mut Meta, shard: &mut Shard<B>, context: Context<'_>) -> Step {
    if meta.kind.has_key() {
        shard.table.settle_for(meta.hash);
        match known(meta, shard, context) {
            Some(Found::Conn(index, Direction::Request)) if track::ends(meta, &shard.table[index], context) => {
                shard.end_now(index, context.now);
            }
            Some(Found::Conn(index, direction)) => return track::step(meta, index, direction, shard, context),
            Some(Found::Away { home, conn }) => return Step::Handoff { worker: home, conn },
            None => {}
        }
        if let Some(worker) = belongs_elsewhere(meta, shard) {
            return Step::Handoff { worker, conn: NONE };
        }
    }
    if meta.kind == Kind::Ipsec4 {
        (meta.kind, meta.tuple) = (Kind::Other4, ipsec::alone(meta.tuple, meta.tcp_flags));
    }
    match classify::run(frame, meta, context) {
        // Its connection would not be where its next packet lands.
        classify::Class::Service(_) if matches!(meta.arrival, Arrival::Signed { .. }) => {
            Step::Drop(Drop::SignpostStale)
        }
        classify::Class::Service(_) if shard.defence.drops_packet() => Step::Drop(Drop::Defence),
        classify::Class::Service(service) => schedule::run(meta, service, shard, context),
        classify::Class::Other(step) => step,
        classify::Class::Forward => forward(meta, context),
    }
}

/// What a packet belongs to, where connections count ([`Unhooked`](crate::tables::Unhooked)). A signpost that led here
/// named the connection.
pub(super) fn known<B>(meta: &Meta, shard: &Shard<B>, context: Context<'_>) -> Option<Found> {
    if context.tables.unhooked.v4 {
        return None;
    }
    if let Arrival::Signed { conn } = meta.arrival {
        let there = shard.table.is_reply_of(conn, &meta.tuple);
        return there.then_some(Found::Conn(conn, Direction::Reply));
    }
    shard.table.find(meta.hash, &meta.tuple)
}

/// Devices that land packets at home may err, so a packet without a connection is looked at again before it starts one.
pub(super) fn belongs_elsewhere<B>(meta: &Meta, shard: &Shard<B>) -> Option<u16> {
    if shard.station.is_alone() || meta.arrival != Arrival::Device {
        return None;
    }
    shard.station.stray(meta.port, &meta.tuple)
}

/// For others: plain routing. What a router refuses is refused before anybody asks for its connection.
fn forward(meta: &mut Meta, context: Context<'_>) -> Step {
    let way = context.tables.net.path(std::net::Ipv4Addr::from_bits(meta.tuple.dst).into());
    match track::send(meta, NONE, crate::verdict::Forward::Routed, way, context) {
        Step::Send { .. } if classify::is_orphan(meta, context) => Step::Answer(Answer::NoConnection),
        step => step,
    }
}
