//! What crosses between workers: as much as the plan says, nothing lost, and what happens where a ring is full.

use std::net::Ipv4Addr;

use dataplane::flow::{Protocol, Tuple};
use dataplane::handoff::{PACKETS, SIGNS};
use dataplane::method::ForwardMethod::Nat;
use dataplane::sched::Scheduler::Rr;
use dataplane::steering::{Plan, Share, Steering};
use dataplane::wire::tcp::{ACK, RST, SYN};

use crate::crew::{Device, KEYS, crew, plan_of, settle};
use crate::frames::{Body, packet};
use crate::lab::{LAN, Lab, SECOND, VIP, WAN, client, server};

/// A crew with one TCP service and one server.
fn stage(plan: &Plan, capacity: u32) -> Lab {
    let mut lab = crew(plan, capacity);
    lab.know_servers(11..=11);
    lab.service(Protocol::Tcp, VIP, 80, Rr, &[(server(11), 80, Nat, 1)]);
    settle(&mut lab);
    lab
}

fn request(sport: u16, flags: u8) -> Vec<u8> {
    packet(client(1), VIP, Body::Tcp(sport, 80, flags, 0)).frame()
}

fn reply(sport: u16, flags: u8) -> Vec<u8> {
    packet(server(11), client(1), Body::Tcp(80, sport, flags, 0)).frame()
}

fn arrives(lab: &mut Lab, worker: u16, port: u16, frame: &[u8]) {
    let worker = lab.crew_mut().nth(usize::from(worker)).expect("there is such a worker");
    worker.ports_mut()[usize::from(port)].inject(frame);
}

fn tuple(src: Ipv4Addr, sport: u16, dst: Ipv4Addr, dport: u16) -> Tuple {
    Tuple { src: src.to_bits(), dst: dst.to_bits(), sport, dport, protocol: 6 }
}

/// Client ports of connections whose requests land on one worker and whose replies on another.
fn ports_of(plan: &Plan, home: u16, replies: u16) -> impl Iterator<Item = u16> {
    let (wan, lan) = (plan.landing(0, &KEYS), plan.landing(1, &KEYS));
    (1024..u16::MAX).filter(move |sport| {
        let request = tuple(client(1), *sport, VIP, 80);
        let reply = tuple(server(11), 80, client(1), *sport);
        wan.worker(&request, None) == home && lan.worker(&reply, None) == replies
    })
}

fn near(share: Option<Share>, counted: u64, of: u64) {
    let share = share.expect("the port has such packets");
    let expected = f64::from(share.part) / f64::from(share.of);
    let got = counted as f64 / of as f64;
    assert!((expected - got).abs() < 0.02, "{got:.3} crossed, the plan said {share}");
}

#[test]
fn crossings_are_what_the_plan_said_and_every_worker_forwards() {
    const FLOWS: u16 = 12_000;
    for device in [Device::Single, Device::Many, Device::Hashing] {
        for workers in 1..5 {
            for steering in [Steering::Tuple, Steering::Client] {
                let plan = plan_of(device, workers, steering);
                let (wan, lan) = (plan.landing(0, &KEYS), plan.landing(1, &KEYS));
                let mut lab = stage(&plan, u32::from(FLOWS));
                let queues = plan.ports[0].rx_queues;
                // A device that hashes delivers by the function, others anyhow.
                let queue = |landing: u16, at: u16| match device {
                    Device::Hashing => landing,
                    Device::Single | Device::Many => at.wrapping_mul(40_503) % queues,
                };
                for at in 0..FLOWS {
                    let to = queue(wan.worker(&tuple(client(1), 1024 + at, VIP, 80), None), at);
                    arrives(&mut lab, to, WAN, &request(1024 + at, SYN));
                }
                settle(&mut lab);
                let requests = lab.count("handoff_landing") + lab.count("handoff_signpost");
                for at in 0..FLOWS {
                    let to = queue(lan.worker(&tuple(server(11), 80, client(1), 1024 + at), None), at / 3);
                    arrives(&mut lab, to, LAN, &reply(1024 + at, SYN | ACK));
                    if at % 500 == 0 {
                        settle(&mut lab); // as a device does, whose ring would not hold them all
                    }
                }
                settle(&mut lab);
                assert_eq!(lab.count("forward_nat_request"), u64::from(FLOWS));
                assert_eq!(lab.count("forward_nat_reply"), u64::from(FLOWS), "{device:?}, {workers}, {steering}");
                near(plan.ports[0].requests, requests, FLOWS.into());
                // A reply crosses once to where its signpost stands and once from there home: one packet, either way.
                let crossed = lab.links().map(|link| {
                    let counted = |name: &str| link.counters.value(name);
                    counted("handoff_landing") + counted("handoff_signpost")
                });
                let replies = crossed.sum::<u64>() - requests;
                let share = plan.ports[1].replies.expect("replies arrive there");
                let most = 2 * u64::from(FLOWS) * u64::from(share.part) / u64::from(share.of) + 200;
                assert!(replies <= most, "{replies} crossings, at most {most}");
                for link in lab.links() {
                    let forwarded =
                        link.counters.value("forward_nat_request") + link.counters.value("handoff_transmit");
                    assert!(forwarded > u64::from(FLOWS / workers / 2), "one of {workers} did {forwarded}");
                }
                lab.check_accounts();
                lab.check_counts();
            }
        }
    }
}

#[test]
fn a_reply_does_not_overtake_its_signpost() {
    let plan = plan_of(Device::Many, 2, Steering::Tuple);
    let mut lab = stage(&plan, 1000);
    for sport in ports_of(&plan, 0, 1).take(100) {
        arrives(&mut lab, 0, WAN, &request(sport, SYN));
        let now = lab.now;
        lab.worker.turn(now); // the SYN has left for the server
        arrives(&mut lab, 1, LAN, &reply(sport, SYN | ACK));
        lab.others[0].turn(now); // its answer comes before worker 1 has turned again
        lab.worker.turn(now);
    }
    assert_eq!((lab.count("forward_nat_reply"), lab.count("forward_routed")), (100, 0));
    assert_eq!(lab.others[0].shard().table.signposts(), 100);
    lab.pass(200 * SECOND);
    settle(&mut lab);
    assert_eq!(lab.others[0].shard().table.signposts(), 0, "taken down with the connections");
}

#[test]
fn a_full_ring_drops_and_never_blocks() {
    let plan = plan_of(Device::Single, 2, Steering::Tuple);
    let mut lab = stage(&plan, 4000);
    let away: Vec<u16> = ports_of(&plan, 1, 1).take(PACKETS + 100).collect();
    let now = lab.now;
    for sports in away.chunks(64) {
        sports.iter().for_each(|sport| arrives(&mut lab, 0, WAN, &request(*sport, SYN)));
        lab.worker.turn(now); // worker 1 is stalled
    }
    assert_eq!((lab.count("handoff_landing"), lab.count("drop_handoff_full")), (PACKETS as u64, 100));
    settle(&mut lab);
    assert_eq!(lab.count("handoff_transmit"), PACKETS as u64, "worker 0 sends for worker 1");
    assert_eq!(lab.count("forward_nat_request"), PACKETS as u64);
    assert_eq!(lab.count("taken"), 2 * PACKETS as u64);
    lab.check_accounts();
    lab.check_counts();
}

#[test]
fn finished_packets_that_find_the_senders_ring_full_are_dropped() {
    let plan = plan_of(Device::Single, 2, Steering::Tuple);
    let mut lab = stage(&plan, 4000);
    let now = lab.now;
    let away: Vec<u16> = ports_of(&plan, 1, 1).take(PACKETS + 50).collect();
    for sports in away.chunks(64) {
        // As if worker 1 had received them; worker 0, which alone sends, is stalled.
        sports.iter().for_each(|sport| arrives(&mut lab, 1, WAN, &request(*sport, SYN)));
        lab.others[0].turn(now);
    }
    assert_eq!((lab.count("handoff_transmit"), lab.count("drop_handoff_full")), (PACKETS as u64, 50));
    settle(&mut lab);
    lab.check_accounts();
}

#[test]
fn without_room_for_a_signpost_there_is_no_connection() {
    let plan = plan_of(Device::Many, 2, Steering::Tuple);
    let mut lab = stage(&plan, 4000);
    let now = lab.now;
    let crossing: Vec<u16> = ports_of(&plan, 0, 1).take(SIGNS + 10).collect();
    for sports in crossing.chunks(64) {
        sports.iter().for_each(|sport| arrives(&mut lab, 0, WAN, &request(*sport, SYN)));
        lab.worker.turn(now); // worker 1 is stalled
    }
    assert_eq!((lab.count("connections_made"), lab.count("drop_signpost_full")), (SIGNS as u64, 10));
    lab.check_counts();
    // Nor do connections end while their signposts cannot be taken down.
    lab.now.0 += 200 * SECOND;
    for _ in 0..10 {
        lab.now.0 += SECOND;
        let now = lab.now;
        lab.worker.turn(now);
    }
    assert_eq!(lab.count("connections_ended"), 0);
    lab.check_counts();
    lab.pass(SECOND);
    lab.pass(SECOND);
    assert_eq!((lab.count("connections_ended"), lab.others[0].shard().table.signposts()), (SIGNS as u64, 0));
}

#[test]
fn signposts_that_find_no_room_are_counted() {
    let plan = plan_of(Device::Many, 3, Steering::Tuple);
    // Room for 8 connections and 9 signposts each: two workers have 16 connections whose replies land on the third.
    let mut lab = stage(&plan, 8);
    for home in [0, 2] {
        let sports: Vec<u16> = ports_of(&plan, home, 1).take(8).collect();
        sports.iter().for_each(|sport| arrives(&mut lab, home, WAN, &request(*sport, SYN)));
    }
    settle(&mut lab);
    assert_eq!((lab.count("connections_made"), lab.count("signposts_lost")), (16, 7));
    assert_eq!(lab.others[0].shard().table.signposts(), 9);
}

#[test]
fn what_follows_a_stale_signpost_starts_no_connection_here() {
    let plan = plan_of(Device::Many, 2, Steering::Tuple);
    let mut lab = stage(&plan, 100);
    let sport = ports_of(&plan, 0, 1).next().expect("there is one");
    for flags in [SYN, RST, ACK] {
        arrives(&mut lab, 0, WAN, &request(sport, flags)); // SYN_RECV, which a reset does not end, ESTABLISHED
    }
    arrives(&mut lab, 0, WAN, &request(sport, RST));
    settle(&mut lab);
    // The client's address becomes a virtual one, with a service where the connection's replies go.
    lab.tables.locals.v4.insert(client(1).to_bits(), true);
    lab.service(Protocol::Tcp, client(1), sport, Rr, &[(server(11), 80, Nat, 1)]);
    settle(&mut lab);
    let now = lab.now;
    arrives(&mut lab, 1, LAN, &reply(sport, SYN));
    lab.others[0].turn(now); // the signpost still stands
    arrives(&mut lab, 0, WAN, &request(sport, SYN)); // and here the old connection ends
    lab.worker.turn(now);
    assert_eq!((lab.count("handoff_signpost"), lab.count("drop_signpost_stale")), (1, 1));
    settle(&mut lab);
    lab.check_accounts();
    lab.check_counts();
}

#[test]
fn a_tuple_that_begins_anew_gets_a_new_signpost() {
    let plan = plan_of(Device::Many, 3, Steering::Tuple);
    let mut lab = stage(&plan, 100);
    let sport = ports_of(&plan, 0, 2).next().expect("there is one");
    for _ in 0..3 {
        for (worker, port, frame) in [
            (0, WAN, request(sport, SYN)),
            (2, LAN, reply(sport, SYN | ACK)),
            (0, WAN, request(sport, ACK)),
            (1, WAN, request(sport, RST)),
        ] {
            arrives(&mut lab, worker, port, &frame);
            settle(&mut lab);
        }
    }
    assert_eq!((lab.count("connections_made"), lab.count("forward_nat_reply")), (3, 3));
    lab.pass(SECOND); // those that were ended are gone
    assert_eq!(lab.others[1].shard().table.signposts(), 1);
    lab.check_counts();
}
