//! The stages of a burst. Those up to lookup run over the whole burst before the next starts, so that cache misses overlap.
//! From there on all is at hand, and one packet after the other is decided, rewritten and sent, each seeing the effect of
//! the one before: a burst gives what its packets would give one at a time.

use super::decide::{self, track};
use super::desk::Desk;
use super::eyes::{Eyes, Stage};
use super::find::{lookup, parse, steer};
use super::leave::{self, rewrite};
use super::{usual, whole};
use crate::conn::Confirmed;
use crate::flow::Direction;
use crate::packet::{Arrival, Burst, Kind, Meta, Step};
use crate::port::PacketBuf;

/// The stages of a burst that a device delivered, and whoever looks between them.
pub(super) fn arrived<B: PacketBuf, E: Eyes<B>>(burst: &mut Burst<B>, port: u16, desk: &mut Desk<'_, B>, eyes: &mut E) {
    let all = 0..burst.packets.len();
    burst.six = false;
    parse::run(burst, all, port, desk.context.tables, &desk.shard.table);
    eyes.after(Stage::Parse, burst, desk);
    if !desk.shard.station.is_alone() {
        steer::run(burst, port, desk.shard, desk.context);
    }
    finish(burst, desk, eyes);
}

/// The stages of a burst that other workers handed over.
pub(super) fn handed<B: PacketBuf, E: Eyes<B>>(burst: &mut Burst<B>, desk: &mut Desk<'_, B>, eyes: &mut E) {
    let mut from = 0;
    burst.six = false;
    while from < burst.packets.len() {
        let port = burst.meta[from].lan.port();
        let same = burst.meta[from..burst.packets.len()].iter().take_while(|meta| meta.lan.port() == port).count();
        parse::run(burst, from..from + same, port, desk.context.tables, &desk.shard.table);
        from += same;
    }
    eyes.after(Stage::Parse, burst, desk);
    finish(burst, desk, eyes);
}

/// What follows when it is known where packets belong.
fn finish<B: PacketBuf, E: Eyes<B>>(burst: &mut Burst<B>, desk: &mut Desk<'_, B>, eyes: &mut E) {
    lookup::run(burst, &desk.shard.table, desk.context.tables.unhooked);
    eyes.after(Stage::Lookup, burst, desk);
    if E::OPEN {
        stop_at_stages(burst, desk, eyes);
    } else if burst.six {
        go_through::<B, true>(burst, desk);
    } else {
        go_through::<B, false>(burst, desk);
    }
    desk.end_burst();
}

/// One packet after the other to its end. `SIX`: there may be IPv6 among those of connections.
#[inline(always)]
fn go_through<B: PacketBuf, const SIX: bool>(burst: &mut Burst<B>, desk: &mut Desk<'_, B>) {
    let Burst { packets, meta, changes, .. } = burst;
    let watch_servers = track::ends_without_server(desk.context);
    for (packet, meta) in packets.drain(..).zip(meta) {
        let table = &desk.shard.table;
        let mut confirmed = table.confirm(meta.candidate, *changes, &meta.tuple);
        if SIX && meta.kind == Kind::Transport6 {
            confirmed = lookup::confirm_addresses(confirmed, packet.data(), meta, table);
        }
        let packet = match confirmed {
            Confirmed::Reply(conn) => usual::run::<B, SIX>(packet, meta, (conn, Direction::Reply), desk),
            Confirmed::Request(conn) if !watch_servers && !track::may_take_the_tuple(meta) => {
                usual::run::<B, SIX>(packet, meta, (conn, Direction::Request), desk)
            }
            Confirmed::Request(_) | Confirmed::Unknown => {
                decide(&packet, meta, desk);
                usual::at_once::<B, SIX>(packet, meta, desk)
            }
        };
        if let Some(mut packet) = packet {
            rewrite::run(&mut packet, meta, desk);
            leave(packet, meta, desk);
        }
    }
}

/// Decides a packet that no stage before has.
fn decide<B: PacketBuf>(packet: &B, meta: &mut Meta, desk: &mut Desk<'_, B>) {
    if meta.step == Step::Undecided {
        meta.step = decide::run(packet.data(), meta, desk);
    }
}

/// Carries out a packet's step. What it completes begins its way at its place.
fn leave<B: PacketBuf>(packet: B, meta: &Meta, desk: &mut Desk<'_, B>) {
    if let Some(datagram) = leave::run(packet, meta, desk) {
        whole::run(datagram, Arrival::Device, meta.watchers, desk);
    }
}

/// The way of [`go_through`] for packets that are followed: stage by stage, so that eyes can look between them.
fn stop_at_stages<B: PacketBuf>(burst: &mut Burst<B>, desk: &mut Desk<'_, B>, eyes: &mut impl Eyes<B>) {
    for (packet, meta) in burst.packets.iter().zip(&mut burst.meta) {
        decide(packet, meta, desk);
    }
    desk.shard.table.settle();
    eyes.after(Stage::Decide, burst, desk);
    for (packet, meta) in burst.packets.iter_mut().zip(&mut burst.meta) {
        rewrite::run(packet, meta, desk);
    }
    eyes.after(Stage::Rewrite, burst, desk);
    for (packet, meta) in burst.packets.drain(..).zip(&burst.meta) {
        leave(packet, meta, desk);
    }
}
