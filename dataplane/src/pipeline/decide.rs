//! Decide: packet by packet in order of arrival. A packet belongs to a connection, starts one, is for the director
//! itself, or is for others.

use super::{Context, classify, schedule, track};
use crate::conn::NONE;
use crate::flow::Direction;
use crate::packet::{Burst, Kind, Meta, Step};
use crate::port::PacketBuf;
use crate::shard::Shard;

pub(super) fn run<B: PacketBuf>(burst: &mut Burst<B>, shard: &mut Shard<B>, context: Context<'_>) {
    let changes = burst.changes;
    for (packet, meta) in burst.packets.iter().zip(&mut burst.meta) {
        if meta.step == Step::Undecided {
            meta.step = one(packet.data(), meta, changes, shard, context);
        }
    }
}

fn one<B>(frame: &[u8], meta: &mut Meta, changes: u32, shard: &mut Shard<B>, context: Context<'_>) -> Step {
    if meta.kind == Kind::Transport4
        && let Some((index, direction)) = shard.table.confirm(meta.candidate, changes, meta.hash, &meta.tuple)
    {
        match direction {
            Direction::Reply => return track::reply(meta, index, shard, context),
            Direction::Request if track::starts_anew(meta, &shard.table[index]) => shard.end_now(index, context.now),
            Direction::Request => return track::request(meta, index, shard, context),
        }
    }
    match classify::run(frame, meta, context) {
        classify::Class::Service(service) => schedule::run(meta, service, shard, context),
        classify::Class::Other(step) => step,
        classify::Class::Forward => forward(meta, context),
    }
}

/// For others: plain routing.
fn forward(meta: &mut Meta, context: Context<'_>) -> Step {
    let target = std::net::Ipv4Addr::from_bits(meta.tuple.dst).into();
    track::send(meta, NONE, crate::verdict::Forward::Routed, target, context)
}
