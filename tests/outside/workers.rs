//! Several workers, as threads on two CPUs: packets arrive on any of them and are handled at home; nothing is lost,
//! copied or left behind; counts, thresholds and schedulers are those of one director, not of so many.

use std::time::Duration;

use crate::config::{self, Shape, VIP};
use crate::lab::{Lab, Load};
use crate::operator::Operator;
use crate::pair::{Figures, Pair, SERVERS, figures, server_address};
use crate::process::until;

/// Packets of a whole connection that pass the director: from the client, from the server.
const NAT: (u64, u64) = (4, 2);
const DR: (u64, u64) = (4, 0);

/// A service with so many servers, each with what `server` says of it.
fn service(port: u16, scheduler: &str, forward: &str, servers: u8, server: impl Fn(u8) -> String) -> String {
    let mut text =
        format!("\n[[service]]\nprotocol = \"tcp\"\naddress = \"{VIP}:{port}\"\nscheduler = \"{scheduler}\"\n");
    for number in 0..servers {
        let port = if forward == "nat" { ":8080" } else { "" };
        let (address, more) = (server_address(number), server(number));
        text += &format!("\n[[service.server]]\naddress = \"{address}{port}\"\nforward = \"{forward}\"\n{more}\n");
    }
    text
}

/// The service on port 80.
fn plain(scheduler: &str, forward: &str) -> String {
    service(80, scheduler, forward, SERVERS, |_| String::new())
}

/// States that end a second after their last packet.
const SHORT: &str = "\n[ipvs.timeouts]\ntcp_fin = 1\ntcp_time_wait = 1\ntcp_close = 1\ntcp_close_wait = 1\n\
                     tcp_last_ack = 1\ntcp_syn_recv = 1\n";

fn sum(values: &[u64]) -> u64 {
    values.iter().sum()
}

/// Two numbers of packets that chance decides, and that are equal within a few per cent.
#[track_caller]
fn assert_near(counted: u64, expected: f64, what: &str) {
    let off = (counted as f64 - expected).abs();
    assert!(off <= 0.04 * expected + 50.0, "{what}: {counted}, expected about {expected:.0}");
}

/// Every connection was handled by the worker that made it: each of its packets, and no other's. With fewer transmit
/// queues than workers what is finished is handed to worker 0, which sends it.
fn assert_handled_at_home(director: &Operator, (requests, replies): (u64, u64), queues: usize) {
    let made = director.by_worker("connections_made");
    assert!(made.iter().all(|made| *made > 0), "every worker has connections: {made:?}");
    let forward = ["forward_nat_request", "forward_nat_reply", "forward_dr"].map(|name| director.by_worker(name));
    let out = director.by_worker("handoff_transmit");
    for (worker, made) in made.iter().enumerate() {
        let forwarded: u64 = forward.iter().map(|counts| counts[worker]).sum();
        let finished = match (worker, queues) {
            (0, 1) => forwarded - sum(&out),
            (_, 1) => forwarded + out[worker],
            _ => forwarded,
        };
        assert_eq!(finished, made * (requests + replies), "worker {worker} of {}: {forward:?}, {out:?}", out.len());
    }
}

/// As much crossed between workers as `sluice steering` said.
fn assert_crossed_as_told(director: &Operator, requests: u64, replies: u64) {
    let steering = director.steering();
    let share = |share: Option<[u32; 2]>| share.map_or(0.0, |[part, of]| f64::from(part) / f64::from(of));
    let landing = share(steering.ports[0].requests);
    let crossing = share(steering.ports[1].replies);
    // A reply stays where it arrived if it neither lands elsewhere nor follows a signpost.
    let signposted = if landing < 1.0 { 1.0 - (1.0 - crossing) / (1.0 - landing) } else { crossing };
    let (requests, replies) = (requests as f64, replies as f64);
    assert_near(director.counter("handoff_landing"), landing * (requests + replies), "landing");
    assert_near(director.counter("handoff_signpost"), signposted * replies, "signposts followed");
}

/// The packet pool is whole again.
#[track_caller]
fn assert_pool_is_whole(director: &Operator) {
    until(Duration::from_secs(3), || (director.memory("packets_in_use") == 0).then_some(()));
    let left = ["packets_in_use", "packets_freed_one_by_one"].map(|name| director.memory(name));
    assert_eq!(left, [0, 0], "in use, freed one by one");
}

/// Whole connections through so many workers and queues.
fn connections_come_home(workers: usize, queues: usize, forward: &str) {
    let shape = Shape { workers: config::workers(workers), ..Shape::default() };
    let Some(pair) = Pair::new(shape, queues, &plain("rr", forward)) else { return };
    let packets = if forward == "nat" { NAT } else { DR };
    let arguments = ["conns", "--in-flight", "100", "--seconds", "1.5", "--rate", "120000", "--method", forward];
    let figures = pair.sent(80, &arguments);
    let begun = figures.count("connections_begun");
    assert_eq!(figures.whole(), begun * (packets.0 + packets.1));
    // A connection's packets come by one queue each way, and leave in the order in which they came.
    assert_eq!((figures.count("connections_completed"), figures.count("packets_late")), (begun, 0));
    assert_eq!(pair.counter("connections_made"), begun);
    assert_handled_at_home(&pair, packets, queues);
    assert_crossed_as_told(&pair, begun * packets.0, begun * packets.1);
    pair.assert_nothing_dropped();
    assert_pool_is_whole(&pair);
}

#[test]
fn one_worker_is_at_home_everywhere() {
    connections_come_home(1, 1, "nat");
}

#[test]
fn connections_come_home_to_two_workers() {
    connections_come_home(2, 2, "nat");
}

#[test]
fn connections_come_home_to_three_workers() {
    connections_come_home(3, 3, "nat");
}

#[test]
fn connections_come_home_to_four_workers() {
    connections_come_home(4, 4, "nat");
}

#[test]
fn connections_come_home_with_direct_routing() {
    connections_come_home(4, 4, "dr");
}

#[test]
fn one_queue_serves_three_workers() {
    connections_come_home(3, 1, "nat");
}

#[test]
fn one_queue_serves_three_workers_with_direct_routing() {
    connections_come_home(3, 1, "dr");
}

#[test]
fn packets_of_many_flows_stay_with_their_servers() {
    let shape = Shape { workers: config::workers(4), ..Shape::default() };
    let Some(pair) = Pair::new(shape, 4, &plain("wlc", "nat")) else { return };
    // Packets of a flow arrive at every worker.
    let arguments = ["flows", "--protocol", "tcp", "--flows", "5000", "--seconds", "1.5", "--spread", "turns"];
    let figures = pair.sent(80, &arguments);
    // The generator follows each flow: one that goes to another server is wrong.
    let packets = figures.whole();
    assert_eq!(figures.count("opening_lost"), 0);
    let [requests, replies] = ["forward_nat_request", "forward_nat_reply"].map(|name| pair.by_worker(name));
    // Opening takes a SYN, a SYN-ACK and an ACK.
    assert_eq!(sum(&requests) + sum(&replies), packets + 3 * 5000);
    assert!(requests.iter().chain(&replies).all(|packets| *packets > 1000), "{requests:?} {replies:?}");
    assert_crossed_as_told(&pair, sum(&requests), sum(&replies));
    let service = pair.service("TCP 10.0.0.100:80");
    assert_eq!(service.servers.iter().map(|server| server.active).sum::<u32>(), 5000);
    let held: u64 = pair.status().workers.iter().map(|worker| worker.connections).sum();
    assert_eq!((held, service.totals.connections), (5000, 5000));
    pair.assert_nothing_dropped();
    assert_pool_is_whole(&pair);
}

/// A service for each scheduler; what each server should have in the end.
const SPREAD: [(u16, &str, [u32; 3], [u32; 3]); 4] = [
    (81, "rr", [1, 1, 1], [1000, 1000, 1000]),
    (82, "wrr", [1, 2, 3], [500, 1000, 1500]),
    (83, "lc", [1, 1, 1], [1000, 1000, 1000]),
    (84, "wlc", [1, 2, 3], [500, 1000, 1500]),
];

#[test]
fn schedulers_spread_as_one_worker_would() {
    const BURST: u32 = 64;
    let services = SPREAD.map(|(port, scheduler, weights, _)| {
        service(port, scheduler, "nat", SERVERS, |number| format!("weight = {}", weights[usize::from(number)]))
    });
    let shape = Shape { workers: config::workers(4), ..Shape::default() };
    let Some(pair) = Pair::new(shape, 4, &services.concat()) else { return };
    for (port, scheduler, _, expected) in SPREAD {
        let figures = pair
            .sent(port, &["flows", "--protocol", "tcp", "--flows", "3000", "--seconds", "0.1", "--spread", "turns"]);
        assert_eq!(figures.count("opening_lost"), 0, "{figures:?}");
        let key = format!("TCP {VIP}:{port}");
        let active = [0, 1, 2].map(|number| pair.server(&key, &format!("{}:8080", server_address(number))).active);
        assert_eq!(active.iter().sum::<u32>(), 3000, "{scheduler}: {active:?}");
        let near = active.iter().zip(expected).all(|(active, expected)| active.abs_diff(expected) <= BURST);
        assert!(near, "{scheduler}: {active:?}, one worker gives {expected:?}");
    }
    pair.assert_nothing_dropped();
}

#[test]
fn thresholds_hold_while_connections_come_and_go() {
    // Many servers with room for two, and a scheduler that sends all workers to the same one: they race for its last
    // place hundreds of times a second.
    const UPPER: u32 = 2;
    const MANY: u8 = 100;
    let shape = Shape { workers: config::workers(4), more: "icmp_rate = 0\n", ..Shape::default() };
    let services = SHORT.to_owned() + &service(80, "lc", "nat", MANY, |_| format!("upper = {UPPER}"));
    let Some(pair) = Pair::new(shape, 4, &services) else { return };
    let servers = MANY.to_string();
    let arguments = ["conns", "--in-flight", "500", "--seconds", "40", "--spread", "turns", "--servers", &servers];
    let mut generator = pair.send(80, &arguments);
    let (mut looks, mut full) = (0, 0);
    let enough = || pair.counter("connections_made") > 3 * u64::from(UPPER) * u64::from(MANY);
    while (looks <= 1000 || full <= 100 || !enough()) && generator.ended().is_none() {
        for server in pair.service("TCP 10.0.0.100:80").servers {
            let held = server.active + server.inactive;
            assert!(held <= UPPER, "{server:?}");
            (looks, full) = (looks + 1, full + u32::from(held == UPPER));
        }
    }
    generator.signal("TERM");
    let figures: Figures = figures(generator);
    assert!(looks > 1000 && full > 100, "{full} of {looks} looks found a full server");
    assert_eq!(figures.count("wrong"), 0, "{figures:?}");
    let completed = figures.count("connections_completed");
    assert!(completed > 2 * u64::from(UPPER) * u64::from(MANY), "they came and went: {figures:?}");
    assert!(figures.count("connections_refused") > 0 && pair.counter("answer_no_server") > 0, "{figures:?}");
    assert_nothing_is_left(&pair);
}

/// Counts end at exactly zero, everywhere.
fn assert_nothing_is_left(pair: &Pair) {
    let servers = || pair.service("TCP 10.0.0.100:80").servers;
    let gone = || servers().iter().all(|server| server.active + server.inactive == 0).then_some(());
    until(Duration::from_secs(10), gone).unwrap_or_else(|| panic!("left: {:?}", servers()));
    let held: Vec<u64> = pair.status().workers.iter().map(|worker| worker.connections).collect();
    assert_eq!(sum(&held), 0, "{held:?}");
    assert_eq!(pair.counter("connections_ended"), pair.counter("connections_made"));
}

#[test]
fn counts_are_exact_after_churn() {
    let shape = Shape { workers: config::workers(4), ..Shape::default() };
    let Some(pair) = Pair::new(shape, 4, &(SHORT.to_owned() + &plain("wlc", "nat"))) else { return };
    let figures = pair.sent(80, &["conns", "--in-flight", "500", "--seconds", "4", "--spread", "turns"]);
    let begun = figures.count("connections_begun");
    assert_eq!(figures.whole(), begun * (NAT.0 + NAT.1));
    assert!(pair.counter("connections_ended") > 0, "connections ended meanwhile");
    assert_nothing_is_left(&pair);
    let service = pair.service("TCP 10.0.0.100:80");
    assert_eq!(service.servers.iter().map(|server| server.totals.connections).sum::<u64>(), begun);
    assert_eq!((service.totals.in_packets, service.totals.out_packets), (begun * NAT.0, begun * NAT.1));
    pair.assert_nothing_dropped();
}

#[test]
fn web_pages_through_three_workers_on_one_queue() {
    let Some(mut lab) = Lab::new(Load::Heavy) else { return };
    lab.workers = config::workers(3);
    (1..=3).for_each(|number| lab.start_web(number));
    lab.start_director(&config::service("tcp", 80, "rr", &config::WEB));
    let pages = lab.fetch(600, 20);
    assert!(pages.values().all(|pages| *pages == 200), "round robin is exact: {pages:?}");
    let made = lab.by_worker("connections_made");
    assert!(sum(&made) == 600 && made.iter().all(|made| *made > 100), "{made:?}");
    let out = lab.by_worker("handoff_transmit");
    assert!(out[0] == 0 && out[1] > 100 && out[2] > 100, "worker 0 has the queue: {out:?}");
    lab.assert_nothing_dropped();
    assert_pool_is_whole(&lab);
}
