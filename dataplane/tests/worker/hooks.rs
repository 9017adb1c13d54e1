//! What is looked at for services and connections at all (`Unhooked`), and what a server is told whose packet belongs to
//! no connection (`nat_icmp_send`).

use std::sync::Arc;

use dataplane::flow::Protocol;
use dataplane::method::ForwardMethod::Nat;
use dataplane::sched::Scheduler;
use dataplane::service::Listener;
use dataplane::tables::Unhooked;
use dataplane::wire::ethernet;
use dataplane::wire::ipv4::{self, Header};
use dataplane::wire::tcp::{ACK, RST, SYN};

use crate::frames::{Body, packet};
use crate::lab::{LAN, Lab, VIP, WAN, client, server};

/// A lab with an established connection of client 2.
fn lab() -> Lab {
    let mut lab = Lab::new(4);
    lab.know_servers(11..=12);
    lab.service(Protocol::Tcp, VIP, 80, Scheduler::Rr, &[(server(11), 8080, Nat, 1)]);
    lab.turn();
    for (port, frame) in [(WAN, request(SYN)), (LAN, reply(SYN | ACK)), (WAN, request(ACK))] {
        lab.feed(port, &frame);
    }
    lab.sent(WAN);
    lab.sent(LAN);
    lab
}

fn request(flags: u8) -> Vec<u8> {
    packet(client(2), VIP, Body::Tcp(4000, 80, flags, 0)).frame()
}

fn reply(flags: u8) -> Vec<u8> {
    packet(server(11), client(2), Body::Tcp(8080, 4000, flags, 0)).frame()
}

fn unhook(lab: &mut Lab, v4: bool) {
    lab.tables.unhooked = Unhooked { v4, v6: true };
    lab.publish();
    lab.turn();
}

#[test]
fn without_a_service_connections_do_not_count() {
    let mut lab = lab();
    unhook(&mut lab, true);
    let moved = lab.moved(|lab| lab.feed(WAN, &request(ACK)));
    assert_eq!(moved, [("received", 1), ("answer_tcp_reset", 1), ("sent_tcp_reset", 1)], "as a host");
    lab.sent(WAN);
    let moved = lab.moved(|lab| lab.feed(LAN, &reply(ACK)));
    assert_eq!(moved, [("received", 1), ("forward_routed", 1)], "as a router");
    let sent = lab.sent(WAN);
    let header = Header::parse(&sent[0][ethernet::HEADER..]).expect("an IPv4 packet");
    assert_eq!(header.src, server(11).to_bits(), "its source stays");
    unhook(&mut lab, false);
    let moved = lab.moved(|lab| lab.feed(WAN, &request(ACK)));
    assert_eq!(moved, [("received", 1), ("forward_nat_request", 1)], "the connection has waited");
    lab.check_accounts();
}

/// A lab that tells servers, and a segment of server 11 that belongs to no connection.
fn telling(protocol: Option<Protocol>) -> Lab {
    let mut lab = lab();
    lab.tables.listeners.insert(Listener { address: server(11).into(), port: 8080, protocol }, ());
    Arc::make_mut(&mut lab.tables.sysctls).set("nat_icmp_send", "1").expect("it takes that value");
    lab.publish();
    lab.turn();
    lab
}

fn stray(sport: u16, flags: u8) -> Vec<u8> {
    packet(server(11), client(3), Body::Tcp(sport, 9, flags, 0)).frame()
}

#[test]
fn a_server_is_told_that_nobody_waits_for_its_packet() {
    for protocol in [Some(Protocol::Tcp), None] {
        let mut lab = telling(protocol);
        lab.feed(LAN, &stray(8080, ACK));
        let sent = lab.sent(LAN);
        let error = &sent[0][ethernet::HEADER..];
        assert_eq!(&error[ipv4::HEADER..ipv4::HEADER + 2], &[3, 3], "ICMP port unreachable");
        let quoted = Header::parse(&error[ipv4::HEADER + 8..]).expect("a header whose checksum is right");
        assert_eq!((quoted.src, quoted.ttl), (server(11).to_bits(), 63), "as it was about to leave");
        assert_eq!(lab.sent(WAN).len(), 0);
        lab.check_accounts();
    }
}

#[test]
fn of_others_and_of_resets_nobody_is_told() {
    let routed = [("received", 1), ("forward_routed", 1)];
    let mut lab = telling(Some(Protocol::Tcp));
    for (what, frame) in [
        ("a reset", stray(8080, RST)),
        ("another port", stray(8081, ACK)),
        ("another protocol", packet(server(11), client(3), Body::Udp(8080, 9, 1)).frame()),
        ("another server", packet(server(12), client(3), Body::Tcp(8080, 9, ACK, 0)).frame()),
    ] {
        assert_eq!(lab.moved(|lab| lab.feed(LAN, &frame)), routed, "{what}");
    }
    assert_eq!(lab.moved(|lab| lab.feed(LAN, &reply(ACK))), [("received", 1), ("forward_nat_reply", 1)]);
    unhook(&mut lab, true);
    assert_eq!(lab.moved(|lab| lab.feed(LAN, &stray(8080, ACK))), routed, "without services");
}
