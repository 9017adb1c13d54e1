//! Rewrite: the bytes of a packet that is sent on, by the method of its connection.

use super::Context;
use crate::forward::{Change, tun};
use crate::neighbor::NextHop;
use crate::packet::{Meta, Step};
use crate::port::PacketBuf;
use crate::shard::Shard;
use crate::verdict::Drop;

/// A packet that must wait for its neighbour stays as it came: should nobody answer, its sender is told of what it
/// sent.
pub(super) fn run<B: PacketBuf>(packet: &mut B, meta: &mut Meta, shard: &mut Shard<B>, context: Context<'_>) {
    if let Step::Send { conn, reason, hop } = meta.step
        && let Some(hop) = context.tables.net.hops.get(hop)
    {
        let change = Change::in_table(&shard.table, conn, reason, meta.kind);
        if !carry_out(change, packet, meta, hop, shard, context) {
            meta.step = Step::Drop(Drop::NoHeadroom);
        }
    }
}

/// Changes a packet that leaves for a next hop. `false` where its buffer has no room for the headers of a tunnel.
pub(super) fn carry_out<B: PacketBuf>(
    change: Change,
    packet: &mut B,
    meta: &Meta,
    hop: &NextHop,
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> bool {
    change.apply(packet.data_mut(), meta);
    let Change::Tun { server } = change else { return true };
    let df = meta.df && context.tables.sysctls.pmtu_disc != 0;
    let id = if df { 0 } else { shard.next_tunnel_id() };
    tun::wrap(packet, meta, &tun::Outer { source: hop.source4, server, df, id })
}
