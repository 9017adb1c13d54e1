//! The path of an established connection asks for no memory: hand-overs, parking and drops included. What may ask is
//! the director's own answers, and what is handed to control.

use std::net::Ipv4Addr;

use dataplane::conn::ConnMemory;
use dataplane::flow::Protocol;
use dataplane::method::ForwardMethod::{Dr, Nat, Tun};
use dataplane::sched::Scheduler::Rr;
use dataplane::steering::Steering;
use dataplane::wire::ethernet::{self, MacAddr};
use dataplane::wire::tcp::{ACK, SYN};

use crate::crew::{Device, crew, plan_of, settle};
use crate::frames::{Body, arp, ether, packet};
use crate::lab::{LAN, Lab, OTHER_VIP, VIP, WAN, client, server};
use crate::memory;

const PACKETS: u64 = 100_000;
const FLOWS: u16 = 500;

/// A crew whose ports never need more room for what they send.
fn stage(device: Device) -> Lab {
    let mut lab = crew(&plan_of(device, 3, Steering::Tuple), 4000);
    lab.know_servers(11..=13);
    lab.service(Protocol::Tcp, VIP, 80, Rr, &[(server(11), 8080, Nat, 1), (server(12), 80, Nat, 1)]);
    lab.service(Protocol::Tcp, OTHER_VIP, 80, Rr, &[(server(13), 0, Dr, 1)]);
    lab.service(Protocol::Tcp, VIP, 81, Rr, &[(server(12), 81, Tun, 1)]);
    lab.service(Protocol::Udp, VIP, 53, Rr, &[(server(11), 53, Nat, 1)]);
    lab.crew_mut().flat_map(|worker| worker.ports_mut()).for_each(|port| port.tx.reserve(4096));
    settle(&mut lab);
    lab
}

/// Turns everybody until nobody has anything left to do; how often memory was asked for meanwhile.
fn asked_while_settling(lab: &mut Lab) -> u64 {
    let ((), asked) = memory::of(|| settle(lab));
    lab.crew_mut().flat_map(|worker| worker.ports_mut()).for_each(|port| port.tx.clear());
    asked.calls
}

fn arrives(lab: &mut Lab, at: usize, port: u16, frame: &[u8]) {
    let worker = lab.crew_mut().nth(at).expect("there is such a worker");
    worker.ports_mut()[usize::from(port)].inject(frame);
}

fn established(flow: u16) -> [(u16, Vec<u8>); 5] {
    let (sport, from) = (2000 + flow, client((flow % 9) as u8 + 1));
    [
        (WAN, packet(from, VIP, Body::Tcp(sport, 80, ACK, 20)).frame()),
        (LAN, packet(server(11), from, Body::Tcp(8080, sport, ACK, 20)).frame()),
        (WAN, packet(from, OTHER_VIP, Body::Tcp(sport, 80, ACK, 0)).frame()),
        (WAN, packet(from, VIP, Body::Tcp(sport, 81, ACK, 20)).frame()),
        (WAN, packet(from, VIP, Body::Udp(sport, 53, 9)).frame()),
    ]
}

/// What is dropped, routed, or belongs to connections whose server is not known yet.
fn others() -> Vec<(u16, Vec<u8>)> {
    let far = Ipv4Addr::new(8, 8, 8, 8);
    let tcp = Body::Tcp(4000, 80, ACK, 0);
    [
        packet(client(2), far, tcp).frame(),
        packet(client(2), server(19), tcp).frame(),
        packet(client(2), Ipv4Addr::new(224, 0, 0, 1), tcp).frame(),
        packet(client(2), Ipv4Addr::new(192, 0, 2, 1), tcp).frame(),
        packet(Ipv4Addr::LOCALHOST, VIP, tcp).frame(),
        ether(MacAddr([2; 6]), ethernet::IPV4, &[0; 40]),
        vec![1, 2, 3],
    ]
    .map(|frame| (WAN, frame))
    .to_vec()
}

#[test]
fn established_connections_ask_for_no_memory() {
    for device in [Device::Single, Device::Many, Device::Hashing] {
        let mut lab = stage(device);
        let queues = if matches!(device, Device::Single) { 1 } else { 3 };
        for flow in 0..FLOWS {
            let (sport, from) = (2000 + flow, client((flow % 9) as u8 + 1));
            for (vip, port) in [(VIP, 80), (OTHER_VIP, 80), (VIP, 81)] {
                arrives(&mut lab, 0, WAN, &packet(from, vip, Body::Tcp(sport, port, SYN, 0)).frame());
            }
            asked_while_settling(&mut lab);
        }
        let (mut packets, mut at) = (0, 0);
        while packets < PACKETS / 3 {
            for flow in (0..FLOWS).step_by(7) {
                for (port, frame) in established(flow) {
                    at += 1;
                    packets += 1;
                    arrives(&mut lab, at % queues, port, &frame);
                }
            }
            others().into_iter().for_each(|(port, frame)| arrives(&mut lab, 0, port, &frame));
            // Packets for a server that nobody knows wait, and leave when it is known, or in the end.
            assert_eq!(asked_while_settling(&mut lab), 0, "{device:?}");
        }
        let moved = |name: &str| assert!(lab.count(name) > 0, "{device:?}: {name} did not move");
        ["forward_nat_request", "forward_nat_reply", "forward_dr", "forward_tun", "forward_routed", "handoff_landing"]
            .into_iter()
            .for_each(moved);
        ["drop_group", "drop_blackhole", "drop_martian", "drop_other_mac", "drop_runt"].into_iter().for_each(moved);
        assert!(lab.parked() > 0, "some wait");
        if matches!(device, Device::Single) {
            moved("handoff_transmit");
        } else {
            moved("handoff_signpost");
        }
        lab.neighbor(LAN, server(19).into());
        assert_eq!(asked_while_settling(&mut lab), 0, "{device:?}: what waited has left");
        assert_eq!(lab.parked(), 0);
        lab.check_accounts();
    }
}

#[test]
fn only_answers_and_what_control_gets_ask_for_memory() {
    let mut lab = stage(Device::Many);
    let answered = packet(client(2), VIP, Body::Icmp(8)).frame();
    let stray = packet(client(2), VIP, Body::Tcp(9, 99, ACK, 0)).frame();
    for (frame, counter) in [(answered, "answer_echo"), (stray, "answer_tcp_reset"), (arp(), "punt_arp")] {
        arrives(&mut lab, 0, WAN, &frame);
        let asked = asked_while_settling(&mut lab);
        assert!(asked > 0, "the counter of memory sees what is asked for");
        assert_eq!(lab.count(counter), 1, "{counter}");
    }
}

#[test]
fn an_ipv4_connection_takes_128_bytes_at_most_with_its_share_of_the_tables() {
    const CAPACITY: u32 = 1 << 20;
    let (memory, asked) = memory::of(|| ConnMemory::new(CAPACITY, false));
    drop(memory);
    // IPv6 addresses and sequence shifts are asked for, and take no memory before one is written.
    let resident = asked.bytes as usize - ConnMemory::bytes_later(CAPACITY);
    assert_eq!(resident, ConnMemory::bytes(CAPACITY, false));
    assert!(resident <= CAPACITY as usize * 128, "{:.1} bytes a connection", resident as f64 / f64::from(CAPACITY));
}
