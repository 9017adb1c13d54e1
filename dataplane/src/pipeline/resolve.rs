//! Resolve: every packet of the burst leaves, in order: with its Ethernet header to a port's output queue, to the
//! packets that wait for a neighbour, to control, or to the list of dropped buffers. Its verdict is counted here.

use std::sync::atomic::Ordering::Relaxed;

use super::observe::Eyes;
use super::{Context, answer, cut, gather, observe, rewrite, way};
use crate::clock::Tick;
use crate::conn::NONE;
use crate::forward::Change;
use crate::handoff::{Crossing, Errand};
use crate::mailbox::Report;
use crate::neighbor::NextHop;
use crate::packet::{Mark, Meta, Step};
use crate::parking::{Class, Ending, Neighbor, Parked};
use crate::port::PacketBuf;
use crate::shard::Shard;
use crate::tables::Path;
use crate::verdict::{Answer, Drop, Forward, Handoff, Punt, Sent, Verdict};
use crate::wire::{ethernet, put, vlan};

/// What was forwarded of a burst, by reason: counted once, at its end.
#[derive(Default)]
pub(super) struct Forwarded([u64; Forward::ALL.len()]);

impl Forwarded {
    pub(super) fn count(&self, context: Context<'_>) {
        for (reason, n) in Forward::ALL.iter().zip(self.0).filter(|(_, n)| *n > 0) {
            context.link.counters.verdicts(Verdict::Forward(*reason), n);
        }
    }
}

/// A packet takes the step that was decided, changed as it needs to be.
#[inline(never)]
pub(super) fn run<B: PacketBuf>(
    mut packet: B,
    meta: &Meta,
    forwarded: &mut Forwarded,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
) {
    match meta.step {
        Step::Send { conn, reason, hop } => match context.tables.net.hops.get(hop) {
            Some(hop) if is_too_large(&packet, meta, Ending::Forward(reason), hop) => {
                cut::packet(packet, meta, Ending::Forward(reason), hop, shard, context, alloc);
            }
            Some(hop) => {
                if !dress(&mut packet, meta, hop, context.now) {
                    return drop_packet(packet, Drop::NoHeadroom, shard, context);
                }
                send(packet, meta, reason, hop, forwarded, shard, context);
            }
            None => wait(packet, meta, conn, reason, shard, context),
        },
        Step::Handoff { worker, conn } => hand_off(packet, meta, worker, conn, shard, context),
        Step::Gather => gather::run(packet, meta, shard, context, alloc),
        Step::Answer(kind) | Step::Problem { kind, .. } => {
            answer::run(packet.data(), meta, kind, shard, context, alloc);
            shard.output.dropped.push(packet);
        }
        Step::Punt(punt) => hand_over(packet, meta, punt, shard, context),
        Step::Drop(reason) => drop_packet(packet, reason, shard, context),
        Step::Undecided => drop_packet(packet, Drop::Malformed, shard, context),
    }
}

/// Whether a packet that is all done must be cut. Whoever sent it has not forbidden it.
pub(super) fn is_too_large<B: PacketBuf>(packet: &B, meta: &Meta, ending: Ending, hop: &NextHop) -> bool {
    packet.len() > usize::from(meta.l3) + most(meta, ending, hop)
}

/// Bytes of the largest IP packet that leaves uncut: what the link takes, and of a tunnel its path.
pub(super) fn most(meta: &Meta, ending: Ending, hop: &NextHop) -> usize {
    let tunnel = matches!(ending, Ending::Forward(Forward::Tun));
    usize::from(if tunnel { hop.mtu.min(meta.mtu) } else { hop.mtu })
}

/// Sends a packet that is all done by its next hop.
#[inline(always)]
pub(super) fn send<B: PacketBuf>(
    packet: B,
    meta: &Meta,
    reason: Forward,
    hop: &NextHop,
    forwarded: &mut Forwarded,
    shard: &mut Shard<B>,
    context: Context<'_>,
) {
    match shard.output.push(hop.lan.port(), packet) {
        Ok(()) => forwarded.0[reason as usize] += 1,
        Err(packet) => by_another(packet, hop.lan.port(), Ending::Forward(reason), meta.mark, shard, context),
    }
}

/// Counts the reason and puts the buffer on the list that is freed in bulk.
pub(super) fn drop_packet<B>(packet: B, reason: Drop, shard: &mut Shard<B>, context: Context<'_>) {
    context.link.counters.verdict(Verdict::Drop(reason));
    shard.output.dropped.push(packet);
}

/// Drops a packet that was about to leave: a received one ends with the reason, one of our own is counted as lost.
pub(super) fn lose<B>(packet: B, ending: Ending, reason: Drop, shard: &mut Shard<B>, context: Context<'_>) {
    match ending {
        Ending::Forward(_) => context.link.counters.verdict(Verdict::Drop(reason)),
        Ending::Own(_) => context.link.counters.sent(Sent::Lost),
    }
    shard.output.dropped.push(packet);
}

/// Writes the Ethernet header of a packet that is done. `false` where its buffer has no room in front for a tag.
#[inline(always)]
pub(super) fn dress<B: PacketBuf>(packet: &mut B, meta: &Meta, hop: &NextHop, now: Tick) -> bool {
    let fits = meta.l3 == hop.starts || retag(packet, meta, hop);
    if fits {
        address(packet, hop);
        hop.touch(now);
    }
    fits
}

/// Writes the MACs where nothing else changes, or has changed already.
#[inline(always)]
pub(super) fn address<B: PacketBuf>(packet: &mut B, hop: &NextHop) {
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
pub(super) fn by_another<B>(
    packet: B,
    port: u16,
    ending: Ending,
    mark: Mark,
    shard: &mut Shard<B>,
    context: Context<'_>,
) {
    let Some(worker) = shard.station.sender(port) else {
        return lose(packet, ending, Drop::TransmitFull, shard, context);
    };
    let sent = shard.mesh.send(worker, Crossing { packet, port, errand: Errand::Leave(ending), mark });
    match (sent, ending) {
        (Ok(()), Ending::Forward(_)) => context.link.counters.verdict(Verdict::Handoff(Handoff::Transmit)),
        (Ok(()), Ending::Own(_)) => {}
        (Err(packet), _) => lose(packet, ending, Drop::HandoffFull, shard, context),
    }
}

/// Sends a packet that another worker has finished.
pub(super) fn leave<B>(packet: B, port: u16, ending: Ending, shard: &mut Shard<B>, context: Context<'_>) {
    match shard.output.push(port, packet) {
        Ok(()) => count(ending, context),
        Err(packet) => lose(packet, ending, Drop::TransmitFull, shard, context),
    }
}

/// Hands a packet to the worker where it belongs.
fn hand_off<B>(packet: B, meta: &Meta, worker: u16, conn: u32, shard: &mut Shard<B>, context: Context<'_>) {
    let (errand, reason) = match conn {
        NONE => (Errand::Land, Handoff::Landing),
        conn => (Errand::Reply { conn }, Handoff::Signpost),
    };
    match shard.mesh.send(worker, Crossing { packet, port: meta.lan.port(), errand, mark: meta.mark }) {
        Ok(()) => context.link.counters.verdict(Verdict::Handoff(reason)),
        Err(packet) => drop_packet(packet, Drop::HandoffFull, shard, context),
    }
}

/// Counts a packet that has left.
pub(super) fn count(ending: Ending, context: Context<'_>) {
    match ending {
        Ending::Forward(reason) => context.link.counters.verdict(Verdict::Forward(reason)),
        Ending::Own(sent) => context.link.counters.sent(sent),
    }
}

/// Queues a packet and counts it, or drops it where the port's queue is full.
pub(super) fn transmit<B: PacketBuf>(
    mut packet: B,
    meta: &Meta,
    ending: Ending,
    hop: &NextHop,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
) {
    if is_too_large(&packet, meta, ending, hop) {
        return cut::packet(packet, meta, ending, hop, shard, context, alloc);
    }
    if !dress(&mut packet, meta, hop, context.now) {
        return lose(packet, ending, Drop::NoHeadroom, shard, context);
    }
    let port = hop.lan.port();
    match shard.output.push(port, packet) {
        Ok(()) => count(ending, context),
        Err(packet) => by_another(packet, port, ending, meta.mark, shard, context),
    }
}

/// Parks a packet whose neighbour is not known. Its next hop must lead to the server or the client, whatever the packet
/// is addressed to.
fn wait<B: PacketBuf>(packet: B, meta: &Meta, conn: u32, reason: Forward, shard: &mut Shard<B>, context: Context<'_>) {
    let (way, server) = whither(packet.data(), meta, conn, reason, shard, context);
    let Path::Unresolved { interface, address } = way else {
        return drop_packet(packet, Drop::ParkFull, shard, context);
    };
    let (change, class) = (Change::in_table(&shard.table, conn, reason), Class::of(reason));
    let (neighbor, ending) = ((interface, address), Ending::Forward(reason));
    park(Parked { packet, neighbor, class, meta: *meta, change, ending, server, since: context.now }, shard, context);
}

/// Where a packet goes, and the slot of the server that it goes to.
pub(super) fn whither<B>(
    frame: &[u8],
    meta: &Meta,
    conn: u32,
    reason: Forward,
    shard: &Shard<B>,
    context: Context<'_>,
) -> (Path, u32) {
    if conn == NONE || reason == Forward::IcmpReply {
        let to = meta.ends(frame).map(|[_, destination]| destination);
        return (to.map_or(Path::Unreachable, |to| context.tables.net.path(to)), NONE);
    }
    let conn = &shard.table[conn];
    (way::of(conn, reason, context), if reason == Forward::NatReply { NONE } else { conn.server_slot })
}

/// Parks a packet, and asks control for the neighbour if it has not been. What loses its place to it ends.
pub(super) fn park<B: PacketBuf>(parked: Parked<B>, shard: &mut Shard<B>, context: Context<'_>) {
    let displaced = shard.parking.add(parked, |class, neighbor| context.link.questions.ask(class, neighbor));
    let Some(displaced) = displaced else { return };
    if !displaced.meta.mark.is_none() {
        shard.displaced.push((displaced.meta.mark, Box::new(observe::displaced(&displaced, context))));
    }
    count_unresolved(&displaced, context);
    lose(displaced.packet, displaced.ending, Drop::ParkFull, shard, context);
}

/// The server of a packet that waited in vain counts it.
fn count_unresolved<B>(parked: &Parked<B>, context: Context<'_>) {
    if let Some(server) = context.servers.get(parked.server) {
        server.unresolved.fetch_add(1, Relaxed);
    }
}

/// Hands a frame to control, without a tag that it came with.
fn hand_over<B: PacketBuf>(packet: B, meta: &Meta, punt: Punt, shard: &mut Shard<B>, context: Context<'_>) {
    let (frame, l3) = (packet.data(), usize::from(meta.l3));
    let [macs, rest] = [0..ethernet::HEADER - 2, l3 - 2..frame.len()].map(|range| frame.get(range).unwrap_or_default());
    let frame = [macs, rest].concat();
    let report = Report::Frame { lan: meta.lan, frame };
    let verdict = match context.link.reports.push(report) {
        Ok(()) => Verdict::Punt(punt),
        Err(_) => Verdict::Drop(Drop::PuntFull),
    };
    context.link.counters.verdict(verdict);
    shard.output.dropped.push(packet);
}

/// Sends what waited for neighbours that the tables know by now. Returns how many packets that were.
pub(super) fn release<B: PacketBuf>(
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
    eyes: &mut impl Eyes<B>,
) -> usize {
    let hops = &context.tables.net.hops;
    let find = |(interface, address): Neighbor| hops.find(interface, address).and_then(|index| hops.get(index));
    shard.parking.leave_where(|neighbor| find(neighbor).is_some());
    let mut released = 0;
    while let Some(parked) = shard.parking.next_leaving()
        && let Some(hop) = find(parked.neighbor)
    {
        eyes.leaving(&parked, shard, context);
        go_on(parked, hop, shard, context, alloc);
        eyes.left(shard, context);
        released += 1;
    }
    released
}

/// A packet that waited is measured against its link like any other, then changed and sent.
fn go_on<B: PacketBuf>(
    parked: Parked<B>,
    hop: &NextHop,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
) {
    let Parked { mut packet, mut meta, change, ending, .. } = parked;
    let Ending::Forward(reason) = ending else {
        return transmit(packet, &meta, ending, hop, shard, context, alloc);
    };
    match way::refusal(&mut meta, reason, hop, context) {
        Some(Step::Answer(kind)) => {
            answer::run(packet.data(), &meta, kind, shard, context, alloc);
            shard.output.dropped.push(packet);
        }
        Some(Step::Drop(reason)) => drop_packet(packet, reason, shard, context),
        _ if rewrite::with_options((reason, change), &mut packet, &meta, hop, shard, context) => {
            transmit(packet, &meta, ending, hop, shard, context, alloc);
        }
        _ => drop_packet(packet, Drop::NoHeadroom, shard, context),
    }
}

/// Ends what waits for a neighbour: its senders are told, its servers count it. Returns how many packets that were.
pub(super) fn fail<B: PacketBuf>(
    shard: &mut Shard<B>,
    context: Context<'_>,
    neighbor: Neighbor,
    alloc: &mut impl FnMut() -> Option<B>,
    eyes: &mut impl Eyes<B>,
) -> usize {
    shard.parking.leave(neighbor);
    let mut lost = 0;
    while let Some(parked) = shard.parking.next_leaving() {
        eyes.leaving(&parked, shard, context);
        count_unresolved(&parked, context);
        match parked.ending {
            Ending::Forward(_) => {
                answer::run(parked.packet.data(), &parked.meta, Answer::HostUnreachable, shard, context, alloc);
            }
            Ending::Own(_) => context.link.counters.sent(Sent::Lost),
        }
        shard.output.dropped.push(parked.packet);
        eyes.left(shard, context);
        lost += 1;
    }
    lost
}
