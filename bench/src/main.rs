//! What an established connection costs, beside a floor measured in the same run: `make bench` prints one figure a line, `name value unit`.
//!
//! A whole worker, built by the product's own constructor, with statistics, states and neighbours on, turned by hand
//! over ports in memory. Absolute figures mean little on a shared machine: compare two runs made in turn.

mod attack;
mod floor;
mod flows;
mod lives;
mod scale;
mod slices;
mod stage;
mod traffic;

use dataplane::clock::Nanos;
use dataplane::conn::ConnMemory;
use dataplane::sched::Scheduler;
use floor::Floor;
use flows::{FRAME, FRAME6};
use rustix::time::{ClockId, clock_gettime};
use stage::Stage;
use traffic::Traffic;

/// Packets of a round, half of them in each direction.
const PACKETS: usize = 400_000;
/// Rounds of which the median is printed; floor and director take turns.
const ROUNDS: usize = 9;
/// Numbers of connections.
const SIZES: [(&str, u32); 4] = [("1k", 1_000), ("64k", 64_000), ("1m", 1_000_000), ("4m", 4_000_000)];

fn main() {
    let asked = std::env::args().nth(1).unwrap_or_default();
    if asked == "counted" {
        println!("{PACKETS} {}", lives::CONNECTIONS);
        return;
    }
    if asked == "instructions" {
        return counted(&std::env::args().nth(2).unwrap_or_default());
    }
    if asked == "attack" {
        return match std::env::args().nth(2) {
            Some(case) => attack::run(&case, std::env::args().nth(3).as_deref() == Some("attacked")),
            None => attack::list(),
        };
    }
    if asked == "scale" {
        return scale::run();
    }
    if asked == "slices" {
        return slices::run();
    }
    // One round of edits beside so many services, for callgrind.
    if let Some(services) = asked.strip_prefix("edits=") {
        println!("{}", scale::EDITS);
        return scale::counted(services.parse().expect("a number of services"));
    }
    for (name, flows) in SIZES {
        let (floor, nat) = established(flows, 1);
        println!("floor_{name} {floor:.1} ns");
        println!("nat4_{name} {nat:.1} ns");
    }
    println!("nat6_1m {:.1} ns", alone::<FRAME6>(Traffic::NAT6, SIZES[2].1));
    println!("dr4_1m {:.1} ns", alone::<FRAME>(Traffic::DR4, SIZES[2].1));
    println!("tun4_1m {:.1} ns", alone::<FRAME>(Traffic::TUN4, SIZES[2].1));
    println!("services_100k {:.1} ns", established(SIZES[1].1, 100_000).1);
    for (name, scheduler) in [("newconn_rr", Scheduler::Rr), ("newconn_wlc", Scheduler::Wlc)] {
        println!("{name} {:.1} ns", lives::new_connection(scheduler));
    }
    println!("conn6pkt {:.1} ns", lives::whole_connection());
    println!("expire {:.1} ns", lives::expiry());
    let room = 1_000_000;
    println!("conn_bytes {:.1} bytes", ConnMemory::bytes(room, false) as f64 / f64::from(room));
}

/// One size and one round of what a figure is of, for callgrind.
fn counted(figure: &str) {
    let flows = SIZES[0].1;
    match figure {
        "floor" => {
            let mut floor = stage::floor(flows);
            stage::arrive(&mut floor, flows, PACKETS);
            run_floor(&mut floor);
        }
        "nat4" => run_director(&mut opened::<FRAME>(Traffic::NAT4, flows)),
        "nat4_shifted" => {
            let mut stage = opened::<FRAME>(Traffic::NAT4, flows);
            stage.shift();
            run_director(&mut stage);
        }
        "nat6" => run_director(&mut opened::<FRAME6>(Traffic::NAT6, flows)),
        "dr4" => run_director(&mut opened::<FRAME>(Traffic::DR4, flows)),
        "tun4" => run_director(&mut opened::<FRAME>(Traffic::TUN4, flows)),
        _ => lives::counted(),
    }
}

/// Nanoseconds per packet of the floor and of established connections, in random order, both directions.
fn established(flows: u32, services: u32) -> (f64, f64) {
    let mut floor = stage::floor(flows);
    let mut stage = Stage::new(flows, Scheduler::Rr, services);
    stage.establish();
    let rounds = (0..ROUNDS).map(|_| (floor_round(&mut floor, flows), nat_round(&mut stage)));
    let (floors, nats): (Vec<f64>, Vec<f64>) = rounds.unzip();
    (median(floors), median(nats))
}

/// A director whose flows are connections, and packets of them that are about to arrive.
fn opened<const N: usize>(traffic: Traffic, flows: u32) -> Stage<N> {
    let mut stage = Stage::<N>::of(traffic, flows, Scheduler::Rr, 1);
    stage.establish();
    stage.acknowledge(PACKETS);
    stage
}

/// Nanoseconds per packet of other traffic.
fn alone<const N: usize>(traffic: Traffic, flows: u32) -> f64 {
    let mut stage = opened::<N>(traffic, flows);
    median((0..ROUNDS).map(|_| nat_round(&mut stage)).collect())
}

/// What some work takes of this thread's own time: who else runs on the machine counts less.
fn nanos(work: impl FnOnce()) -> f64 {
    let start = nanos_so_far();
    work();
    nanos_so_far() - start
}

/// This thread's own time.
fn nanos_so_far() -> f64 {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    spent.tv_sec as f64 * 1e9 + spent.tv_nsec as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn floor_round(floor: &mut Floor, flows: u32) -> f64 {
    stage::arrive(floor, flows, PACKETS);
    let before = floor.forwarded();
    let spent = nanos(|| run_floor(floor));
    let sent = floor.forwarded() - before;
    assert!(sent as usize > PACKETS * 99 / 100, "the floor finds nearly all flows: {sent}");
    spent / PACKETS as f64
}

fn nat_round<const N: usize>(stage: &mut Stage<N>) -> f64 {
    stage.acknowledge(PACKETS);
    let before = stage.forwarded();
    let spent = nanos(|| run_director(stage));
    let sent = stage.forwarded() - before;
    assert_eq!(sent as usize, PACKETS, "every packet of an established connection is forwarded");
    spent / PACKETS as f64
}

/// What is measured of the floor; not inlined, so that instructions can be counted in it alone.
#[inline(never)]
fn run_floor(floor: &mut Floor) {
    while floor.ports.iter().any(|port| port.left() > 0) {
        floor.turn();
    }
}

/// What is measured of the director; not inlined, either.
#[inline(never)]
fn run_director<const N: usize>(stage: &mut Stage<N>) {
    let mut turns = 0u64;
    while stage.left() > 0 {
        turns += 1;
        stage.turn(Nanos(stage::START.0 + turns * 1_000));
    }
}
