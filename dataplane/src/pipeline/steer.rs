//! Steer: a packet that a device delivered to a worker where it does not belong goes to the one where it does. Only
//! where there are several workers, and only for packets that have a place in the connection table.

use crate::conn::NONE;
use crate::packet::{Burst, Step};
use crate::steering::Station;

pub(super) fn run<B>(burst: &mut Burst<B>, port: u16, station: &Station) {
    let Some(landing) = station.steers(port) else { return };
    let meta = &mut burst.meta[..burst.packets.len()];
    for meta in meta.iter_mut().filter(|m| m.kind.has_key() && m.step == Step::Undecided) {
        let home = landing.worker(&meta.tuple);
        if home != station.me() {
            meta.step = Step::Handoff { worker: home, conn: NONE };
        }
    }
}
