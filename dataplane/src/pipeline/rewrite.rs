//! Rewrite: the bytes of every packet that is sent on, by the method of its connection.

use super::Context;
use crate::conn::NONE;
use crate::forward::{Change, Exit};
use crate::neighbor::NextHop;
use crate::packet::{Burst, Step};
use crate::port::PacketBuf;
use crate::shard::Shard;
use crate::verdict::Drop;

/// Packets that must wait for their neighbour stay as they came: should nobody answer, their senders are told of what
/// they sent.
pub(super) fn run<B: PacketBuf>(burst: &mut Burst<B>, shard: &mut Shard<B>, context: Context<'_>) {
    for (packet, meta) in burst.packets.iter_mut().zip(&mut burst.meta) {
        if let Step::Send { conn, reason, hop } = meta.step
            && hop != NONE
        {
            let change = Change::of(&shard.table, conn, reason);
            let exit = || exit(context.tables.net.hops.get(hop), shard, context);
            if !change.apply(packet, meta, exit) {
                meta.step = Step::Drop(Drop::NoHeadroom);
            }
        }
    }
}

/// What a tunnel takes from where it begins.
pub(super) fn exit<B>(hop: Option<&NextHop>, shard: &mut Shard<B>, context: Context<'_>) -> Exit {
    let pmtu_disc = context.tables.sysctls.pmtu_disc != 0;
    Exit { source: hop.map_or(0, |hop| hop.source4), pmtu_disc, id: shard.next_tunnel_id() }
}
