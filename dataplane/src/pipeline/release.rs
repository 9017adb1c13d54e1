//! Packets that waited for a neighbour: they leave when it is known, and end when it does not answer.

use super::decide::way;
use super::desk::Desk;
use super::eyes::Eyes;
use super::leave::{answer, depart, park, rewrite, transmit};
use crate::neighbor::NextHop;
use crate::packet::Step;
use crate::parking::{Ending, Neighbor, Parked};
use crate::port::PacketBuf;
use crate::verdict::{Answer, Drop, Sent};

/// Sends what waited for neighbours that the tables know by now. Returns how many packets that were.
pub(super) fn release<B: PacketBuf>(desk: &mut Desk<'_, B>, eyes: &mut impl Eyes<B>) -> usize {
    let hops = &desk.context.tables.net.hops;
    let find = |(interface, address): Neighbor| hops.find(interface, address).and_then(|index| hops.get(index));
    desk.shard.parking.leave_where(|neighbor| find(neighbor).is_some());
    let mut released = 0;
    while let Some(parked) = desk.shard.parking.next_leaving()
        && let Some(hop) = find(parked.neighbor)
    {
        eyes.leaving(&parked, desk);
        go_on(parked, hop, desk);
        eyes.left(desk);
        released += 1;
    }
    released
}

/// A packet that waited is measured against its link like any other, then changed and sent.
fn go_on<B: PacketBuf>(parked: Parked<B>, hop: &NextHop, desk: &mut Desk<'_, B>) {
    let Parked { mut packet, mut meta, change, ending, .. } = parked;
    let Ending::Forward(treatment) = ending else {
        return transmit::transmit(packet, &meta, ending, hop, desk);
    };
    match way::refusal(&mut meta, treatment, hop, desk.context) {
        Some(Step::Answer(kind)) => {
            answer::run(packet.data(), &meta, kind, desk);
            desk.shard.output.dropped.push(packet);
        }
        Some(Step::Drop(reason)) => depart::drop_packet(packet, reason, desk),
        _ if rewrite::with_options((treatment, change), &mut packet, &meta, hop, desk) => {
            transmit::transmit(packet, &meta, ending, hop, desk);
        }
        _ => depart::drop_packet(packet, Drop::NoHeadroom, desk),
    }
}

/// Ends what waits for a neighbour: its senders are told, its servers count it. Returns how many packets that were.
pub(super) fn fail<B: PacketBuf>(neighbor: Neighbor, desk: &mut Desk<'_, B>, eyes: &mut impl Eyes<B>) -> usize {
    desk.shard.parking.leave(neighbor);
    let mut lost = 0;
    while let Some(parked) = desk.shard.parking.next_leaving() {
        eyes.leaving(&parked, desk);
        park::count_unresolved(&parked, desk.context);
        match parked.ending {
            Ending::Forward(_) => {
                answer::run(parked.packet.data(), &parked.meta, Answer::HostUnreachable, desk);
            }
            Ending::Own(_) => desk.context.link.counters.sent(Sent::Lost),
        }
        desk.shard.output.dropped.push(parked.packet);
        eyes.left(desk);
        lost += 1;
    }
    lost
}
