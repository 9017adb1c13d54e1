//! SCTP, AH and ESP, where the golden cases do not reach: several workers, packets that waited, a defence, no service.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use dataplane::flow::{Family, Protocol};
use dataplane::method::ForwardMethod::Nat;
use dataplane::proto::sctp::State;
use dataplane::sched::Scheduler::Rr;
use dataplane::steering::Steering;
use dataplane::wire::{be16, ipv4, ipv6, sctp};

use crate::crew::{Device, crew, plan_of, settle};
use crate::events::CHUNKS;
use crate::frames::{Body, Packet, is_right, packet};
use crate::lab::{LAN, Lab, SECOND, VIP, VIP6, WAN, client, client6, server, server6};

const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];
const ESP: Body = Body::Other(50, 12);
const INIT: &[u8] = CHUNKS[0];
const INIT_ACK: &[u8] = CHUNKS[1];
const COOKIE_ECHO: &[u8] = CHUNKS[2];
const COOKIE_ACK: &[u8] = CHUNKS[3];

/// A client, a virtual address, and server 11 of a family.
fn stations(family: Family, n: u8) -> [IpAddr; 3] {
    match family {
        Family::Ipv4 => [client(n).into(), VIP.into(), server(11).into()],
        Family::Ipv6 => [client6(n).into(), VIP6.into(), server6(11).into()],
    }
}

/// From a client to the service, or back from the server of [`served`].
fn said(family: Family, from_client: bool, sport: u16, chunks: &'static [u8]) -> Packet {
    let [client, vip, server] = stations(family, 1);
    match from_client {
        true => packet(client, vip, Body::Sctp(sport, 80, chunks)),
        false => packet(server, client, Body::Sctp(8080, sport, chunks)),
    }
}

fn request(sport: u16, chunks: &'static [u8]) -> Packet {
    said(Family::Ipv4, true, sport, chunks)
}

fn reply(sport: u16, chunks: &'static [u8]) -> Packet {
    said(Family::Ipv4, false, sport, chunks)
}

/// What a frame that left says of itself.
#[derive(Debug, PartialEq)]
struct Left {
    src: IpAddr,
    dst: IpAddr,
    protocol: u8,
    ttl: u8,
    /// Behind the IP header.
    body: Vec<u8>,
}

impl Left {
    fn new(frame: &[u8]) -> Self {
        assert!(is_right(frame), "{frame:02x?}");
        if let Ok(header) = ipv6::Header::parse(&frame[14..]) {
            let [src, dst] = [header.src, header.dst].map(IpAddr::from);
            let (protocol, ttl) = (header.next, header.hop_limit);
            return Self { src, dst, protocol, ttl, body: frame[14 + ipv6::HEADER..].to_vec() };
        }
        let header = ipv4::Header::parse(&frame[14..]).expect("IPv4");
        let [src, dst] = [header.src, header.dst].map(|address| Ipv4Addr::from_bits(address).into());
        Self { src, dst, protocol: header.protocol, ttl: header.ttl, body: frame[14 + header.len..].to_vec() }
    }
}

/// A lab with an SCTP service and one for ISAKMP of either family, each with server 11.
fn served(mut lab: Lab) -> Lab {
    for family in FAMILIES {
        let [_, vip, server] = stations(family, 1);
        lab.service(Protocol::Sctp, vip, 80, Rr, &[(server, 8080, Nat, 1)]);
        lab.service(Protocol::Udp, vip, 500, Rr, &[(server, 500, Nat, 1)]);
    }
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
        for (at, (sport, family)) in (4000..4020u16).flat_map(|sport| FAMILIES.map(|each| (sport, each))).enumerate() {
            let [_, vip, server] = stations(family, 1);
            for (step, (from_client, chunks)) in story.into_iter().enumerate() {
                let (port, out) = if from_client { (WAN, LAN) } else { (LAN, WAN) };
                arrives(&mut lab, (at + step) % queues, port, &said(family, from_client, sport, chunks).frame());
                let frames = sent(&mut lab, out);
                assert_eq!(frames.len(), 1, "{device:?}, {family:?}, step {step} of {sport}");
                let left = Left::new(&frames[0]);
                match from_client {
                    true => assert_eq!((left.dst, be16(&left.body, 2)), (server, 8080)),
                    false => assert_eq!((left.src, be16(&left.body, 0)), (vip, 80)),
                }
            }
        }
        let connections = lab.connections();
        assert_eq!(connections.len(), 40, "{device:?}: each was made once");
        assert!(connections.iter().all(|(_, conn)| State::from_number(conn.state()) == Some(State::Established)));
    }
}

#[test]
fn esp_finds_its_isakmp_on_whatever_worker_it_is() {
    let plan = plan_of(Device::Many, 3, Steering::Tuple);
    let mut lab = served(crew(&plan, 100));
    lab.know_servers(11..=11);
    settle(&mut lab);
    for (n, family) in (1..9).flat_map(|n| FAMILIES.map(|family| (n, family))) {
        let [client, vip, server] = stations(family, n);
        arrives(&mut lab, 0, WAN, &packet(client, vip, Body::Udp(500, 500, 4)).frame());
        assert_eq!(sent(&mut lab, LAN).len(), 1);
        for worker in 0..3 {
            arrives(&mut lab, worker, WAN, &packet(client, vip, ESP).frame());
            arrives(&mut lab, worker, LAN, &packet(server, client, ESP).frame());
        }
        let [there, back] = [LAN, WAN].map(|port| sent(&mut lab, port));
        let esp = |src, dst| Left { src, dst, protocol: 50, ttl: 63, body: vec![0; 12] };
        assert_eq!(there.iter().map(|frame| Left::new(frame)).collect::<Vec<_>>(), [0; 3].map(|_| esp(client, server)));
        assert_eq!(back.iter().map(|frame| Left::new(frame)).collect::<Vec<_>>(), [0; 3].map(|_| esp(vip, client)));
    }
    assert_eq!(lab.connections().len(), 16);
}

#[test]
fn what_waited_for_its_neighbour_is_rewritten_when_it_leaves() {
    for family in FAMILIES {
        let [client, vip, server] = stations(family, 1);
        let mut lab = served(Lab::new(100));
        lab.feed(WAN, &said(family, true, 4000, INIT).frame());
        lab.feed(WAN, &packet(client, vip, Body::Udp(500, 500, 4)).frame());
        lab.feed(WAN, &packet(client, vip, ESP).frame());
        assert_eq!((lab.parked(), lab.sent(LAN).len()), (3, 0));
        lab.know_servers(11..=11);
        settle(&mut lab);
        let left: Vec<Left> = lab.sent(LAN).iter().map(|frame| Left::new(frame)).collect();
        assert_eq!(left.iter().map(|each| each.protocol).collect::<Vec<u8>>(), [sctp::PROTOCOL, 17, 50]);
        assert!(left.iter().all(|each| each.dst == server && each.ttl == 63));
        assert_eq!(be16(&left[0].body, 2), 8080);
        assert_eq!(left[2].body, [0; 12], "what ESP carries is its own");
        lab.check_accounts();
    }
}

#[test]
fn esp_follows_its_isakmp_of_its_own_family_alone() {
    let mut lab = served(Lab::new(100));
    lab.know_servers(11..=11);
    for (at, family) in FAMILIES.into_iter().enumerate() {
        let [client, vip, _] = stations(family, 1);
        lab.feed(WAN, &packet(client, vip, ESP).frame());
        assert_eq!((lab.count("answer_protocol_unreachable"), lab.sent(LAN).len()), (at as u64 + 1, 0), "{family:?}");
        lab.feed(WAN, &packet(client, vip, Body::Udp(500, 500, 4)).frame());
        lab.feed(WAN, &packet(client, vip, ESP).frame());
        assert_eq!((lab.connections().len(), lab.sent(LAN).len()), (at + 1, 2));
    }
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
    let left: Vec<u16> = lab.connections().iter().map(|(_, conn)| conn.request_key().sport).collect();
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
