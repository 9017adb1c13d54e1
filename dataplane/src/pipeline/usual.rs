//! The usual packet: of a connection that is found at the first guess, by a next hop that is known. It is tracked, changed,
//! addressed and sent in one go, and nothing of it is written down in between.

use super::resolve::Forwarded;
use super::{Context, Next, cut, resolve, rewrite, track, way};
use crate::conn::{Conn, NONE};
use crate::flow::Direction;
use crate::forward::{self, Change};
use crate::neighbor::NextHop;
use crate::packet::{Meta, Step};
use crate::parking::Ending;
use crate::port::PacketBuf;
use crate::service::Server;
use crate::shard::{Ids, Shard};
use crate::verdict::{Drop, Forward};

/// The usual packet: of a connection that is the first guess, on its way at once. Gives it back where it takes another
/// step. Inlined once for each direction.
#[inline(always)]
pub(super) fn run<B: PacketBuf, const SIX: bool>(
    mut packet: B,
    meta: &mut Meta,
    (index, direction): (u32, Direction),
    forwarded: &mut Forwarded,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
) -> Option<B> {
    let conn = &mut shard.table[index];
    let (next, shorter) = track::packet(meta, index, conn, direction, context, track::advance);
    let leaves = match next {
        Next::Leave(hop, server) => {
            let reason = track::reason(conn, direction);
            let way = (reason, server, hop);
            if meta.l3 == hop.starts && change::<B, SIX>(&mut packet, meta, conn, way, &mut shard.tunnel_ids, context) {
                hop.touch(context.now);
                Some((reason, hop))
            } else {
                meta.step = track::leave(meta, index, conn, direction, hop, context);
                None
            }
        }
        Next::Step(step) => {
            meta.step = step;
            None
        }
    };
    if shorter {
        shard.shortened(index);
    }
    let Some((reason, hop)) = leaves else {
        return if let Step::Send { reason: Forward::Tun, hop, .. } = meta.step {
            by_tunnel(packet, meta, (index, hop), forwarded, shard, context, alloc)
        } else {
            Some(packet)
        };
    };
    resolve::send(packet, meta, reason, hop, forwarded, shard, context);
    None
}

/// A packet that was decided at length, as the first of a connection is, mostly leaves like the usual ones. Gives back
/// what does not.
#[inline(always)]
pub(super) fn at_once<B: PacketBuf, const SIX: bool>(
    mut packet: B,
    meta: &Meta,
    forwarded: &mut Forwarded,
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> Option<B> {
    let Step::Send { conn, reason: reason @ (Forward::NatRequest | Forward::NatReply | Forward::Dr), hop } = meta.step
    else {
        return Some(packet);
    };
    let Some(hop) = context.tables.net.hops.get(hop) else { return Some(packet) };
    let conn = &shard.table[conn];
    let usual = meta.kind.is_transport() && conn.side == NONE;
    if !usual || meta.l3 != hop.starts || meta.ip_len() > usize::from(hop.mtu) {
        return Some(packet);
    }
    change::<B, SIX>(&mut packet, meta, conn, (reason, None, hop), &mut shard.tunnel_ids, context);
    hop.touch(context.now);
    resolve::send(packet, meta, reason, hop, forwarded, shard, context);
    None
}

/// Changes the usual packet of a connection, and addresses it. `false` and unchanged where a tunnel asks for more.
#[inline(always)]
fn change<B: PacketBuf, const SIX: bool>(
    packet: &mut B,
    meta: &Meta,
    conn: &Conn,
    (reason, server, hop): (Forward, Option<&Server>, &NextHop),
    ids: &mut Ids,
    context: Context<'_>,
) -> bool {
    if reason == Forward::Tun {
        let usual = !(SIX && meta.kind.is_v6()) && way::is_usual_to_tunnel(meta, server, hop);
        return usual && rewrite::wrap_usual(packet, meta, conn.server, hop, ids, context);
    }
    if SIX {
        forward::change(packet.data_mut(), meta, conn, reason);
    } else {
        Change::of4(conn, reason).apply(packet.data_mut(), meta);
    }
    resolve::address(packet, hop);
    true
}

/// The packet of a tunnel that asks for more than an IPv4 header. Gives it back where its buffer has no room in front.
#[inline(never)]
fn by_tunnel<B: PacketBuf>(
    mut packet: B,
    meta: &mut Meta,
    (index, hop): (u32, u32),
    forwarded: &mut Forwarded,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
) -> Option<B> {
    let Some(hop) = context.tables.net.hops.get(hop) else { return Some(packet) };
    let change = Change::Tun { server: shard.table[index].server_address() };
    let wrapped = rewrite::carry_out(change, &mut packet, meta, hop, shard, context);
    let ending = Ending::Forward(Forward::Tun);
    if wrapped && resolve::is_too_large(&packet, meta, ending, hop) {
        cut::packet(packet, meta, ending, hop, shard, context, alloc);
        return None;
    }
    if !wrapped || !resolve::dress(&mut packet, meta, hop, context.now) {
        meta.step = Step::Drop(Drop::NoHeadroom);
        return Some(packet);
    }
    resolve::send(packet, meta, Forward::Tun, hop, forwarded, shard, context);
    None
}
