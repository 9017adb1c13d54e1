//! Interfaces on VLANs: what they do is what others do, with tags. (`crew.rs` plays tags to several workers, too.)

use std::net::Ipv4Addr;

use dataplane::flow::Protocol;
use dataplane::mailbox::{Command, Report};
use dataplane::mark::Marks;
use dataplane::method::ForwardMethod::{Dr, Nat, Tun};
use dataplane::port::PacketBuf;
use dataplane::port::mem::MemBuf;
use dataplane::sched::Scheduler::Rr;
use dataplane::steering::Station;
use dataplane::trace::{Sight, Term, Tray, Wanted, Way};
use dataplane::wire::tcp::{ACK, SYN};
use dataplane::wire::vlan::{Lan, Tagging, tagged};
use dataplane::wire::{ethernet, ipv4};
use proptest::prelude::*;

use crate::discovery;
use crate::events::stream;
use crate::frames::{Body, DIRECTOR, Packet, arp, is_right, packet};
use crate::lab::{LAN, Lab, OTHER_VIP, SECOND, THIN, VIP, VIP6, WAN, client, client6, server, server6};
use crate::marks::by_mark;
use crate::stream::{Player, populated};

/// Clients on a VLAN, servers beside it on another or on a port of their own.
const ROUTER_ON_A_STICK: [Lan; 3] = [Lan::new(0, 100), Lan::new(0, 200), Lan::new(0, 300)];
const TAGGED_CLIENTS: [Lan; 3] = [Lan::new(0, 100), Lan::untagged(1), Lan::untagged(2)];
const TAGGED_SERVERS: [Lan; 3] = [Lan::untagged(0), Lan::new(1, 200), Lan::new(0, 300)];
/// Arms that carry tags in every way.
const ARMS: [[Lan; 3]; 3] = [ROUTER_ON_A_STICK, TAGGED_CLIENTS, TAGGED_SERVERS];

fn lab(arms: [Lan; 3]) -> Lab {
    let mut lab = Lab::with_arms(100, arms, vec![Station::alone()]);
    lab.know_servers(11..=13);
    lab.service(Protocol::Tcp, VIP, 80, Rr, &[(server(11), 8080, Nat, 1)]);
    lab.service(Protocol::Tcp, OTHER_VIP, 80, Rr, &[(server(12), 80, Dr, 1)]);
    lab.service(Protocol::Tcp, OTHER_VIP, 81, Rr, &[(server(13), 81, Tun, 1)]);
    lab.service(Protocol::Tcp, VIP6, 80, Rr, &[(server6(11), 8080, Nat, 1)]);
    lab.turn();
    lab
}

/// Takes the tag off a frame; the VLAN of what has none is 0.
fn untagged(frame: &[u8]) -> (u16, Vec<u8>) {
    match Tagging::of(frame) {
        Tagging::Tagged(vlan) => (vlan, [&frame[..12], &frame[16..]].concat()),
        _ => (0, frame.to_vec()),
    }
}

fn feed(lab: &mut Lab, lan: Lan, packet: &Packet) {
    lab.feed(lan.port(), &tagged(packet.frame(), lan.vlan()));
}

/// The only frame that left, with its LAN.
fn only(lab: &mut Lab) -> (Lan, Vec<u8>) {
    let mut all: Vec<_> = (0..3).flat_map(|port| lab.sent(port).into_iter().map(move |frame| (port, frame))).collect();
    assert_eq!(all.len(), 1, "{all:02x?}");
    let (port, frame) = all.remove(0);
    let (vlan, bare) = untagged(&frame);
    assert!(is_right(&bare), "{frame:02x?}");
    (Lan::new(port, vlan), frame)
}

fn syn(vip: impl Into<std::net::IpAddr>, port: u16) -> Packet {
    packet(client(2), vip, Body::Tcp(4000, port, SYN, 10))
}

#[test]
fn a_tag_is_put_in_taken_out_or_changed_byte_by_byte() {
    for arms in ARMS {
        let mut lab = lab(arms);
        let [clients, servers, _] = arms;
        feed(&mut lab, clients, &syn(VIP, 80));
        let (lan, request) = only(&mut lab);
        assert_eq!(lan, servers);
        assert_eq!(request[..12], [2, 1, 10, 1, 0, 11, 2, 0, 0, 0, 0, 1], "to the server, from the director");
        let header = if servers.vlan() == 0 { vec![8, 0] } else { vec![0x81, 0, 0, servers.vlan() as u8, 8, 0] };
        assert_eq!(request[12..12 + header.len()], header);
        assert_eq!(request.len(), 12 + header.len() + 50);
        feed(&mut lab, servers, &packet(server(11), client(2), Body::Tcp(8080, 4000, SYN | ACK, 0)));
        assert_eq!(only(&mut lab).0, clients);
        feed(&mut lab, clients, &packet(client6(2), VIP6, Body::Tcp(4000, 80, SYN, 0)));
        assert_eq!(only(&mut lab).0, servers);
        feed(&mut lab, clients, &syn(OTHER_VIP, 80));
        assert_eq!(only(&mut lab).0, servers, "direct routing");
        for _ in 0..2 {
            feed(&mut lab, clients, &syn(OTHER_VIP, 81));
            let (lan, wrapped) = only(&mut lab);
            let inner = untagged(&wrapped).1[34..].to_vec();
            let mut sent = syn(OTHER_VIP, 81).ttl(63).frame();
            assert_eq!((lan, inner), (servers, sent.split_off(14)), "a tunnel");
        }
        feed(&mut lab, clients, &packet(client(2), VIP, Body::Icmp(8)));
        assert_eq!(only(&mut lab).0, clients, "an answer of the director's own");
        lab.check_accounts();
    }
}

#[test]
fn a_tag_of_vlan_0_is_none() {
    let mut lab = lab(TAGGED_SERVERS);
    let mut frame = tagged(syn(VIP, 80).frame(), 1);
    frame[14..16].copy_from_slice(&[0xe0, 0]);
    lab.feed(0, &frame);
    assert_eq!(only(&mut lab).0, Lan::new(1, 200));
    lab.feed(0, &{ [&arp()[..12], &[0x81, 0, 0, 0], &arp()[12..]].concat() });
    let reports = lab.reports();
    let [Report::Frame { lan, frame }] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!((*lan, frame), (Lan::untagged(0), &arp()));
}

#[test]
fn what_belongs_to_no_interface_is_dropped_with_a_reason() {
    let mut lab = lab(TAGGED_CLIENTS);
    let frame = syn(VIP, 80).frame();
    let service = [&frame[..12], &[0x88, 0xa8, 0, 100], &frame[12..]].concat();
    for (what, port, frame, end) in [
        ("another VLAN", 0, tagged(frame.clone(), 101), "drop_unknown_vlan"),
        ("the VLAN, on another port", 1, tagged(frame.clone(), 100), "drop_unknown_vlan"),
        ("two tags", 0, tagged(tagged(frame.clone(), 7), 100), "drop_stacked_tags"),
        ("a service tag", 0, service, "drop_stacked_tags"),
        ("no tag, where no untagged interface is", 0, frame.clone(), "drop_other_mac"),
        ("cut behind the tag", 0, tagged(frame[..13].to_vec(), 100), "drop_runt"),
        ("another MAC", 0, { tagged([&[2; 6], &frame[6..]].concat(), 100) }, "drop_other_mac"),
    ] {
        assert_eq!(lab.moved(|lab| lab.feed(port, &frame)), [("received", 1), (end, 1)], "{what}");
    }
}

#[test]
fn control_gets_frames_without_their_tag_and_with_their_lan() {
    let mut lab = lab(ROUTER_ON_A_STICK);
    for frame in [arp(), discovery::question(VIP6)] {
        lab.reports();
        lab.feed(0, &tagged(frame.clone(), 200));
        let reports = lab.reports();
        let [Report::Frame { lan, frame: got }] = &reports[..] else { panic!("{reports:?}") };
        assert_eq!((*lan, got), (Lan::new(0, 200), &frame));
    }
}

#[test]
fn what_waits_leaves_with_its_tag_or_its_sender_is_told_on_its_vlan() {
    for arms in ARMS {
        let mut lab = lab(arms);
        for n in [15, 16] {
            feed(&mut lab, arms[0], &packet(client(2), server(n), Body::Udp(1, 2, 30)));
        }
        assert_eq!(lab.parked(), 2);
        lab.neighbor(LAN, server(15).into());
        lab.turn();
        assert_eq!(only(&mut lab).0, arms[1]);
        lab.tell(|| Command::NeighborFailed { interface: LAN, address: server(16).into() });
        lab.turn();
        assert_eq!((only(&mut lab).0, lab.count("answer_host_unreachable")), (arms[0], 1));
    }
}

#[test]
fn a_vlan_has_an_mtu_of_its_own_and_rules_know_it() {
    let mut lab = lab(ROUTER_ON_A_STICK);
    let long = packet(client(2), std::net::Ipv4Addr::new(10, 2, 0, 9), Body::Udp(1, 2, 600)).fragment(0x4000);
    let moved = lab.moved(|lab| feed(lab, ROUTER_ON_A_STICK[0], &long));
    assert_eq!(moved, [("received", 1), ("answer_too_big", 1), ("sent_icmp_error", 1)]);
    lab.service_by(by_mark(5), Rr, &[(server(12), 0, Dr, 1)]);
    let rule = crate::marks::to(OTHER_VIP, 5, true);
    lab.tables.marks = Marks::new(vec![dataplane::mark::Rule { interface: Some(LAN), ..rule }]);
    lab.publish();
    lab.turn();
    for (interface, expected) in
        [(WAN, "answer_port_unreachable"), (LAN, "forward_dr"), (THIN, "answer_port_unreachable")]
    {
        let datagram = packet(client(3), OTHER_VIP, Body::Udp(9 + interface, 9, 9));
        let moved = lab.moved(|lab| feed(lab, ROUTER_ON_A_STICK[usize::from(interface)], &datagram));
        assert!(moved.contains(&(expected, 1)), "{interface}: {moved:?}");
    }
}

#[test]
fn a_buffer_without_room_for_a_tag_is_dropped() {
    let mut lab = lab(TAGGED_SERVERS);
    let first = syn(VIP, 80).frame();
    for frame in [&first, &packet(client(2), VIP, Body::Tcp(4000, 80, ACK, 0)).frame(), &syn(server(11), 9).frame()] {
        let mut tight = MemBuf::empty();
        assert!(tight.prepend(126) && tight.set_len(frame.len()));
        tight.data_mut().copy_from_slice(frame);
        let dropped = lab.count("drop_no_headroom");
        lab.worker.ports_mut()[0].rx.push_back(tight);
        lab.turn();
        assert_eq!(lab.count("drop_no_headroom"), dropped + 1);
        lab.check_accounts();
    }
}

#[test]
fn a_watch_knows_a_vlan_from_others_on_its_device() {
    let mut lab = lab(ROUTER_ON_A_STICK);
    let frames = |lab: &mut Lab, term| {
        let tray =
            lab.watch(Tray::new(10), &[term], Wanted::Frames { snaplen: 100 }, dataplane::clock::Nanos(u64::MAX));
        feed(lab, ROUTER_ON_A_STICK[0], &syn(VIP, 80));
        feed(lab, ROUTER_ON_A_STICK[1], &packet(server(12), client(2), Body::Udp(1, 2, 3)));
        tray.close();
        lab.pass(SECOND);
        let shown = std::iter::from_fn(|| tray.pop()).map(|record| match record.sight {
            Sight::Frame(frame) => (frame.way, frame.lan),
            other => panic!("{other:?}"),
        });
        shown.collect::<Vec<_>>()
    };
    let [clients, servers, _] = ROUTER_ON_A_STICK;
    let (first, second) = ([(Way::In, clients), (Way::Out, servers)], [(Way::In, servers), (Way::Out, clients)]);
    assert_eq!(frames(&mut lab, Term::Vlan(clients)), first);
    assert_eq!(frames(&mut lab, Term::Vlan(servers)), second);
    assert_eq!(frames(&mut lab, Term::Device(0)), [first, second].concat());
}

/// Frames by arm, without tags.
pub(crate) fn by_arm(sent: &[Vec<Vec<u8>>], arms: [Lan; 3]) -> [Vec<Vec<u8>>; 3] {
    arms.map(|lan| {
        let here = sent[usize::from(lan.port())].iter().map(|frame| untagged(frame));
        here.filter(|(vlan, _)| *vlan == lan.vlan()).map(|(_, frame)| frame).collect()
    })
}

proptest! {
    #[test]
    fn tagged_arms_do_what_others_do(
        events in stream(),
        arms in prop::sample::select(ARMS.to_vec()),
        watched: bool,
        burst in prop::sample::select(vec![1usize, 64]),
    ) {
        let plain = [WAN, LAN, THIN].map(Lan::untagged);
        let outcomes = [plain, arms].map(|arms| {
            let lab = Lab::with_arms(40, arms, vec![Station::alone()]);
            let mut player = Player::of(populated(lab, 20), false, burst);
            if watched {
                player.lab.watch(Tray::new(u64::MAX), &[], Wanted::Trace, dataplane::clock::Nanos(u64::MAX));
            }
            let events: Vec<_> = events.iter().filter(|event| !event.is_tagged()).map(|event| event.on(arms)).collect();
            player.play(&events);
            player.lab.check_accounts();
            let outcome = player.outcome();
            (by_arm(&outcome.sent, arms), outcome.counters, outcome.connections)
        });
        prop_assert_eq!(&outcomes[0], &outcomes[1]);
        let stray = outcomes[0].0.iter().flatten().find(|frame| ethernet::Header::parse(frame).map(|h| h.src) != Some(DIRECTOR));
        prop_assert!(stray.is_none(), "{:02x?}", stray);
    }
}

/// The first packet of a connection and the later ones take different ways through the stages.
#[test]
fn pieces_of_a_tunnels_packet_have_the_tag() {
    for arms in ARMS {
        let mut lab = lab(arms);
        let [clients, _, thin] = arms;
        lab.service(Protocol::Udp, VIP, 90, Rr, &[(Ipv4Addr::new(10, 2, 0, 9), 90, Tun, 1)]);
        lab.turn();
        for _ in 0..2 {
            feed(&mut lab, clients, &packet(client(2), VIP, Body::Udp(4000, 90, 700)));
            let sent = lab.sent(thin.port());
            assert_eq!(sent.len(), 2, "{arms:?}");
            for frame in sent {
                let (vlan, bare) = untagged(&frame);
                let header = ipv4::Header::parse(&bare[14..]).expect("a whole header");
                assert_eq!((vlan, header.protocol, header.is_fragment()), (thin.vlan(), 4, true));
                assert!(header.total == bare.len() - 14 && header.total <= 600);
            }
        }
    }
}
