//! Decide: packet by packet in order of arrival. A packet belongs to a connection, starts one, is for the director
//! itself, or is for others.

use std::net::IpAddr;

use super::{Context, calls, classify, expected, gather, icmp, options, schedule, track, way};
use crate::conn::{Found, NONE};
use crate::flow::{Direction, Tuple};
use crate::packet::{Arrival, Meta, Step};
use crate::shard::Shard;
use crate::verdict::{Answer, Drop};
use crate::wire::ethernet;

/// What happens to a packet that no stage before decided.
#[inline(never)]
pub(super) fn run<B>(frame: &[u8], meta: &mut Meta, shard: &mut Shard<B>, context: Context<'_>) -> Step {
    if meta.kind.has_key() {
        shard.table.settle_for(meta.hash);
        match known(frame, meta, shard, context) {
            Some(Found::Conn(index, Direction::Request)) if track::ends(meta, &shard.table[index], context) => {
                shard.give_way(index, context.now, &context.tables.templates.expected);
            }
            Some(Found::Conn(index, direction)) => return track::step(meta, index, direction, shard, context),
            Some(Found::Away { home, conn }) => return Step::Handoff { worker: home, conn },
            None => {}
        }
        if let Some(worker) = belongs_elsewhere(frame, meta, shard) {
            return Step::Handoff { worker, conn: NONE };
        }
        if !context.tables.templates.expected.is_empty()
            && let Some(step) = expected::step(frame, meta, shard, context)
        {
            return step;
        }
    }
    let Some(ends) = meta.ends(frame) else { return Step::Drop(Drop::Malformed) };
    let class = classify::run(frame, meta, ends, context);
    if !meta.kind.has_key()
        && let Some(step) = icmp::run(frame, meta, ends, &class, shard, context)
    {
        return step;
    }
    match class {
        // Its connection would not be where its next packet lands.
        classify::Class::Service(_) if matches!(meta.arrival, Arrival::Signed { .. }) => {
            Step::Drop(Drop::SignpostStale)
        }
        classify::Class::Service(_) if shard.defence.drops_packet() => Step::Drop(Drop::Defence),
        classify::Class::Service(service) => match schedule::run(frame, meta, ends, service, shard, context) {
            // A service of FTP takes what no other does, but what it cannot take it leaves to the host.
            Step::Answer(Answer::NoServer) if classify::is_data_of_ftp(meta, service) => {
                deliver(classify::host(frame, meta), frame, meta, shard, context)
            }
            step => step,
        },
        classify::Class::Host(step) => deliver(step, frame, meta, shard, context),
        classify::Class::Other(step) => step,
        classify::Class::Forward if gather::is_of_interest(meta, context) => {
            gather::passing(frame, meta, ends, shard, context)
        }
        classify::Class::Forward => forward(frame, meta, ends, shard, context),
    }
}

/// For the director as a host, which looks at the extension headers of IPv6 first. Fragments are put together before
/// that, where connections count at all: then it sees what is in front of their fragment header, too.
fn deliver<B>(step: Step, frame: &[u8], meta: &mut Meta, shard: &Shard<B>, context: Context<'_>) -> Step {
    let gathers = step == Step::Gather;
    let looks = meta.kind.is_v6() && (!gathers || context.tables.unhooked.passes(meta.kind));
    let refused = if looks { options::delivered6(frame, meta) } else { None };
    match refused {
        Some(refused) => refused,
        None if gathers => gather::here_or_there(frame, meta, shard),
        None => step,
    }
}

/// What a packet belongs to, where connections count ([`Unhooked`](crate::tables::Unhooked)). A signpost that led here
/// named the connection.
pub(super) fn known<B>(frame: &[u8], meta: &Meta, shard: &Shard<B>, context: Context<'_>) -> Option<Found> {
    if context.tables.unhooked.passes(meta.kind) {
        return None;
    }
    let table = &shard.table;
    let six = if meta.kind.is_v6() { Some(meta.ends6(frame)?) } else { None };
    if let Arrival::Signed { conn } = meta.arrival {
        let same = |ends| table[conn].is_between(Direction::Reply, ends);
        let there = table.is_reply_of(conn, &meta.tuple) && six.is_none_or(same);
        return there.then_some(Found::Conn(conn, Direction::Reply));
    }
    match six {
        None => table.find(meta.hash, &meta.tuple),
        Some(ends) => table.find6(meta.hash, &meta.tuple, ends),
    }
}

/// Devices that land packets at home may err, so a packet without a connection is looked at again before it starts one.
pub(super) fn belongs_elsewhere<B>(frame: &[u8], meta: &Meta, shard: &Shard<B>) -> Option<u16> {
    if shard.station.is_alone() || meta.arrival != Arrival::Device {
        return None;
    }
    shard.station.stray(meta.lan.port(), &meta.tuple, meta.six(frame))
}

/// For others: plain routing. What a router refuses is refused before anybody asks for its connection. What belongs to none
/// does not go back where it came from.
pub(super) fn forward<B>(
    frame: &[u8],
    meta: &mut Meta,
    [source, destination]: [IpAddr; 2],
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> Step {
    let way = context.tables.net.path(destination);
    match way::send(meta, NONE, crate::verdict::Forward::Routed, way, context) {
        step @ Step::Send { .. } if passes_by(frame, meta, shard, context) => step,
        step @ Step::Send { .. } => {
            if let Some(step) = calls::step(frame, meta, [source, destination], shard, context) {
                return step;
            }
            if classify::is_orphan(meta, source, context) {
                return Step::Answer(Answer::NoConnection);
            }
            if goes_back(frame, meta, step, context) { Step::Drop(Drop::BackToSender) } else { step }
        }
        step => step,
    }
}

/// Whether a packet would go back to the very neighbour that it came from, which would send it here again until its time
/// to live is over. The kernel sends it.
fn goes_back(frame: &[u8], meta: &Meta, step: Step, context: Context<'_>) -> bool {
    let Step::Send { hop, .. } = step else { return false };
    let next = context.tables.net.hops.get(hop).filter(|next| next.lan == meta.lan);
    let sender = ethernet::Header::parse(frame).map(|header| header.src);
    let same = next.is_some_and(|next| sender == Some(next.mac()));
    same && !context.tables.options.strict_parity
}

/// A server that answers its client itself may do so by way of the director: its packets carry the virtual address, and
/// nothing in them changes, but the connection sees them (`ip_vs_conn_out_get`, `handle_response`). Only on the worker that
/// has the connection: nobody leads such packets home.
fn passes_by<B>(frame: &[u8], meta: &Meta, shard: &mut Shard<B>, context: Context<'_>) -> bool {
    if !meta.kind.has_key() || context.tables.unhooked.passes(meta.kind) {
        return false;
    }
    let Tuple { src: dst, dst: src, sport: dport, dport: sport, protocol } = meta.tuple;
    let request = Tuple { dst, src, dport, sport, protocol };
    let hash = shard.table.hash(&request);
    shard.table.settle_for(hash);
    let found = match meta.six(frame) {
        None => shard.table.find(hash, &request),
        Some([source, destination]) => shard.table.find6(hash, &request, [destination, source]),
    };
    let Some(Found::Conn(index, Direction::Request)) = found else { return false };
    let passes = !shard.table[index].method().has_replies();
    if passes {
        track::pass_by(meta, index, shard, context);
    }
    passes
}
