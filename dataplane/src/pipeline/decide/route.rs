//! Packets for others: plain routing, and what connections see of it.

use std::net::IpAddr;

use super::{calls, classify, track, way};
use crate::conn::{Found, NONE};
use crate::flow::{Direction, Tuple};
use crate::method::Treatment;
use crate::packet::{Meta, Step};
use crate::pipeline::desk::Desk;
use crate::pipeline::scene::Context;
use crate::verdict::{Answer, Drop};
use crate::wire::ethernet;

/// The step of a packet for others. What a router refuses is refused before anybody asks for its connection. What belongs to none
/// does not go back where it came from.
pub(super) fn run<B>(
    frame: &[u8],
    meta: &mut Meta,
    [source, destination]: [IpAddr; 2],
    desk: &mut Desk<'_, B>,
) -> Step {
    let way = desk.context.tables.net.path(destination);
    match way::send(meta, NONE, Treatment::ROUTED, way, desk.context) {
        step @ Step::Send { .. } if passes_by(frame, meta, desk) => step,
        step @ Step::Send { .. } => {
            if let Some(step) = calls::step(frame, meta, [source, destination], desk) {
                return step;
            }
            if classify::is_orphan(meta, source, desk.context) {
                return Step::Answer(Answer::NoConnection);
            }
            if goes_back(frame, meta, step, desk.context) { Step::Drop(Drop::BackToSender) } else { step }
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
fn passes_by<B>(frame: &[u8], meta: &Meta, desk: &mut Desk<'_, B>) -> bool {
    if !meta.kind.has_key() || desk.context.tables.unhooked.passes(meta.kind) {
        return false;
    }
    let Tuple { src: dst, dst: src, sport: dport, dport: sport, protocol } = meta.tuple;
    let request = Tuple { dst, src, dport, sport, protocol };
    let hash = desk.shard.table.hash(&request);
    desk.shard.table.settle_for(hash);
    let found = match meta.six(frame) {
        None => desk.shard.table.find(hash, &request),
        Some([source, destination]) => desk.shard.table.find6(hash, &request, [destination, source]),
    };
    let Some(Found::Conn(index, Direction::Request)) = found else { return false };
    let passes = !desk.shard.table[index].method().row().has_replies();
    if passes {
        track::pass_by(meta, index, desk);
    }
    passes
}
