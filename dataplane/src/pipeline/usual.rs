//! The usual packet: of a connection that is found at the first guess, by a next hop that is known. It is tracked, changed,
//! addressed and sent in one go, and nothing of it is written down in between.

use super::decide::{track, way};
use super::desk::Desk;
use super::leave::{cut, depart, rewrite};
use crate::conn::{Conn, NONE, Six, flag};
use crate::flow::Direction;
use crate::forward::{self, Change, seq, tun};
use crate::method::{Rewrite, Treatment};
use crate::packet::{Meta, Step};
use crate::parking::Ending;
use crate::port::PacketBuf;
use crate::verdict::Drop;

/// A packet of a connection that is the first guess, on its way at once. Gives it back where it takes another step. Inlined
/// once for each direction.
#[inline(always)]
pub(super) fn run<B: PacketBuf, const SIX: bool>(
    packet: B,
    meta: &mut Meta,
    (index, direction): (u32, Direction),
    desk: &mut Desk<'_, B>,
) -> Option<B> {
    go::<B, SIX, false>(packet, meta, (index, direction), desk)
}

/// The way of connections whose sequence numbers are shifted: a copy of its own, so that others keep all registers.
#[inline(never)]
fn with_shifts<B: PacketBuf, const SIX: bool, const REQUEST: bool>(
    packet: B,
    meta: &mut Meta,
    index: u32,
    desk: &mut Desk<'_, B>,
) -> Option<B> {
    let direction = if REQUEST { Direction::Request } else { Direction::Reply };
    go::<B, SIX, true>(packet, meta, (index, direction), desk)
}

#[inline(always)]
fn go<B: PacketBuf, const SIX: bool, const SHIFTED: bool>(
    mut packet: B,
    meta: &mut Meta,
    (index, direction): (u32, Direction),
    desk: &mut Desk<'_, B>,
) -> Option<B> {
    let (shard, context) = (&mut *desk.shard, desk.context);
    let (conn, six) = shard.table.with_addresses(index);
    if !SHIFTED && conn.has(flag::SHIFTED) {
        return match direction {
            Direction::Request => with_shifts::<B, SIX, true>(packet, meta, index, desk),
            Direction::Reply => with_shifts::<B, SIX, false>(packet, meta, index, desk),
        };
    }
    let Some((hop, server)) = track::usual(meta, conn, direction, context) else {
        return otherwise::<B, SIX>(packet, meta, (index, direction), desk);
    };
    let treatment = conn.treatment(direction);
    // What is found by its reply key has its ends changed, and goes through no tunnel.
    let wrapped = direction == Direction::Request && treatment.is_wrapped();
    let changed = meta.l3 == hop.starts
        && if !wrapped {
            let rewrite = if direction == Direction::Reply { Rewrite::ToClient } else { treatment.rewrite };
            change::<B, SIX>(&mut packet, meta, (conn, six), rewrite);
            if SHIFTED {
                seq::rewrite(packet.data_mut(), meta, shard.table.shifts_of(index), direction);
            }
            depart::address(&mut packet, hop);
            true
        } else if !(SIX && meta.kind.is_v6()) && way::is_usual_to_tunnel(meta, server, hop) {
            let fragment = rewrite::outer_fragment(meta, &mut shard.tunnel_ids, context);
            tun::wrap_usual(&mut packet, meta, (hop.source4, conn.server_end().0), fragment, &hop.macs)
        } else {
            false
        };
    if !changed {
        meta.step = track::leave(meta, (index, &shard.table[index]), direction, hop, context);
        return into_tunnel(packet, meta, desk);
    }
    hop.touch(context.now);
    depart::send(packet, meta, treatment, hop, desk);
    None
}

/// A packet of a connection that is the first guess, but none of the usual ones.
#[inline(never)]
fn otherwise<B: PacketBuf, const SIX: bool>(
    packet: B,
    meta: &mut Meta,
    (index, direction): (u32, Direction),
    desk: &mut Desk<'_, B>,
) -> Option<B> {
    meta.step = track::step(meta, index, direction, desk);
    let packet = into_tunnel(packet, meta, desk)?;
    at_once::<B, SIX>(packet, meta, desk)
}

/// A packet that leaves by a tunnel is sent here. Gives all others back.
#[inline(always)]
fn into_tunnel<B: PacketBuf>(packet: B, meta: &mut Meta, desk: &mut Desk<'_, B>) -> Option<B> {
    match meta.step {
        Step::Send { conn, treatment, hop } if treatment.is_wrapped() => {
            by_tunnel(packet, meta, (conn, treatment, hop), desk)
        }
        _ => Some(packet),
    }
}

/// A packet that was decided at length, as the first of a connection is, mostly leaves like the usual ones. Gives back
/// what does not.
#[inline(always)]
pub(super) fn at_once<B: PacketBuf, const SIX: bool>(mut packet: B, meta: &Meta, desk: &mut Desk<'_, B>) -> Option<B> {
    let Step::Send { conn, treatment, hop } = meta.step else { return Some(packet) };
    if conn == NONE || treatment.is_wrapped() {
        return Some(packet);
    }
    let Some(hop) = desk.context.tables.net.hops.get(hop) else { return Some(packet) };
    let (conn, six) = desk.shard.table.with_addresses(conn);
    let usual = meta.kind.is_transport() && !conn.has(flag::HELPED | flag::SHIFTED);
    if !usual || meta.l3 != hop.starts || meta.ip_len() > usize::from(hop.mtu) {
        return Some(packet);
    }
    change::<B, SIX>(&mut packet, meta, (conn, six), treatment.rewrite);
    depart::address(&mut packet, hop);
    hop.touch(desk.context.now);
    depart::send(packet, meta, treatment, hop, desk);
    None
}

/// Changes the usual packet of a connection that goes through no tunnel.
#[inline(always)]
fn change<B: PacketBuf, const SIX: bool>(packet: &mut B, meta: &Meta, (conn, six): (&Conn, Six<'_>), rewrite: Rewrite) {
    if SIX {
        forward::change(packet.data_mut(), meta, (conn, six), rewrite);
    } else {
        forward::change4(packet.data_mut(), meta, conn, rewrite);
    }
}

/// The packet of a tunnel that asks for more than an IPv4 header. Gives it back where its buffer has no room in front.
#[inline(never)]
fn by_tunnel<B: PacketBuf>(
    mut packet: B,
    meta: &mut Meta,
    (index, treatment, hop): (u32, Treatment, u32),
    desk: &mut Desk<'_, B>,
) -> Option<B> {
    let Some(hop) = desk.context.tables.net.hops.get(hop) else { return Some(packet) };
    let change = Change::Tun { server: desk.shard.table.server_address(index) };
    let wrapped = rewrite::carry_out(change, &mut packet, meta, hop, desk);
    let ending = Ending::Forward(treatment);
    if wrapped && depart::is_too_large(&packet, meta, ending, hop) {
        cut::packet(packet, meta, ending, hop, desk);
        return None;
    }
    if !wrapped || !depart::dress(&mut packet, meta, hop, desk.context.now) {
        meta.step = Step::Drop(Drop::NoHeadroom);
        return Some(packet);
    }
    depart::send(packet, meta, treatment, hop, desk);
    None
}
