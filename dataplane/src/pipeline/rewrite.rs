//! Rewrite: the bytes of a packet that is sent on, by the method of its connection.

use std::net::IpAddr;

use super::{Context, ftp, options};
use crate::conn::NONE;
use crate::forward::{Change, tun};
use crate::neighbor::NextHop;
use crate::packet::{Meta, Step};
use crate::port::PacketBuf;
use crate::shard::{Ids, Shard};
use crate::verdict::{Drop, Forward};

/// A packet that must wait for its neighbour stays as it came: should nobody answer, its sender is told of what it
/// sent. Only what FTP's control connections say is changed at once: whom they announce is expected from now on.
pub(super) fn run<B: PacketBuf>(packet: &mut B, meta: &mut Meta, shard: &mut Shard<B>, context: Context<'_>) {
    let Step::Send { conn, reason, hop } = meta.step else { return };
    if conn != NONE
        && shard.table[conn].side != NONE
        && let Err(drop) = ftp::run(packet, meta, (conn, reason), shard, context)
    {
        meta.step = Step::Drop(drop);
        return;
    }
    if let Some(hop) = context.tables.net.hops.get(hop) {
        let change = (reason, Change::in_table(&shard.table, conn, reason));
        if !with_options(change, packet, meta, hop, shard, context) {
            meta.step = Step::Drop(Drop::NoHeadroom);
        }
    }
}

/// Changes a packet that leaves for a next hop for a reason, and fills in the options that it may have. `false` where its
/// buffer has no room for the headers of a tunnel.
pub(super) fn with_options<P: PacketBuf, B>(
    (reason, change): (Forward, Change),
    packet: &mut P,
    meta: &Meta,
    hop: &NextHop,
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> bool {
    if meta.has_options() {
        options::leave4(packet.data_mut(), meta, (reason, change), hop, context);
    }
    carry_out(change, packet, meta, hop, shard, context)
}

/// Changes a packet without options that leaves for a next hop. `false` where its buffer has no room for the headers of a tunnel.
pub(super) fn carry_out<P: PacketBuf, B>(
    change: Change,
    packet: &mut P,
    meta: &Meta,
    hop: &NextHop,
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> bool {
    let Change::Tun { server } = change else {
        change.apply(packet.data_mut(), meta);
        return true;
    };
    let outer = match server {
        IpAddr::V4(server) => {
            // What the outer header says of fragments, the inner one says too, or it is IPv6.
            let df = meta.df && !meta.kind.is_v6() && context.tables.sysctls.pmtu_disc != 0;
            let id = if df { 0 } else { shard.tunnel_ids.next() };
            tun::Outer::V4 { source: hop.source4, server: server.to_bits(), df, id }
        }
        IpAddr::V6(server) => tun::Outer::V6 { source: hop.source6.to_be_bytes(), server: server.octets() },
    };
    change.apply(packet.data_mut(), meta);
    tun::wrap(packet, meta, &outer)
}

/// Wraps the usual packet of a tunnel, IPv4 in IPv4, and addresses it to its next hop. `false` where its buffer has no room
/// for the header.
#[inline(always)]
pub(super) fn wrap_usual<P: PacketBuf>(
    packet: &mut P,
    meta: &Meta,
    server: u32,
    hop: &NextHop,
    ids: &mut Ids,
    context: Context<'_>,
) -> bool {
    let df = meta.df && context.tables.sysctls.pmtu_disc != 0;
    let id = if df { 0 } else { ids.next() };
    tun::wrap_usual(packet, meta, (hop.source4, server), (df, id), &hop.macs)
}
