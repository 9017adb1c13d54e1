//! A new connection in a table full of half-open ones, which it displaces. As usual the table is empty.

use std::ops::Range;

use dataplane::wire::tcp::SYN;

use super::measured;
use crate::flows::FRAME;
use crate::stage::Stage;
use crate::traffic::Traffic;

/// Connections that the table holds, and those that are opened in it.
const CAPACITY: u32 = 40_000;
const OPENED: u32 = 10_000;

pub(super) fn run(attacked: bool) -> u64 {
    let mut stage: Stage = Stage::defended(Traffic::NAT4, CAPACITY);
    if attacked {
        stage.arrive_all(0, syns(OPENED..OPENED + 2 * CAPACITY));
        stage.drain();
        assert!(stage.connections() > CAPACITY - 1024, "the table is as good as full");
    }
    let before = stage.forwarded();
    stage.arrive_all(0, syns(0..OPENED));
    measured(&mut || stage.drain());
    assert_eq!(stage.forwarded() - before, u64::from(OPENED), "every SYN is a connection");
    OPENED.into()
}

/// The first packets of some flows.
fn syns(flows: Range<u32>) -> impl Iterator<Item = [u8; FRAME]> {
    flows.map(|flow| Traffic::NAT4.frame(0, flow, SYN))
}
