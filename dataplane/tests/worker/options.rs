//! Options of IP headers on their way through a worker: filled in, refused, told of, answered.

use std::net::Ipv4Addr;

use dataplane::flow::Protocol;
use dataplane::method::ForwardMethod::{Dr, Nat, Tun};
use dataplane::sched::Scheduler::Rr;
use dataplane::wire::checksum::Sum;
use dataplane::wire::ethernet;
use dataplane::wire::ipv4::Header;
use dataplane::wire::tcp::{ACK, SYN};
use dataplane::wire::{be16, put};

use crate::counters::{Story, datagram};
use crate::frames::{Body, extended, packet, pieces, with_options};
use crate::lab::{LAN, Lab, VIP, VIP6, WAN, client, client6, server};

/// Record route with two slots.
const ROUTE: [u8; 12] = [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// The director's address on the clients' link, and on the servers'.
const OWN: [Ipv4Addr; 2] = [Ipv4Addr::new(172, 16, 0, 254), Ipv4Addr::new(10, 1, 0, 254)];

/// [`ROUTE`] as those have left it.
fn route(by: &[Ipv4Addr]) -> Vec<u8> {
    let mut route = ROUTE;
    route[2] += 4 * by.len() as u8;
    by.iter().enumerate().for_each(|(at, address)| put(&mut route, 3 + at * 4, &address.octets()));
    route.to_vec()
}

fn lab() -> Lab {
    let mut lab = Lab::new(16);
    lab.know_servers(11..=11);
    lab.service(Protocol::Tcp, VIP, 80, Rr, &[(server(11), 80, Nat, 1)]);
    lab.service(Protocol::Tcp, VIP, 81, Rr, &[(server(11), 81, Dr, 1)]);
    lab.service(Protocol::Tcp, VIP, 82, Rr, &[(server(11), 82, Tun, 1)]);
    lab.turn();
    lab
}

fn syn(port: u16, options: &[u8]) -> Vec<u8> {
    with_options(&packet(client(2), VIP, Body::Tcp(4000, port, SYN, 0)).frame(), options)
}

/// The only packet that left by a port, behind so many bytes of headers, with a right IPv4 header.
fn sent(lab: &mut Lab, port: u16, outside: usize) -> (Header, Vec<u8>) {
    let frames = lab.sent(port);
    assert_eq!(frames.len(), 1);
    let packet = frames[0][ethernet::HEADER + outside..].to_vec();
    (Header::parse(&packet).expect("a right header"), packet)
}

fn options_of((header, packet): &(Header, Vec<u8>)) -> &[u8] {
    &packet[20..header.len]
}

/// The part of the story of counters ([`crate::counters`]) that is about options.
pub(crate) fn counted(story: &mut Story) {
    let to_server = |options: &[u8]| with_options(&datagram(server(11)).frame(), options);
    let told = |answer| [answer, "sent_icmp_error"];
    story.frame("with a route to record", &to_server(&[7, 7, 4, 0, 0, 0, 0, 0]), &["forward_routed"]);
    story.frame("of a source route", &to_server(&[131, 3, 4, 0]), &["drop_source_route"]);
    let problem = told("answer_parameter_problem");
    story.frame("with an option that has no length", &to_server(&[30, 0, 0, 0]), &problem);
    story.lab.tables.options.accept_source_route = true;
    story.lab.publish();
    let routed = |next: Ipv4Addr| [&[137, 7, 4][..], &next.octets(), &[0]].concat();
    let by = |next| with_options(&datagram(VIP).frame(), &routed(next));
    story.frame("of an accepted source route", &by(server(11)), &["forward_routed"]);
    story.frame("of one past a router", &by(Ipv4Addr::new(203, 0, 113, 1)), &told("answer_source_route_failed"));
    story.lab.tables.options.accept_source_route = false;
    story.lab.publish();
    let six = packet(client6(2), VIP6, Body::Udp(1, 9, 10)).frame();
    let option = |kind: u8, header| extended(&six, header, [0, kind, 4, 0, 0, 0, 0]);
    story.frame("an option of every station to be told of", &option(0x9e, 0), &told("answer_unknown_option"));
    story.frame("one to be dropped for", &option(0x5e, 0), &["drop_unknown_option"]);
    story.frame("one of the destination", &option(0xde, 60), &told("answer_unknown_option"));
    story.frame("padding that says something", &extended(&six, 60, [0, 1, 4, 0, 0, 0, 1]), &["drop_bad_option"]);
    story.frame("segment routing", &extended(&six, 43, [0, 4, 1, 0, 0, 0, 0]), &["drop_routing_header"]);
    story.frame("a route that is not at its end", &extended(&six, 43, [0, 0, 1, 0, 0, 0, 0]), &problem);
    let late = extended(&option(0x1e, 0), 60, [0, 0x1e, 4, 0, 0, 0, 0]);
    story.frame("hop-by-hop options behind others", &late, &told("answer_unknown_header"));
}

#[test]
fn who_sends_to_a_service_is_recorded_with_its_address() {
    for (port, outside) in [(80, 0), (81, 0), (82, 20)] {
        let mut lab = lab();
        lab.feed(WAN, &syn(port, &ROUTE));
        let first = sent(&mut lab, LAN, outside);
        assert_eq!(options_of(&first), route(&[VIP]), "port {port}");
        lab.feed(WAN, &with_options(&packet(client(2), VIP, Body::Tcp(4000, port, ACK, 3)).frame(), &ROUTE));
        let (header, packet) = sent(&mut lab, LAN, outside);
        assert_eq!(packet[20..32], route(&[VIP]), "a known connection");
        let sum = Sum::default().pseudo(&header.src.to_be_bytes(), &header.dst.to_be_bytes(), 6, 23);
        assert_eq!(sum.bytes(&packet[header.len..]).fold(), 0xffff);
    }
}

#[test]
fn what_is_routed_is_recorded_with_the_links_address() {
    let mut lab = lab();
    let passing = packet(client(2), server(11), Body::Udp(1, 9, 4)).frame();
    lab.feed(WAN, &with_options(&passing, &ROUTE));
    assert_eq!(options_of(&sent(&mut lab, LAN, 0)), route(&[OWN[1]]));
    // A timestamp names who the director is to the sender.
    lab.feed(WAN, &with_options(&passing, &[68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!(options_of(&sent(&mut lab, LAN, 0))[..8], [68, 12, 13, 1, 172, 16, 0, 254]);
}

#[test]
fn a_reply_that_is_routed_again_is_the_services() {
    for (reroute, by) in [("1", VIP), ("0", OWN[0])] {
        let mut lab = lab();
        let set = std::sync::Arc::make_mut(&mut lab.tables.sysctls).set("snat_reroute", reroute);
        set.expect("it takes that value");
        lab.publish();
        lab.feed(WAN, &syn(80, &[1; 4]));
        let answer = packet(server(11), client(2), Body::Tcp(80, 4000, SYN | ACK, 0)).frame();
        lab.feed(LAN, &with_options(&answer, &ROUTE));
        assert_eq!(options_of(&sent(&mut lab, WAN, 0)), route(&[by]));
    }
}

#[test]
fn the_time_of_day_is_written() {
    let mut lab = lab();
    lab.link.midnight.set(lab.now.tick(), 0x0102_0304);
    lab.feed(WAN, &syn(80, &[68, 8, 5, 0, 0, 0, 0, 0]));
    assert_eq!(options_of(&sent(&mut lab, LAN, 0)), [68, 8, 9, 0, 1, 2, 3, 4]);
}

#[test]
fn what_waits_for_a_neighbor_is_filled_in_once() {
    let mut lab = lab();
    lab.feed(WAN, &with_options(&packet(client(2), server(12), Body::Udp(1, 9, 4)).frame(), &ROUTE));
    lab.know_servers(12..=12);
    lab.turn();
    assert_eq!(options_of(&sent(&mut lab, LAN, 0)), route(&[OWN[1]]));
}

#[test]
fn fragments_are_filled_in_once() {
    let mut lab = lab();
    lab.service(Protocol::Udp, VIP, 80, Rr, &[(server(11), 80, Nat, 1)]);
    lab.publish();
    let whole = packet(client(2), VIP, Body::Udp(4000, 80, 100)).frame();
    for piece in pieces(&whole, 7, &[48, 48, 12]) {
        lab.feed(WAN, &with_options(&piece, &ROUTE));
    }
    let frames = lab.sent(LAN);
    let header = Header::parse(&frames[0][ethernet::HEADER..]).expect("a right header");
    assert_eq!(frames[0][ethernet::HEADER + 20..][..header.len - 20], route(&[VIP]));
}

#[test]
fn answers_carry_the_route_and_errors_quote_what_was_seen() {
    let mut lab = lab();
    lab.feed(WAN, &with_options(&packet(client(2), VIP, Body::Icmp(8)).frame(), &ROUTE));
    assert_eq!(options_of(&sent(&mut lab, WAN, 0)), route(&[VIP, VIP]));
    lab.feed(WAN, &syn(99, &ROUTE));
    assert_eq!(options_of(&sent(&mut lab, WAN, 0)), route(&[VIP, VIP]), "a reset");
    let datagram = with_options(&packet(client(2), VIP, Body::Udp(1, 9, 4)).frame(), &ROUTE);
    lab.feed(WAN, &datagram);
    let told = sent(&mut lab, WAN, 0);
    assert_eq!(options_of(&told), route(&[VIP, VIP]));
    let quoted = &told.1[told.0.len + 8..];
    assert_eq!(quoted[20..32], route(&[VIP]));
    assert_eq!(be16(quoted, 10), be16(&datagram, ethernet::HEADER + 10), "nobody has summed it up again");
}

#[test]
fn a_wrong_option_is_pointed_to_and_nothing_is_sent_on() {
    let mut lab = lab();
    lab.feed(WAN, &syn(80, &[1, 1, 1, 1, 7, 7, 3, 0, 0, 0, 0, 0]));
    assert_eq!(lab.sent(LAN), Vec::<Vec<u8>>::new());
    let (header, packet) = sent(&mut lab, WAN, 0);
    assert_eq!((header.len, &packet[20..22], packet[24]), (20, &[12, 0][..], 26));
    assert_eq!(lab.worker.shard().table.len(), 0);
}

#[test]
fn a_source_route_is_followed_where_it_is_accepted() {
    let mut lab = lab();
    lab.tables.options.accept_source_route = true;
    lab.publish();
    let next = server(11).octets();
    lab.feed(WAN, &syn(80, &[&[131, 7, 4][..], &next, &[0]].concat()));
    let sent = sent(&mut lab, LAN, 0);
    assert_eq!((sent.0.dst, sent.0.ttl), (server(11).to_bits(), 63));
    assert_eq!(options_of(&sent), [&[131, 7, 8][..], &OWN[1].octets(), &[0]].concat());
    assert_eq!(lab.worker.shard().table.len(), 0, "it was not for the service");
}

#[test]
fn hop_by_hop_options_are_looked_at_and_others_left_to_who_is_meant() {
    let mut lab = lab();
    lab.service(Protocol::Tcp, VIP6, 80, Rr, &[(crate::lab::server6(11), 80, Nat, 1)]);
    lab.publish();
    let segment = |port| packet(client6(2), VIP6, Body::Tcp(4000, port, SYN, 0)).frame();
    let option = |port, header, kind| extended(&segment(port), header, [0, kind, 4, 0, 0, 0, 0]);
    lab.feed(WAN, &option(80, 0, 0x9e));
    assert_eq!((lab.sent(LAN).len(), lab.sent(WAN).len()), (0, 1));
    lab.feed(WAN, &option(80, 60, 0x9e));
    assert_eq!((lab.sent(LAN).len(), lab.sent(WAN).len()), (1, 0), "IPVS asks nobody");
    lab.feed(WAN, &option(99, 60, 0x9e));
    let told = lab.sent(WAN).remove(0);
    assert_eq!((&told[54..56], &told[58..62]), (&[4, 2][..], &[0, 0, 0, 42][..]));
}

#[test]
fn hop_by_hop_options_behind_a_fragment_header_are_none() {
    let mut lab = lab();
    let datagram = packet(client6(2), VIP6, Body::Udp(1, 9, 100)).frame();
    let whole = extended(&datagram, 0, [0, 0x9e, 4, 0, 0, 0, 0]);
    pieces(&whole, 7, &[48, 48, 20]).iter().for_each(|piece| lab.feed(WAN, piece));
    let told = lab.sent(WAN).remove(0);
    assert_eq!((&told[54..56], &told[58..62]), (&[4, 1][..], &[0, 0, 0, 6][..]), "a header that nobody takes");
}

#[test]
fn a_datagram_of_another_length_is_none() {
    for (length, answers) in [(0u16, [0, 1]), (7, [0, 0]), (100, [0, 0]), (12, [1, 1])] {
        let mut lab = lab();
        let four = packet(client(2), VIP, Body::UdpBare(1, 9, 4)).frame();
        let six = packet(client6(2), VIP6, Body::Udp(1, 9, 4)).frame();
        for (mut frame, answers) in [four, six].into_iter().zip(answers) {
            let at = frame.len() - 12;
            // The sum stays right: what the length loses, the data gains.
            let [was, data] = [4, 8].map(|field| be16(&frame, at + field));
            put(&mut frame, at + 4, &length.to_be_bytes());
            let gained = if length < was { data + (was - length) } else { data.wrapping_sub(length - was) };
            put(&mut frame, at + 8, &gained.to_be_bytes());
            lab.feed(WAN, &frame);
            assert_eq!(lab.sent(WAN).len(), answers, "{length} of 12 bytes");
        }
    }
}

#[test]
fn a_reset_says_nothing_of_congestion() {
    let mut lab = lab();
    for (tos, answer) in [(3, 0), (0xff, 0xfc)] {
        let mut frame = packet(client(2), VIP, Body::Tcp(4000, 99, SYN, 0)).frame();
        frame[ethernet::HEADER + 1] = tos;
        dataplane::wire::ipv4::seal(&mut frame[ethernet::HEADER..][..20]);
        lab.feed(WAN, &frame);
        assert_eq!(sent(&mut lab, WAN, 0).0.tos, answer);
    }
}
