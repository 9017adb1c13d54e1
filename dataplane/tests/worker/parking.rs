//! Packets that wait for a neighbour: asked for once, bounded, released in order, and their senders told if nobody
//! answers.

use dataplane::flow::Protocol;
use dataplane::mailbox::Command;
use dataplane::method::ForwardMethod::Nat;
use dataplane::parking::{Class, MAX_PARKED, MAX_PARKED_PER_HOP};
use dataplane::sched::Scheduler;
use dataplane::wire::ethernet;
use dataplane::wire::tcp::{ACK, SYN};
use dataplane::wire::{be16, be32};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::Ordering::Relaxed;

use crate::frames::{Body, Packet, arp, is_right, packet};
use crate::lab::{LAN, Lab, SECOND, THIN, VIP, WAN, client, client6, server};

/// A lab whose only server's MAC nobody knows yet.
fn lab() -> Lab {
    let mut lab = Lab::new(4000);
    lab.service(Protocol::Tcp, VIP, 80, Scheduler::Rr, &[(server(11), 8080, Nat, 1)]);
    lab.turn();
    lab
}

fn syn(sport: u16) -> Packet {
    packet(client(2), VIP, Body::Tcp(4000 + sport, 80, SYN, 0))
}

fn fail(lab: &mut Lab, interface: u16, address: impl Into<IpAddr>) {
    let command = Command::NeighborFailed { interface, address: address.into() };
    lab.link.commands.push(command).expect("room for a command");
    lab.turn();
}

/// Which SYNs left.
fn sports(frames: &[Vec<u8>]) -> Vec<u16> {
    frames.iter().map(|frame| be16(frame, 34) - 4000).collect()
}

#[test]
fn one_question_and_release_in_order() {
    let mut lab = lab();
    for sport in 1..=10 {
        lab.feed(WAN, &syn(sport).frame());
    }
    assert_eq!(lab.asked(), [IpAddr::V4(server(11))], "asked once");
    assert_eq!((lab.parked(), lab.count("parked"), lab.count("forward_nat_request")), (10, 10, 0));
    lab.check_accounts();
    lab.neighbor(LAN, server(11).into());
    lab.inject(WAN, &syn(11).frame());
    lab.turn();
    let sent = lab.sent(LAN);
    assert_eq!(sports(&sent), (1..=11).collect::<Vec<u16>>(), "what waited first, then what came");
    assert!(sent.iter().all(|frame| is_right(frame)));
    assert_eq!((lab.parked(), lab.count("parked"), lab.count("forward_nat_request")), (0, 0, 11));
    lab.check_accounts();
}

#[test]
fn the_gauge_follows_a_release_in_an_idle_turn() {
    let mut lab = lab();
    lab.feed(WAN, &syn(1).frame());
    lab.neighbor(LAN, server(11).into());
    lab.turn();
    assert_eq!((lab.parked(), lab.sent(LAN).len()), (0, 1));
    assert_eq!(lab.count("parked"), 0);
}

#[test]
fn a_neighbours_queue_gives_up_its_oldest() {
    let mut lab = lab();
    for sport in 0..MAX_PARKED_PER_HOP as u16 + 3 {
        lab.feed(WAN, &syn(sport).frame());
    }
    assert_eq!((lab.parked(), lab.count("drop_park_full")), (MAX_PARKED_PER_HOP, 3));
    assert_eq!(lab.state(0).unresolved.load(Relaxed), 3, "its server counts what was given up");
    lab.feed(WAN, &packet(client(2), server(12), Body::Udp(1, 1, 0)).frame());
    assert_eq!(lab.parked(), MAX_PARKED_PER_HOP + 1, "others are not affected");
    assert_eq!(lab.asked(), [server(11), server(12)].map(IpAddr::V4));
    lab.check_accounts();
    lab.neighbor(LAN, server(11).into());
    lab.turn();
    assert_eq!(
        sports(&lab.sent(LAN)),
        (3..MAX_PARKED_PER_HOP as u16 + 3).collect::<Vec<u16>>(),
        "the newest, in order"
    );
}

/// Whoever addresses a server himself takes no place of the packets of its connections, and all leave as they came.
#[test]
fn plain_routing_takes_no_place_of_a_connection() {
    let mut lab = lab();
    let routed = |n: u16| packet(client(2), server(11), Body::Udp(4000 + n, 1, 0)).frame();
    lab.feed(WAN, &syn(1).frame());
    (100..200).for_each(|n| lab.feed(WAN, &routed(n)));
    lab.feed(WAN, &syn(2).frame());
    lab.feed(WAN, &routed(200));
    assert_eq!((lab.parked(), lab.asked().len()), (MAX_PARKED_PER_HOP + 2, 1), "asked once for all");
    lab.neighbor(LAN, server(11).into());
    lab.turn();
    let kept = 201 - MAX_PARKED_PER_HOP as u16..200;
    let expected: Vec<u16> = [1].into_iter().chain(kept).chain([2, 200]).collect();
    assert_eq!(sports(&lab.sent(LAN)), expected, "in order of arrival");
    lab.check_accounts();
}

/// More neighbours than there are places, of either family, by plain routing. A server that nobody knew is asked for at
/// once, and what waits for it stays.
#[test]
fn a_scan_keeps_no_server_from_being_asked_for() {
    let mut lab = lab();
    for n in 0..2000u16 {
        let host = Ipv4Addr::from_bits(Ipv4Addr::new(10, 1, 0, 0).to_bits() + 20 + u32::from(n % 200));
        lab.feed(WAN, &packet(client(2), host, Body::Udp(1, 1, 0)).frame());
        let host = Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 1, n);
        lab.feed(WAN, &packet(client6(2), host, Body::Udp(1, 1, 0)).frame());
        lab.asked();
    }
    assert!(lab.parked() <= MAX_PARKED / 4, "{} places of plain routing", lab.parked());
    lab.feed(WAN, &syn(1).frame());
    assert_eq!(lab.asked(), [IpAddr::V4(server(11))]);
    lab.check_accounts();
    lab.neighbor(LAN, server(11).into());
    lab.turn();
    assert_eq!(sports(&lab.sent(LAN)), [1]);
}

/// Sixteen servers do not answer, and a hundred packets wait for each; a seventeenth is asked for, and found.
#[test]
fn dead_servers_keep_no_new_one_away() {
    let mut lab = Lab::new(4000);
    for n in 0..16u8 {
        lab.service(Protocol::Udp, VIP, 100 + u16::from(n), Scheduler::Rr, &[(server(100 + n), 1, Nat, 1)]);
    }
    lab.service(Protocol::Tcp, VIP, 80, Scheduler::Rr, &[(server(11), 8080, Nat, 1)]);
    lab.turn();
    for n in 0..1600u16 {
        lab.feed(WAN, &packet(client(2), VIP, Body::Udp(1000 + n, 100 + n % 16, 0)).frame());
    }
    assert_eq!(lab.asked().len(), 16);
    lab.feed(WAN, &syn(1).frame());
    assert_eq!(lab.asked(), [IpAddr::V4(server(11))]);
    assert_eq!(lab.parked(), 16 * MAX_PARKED_PER_HOP + 1);
    lab.neighbor(LAN, server(11).into());
    lab.turn();
    assert_eq!(sports(&lab.sent(LAN)), [1]);
    lab.check_accounts();
}

/// Questions of one class of packets crowd out none of another, and no ARP.
#[test]
fn a_question_that_control_had_no_room_for_is_asked_again_by_the_next_packet() {
    let mut lab = lab();
    while lab.link.questions.ask(Class::Servers, (LAN, IpAddr::V4(server(99)))) {}
    while !lab.link.reports.is_full() {
        lab.feed(WAN, &arp());
    }
    lab.feed(WAN, &packet(client(2), server(12), Body::Udp(1, 1, 0)).frame());
    lab.feed(WAN, &syn(1).frame());
    let asked = lab.asked();
    assert!(asked.contains(&server(12).into()), "for plain routing there is room");
    assert!(!asked.contains(&server(11).into()), "none for servers");
    lab.feed(WAN, &syn(2).frame());
    assert_eq!(lab.asked(), [IpAddr::V4(server(11))]);
    lab.feed(WAN, &syn(3).frame());
    assert!(lab.asked().is_empty(), "asked once");
    lab.pass(6 * SECOND);
    assert_eq!((lab.parked(), lab.count("answer_host_unreachable")), (0, 4), "nobody waits for ever");
    lab.feed(WAN, &syn(4).frame());
    assert_eq!(lab.asked(), [IpAddr::V4(server(11))], "the next packet that waits asks anew");
    lab.check_accounts();
}

#[test]
fn a_failed_neighbour_is_told_to_senders_and_counted_at_the_server() {
    let mut lab = lab();
    lab.feed(WAN, &syn(1).frame());
    lab.feed(WAN, &packet(client(3), server(12), Body::Udp(1, 1, 0)).frame());
    fail(&mut lab, LAN, server(11));
    assert_eq!((lab.parked(), lab.state(0).unresolved.load(Relaxed)), (1, 1), "only what waited for it");
    assert_eq!((lab.count("answer_host_unreachable"), lab.count("sent_icmp_error")), (1, 1));
    fail(&mut lab, LAN, server(12));
    let told = lab.sent(WAN);
    assert!(told.iter().all(|frame| is_right(frame) && frame[34..36] == [3, 1]), "host unreachable");
    let to: Vec<u32> = told.iter().map(|frame| be32(frame, 30)).collect();
    assert_eq!(to, [client(2), client(3)].map(Ipv4Addr::to_bits));
    lab.check_accounts();
    lab.feed(WAN, &syn(4).frame());
    assert_eq!(lab.asked(), [server(11), server(12), server(11)].map(IpAddr::V4), "and the next one asks anew");
}

#[test]
fn the_error_for_a_packet_that_waited_quotes_what_its_sender_sent() {
    let mut lab = lab();
    let frame = syn(1).frame();
    lab.feed(WAN, &frame);
    fail(&mut lab, LAN, server(11));
    let sent = lab.sent(WAN);
    let quoted = &sent[0][ethernet::HEADER + 28..];
    assert_eq!(Ipv4Addr::from_bits(be32(quoted, 16)), VIP, "the client knows nothing of servers");
    assert_eq!(be16(quoted, 22), 80);
}

#[test]
fn a_reply_that_waited_in_vain_is_told_to_its_server() {
    let mut lab = lab();
    lab.neighbor(LAN, server(11).into());
    // A client on the link of the other side, whom the server answers before anyone knows the client's MAC.
    let stranger = Ipv4Addr::new(172, 16, 0, 77);
    lab.feed(WAN, &packet(stranger, VIP, Body::Tcp(1, 80, SYN, 0)).frame());
    lab.feed(LAN, &packet(server(11), stranger, Body::Tcp(8080, 1, SYN | ACK, 0)).frame());
    assert_eq!((lab.sent(LAN).len(), lab.asked()), (1, vec![IpAddr::V4(stranger)]));
    fail(&mut lab, WAN, stranger);
    assert_eq!(lab.count("answer_host_unreachable"), 1);
    let told = lab.sent(LAN);
    assert_eq!(told.len(), 1, "to the server, not to the virtual address");
    assert_eq!(Ipv4Addr::from_bits(be32(&told[0], 30)), server(11));
}

#[test]
fn what_waited_is_measured_against_the_link_like_anything_else() {
    let mut lab = Lab::new(4);
    let host = Ipv4Addr::new(10, 2, 0, 8);
    lab.feed(WAN, &packet(client(2), host, Body::Udp(1, 1, 800)).fragment(0x4000).frame());
    lab.neighbor(THIN, host.into());
    lab.turn();
    assert_eq!(lab.sent(THIN).len(), 0, "836 bytes on a link that takes 600");
    assert_eq!(lab.count("answer_too_big"), 1);
    lab.check_accounts();
}

#[test]
fn an_answer_that_loses_its_place_is_lost_and_not_sent() {
    let mut lab = Lab::new(4);
    let stranger = Ipv4Addr::new(172, 16, 0, 77);
    for _ in 0..=MAX_PARKED_PER_HOP {
        lab.feed(WAN, &packet(stranger, VIP, Body::Icmp(8)).frame());
    }
    assert_eq!((lab.parked(), lab.count("sent_lost")), (MAX_PARKED_PER_HOP, 1));
    assert_eq!(lab.count("sent_echo_reply"), 0, "sent is counted when it leaves");
    lab.neighbor(WAN, stranger.into());
    lab.turn();
    assert_eq!(lab.count("sent_echo_reply"), MAX_PARKED_PER_HOP as u64, "a lost one was not sent");
}
