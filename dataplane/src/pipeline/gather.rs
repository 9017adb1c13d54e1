//! Gather: pieces of packets wait until all are there; then the packet takes every stage as if it had come whole, at the
//! place of the piece that completed it, and leaves in pieces again ([`super::cut`]).
//!
//! ```text
//! to an address of the director     always
//! IPv4, for others                  of a protocol that is balanced, and ICMP, while there is an IPv4 service, after the
//!                                   router has looked at the piece (`ip_vs_out_hook`)
//! IPv6, for others                  while there is an IPv6 service, before anything looks at it (`nf_defrag_ipv6`)
//! ```
//!
//! Where there are several workers, the landing function of the addresses alone says which one gathers. A packet that is
//! whole goes on to its home, where it has one.

use std::net::IpAddr;

use super::{Context, answer, cut, decide, parse, resolve, rewrite, way};
use crate::conn::NONE;
use crate::counters;
use crate::flow::{Protocol, Tuple};
use crate::forward::Change;
use crate::fragments::{Datagram, Fate, Key, Piece};
use crate::handoff::WholeCrossing;
use crate::mailbox::Report;
use crate::neighbor::NextHop;
use crate::packet::{Arrival, Kind, Mark, Meta, Step};
use crate::parking::{Class, Ending};
use crate::port::PacketBuf;
use crate::shard::Shard;
use crate::tables::Path;
use crate::verdict::{Answer, Drop, Forward, Handoff, Punt, Verdict};
use crate::wire::{ethernet, fragment, icmpv4, ipv6};

/// Whether a piece that is for others is gathered.
pub(super) fn is_of_interest(meta: &Meta, context: Context<'_>) -> bool {
    let balanced = |protocol| Protocol::from_number(protocol).is_some() || protocol == icmpv4::PROTOCOL;
    let hooked = !context.tables.unhooked.passes(meta.kind);
    hooked && (meta.kind == Kind::Fragment6 || meta.kind == Kind::Fragment4 && balanced(meta.tuple.protocol))
}

/// The step of a piece that is for others: a router sees those of IPv4 first.
pub(super) fn passing<B>(
    frame: &[u8],
    meta: &mut Meta,
    ends: [IpAddr; 2],
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> Step {
    if meta.kind == Kind::Fragment6 {
        return here_or_there(frame, meta, shard);
    }
    match decide::forward(frame, meta, ends, shard, context) {
        Step::Send { .. } => {
            let step = here_or_there(frame, meta, shard);
            meta.ttl_lowered = true;
            step
        }
        other => other,
    }
}

/// The step of a piece that is gathered: on the worker where all of its packet are.
pub(super) fn here_or_there<B>(frame: &[u8], meta: &mut Meta, shard: &Shard<B>) -> Step {
    meta.ttl_lowered = false;
    if shard.station.is_alone() || meta.arrival != Arrival::Device {
        return Step::Gather;
    }
    let addresses = Tuple { sport: 0, dport: 0, protocol: 0, ..meta.tuple };
    let six = meta.six(frame);
    // Pieces may come by several ports, which may land otherwise: one function for all.
    let there = shard.station.stray(0, &addresses, six);
    there.map_or(Step::Gather, |worker| Step::Handoff { worker, conn: NONE })
}

/// Keeps a piece. If it was the last that was missing, its packet goes its way.
pub(super) fn run<B: PacketBuf>(
    packet: B,
    meta: &Meta,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
) {
    let fate = add(packet.data(), meta, shard, context);
    let gathered = |pieces: u32| counters::add(&context.link.counters.gathered, pieces.into());
    let dropped = |reason| context.link.counters.verdict(Verdict::Drop(reason));
    let mut complete = None;
    match fate {
        Fate::Kept => {}
        Fate::Dropped(reason) => dropped(reason),
        Fate::Unaligned => {
            let kind = Answer::ParameterProblem;
            let meta = Meta { step: Step::Problem { kind, at: ipv6::PAYLOAD_LENGTH }, ..*meta };
            answer::run(packet.data(), &meta, kind, shard, context, alloc);
        }
        Fate::Whole(datagram) => {
            gathered(datagram.pieces);
            counters::add(&context.link.counters.reassembled, 1);
            complete = Some(datagram);
        }
    }
    shard.output.dropped.push(packet);
    if let Some(datagram) = complete {
        whole(datagram, Arrival::Device, meta.mark, shard, context, alloc);
    }
    note(shard, context);
}

fn note<B>(shard: &Shard<B>, context: Context<'_>) {
    let pieces = shard.fragments4.pieces() + shard.fragments6.pieces();
    context.link.counters.gathering.store(pieces, std::sync::atomic::Ordering::Relaxed);
}

fn add<B>(frame: &[u8], meta: &Meta, shard: &mut Shard<B>, context: Context<'_>) -> Fate {
    let (l3, six) = (usize::from(meta.l3), meta.kind.is_v6());
    let packet = frame.get(l3..).unwrap_or_default();
    let place = if six { fragment::place6(packet) } else { fragment::place4(packet) };
    let (Some(place), Some([src, dst])) = (place, meta.ends(frame)) else {
        return Fate::Dropped(Drop::Malformed);
    };
    let key = Key { src, dst, id: place.id, protocol: if six { 0 } else { place.next } };
    let piece = Piece { key, frame, l3, place, lan: meta.lan, passes: meta.ttl_lowered };
    let store = if six { &mut shard.fragments6 } else { &mut shard.fragments4 };
    store.add(&piece, context.now, &mut |reason, pieces| {
        context.link.counters.verdicts(Verdict::Drop(reason), pieces.into());
    })
}

/// A packet that was put together takes every stage.
pub(super) fn whole<B: PacketBuf>(
    mut datagram: Box<Datagram>,
    arrival: Arrival,
    mark: Mark,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
) {
    let l3 = ethernet::HEADER as u16;
    let Datagram { lan, largest, all_fragmented, .. } = *datagram;
    let mut meta = Meta { l3, lan, arrival, mark, largest, all_fragmented, ..Meta::default() };
    let parsed = parse::whole(&mut *datagram, &mut meta, &shard.table, context.tables);
    let frame = datagram.data();
    let home =
        if parsed.is_ok() && meta.kind.has_key() { decide::belongs_elsewhere(frame, &meta, shard) } else { None };
    meta.step = match (parsed, home) {
        (Err(step), _) => step,
        (Ok(()), Some(worker)) => Step::Handoff { worker, conn: NONE },
        (Ok(()), None) => decide::run(frame, &mut meta, shard, context),
    };
    end(datagram, &mut meta, shard, context, alloc);
}

/// It takes the step that was decided.
fn end<B: PacketBuf>(
    mut datagram: Box<Datagram>,
    meta: &mut Meta,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
) {
    let counters = &context.link.counters;
    if let Step::Send { conn, reason, hop } = meta.step {
        match send(&mut datagram, meta, (conn, reason, hop), shard, context, alloc) {
            None => return,
            Some(step) => meta.step = step,
        }
    }
    match meta.step {
        Step::Handoff { worker, conn } => {
            let (arrival, reason) = match conn {
                NONE => (Arrival::Landed, Handoff::Landing),
                conn => (Arrival::Signed { conn }, Handoff::Signpost),
            };
            let crossing = WholeCrossing { datagram, arrival, mark: meta.mark };
            let sent = shard.mesh.send_whole(worker, crossing);
            counters.verdict(if sent { Verdict::Handoff(reason) } else { Verdict::Drop(Drop::HandoffFull) });
        }
        Step::Answer(kind) | Step::Problem { kind, .. } => {
            answer::run(datagram.data(), meta, kind, shard, context, alloc)
        }
        Step::Punt(punt) => punt_whole(&datagram, meta, punt, context),
        Step::Drop(reason) => counters.verdict(Verdict::Drop(reason)),
        Step::Send { .. } | Step::Gather | Step::Undecided => counters.verdict(Verdict::Drop(Drop::Malformed)),
    }
}

fn punt_whole(datagram: &Datagram, meta: &Meta, punt: Punt, context: Context<'_>) {
    let report = Report::Frame { lan: meta.lan, frame: datagram.data().to_vec() };
    let verdict = match context.link.reports.push(report) {
        Ok(()) => Verdict::Punt(punt),
        Err(_) => Verdict::Drop(Drop::PuntFull),
    };
    context.link.counters.verdict(verdict);
}

/// Sends it in pieces. Another step where the way does not take it. Where the neighbour is not known, it is changed and
/// cut for its link, and the pieces wait.
fn send<B: PacketBuf>(
    datagram: &mut Datagram,
    meta: &mut Meta,
    (conn, reason, hop): (u32, Forward, u32),
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
) -> Option<Step> {
    let (way, server) = match context.tables.net.hops.get(hop) {
        Some(_) => (Path::Hop(hop), NONE),
        None => resolve::whither(datagram.data(), meta, conn, reason, shard, context),
    };
    let Some(next) = next_hop(way, context) else { return Some(Step::Drop(Drop::ParkFull)) };
    if !matches!(way, Path::Hop(_))
        && let Some(step) = way::refusal(meta, reason, &next, context)
    {
        return Some(step);
    }
    if context.tables.options.strict_parity && reason == Forward::Routed && datagram.df && !meta.kind.is_v6() {
        // The kernel allows nobody to cut it for whom it only passes, though it arrived in pieces (`ip_fragment`).
        (meta.mtu, meta.ttl_lowered) = (next.mtu, true);
        return Some(Step::Answer(Answer::TooBig));
    }
    let change = (reason, Change::in_table(&shard.table, conn, reason));
    if !rewrite::with_options(change, datagram, meta, &next, shard, context) {
        return Some(Step::Drop(Drop::NoHeadroom));
    }
    let (id, tunnel) = (shard.next_fragment_id(), reason == Forward::Tun);
    let packet = datagram.data().get(usize::from(meta.l3)..).unwrap_or_default();
    let most = resolve::most(meta, Ending::Forward(reason), &next);
    let how = how(datagram, packet, meta, tunnel, most, id);
    let bound = cut::Bound { way, server, class: Class::of(reason), mark: meta.mark, next };
    cut::send(packet, how, &bound, reason, shard, context, alloc);
    None
}

/// A next hop, or what is known of one that must be resolved first: its link.
fn next_hop(way: Path, context: Context<'_>) -> Option<NextHop> {
    let net = &context.tables.net;
    match way {
        Path::Hop(hop) => net.hops.get(hop).cloned(),
        Path::Unresolved { interface, address } => {
            let here = net.interfaces.get(usize::from(interface))?;
            let hop = NextHop::new(here.lan, here.mtu, here.mac, ethernet::BROADCAST, std::sync::Arc::default());
            let source = if address.is_ipv4() { here.source4.map(IpAddr::V4) } else { here.source6.map(IpAddr::V6) };
            Some(hop.from(source))
        }
        Path::Unreachable | Path::Blackhole => None,
    }
}

/// How it is cut: pieces are no larger than those that came (`ip_do_fragment`, `ip6_fragment`), which a tunnel's IPv6
/// header forgets.
fn how<'a>(datagram: &'a Datagram, packet: &[u8], meta: &Meta, tunnel: bool, mtu: usize, id: u32) -> fragment::How<'a> {
    let largest = usize::from(datagram.largest);
    let six = packet.first().is_some_and(|byte| byte >> 4 == 6);
    let (most, sizes) = match (six, tunnel) {
        (false, _) if !meta.kind.is_v6() => (mtu.min(largest), &datagram.sizes[..]),
        (_, true) => (mtu, if packet.len() > mtu { &datagram.sizes[..] } else { &[] }),
        _ if packet.len() <= largest => (mtu, &[][..]),
        _ => (mtu.min(largest.max(ipv6::LEAST_MTU.into())), &datagram.sizes[..]),
    };
    fragment::How { most, df: datagram.df && !six, sizes, id }
}

/// Ends datagrams whose time is over: whoever sent them is told, if the first fragment came (RFC 792, RFC 4443 3.3). Goes
/// on until so many fragments are given up, the rest of the last datagram's included. Returns how many those were.
pub(super) fn expire<B: PacketBuf>(
    shard: &mut Shard<B>,
    context: Context<'_>,
    budget: usize,
    alloc: &mut impl FnMut() -> Option<B>,
) -> usize {
    let mut done = 0;
    while done < budget {
        let overdue = shard.fragments4.expire(context.now).or_else(|| shard.fragments6.expire(context.now));
        let Some(overdue) = overdue else { break };
        done += overdue.pieces as usize;
        let mut silent = overdue.pieces;
        if let Some((frame, l3, lan)) = overdue.first {
            silent -= 1;
            let meta = Meta { l3: l3 as u16, lan, ttl_lowered: overdue.passes, ..Meta::default() };
            answer::run(&frame, &meta, Answer::ReassemblyTime, shard, context, alloc);
        }
        context.link.counters.verdicts(Verdict::Drop(Drop::FragmentTimeout), silent.into());
    }
    if done > 0 {
        note(shard, context);
    }
    done
}
