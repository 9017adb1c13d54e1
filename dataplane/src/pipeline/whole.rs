//! Whole packets: one that was reassembled takes every stage as if it had come so, at the place of the fragment that completed
//! it, and leaves in fragments again ([`super::leave::cut`]).

use std::net::IpAddr;

use super::decide::{self, way};
use super::desk::Desk;
use super::find::{known, parse, path};
use super::leave::{answer, cut, depart, rewrite};
use super::scene::Context;
use crate::conn::NONE;
use crate::forward::Change;
use crate::fragments::Datagram;
use crate::handoff::WholeCrossing;
use crate::mailbox::Report;
use crate::method::Treatment;
use crate::neighbor::NextHop;
use crate::packet::{Arrival, Meta, Step, Watchers};
use crate::parking::{Class, Ending};
use crate::port::PacketBuf;
use crate::tables::Path;
use crate::verdict::{Answer, Drop, Handoff, Punt, Verdict};
use crate::wire::{ethernet, fragment, ipv6};

/// A packet that was put together takes every stage.
pub(super) fn run<B: PacketBuf>(
    mut datagram: Box<Datagram>,
    arrival: Arrival,
    watchers: Watchers,
    desk: &mut Desk<'_, B>,
) {
    let l3 = ethernet::HEADER as u16;
    let Datagram { lan, largest, all_fragmented, .. } = *datagram;
    let mut meta = Meta { l3, lan, arrival, watchers, largest, all_fragmented, ..Meta::default() };
    let parsed = parse::whole(&mut *datagram, &mut meta, &desk.shard.table, desk.context.tables);
    let frame = datagram.data();
    let home =
        if parsed.is_ok() && meta.kind.has_key() { known::belongs_elsewhere(frame, &meta, desk.shard) } else { None };
    meta.step = match (parsed, home) {
        (Err(step), _) => step,
        (Ok(()), Some(worker)) => Step::Handoff { worker, conn: NONE },
        (Ok(()), None) => decide::run(frame, &mut meta, desk),
    };
    end(datagram, &mut meta, desk);
}

/// It takes the step that was decided.
fn end<B: PacketBuf>(mut datagram: Box<Datagram>, meta: &mut Meta, desk: &mut Desk<'_, B>) {
    let counters = &desk.context.link.counters;
    if let Step::Send { conn, treatment, hop } = meta.step {
        match send(&mut datagram, meta, (conn, treatment, hop), desk) {
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
            let crossing = WholeCrossing { datagram, arrival, watchers: meta.watchers };
            let sent = desk.shard.mesh.send_whole(worker, crossing);
            counters.verdict(if sent { Verdict::Handoff(reason) } else { Verdict::Drop(Drop::HandoffFull) });
        }
        Step::Answer(kind) | Step::Problem { kind, .. } => answer::run(datagram.data(), meta, kind, desk),
        Step::Punt(punt) => punt_whole(&datagram, meta, punt, desk.context),
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

/// Sends it in fragments. Another step where the way does not take it. Where the neighbour is not known, it is changed and
/// cut for its link, and the fragments wait.
fn send<B: PacketBuf>(
    datagram: &mut Datagram,
    meta: &mut Meta,
    (conn, treatment, hop): (u32, Treatment, u32),
    desk: &mut Desk<'_, B>,
) -> Option<Step> {
    let (way, server) = match desk.context.tables.net.hops.get(hop) {
        Some(_) => (Path::Hop(hop), NONE),
        None => path::whither(datagram.data(), meta, conn, treatment, desk),
    };
    let Some(next) = next_hop(way, desk.context) else { return Some(Step::Drop(Drop::ParkFull)) };
    if !matches!(way, Path::Hop(_))
        && let Some(step) = way::refusal(meta, treatment, &next, desk.context)
    {
        return Some(step);
    }
    if desk.context.tables.options.strict_parity && treatment == Treatment::ROUTED && datagram.df && !meta.kind.is_v6()
    {
        // The kernel allows nobody to cut it for whom it only passes, though it arrived in fragments (`ip_fragment`).
        (meta.mtu, meta.ttl_lowered) = (next.mtu, true);
        return Some(Step::Answer(Answer::TooBig));
    }
    let change = (treatment, Change::in_table(&desk.shard.table, conn, treatment.rewrite));
    if !rewrite::with_options(change, datagram, meta, &next, desk) {
        return Some(Step::Drop(Drop::NoHeadroom));
    }
    let (id, tunnel) = (desk.shard.next_fragment_id(), treatment.is_wrapped());
    let packet = datagram.data().get(usize::from(meta.l3)..).unwrap_or_default();
    let most = depart::most(meta, Ending::Forward(treatment), &next);
    let how = fragment::How { id, ..how(datagram, meta, tunnel, most) };
    let bound = cut::Bound { way, server, class: Class::of(treatment.towards), watchers: meta.watchers, next };
    cut::send(packet, how, &bound, treatment, desk);
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

/// How it is cut: fragments are no larger than those that came (`ip_do_fragment`, `ip6_fragment`), which a tunnel's IPv6
/// header forgets.
fn how<'a>(datagram: &'a Datagram, meta: &Meta, tunnel: bool, mtu: usize) -> fragment::How<'a> {
    let packet = datagram.data().get(usize::from(meta.l3)..).unwrap_or_default();
    let largest = usize::from(datagram.largest);
    let six = packet.first().is_some_and(|byte| byte >> 4 == 6);
    let (most, sizes) = match (six, tunnel) {
        (false, _) if !meta.kind.is_v6() => (mtu.min(largest), &datagram.sizes[..]),
        (_, true) => (mtu, if packet.len() > mtu { &datagram.sizes[..] } else { &[] }),
        _ if packet.len() <= largest => (mtu, &[][..]),
        _ => (mtu.min(largest.max(ipv6::LEAST_MTU.into())), &datagram.sizes[..]),
    };
    fragment::How { most, df: datagram.df && !six, sizes, id: 0 }
}
