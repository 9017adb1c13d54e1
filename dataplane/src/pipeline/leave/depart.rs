//! Departure: a packet that is all done gets its Ethernet header and joins a port's output queue, or is lost on the way there.

use crate::clock::Tick;
use crate::handoff::{Crossing, Errand};
use crate::method::Treatment;
use crate::neighbor::NextHop;
use crate::packet::{Meta, Watchers};
use crate::parking::Ending;
use crate::pipeline::desk::Desk;
use crate::pipeline::scene::Context;
use crate::port::PacketBuf;
use crate::verdict::{Drop, Handoff, Sent, Verdict};
use crate::wire::{ethernet, put, vlan};

/// Whether a packet that is all done must be cut. Whoever sent it has not forbidden it.
pub(crate) fn is_too_large<B: PacketBuf>(packet: &B, meta: &Meta, ending: Ending, hop: &NextHop) -> bool {
    packet.len() > usize::from(meta.l3) + most(meta, ending, hop)
}

/// Bytes of the largest IP packet that leaves uncut: what the link takes, and of a tunnel its path.
pub(crate) fn most(meta: &Meta, ending: Ending, hop: &NextHop) -> usize {
    let tunnel = matches!(ending, Ending::Forward(treatment) if treatment.is_wrapped());
    usize::from(if tunnel { hop.mtu.min(meta.mtu) } else { hop.mtu })
}

/// Sends a packet that is all done by its next hop.
#[inline(always)]
pub(crate) fn send<B: PacketBuf>(packet: B, meta: &Meta, treatment: Treatment, hop: &NextHop, desk: &mut Desk<'_, B>) {
    match desk.shard.output.push(hop.lan.port(), packet) {
        Ok(()) => desk.forwarded.add(treatment.counter),
        Err(packet) => by_another(packet, hop.lan.port(), Ending::Forward(treatment), meta.watchers, desk),
    }
}

/// Counts the reason and puts the buffer on the list that is freed in bulk.
pub(crate) fn drop_packet<B>(packet: B, reason: Drop, desk: &mut Desk<'_, B>) {
    desk.context.link.counters.verdict(Verdict::Drop(reason));
    desk.shard.output.dropped.push(packet);
}

/// Drops a packet that was about to leave: a received one ends with the reason, one of our own is counted as lost.
pub(crate) fn lose<B>(packet: B, ending: Ending, reason: Drop, desk: &mut Desk<'_, B>) {
    match ending {
        Ending::Forward(_) => desk.context.link.counters.verdict(Verdict::Drop(reason)),
        Ending::Own(_) => desk.context.link.counters.sent(Sent::Lost),
    }
    desk.shard.output.dropped.push(packet);
}

/// Writes the Ethernet header of a packet that is done. `false` where its buffer has no room in front for a tag.
#[inline(always)]
pub(crate) fn dress<B: PacketBuf>(packet: &mut B, meta: &Meta, hop: &NextHop, now: Tick) -> bool {
    let fits = meta.l3 == hop.starts || retag(packet, meta, hop);
    if fits {
        address(packet, hop);
        hop.touch(now);
    }
    fits
}

/// Writes the MACs where nothing else changes, or has changed already.
#[inline(always)]
pub(crate) fn address<B: PacketBuf>(packet: &mut B, hop: &NextHop) {
    if let Some(macs) = packet.data_mut().first_chunk_mut() {
        *macs = hop.macs;
    }
}

/// Makes room for the header of a packet that came with a tag, or leaves with one, and writes the tag. The EtherType
/// stays right in front of the packet.
#[inline(never)]
fn retag<B: PacketBuf>(packet: &mut B, meta: &Meta, hop: &NextHop) -> bool {
    let vlan = hop.lan.vlan();
    let (has, wants) = (usize::from(meta.l3), ethernet::HEADER + if vlan == 0 { 0 } else { vlan::LEN });
    let fits = if has < wants { packet.prepend(wants - has) } else { packet.adj(has - wants) };
    if fits {
        let frame = packet.data_mut();
        // What stands before a packet that was taken out of another is not its type.
        let version = frame.get(wants).map_or(0, |first| first >> 4);
        let ethertype = if version == 6 { ethernet::IPV6 } else { ethernet::IPV4 };
        put(frame, wants - 2, &ethertype.to_be_bytes());
        if vlan != 0 {
            vlan::write(frame, vlan);
        }
    }
    fits
}

/// A finished packet found no room in a port's queue: it is full, or another worker sends by that port.
#[cold]
pub(crate) fn by_another<B>(packet: B, port: u16, ending: Ending, watchers: Watchers, desk: &mut Desk<'_, B>) {
    let Some(worker) = desk.shard.station.sender(port) else {
        return lose(packet, ending, Drop::TransmitFull, desk);
    };
    let sent = desk.shard.mesh.send(worker, Crossing { packet, port, errand: Errand::Leave(ending), watchers });
    match (sent, ending) {
        (Ok(()), Ending::Forward(_)) => desk.context.link.counters.verdict(Verdict::Handoff(Handoff::Transmit)),
        (Ok(()), Ending::Own(_)) => {}
        (Err(packet), _) => lose(packet, ending, Drop::HandoffFull, desk),
    }
}

/// Sends a packet that another worker has finished.
pub(crate) fn leave<B>(packet: B, port: u16, ending: Ending, desk: &mut Desk<'_, B>) {
    match desk.shard.output.push(port, packet) {
        Ok(()) => count(ending, desk.context),
        Err(packet) => lose(packet, ending, Drop::TransmitFull, desk),
    }
}

/// Counts a packet that has left.
pub(crate) fn count(ending: Ending, context: Context<'_>) {
    match ending {
        Ending::Forward(treatment) => context.link.counters.verdict(Verdict::Forward(treatment.counter)),
        Ending::Own(sent) => context.link.counters.sent(sent),
    }
}
