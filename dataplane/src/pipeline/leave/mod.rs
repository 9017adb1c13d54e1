//! The third floor: every packet leaves, in order: changed and with its Ethernet header to a port's output queue, to the
//! packets that wait for a neighbour or for their other fragments, to control, or to the list of dropped buffers. Its
//! verdict is counted here.
//!
//! ```text
//! rewrite   the bytes that its step asks for (helper, options)     depart, transmit   to an output queue
//! cut       in fragments                                        park               until a neighbour is known
//! answer    something else in its place (answer4, answer6, answer_tunnel, made)
//! gather    until its other fragments are there
//! ```

pub(super) mod answer;
pub(super) mod cut;
pub(super) mod depart;
pub(super) mod gather;
pub(super) mod park;
pub(super) mod rewrite;
pub(super) mod transmit;

mod answer4;
mod answer6;
mod answer_tunnel;
mod helper;
mod made;
mod options;

use super::desk::Desk;
use super::find::path;
use crate::conn::NONE;
use crate::forward::Change;
use crate::fragments::Datagram;
use crate::handoff::{Crossing, Errand};
use crate::mailbox::Report;
use crate::method::Treatment;
use crate::packet::{Meta, Step};
use crate::parking::{Class, Ending, Parked};
use crate::port::PacketBuf;
use crate::tables::Path;
use crate::verdict::{Drop, Handoff, Punt, Verdict};
use crate::wire::ethernet;
use depart::drop_packet;

/// A packet takes the step that was decided, changed as it needs to be. Where it was the last missing fragment of another
/// one, that begins its way now: it is given back.
#[inline(never)]
#[must_use]
pub(super) fn run<B: PacketBuf>(mut packet: B, meta: &Meta, desk: &mut Desk<'_, B>) -> Option<Box<Datagram>> {
    match meta.step {
        Step::Send { conn, treatment, hop } => match desk.context.tables.net.hops.get(hop) {
            Some(hop) if depart::is_too_large(&packet, meta, Ending::Forward(treatment), hop) => {
                cut::packet(packet, meta, Ending::Forward(treatment), hop, desk);
            }
            Some(hop) if depart::dress(&mut packet, meta, hop, desk.context.now) => {
                depart::send(packet, meta, treatment, hop, desk);
            }
            Some(_) => drop_packet(packet, Drop::NoHeadroom, desk),
            None => wait(packet, meta, conn, treatment, desk),
        },
        Step::Handoff { worker, conn } => hand_off(packet, meta, worker, conn, desk),
        Step::Gather => return gather::run(packet, meta, desk),
        Step::Answer(kind) | Step::Problem { kind, .. } => {
            answer::run(packet.data(), meta, kind, desk);
            desk.shard.output.dropped.push(packet);
        }
        Step::Punt(punt) => hand_over(packet, meta, punt, desk),
        Step::Drop(reason) => drop_packet(packet, reason, desk),
        Step::Undecided => drop_packet(packet, Drop::Malformed, desk),
    }
    None
}

/// Hands a packet to the worker where it belongs.
fn hand_off<B>(packet: B, meta: &Meta, worker: u16, conn: u32, desk: &mut Desk<'_, B>) {
    let (errand, reason) = match conn {
        NONE => (Errand::Land, Handoff::Landing),
        conn => (Errand::Reply { conn }, Handoff::Signpost),
    };
    match desk.shard.mesh.send(worker, Crossing { packet, port: meta.lan.port(), errand, watchers: meta.watchers }) {
        Ok(()) => desk.context.link.counters.verdict(Verdict::Handoff(reason)),
        Err(packet) => drop_packet(packet, Drop::HandoffFull, desk),
    }
}

/// Parks a packet whose neighbour is not known. Its next hop must lead to the server or the client, whatever the packet
/// is addressed to.
fn wait<B: PacketBuf>(packet: B, meta: &Meta, conn: u32, treatment: Treatment, desk: &mut Desk<'_, B>) {
    let (way, server) = path::whither(packet.data(), meta, conn, treatment, desk);
    let Path::Unresolved { interface, address } = way else {
        return drop_packet(packet, Drop::ParkFull, desk);
    };
    let (change, class) = (Change::in_table(&desk.shard.table, conn, treatment.rewrite), Class::of(treatment.towards));
    let (neighbor, ending) = ((interface, address), Ending::Forward(treatment));
    park::park(Parked { packet, neighbor, class, meta: *meta, change, ending, server, since: desk.context.now }, desk);
}

/// Hands a frame to control, without a tag that it came with.
fn hand_over<B: PacketBuf>(packet: B, meta: &Meta, punt: Punt, desk: &mut Desk<'_, B>) {
    let (frame, l3) = (packet.data(), usize::from(meta.l3));
    let [macs, rest] = [0..ethernet::HEADER - 2, l3 - 2..frame.len()].map(|range| frame.get(range).unwrap_or_default());
    let frame = [macs, rest].concat();
    let report = Report::Frame { lan: meta.lan, frame };
    let verdict = match desk.context.link.reports.push(report) {
        Ok(()) => Verdict::Punt(punt),
        Err(_) => Verdict::Drop(Drop::PuntFull),
    };
    desk.context.link.counters.verdict(verdict);
    desk.shard.output.dropped.push(packet);
}
