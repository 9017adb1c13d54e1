//! Packets to neighbours that do not answer, while as many wait as may: each displaces another. As usual they are for one
//! neighbour; under attack for sixteen, or for more than there are places for.

use std::net::{IpAddr, Ipv4Addr};

use dataplane::sched::Scheduler;

use super::measured;
use crate::stage::Stage;
use crate::traffic::Traffic;

const PACKETS: u32 = 20_000;

/// Sixteen neighbours, all of whose queues are full.
pub(super) fn dead(attacked: bool) -> u64 {
    displaced(if attacked { 16 } else { 1 })
}

/// Every address of a prefix in turn.
pub(super) fn scan(attacked: bool) -> u64 {
    displaced(if attacked { 200 } else { 1 })
}

fn displaced(neighbors: u32) -> u64 {
    let mut stage = Stage::new(1, Scheduler::Rr, 1);
    let nobody = |n: u32| IpAddr::V4(Ipv4Addr::new(10, 9, 0, 40 + (n % neighbors) as u8));
    let frames = |from: u32, to: u32| (from..to).map(move |n| Traffic::NAT4.stray(n, nobody(n)));
    stage.arrive_all(0, frames(0, PACKETS));
    stage.drain();
    let before = stage.link().counters.value("drop_park_full");
    stage.arrive_all(0, frames(PACKETS, 2 * PACKETS));
    measured(&mut || stage.drain());
    assert_eq!(
        stage.link().counters.value("drop_park_full") - before,
        u64::from(PACKETS),
        "each takes another's place"
    );
    PACKETS.into()
}
