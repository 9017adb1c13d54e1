//! SCTP, AH and ESP, where the golden cases do not reach: several workers, packets that waited, a defence, no service.

use std::sync::Arc;

use dataplane::flow::ForwardMethod::Nat;
use dataplane::flow::Protocol;
use dataplane::proto::sctp::State;
use dataplane::sched::Scheduler::Rr;
use dataplane::steering::Steering;
use dataplane::wire::{be16, be32, sctp};

use crate::crew::{Device, crew, plan_of, settle};
use crate::frames::{Body, Packet, is_right, packet};
use crate::lab::{LAN, Lab, SECOND, VIP, WAN, client, server};
use crate::stream::CHUNKS;

const ESP: Body = Body::Other(50, 12);
const INIT: &[u8] = CHUNKS[0];
const INIT_ACK: &[u8] = CHUNKS[1];
const COOKIE_ECHO: &[u8] = CHUNKS[2];
const COOKIE_ACK: &[u8] = CHUNKS[3];

/// From a client to the service.
fn request(sport: u16, chunks: &'static [u8]) -> Packet {
    packet(client(1), VIP, Body::Sctp(sport, 80, chunks))
}

/// From the server of [`served`].
fn reply(dport: u16, chunks: &'static [u8]) -> Packet {
    packet(server(11), client(1), Body::Sctp(8080, dport, chunks))
}

/// A lab with an SCTP service and one for ISAKMP, each with server 11.
fn served(mut lab: Lab) -> Lab {
    lab.service(Protocol::Sctp, VIP, 80, Rr, &[(server(11), 8080, Nat, 1)]);
    lab.service(Protocol::Udp, VIP, 500, Rr, &[(server(11), 500, Nat, 1)]);
    settle(&mut lab);
    lab
}

fn arrives(lab: &mut Lab, worker: usize, port: u16, frame: &[u8]) {
    let worker = lab.crew_mut().nth(worker).expect("there is such a worker");
    worker.ports_mut()[usize::from(port)].inject(frame);
    settle(lab);
}

/// What any worker sent by a port.
fn sent(lab: &mut Lab, port: u16) -> Vec<Vec<u8>> {
    lab.crew_mut().flat_map(|worker| worker.ports_mut()[usize::from(port)].drain()).collect()
}

#[test]
fn an_association_is_whole_whatever_workers_its_packets_arrive_at() {
    for device in [Device::Single, Device::Many, Device::Hashing] {
        let plan = plan_of(device, 3, Steering::Tuple);
        let queues = usize::from(plan.ports[0].rx_queues);
        let mut lab = served(crew(&plan, 100));
        lab.know_servers(11..=11);
        settle(&mut lab);
        let story = [(true, INIT), (false, INIT_ACK), (true, COOKIE_ECHO), (false, COOKIE_ACK), (true, CHUNKS[4])];
        for (at, sport) in (4000..4020u16).enumerate() {
            for (step, (from_client, chunks)) in story.into_iter().enumerate() {
                let (port, out) = if from_client { (WAN, LAN) } else { (LAN, WAN) };
                let frame = if from_client { request(sport, chunks) } else { reply(sport, chunks) }.frame();
                arrives(&mut lab, (at + step) % queues, port, &frame);
                let frames = sent(&mut lab, out);
                assert_eq!(frames.len(), 1, "{device:?}, step {step} of {sport}");
                assert!(is_right(&frames[0]));
                let port = if from_client { be16(&frames[0], 36) } else { be16(&frames[0], 34) };
                assert_eq!(port, if from_client { 8080 } else { 80 });
            }
        }
        let connections = lab.connections();
        assert_eq!(connections.len(), 20, "{device:?}: each was made once");
        assert!(connections.iter().all(|(_, conn)| State::from_number(conn.state) == State::Established));
    }
}

#[test]
fn esp_finds_its_isakmp_on_whatever_worker_it_is() {
    let plan = plan_of(Device::Many, 3, Steering::Tuple);
    let mut lab = served(crew(&plan, 100));
    lab.know_servers(11..=11);
    settle(&mut lab);
    for n in 1..9 {
        arrives(&mut lab, 0, WAN, &packet(client(n), VIP, Body::Udp(500, 500, 4)).frame());
        for worker in 0..3 {
            arrives(&mut lab, worker, WAN, &packet(client(n), VIP, ESP).frame());
            arrives(&mut lab, worker, LAN, &packet(server(11), client(n), ESP).frame());
        }
        let (there, back) = (sent(&mut lab, LAN), sent(&mut lab, WAN));
        assert_eq!((there.len(), back.len()), (4, 3));
        assert!(there[1..].iter().all(|frame| frame[23] == 50 && be32(frame, 30) == server(11).to_bits()));
        assert!(back.iter().all(|frame| frame[23] == 50 && be32(frame, 26) == VIP.to_bits() && is_right(frame)));
    }
    assert_eq!(lab.connections().len(), 8);
}

#[test]
fn what_waited_for_its_neighbour_is_rewritten_when_it_leaves() {
    let mut lab = served(Lab::new(100));
    lab.feed(WAN, &request(4000, INIT).frame());
    lab.feed(WAN, &packet(client(1), VIP, Body::Udp(500, 500, 4)).frame());
    lab.feed(WAN, &packet(client(1), VIP, ESP).frame());
    assert_eq!((lab.parked(), lab.sent(LAN).len()), (3, 0));
    lab.know_servers(11..=11);
    settle(&mut lab);
    let frames = lab.sent(LAN);
    assert_eq!(frames.iter().map(|frame| frame[23]).collect::<Vec<u8>>(), [sctp::PROTOCOL, 17, 50]);
    assert!(frames.iter().all(|frame| is_right(frame) && be32(frame, 30) == server(11).to_bits() && frame[22] == 63));
    assert_eq!(be16(&frames[0], 36), 8080);
    assert_eq!(frames[2][34..], [0; 12], "what ESP carries is its own");
    lab.check_accounts();
}

#[test]
fn esp_keeps_its_isakmp_alive() {
    let mut lab = served(Lab::new(100));
    lab.know_servers(11..=11);
    lab.feed(WAN, &packet(client(1), VIP, Body::Udp(500, 500, 4)).frame());
    for _ in 0..4 {
        lab.pass(200 * SECOND);
        lab.feed(WAN, &packet(client(1), VIP, ESP).frame());
    }
    assert_eq!((lab.connections().len(), lab.sent(LAN).len()), (1, 5));
    lab.pass(400 * SECOND);
    assert_eq!(lab.connections().len(), 0);
    lab.feed(WAN, &packet(client(1), VIP, ESP).frame());
    assert_eq!((lab.count("answer_protocol_unreachable"), lab.sent(LAN).len()), (1, 0), "it starts none");
}

#[test]
fn a_defence_drops_half_open_associations_and_spares_the_others() {
    let mut lab = served(Lab::new(200));
    lab.know_servers(11..=11);
    for sport in 4000..4032 {
        lab.feed(WAN, &request(sport, INIT).frame());
        // A second INIT: such an association lives for a minute.
        lab.feed(WAN, &request(sport, INIT).frame());
    }
    for (from_client, chunks) in [(false, INIT_ACK), (true, COOKIE_ECHO), (false, COOKIE_ACK)] {
        let frame = if from_client { request(4000, chunks) } else { reply(4000, chunks) }.frame();
        lab.feed(if from_client { WAN } else { LAN }, &frame);
    }
    Arc::make_mut(&mut lab.tables.sysctls).set("drop_entry", "3").expect("it takes that");
    lab.publish();
    for _ in 0..50 {
        lab.pass(SECOND);
    }
    let left: Vec<u16> = lab.connections().iter().map(|(_, conn)| conn.client_port).collect();
    assert!(left.len() < 32 && left.contains(&4000), "{left:?}");
}

#[test]
fn a_cut_packet_goes_nowhere() {
    let mut lab = served(Lab::new(100));
    lab.know_servers(11..=11);
    lab.feed(WAN, &packet(client(1), VIP, Body::Other(132, 11)).frame());
    assert_eq!(lab.count("drop_transport"), 1, "no whole common header");
    lab.feed(WAN, &request(4000, &[]).frame());
    lab.feed(WAN, &request(4000, &[1, 0, 0]).frame());
    assert_eq!((lab.count("drop_transport"), lab.connections().len()), (3, 0), "no chunk starts nothing");
    lab.check_accounts();
}
