//! Rewrite: the bytes of a packet that is sent on, by the method of its connection.

use std::net::IpAddr;

use super::{helper, options};
use crate::conn::{NONE, flag};
use crate::forward::{Change, tun};
use crate::method::Treatment;
use crate::neighbor::NextHop;
use crate::packet::{Meta, Step};
use crate::pipeline::desk::Desk;
use crate::pipeline::scene::Context;
use crate::port::PacketBuf;
use crate::shard::Ids;
use crate::verdict::Drop;

/// A packet that must wait for its neighbour stays as it came: should nobody answer, its sender is told of what it
/// sent. Only what helpers change is changed at once: whom FTP announces is expected from now on.
pub(crate) fn run<B: PacketBuf>(packet: &mut B, meta: &mut Meta, desk: &mut Desk<'_, B>) {
    let Step::Send { conn, treatment, hop } = meta.step else { return };
    if conn != NONE
        && desk.shard.table[conn].has(flag::HELPED)
        && let Err(drop) = helper::run(packet, meta, (conn, treatment), desk)
    {
        meta.step = Step::Drop(drop);
        return;
    }
    if let Some(hop) = desk.context.tables.net.hops.get(hop) {
        let change = (treatment, Change::in_table(&desk.shard.table, conn, treatment.rewrite));
        if !with_options(change, packet, meta, hop, desk) {
            meta.step = Step::Drop(Drop::NoHeadroom);
        }
    }
}

/// Changes a packet that leaves for a next hop for a reason, and fills in the options that it may have. `false` where its
/// buffer has no room for the headers of a tunnel.
pub(crate) fn with_options<P: PacketBuf, B>(
    (treatment, change): (Treatment, Change),
    packet: &mut P,
    meta: &Meta,
    hop: &NextHop,
    desk: &mut Desk<'_, B>,
) -> bool {
    if meta.has_options() {
        options::leave4(packet.data_mut(), meta, (treatment, change), hop, desk.context);
    }
    carry_out(change, packet, meta, hop, desk)
}

/// Changes a packet without options that leaves for a next hop. `false` where its buffer has no room for the headers of a tunnel.
pub(crate) fn carry_out<P: PacketBuf, B>(
    change: Change,
    packet: &mut P,
    meta: &Meta,
    hop: &NextHop,
    desk: &mut Desk<'_, B>,
) -> bool {
    let Change::Tun { server } = change else {
        change.apply(packet.data_mut(), meta);
        return true;
    };
    let outer = match server {
        IpAddr::V4(server) => {
            let (df, id) = outer_fragment(meta, &mut desk.shard.tunnel_ids, desk.context);
            tun::Outer::V4 { source: hop.source4, server: server.to_bits(), df, id }
        }
        IpAddr::V6(server) => tun::Outer::V6 { source: hop.source6.to_be_bytes(), server: server.octets() },
    };
    change.apply(packet.data_mut(), meta);
    tun::wrap(packet, meta, &outer)
}

/// What the outer header around a packet says of fragments: DF, and the identification.
#[inline(always)]
pub(crate) fn outer_fragment(meta: &Meta, ids: &mut Ids, context: Context<'_>) -> (bool, u16) {
    // What the outer header says of fragments, the inner one says too, or it is IPv6.
    let df = meta.df && !meta.kind.is_v6() && context.tables.sysctls.pmtu_disc != 0;
    (df, if df { 0 } else { ids.next() })
}
