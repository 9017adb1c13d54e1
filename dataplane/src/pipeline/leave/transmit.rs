//! Transmission of a packet whose next hop is known, whatever its length.

use super::{cut, depart};
use crate::neighbor::NextHop;
use crate::packet::Meta;
use crate::parking::Ending;
use crate::pipeline::desk::Desk;
use crate::port::PacketBuf;
use crate::verdict::Drop;

/// Queues a packet and counts it, or drops it where the port's queue is full.
pub(crate) fn transmit<B: PacketBuf>(
    mut packet: B,
    meta: &Meta,
    ending: Ending,
    hop: &NextHop,
    desk: &mut Desk<'_, B>,
) {
    if depart::is_too_large(&packet, meta, ending, hop) {
        return cut::packet(packet, meta, ending, hop, desk);
    }
    if !depart::dress(&mut packet, meta, hop, desk.context.now) {
        return depart::lose(packet, ending, Drop::NoHeadroom, desk);
    }
    let port = hop.lan.port();
    match desk.shard.output.push(port, packet) {
        Ok(()) => depart::count(ending, desk.context),
        Err(packet) => depart::by_another(packet, port, ending, meta.watchers, desk),
    }
}
