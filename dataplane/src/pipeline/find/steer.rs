//! Steer: a packet that a device delivered to a worker where it does not belong goes to the one where it does. Only
//! where there are several workers, and only for packets that have a place in the connection table, or are about one that
//! has.

use super::quote;
use crate::conn::NONE;
use crate::packet::{Burst, Step};
use crate::pipeline::scene::Context;
use crate::port::PacketBuf;
use crate::shard::Shard;

pub(crate) fn run<B: PacketBuf>(burst: &mut Burst<B>, port: u16, shard: &Shard<B>, context: Context<'_>) {
    let Some(landing) = shard.station.steers(port) else { return };
    let packets = burst.packets.iter().zip(&mut burst.meta);
    for (packet, meta) in packets.filter(|(_, meta)| meta.step == Step::Undecided) {
        let home = if meta.kind.has_key() {
            landing.worker(&meta.tuple, meta.six(packet.data()))
        } else if let Some(home) = quote::home(packet.data(), meta, landing, shard, context) {
            home
        } else {
            continue;
        };
        if home != shard.station.me() {
            meta.step = Step::Handoff { worker: home, conn: NONE };
        }
    }
}
