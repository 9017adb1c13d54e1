//! Fragments: whether one is kept until its packet is whole, and by which worker.

use std::net::IpAddr;

use super::route;
use crate::conn::NONE;
use crate::flow::{Protocol, Tuple};
use crate::packet::{Arrival, Kind, Meta, Step};
use crate::pipeline::desk::Desk;
use crate::pipeline::scene::Context;
use crate::shard::Shard;
use crate::wire::icmpv4;

/// Whether a fragment that is for others is gathered.
pub(super) fn is_of_interest(meta: &Meta, context: Context<'_>) -> bool {
    let balanced = |protocol| Protocol::from_number(protocol).is_some() || protocol == icmpv4::PROTOCOL;
    let hooked = !context.tables.unhooked.passes(meta.kind);
    hooked && (meta.kind == Kind::Fragment6 || meta.kind == Kind::Fragment4 && balanced(meta.tuple.protocol))
}

/// The step of a fragment that is for others: a router sees those of IPv4 first.
pub(super) fn passing<B>(frame: &[u8], meta: &mut Meta, ends: [IpAddr; 2], desk: &mut Desk<'_, B>) -> Step {
    if meta.kind == Kind::Fragment6 {
        return here_or_there(frame, meta, desk.shard);
    }
    match route::run(frame, meta, ends, desk) {
        Step::Send { .. } => {
            let step = here_or_there(frame, meta, desk.shard);
            meta.ttl_lowered = true;
            step
        }
        other => other,
    }
}

/// The step of a fragment that is gathered: on the worker where all of its packet are.
pub(super) fn here_or_there<B>(frame: &[u8], meta: &mut Meta, shard: &Shard<B>) -> Step {
    meta.ttl_lowered = false;
    if shard.station.is_alone() || meta.arrival != Arrival::Device {
        return Step::Gather;
    }
    let addresses = Tuple { sport: 0, dport: 0, protocol: 0, ..meta.tuple };
    let six = meta.six(frame);
    // Fragments may come by several ports, which may land otherwise: one function for all.
    let there = shard.station.stray(0, &addresses, six);
    there.map_or(Step::Gather, |worker| Step::Handoff { worker, conn: NONE })
}
