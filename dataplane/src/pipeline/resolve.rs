//! Resolve: every packet of the burst leaves, in order: with its Ethernet header to a port's output queue, to the
//! packets that wait for a neighbour, to control, or to the list of dropped buffers. Its verdict is counted here.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::Ordering::Relaxed;

use super::parking::Parked;
use super::{Context, answer};
use crate::conn::{ConnTable, NONE};
use crate::mailbox::Report;
use crate::neighbor::NextHop;
use crate::packet::{Burst, Meta, Step};
use crate::port::PacketBuf;
use crate::shard::Shard;
use crate::tables::Path;
use crate::verdict::{Answer, Drop, Forward, Punt, Sent, Verdict};
use crate::wire::ethernet;

pub(super) fn run<B: PacketBuf>(
    burst: &mut Burst<B>,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
) {
    for (packet, meta) in burst.packets.drain(..).zip(&burst.meta) {
        match meta.step {
            Step::Send { reason, hop, .. } if hop != NONE => {
                if let Some(hop) = context.tables.net.hops.get(hop) {
                    transmit(packet, meta.l3, Some(Verdict::Forward(reason)), hop, shard, context);
                }
            }
            Step::Send { conn, reason, .. } => wait(packet, meta, conn, reason, shard, context),
            Step::Answer(kind) => {
                answer::run(packet.data(), meta, kind, shard, context, alloc);
                shard.output.dropped.push(packet);
            }
            Step::Punt(punt) => hand_over(packet, meta.port, punt, shard, context),
            Step::Drop(reason) => drop_packet(packet, reason, shard, context),
            Step::Undecided => drop_packet(packet, Drop::Malformed, shard, context),
        }
    }
}

/// Counts the reason and puts the buffer on the list that is freed in bulk.
fn drop_packet<B>(packet: B, reason: Drop, shard: &mut Shard<B>, context: Context<'_>) {
    context.link.counters.verdict(Verdict::Drop(reason));
    shard.output.dropped.push(packet);
}

/// Drops a packet that was about to leave: a received one ends with the reason, one of our own is counted as lost.
fn lose<B>(packet: B, verdict: Option<Verdict>, reason: Drop, shard: &mut Shard<B>, context: Context<'_>) {
    match verdict {
        Some(_) => context.link.counters.verdict(Verdict::Drop(reason)),
        None => context.link.counters.sent(Sent::Lost),
    }
    shard.output.dropped.push(packet);
}

/// Writes the Ethernet header and queues the packet, or drops it where the port's queue is full. `verdict` is `None`
/// for packets of the director's own. Returns whether it was queued.
pub(super) fn transmit<B: PacketBuf>(
    mut packet: B,
    l3: u16,
    verdict: Option<Verdict>,
    hop: &NextHop,
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> bool {
    let start = usize::from(l3).saturating_sub(ethernet::HEADER);
    if start > 0 {
        packet.adj(start);
    }
    if let Some(macs) = packet.data_mut().first_chunk_mut() {
        *macs = hop.macs;
    }
    hop.touch(context.now);
    match shard.output.push(hop.port, packet) {
        Ok(()) => {
            if let Some(verdict) = verdict {
                context.link.counters.verdict(verdict);
            }
            true
        }
        Err(packet) => {
            lose(packet, verdict, Drop::TransmitFull, shard, context);
            false
        }
    }
}

/// Parks a packet whose neighbour is not known.
fn wait<B: PacketBuf>(packet: B, meta: &Meta, conn: u32, reason: Forward, shard: &mut Shard<B>, context: Context<'_>) {
    let target = target(&shard.table, meta, conn, reason);
    let server = if conn != NONE && reason != Forward::NatReply { shard.table[conn].server_slot } else { NONE };
    park(packet, meta.l3, target, Some(Verdict::Forward(reason)), server, shard, context);
}

/// Who the next hop must lead to: for a connection's packets the server or the client, whatever they are addressed to.
fn target(table: &ConnTable, meta: &Meta, conn: u32, reason: Forward) -> IpAddr {
    Ipv4Addr::from_bits(match reason {
        _ if conn == NONE => meta.tuple.dst,
        Forward::NatReply => table[conn].client,
        _ => table[conn].server,
    })
    .into()
}

/// Parks a packet on its way to `target`, and asks control for the neighbour if it is the first to wait for it.
pub(super) fn park<B: PacketBuf>(
    packet: B,
    l3: u16,
    target: IpAddr,
    verdict: Option<Verdict>,
    server: u32,
    shard: &mut Shard<B>,
    context: Context<'_>,
) {
    let Path::Unresolved { interface, address } = context.tables.net.path(target) else {
        return lose(packet, verdict, Drop::NeighborFailed, shard, context);
    };
    let neighbor = (interface, address);
    match shard.parking.add(Parked { packet, neighbor, l3, verdict, server, since: context.now }) {
        Ok(true) => {
            // If the question is lost, the packets' patience ends, and the next one asks again.
            let _ = context.link.reports.push(Report::Resolve { interface, address });
        }
        Ok(false) => {}
        Err(parked) => lose(parked.packet, verdict, Drop::ParkFull, shard, context),
    }
}

fn hand_over<B: PacketBuf>(packet: B, port: u16, punt: Punt, shard: &mut Shard<B>, context: Context<'_>) {
    let report = Report::Frame { port, frame: packet.data().to_vec() };
    let verdict = match context.link.reports.push(report) {
        Ok(()) => Verdict::Punt(punt),
        Err(_) => Verdict::Drop(Drop::PuntFull),
    };
    context.link.counters.verdict(verdict);
    shard.output.dropped.push(packet);
}

/// Sends what waited for neighbours that the tables know by now.
pub(super) fn release<B: PacketBuf>(shard: &mut Shard<B>, context: Context<'_>) {
    let hops = &context.tables.net.hops;
    let mut ready = shard.parking.take(|parked| hops.find(parked.neighbor.0, parked.neighbor.1).is_some());
    for parked in ready.drain(..) {
        let hop = hops.find(parked.neighbor.0, parked.neighbor.1).and_then(|index| hops.get(index));
        if let Some(hop) = hop {
            transmit(parked.packet, parked.l3, parked.verdict, hop, shard, context);
        }
    }
    shard.parking.recycle(ready);
}

/// Ends what waits for a neighbour: its senders are told, its servers count it.
pub(super) fn fail<B: PacketBuf>(
    shard: &mut Shard<B>,
    context: Context<'_>,
    neighbor: (u16, IpAddr),
    alloc: &mut impl FnMut() -> Option<B>,
) {
    let mut lost = shard.parking.take(|parked| parked.neighbor == neighbor);
    for parked in lost.drain(..) {
        if let Some(server) = context.servers.get(parked.server) {
            server.unresolved.fetch_add(1, Relaxed);
        }
        if parked.verdict.is_some() {
            let meta = Meta { l3: parked.l3, ..Meta::default() };
            answer::run(parked.packet.data(), &meta, Answer::HostUnreachable, shard, context, alloc);
        } else {
            context.link.counters.sent(Sent::Lost);
        }
        shard.output.dropped.push(parked.packet);
    }
    shard.parking.recycle(lost);
}
