//! What an established connection costs: `make bench` prints one figure a line, `name value unit`.
//!
//! A whole worker, built by the product's own constructor, with statistics, states and neighbours on, turned by hand
//! over ports in memory. Absolute figures mean little on a shared machine: compare two runs made in turn.

mod flows;
mod stage;

use std::time::Instant;

use dataplane::clock::Nanos;
use stage::Stage;

/// Packets measured for each figure, half of them in each direction.
const PACKETS: usize = 4_000_000;
/// Rounds of which the median is printed.
const ROUNDS: usize = 5;

fn main() {
    for (name, flows) in [("nat4_1k", 1_000), ("nat4_64k", 64_000), ("nat4_1m", 1_000_000)] {
        println!("{name} {:.1} ns", established(flows));
    }
}

/// Nanoseconds per packet of established connections in random order, both directions; the median of the rounds.
fn established(flows: u32) -> f64 {
    let mut stage = Stage::new(flows);
    stage.establish();
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round(&mut stage)).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn round(stage: &mut Stage) -> f64 {
    let before = stage.forwarded();
    stage.acknowledge(PACKETS / ROUNDS);
    let start = Instant::now();
    let mut turns = 0u64;
    while stage.left() > 0 {
        turns += 1;
        stage.turn(Nanos(stage::START.0 + turns * 1_000));
    }
    let spent = start.elapsed();
    let sent = stage.forwarded() - before;
    assert_eq!(sent as usize, PACKETS / ROUNDS, "every packet of an established connection is forwarded");
    spent.as_nanos() as f64 / sent as f64
}
