//! Steer: a packet that a device delivered to a worker where it does not belong goes to the one where it does. Only
//! where there are several workers, and only for packets that have a place in the connection table.

use crate::conn::NONE;
use crate::packet::{Burst, Step};
use crate::port::PacketBuf;
use crate::steering::Station;

pub(super) fn run<B: PacketBuf>(burst: &mut Burst<B>, port: u16, station: &Station) {
    let Some(landing) = station.steers(port) else { return };
    let packets = burst.packets.iter().zip(&mut burst.meta);
    for (packet, meta) in packets.filter(|(_, meta)| meta.kind.has_key() && meta.step == Step::Undecided) {
        let six = if meta.kind.is_v6() { meta.ends6(packet.data()) } else { None };
        let home = landing.worker(&meta.tuple, six);
        if home != station.me() {
            meta.step = Step::Handoff { worker: home, conn: NONE };
        }
    }
}
