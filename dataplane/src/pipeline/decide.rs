//! Decide: packet by packet in order of arrival. A packet belongs to a connection, starts one, is for the director
//! itself, or is for others.

use super::{Context, classify, schedule, track};
use crate::conn::{Found, NONE};
use crate::flow::Direction;
use crate::packet::{Arrival, Burst, Kind, Meta, Step};
use crate::port::PacketBuf;
use crate::shard::Shard;
use crate::verdict::{Answer, Drop};

pub(super) fn run<B: PacketBuf>(burst: &mut Burst<B>, shard: &mut Shard<B>, context: Context<'_>) {
    let changes = burst.changes;
    let hooked = !context.tables.unhooked.v4;
    for (packet, meta) in burst.packets.iter().zip(&mut burst.meta) {
        if meta.step == Step::Undecided {
            meta.step = one(packet.data(), meta, hooked.then_some(changes), shard, context);
        }
    }
}

/// `changes`: the table's when candidates were looked up; absent where connections do not count ([`Unhooked`]).
///
/// [`Unhooked`]: crate::tables::Unhooked
fn one<B>(frame: &[u8], meta: &mut Meta, changes: Option<u32>, shard: &mut Shard<B>, context: Context<'_>) -> Step {
    if meta.kind == Kind::Transport4 {
        match changes.and_then(|changes| found(meta, changes, shard)) {
            Some(Found::Conn(index, Direction::Reply)) => return track::reply(meta, index, shard, context),
            Some(Found::Conn(index, Direction::Request)) if track::ends(meta, &shard.table[index], context) => {
                shard.end_now(index, context.now);
            }
            Some(Found::Conn(index, Direction::Request)) => return track::request(meta, index, shard, context),
            Some(Found::Away { home, conn }) => return Step::Handoff { worker: home, conn },
            None => {}
        }
        if let Some(worker) = belongs_elsewhere(meta, shard) {
            return Step::Handoff { worker, conn: NONE };
        }
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

/// What a packet belongs to. A signpost that led here named the connection.
#[inline(always)]
pub(super) fn found<B>(meta: &Meta, changes: u32, shard: &Shard<B>) -> Option<Found> {
    if let Arrival::Signed { conn } = meta.arrival {
        let there = shard.table.is_reply_of(conn, &meta.tuple);
        return there.then_some(Found::Conn(conn, Direction::Reply));
    }
    shard.table.confirm(meta.candidate, changes, meta.hash, &meta.tuple)
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
    let target = std::net::Ipv4Addr::from_bits(meta.tuple.dst).into();
    match track::send(meta, NONE, crate::verdict::Forward::Routed, target, context) {
        Step::Send { .. } if classify::is_orphan(meta, context) => Step::Answer(Answer::NoConnection),
        step => step,
    }
}
