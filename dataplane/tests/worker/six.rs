//! IPv6: the same director with longer addresses. NAT both ways, tunnels over either family, what a host answers, and
//! what stands between a packet's header and its transport.

use dataplane::flow::Encapsulation;
use dataplane::flow::Protocol::{Tcp, Udp};
use dataplane::method::ForwardMethod::{Dr, Nat, Tun};
use dataplane::route::{Action, Prefix};
use dataplane::sched::Scheduler::Rr;
use dataplane::service::{Manner, Persistent};
use dataplane::wire::tcp::{ACK, FIN, RST, SYN};
use dataplane::wire::{be16, be32, icmpv6, ipv4, ipv6};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::Ordering::Relaxed;

use crate::frames::{Body, Packet, extended, is_right, packet};
use crate::lab::{FAR6, LAN, Lab, NONE, SECOND, THIN, VIP, VIP6, WAN, client, client6, server, server6};

const HOP_BY_HOP: u8 = 0;
const DESTINATION: u8 = 60;

/// A lab whose servers 11 and 12 are known.
fn lab() -> Lab {
    let mut lab = Lab::new(100);
    lab.know_servers(11..=12);
    lab
}

fn request(sport: u16, flags: u8) -> Packet {
    packet(client6(2), VIP6, Body::Tcp(sport, 80, flags, 5))
}

/// Source and destination of a frame that left, with their ports.
fn ends(frame: &[u8]) -> ((Ipv6Addr, u16), (Ipv6Addr, u16)) {
    let header = ipv6::Header::parse(&frame[14..]).expect("IPv6");
    let upper = ipv6::upper(&frame[14..], header.next).expect("a transport");
    let at = 14 + upper.at;
    ((header.src.into(), be16(frame, at)), (header.dst.into(), be16(frame, at + 2)))
}

/// The only frame that left by a port.
fn one(lab: &mut Lab, port: u16) -> Vec<u8> {
    let sent = lab.sent(port);
    let [frame] = &sent[..] else { panic!("{} frames left", sent.len()) };
    assert!(is_right(frame), "{frame:02x?}");
    frame.clone()
}

#[test]
fn nat_rewrites_both_ways() {
    let mut lab = lab();
    lab.service(Tcp, VIP6, 80, Rr, &[(server6(11), 8080, Nat, 1)]);
    lab.feed(WAN, &request(4000, SYN).frame());
    let sent = one(&mut lab, LAN);
    assert_eq!(ends(&sent), ((client6(2), 4000), (server6(11), 8080)));
    assert_eq!(sent[21], 63, "hop limit");
    let answer = packet(server6(11), client6(2), Body::Tcp(8080, 4000, SYN | ACK, 0));
    lab.feed(LAN, &answer.frame());
    assert_eq!(ends(&one(&mut lab, WAN)), ((VIP6, 80), (client6(2), 4000)));
    lab.feed(WAN, &request(4000, ACK).frame());
    assert_eq!(lab.state(0).active(), 1);
    let [(_, conn)] = lab.connections()[..] else { panic!("one connection") };
    let [client, vip, to] = conn.ends();
    let shown = ["[fd00:1::2]:4000", "[fd00:1::100]:80", "[fd00:2::b]:8080"];
    assert_eq!([client, vip, to].map(|end| end.to_string()), shown);
    lab.feed(WAN, &request(4000, RST).frame());
    lab.pass(11 * SECOND);
    assert_eq!(lab.connections().len(), 0);
    lab.check_accounts();
    lab.check_counts();
}

#[test]
fn datagrams_are_rewritten_behind_extension_headers_too() {
    let mut lab = lab();
    lab.service(Udp, VIP6, 80, Rr, &[(server6(11), 0, Nat, 1)]);
    let datagram = packet(client6(2), VIP6, Body::Udp(4000, 80, 9)).frame();
    for (number, frame) in [
        datagram.clone(),
        extended(&datagram, HOP_BY_HOP, [0, 1, 4, 0, 0, 0, 0]),
        extended(&extended(&datagram, DESTINATION, [0, 1, 4, 0, 0, 0, 0]), HOP_BY_HOP, [0, 1, 4, 0, 0, 0, 0]),
    ]
    .into_iter()
    .enumerate()
    {
        lab.feed(WAN, &frame);
        let sent = one(&mut lab, LAN);
        assert_eq!(ends(&sent), ((client6(2), 4000), (server6(11), 80)), "{number} headers between");
        assert_eq!(sent.len(), frame.len());
    }
    assert_eq!(lab.connections().len(), 1);
}

#[test]
fn direct_routing_changes_the_hop_limit_alone() {
    let mut lab = lab();
    lab.service(Tcp, VIP6, 80, Rr, &[(server6(12), 80, Dr, 1)]);
    lab.feed(WAN, &request(4000, SYN).frame());
    assert_eq!(one(&mut lab, LAN)[14..], request(4000, SYN).ttl(63).frame()[14..]);
}

#[test]
fn tunnels_lead_over_either_family() {
    let mut lab = lab();
    lab.service(Tcp, VIP6, 80, Rr, &[(server6(11), 80, Tun, 1)]);
    lab.service(Udp, VIP6, 80, Rr, &[(server(12), 80, Tun, 1)]);
    lab.service(Udp, VIP, 80, Rr, &[(server6(12), 80, Tun, 1)]);
    let inner = |packet: &Packet| packet.ttl(63).frame()[14..].to_vec();

    let six = request(4000, SYN);
    lab.feed(WAN, &six.frame());
    let sent = one(&mut lab, LAN);
    let outer = ipv6::Header::parse(&sent[14..]).expect("IPv6 outside");
    assert_eq!((outer.next, outer.hop_limit, Ipv6Addr::from(outer.dst)), (41, 63, server6(11)));
    assert_eq!(sent[54..], inner(&six));

    let over_four = packet(client6(2), VIP6, Body::Udp(4000, 80, 9));
    lab.feed(WAN, &over_four.frame());
    let sent = one(&mut lab, LAN);
    let outer = ipv4::Header::parse(&sent[14..]).expect("IPv4 outside");
    assert_eq!((outer.protocol, outer.ttl, outer.dst, outer.fragment), (41, 63, server(12).to_bits(), 0));
    assert_eq!(sent[34..], inner(&over_four));

    for (kind, next, between) in [
        (Encapsulation::Ipip, 4, 0),
        (Encapsulation::Gre { checksum: false }, 47, 4),
        (Encapsulation::Gue { port: 6080, checksum: true }, 17, 12),
    ] {
        lab.state(2).encapsulation.store(kind.word(), Relaxed);
        let over_six = packet(client(2), VIP, Body::Udp(4000, 80, 9));
        lab.feed(WAN, &over_six.frame());
        let sent = one(&mut lab, LAN);
        let outer = ipv6::Header::parse(&sent[14..]).expect("IPv6 outside");
        assert_eq!((outer.next, Ipv6Addr::from(outer.dst)), (next, server6(12)), "{kind:?}");
        assert_eq!(sent[54 + between..], inner(&over_six));
    }
    lab.check_accounts();
}

#[test]
fn what_does_not_fit_is_told_to_its_sender() {
    let mut lab = lab();
    lab.service(Udp, VIP6, 80, Rr, &[(FAR6, 80, Dr, 1)]);
    lab.service(Udp, VIP6, 81, Rr, &[(Ipv4Addr::new(10, 2, 0, 9), 81, Tun, 1)]);
    for (port, room) in [(80, 600), (81, 580)] {
        let datagram = |length: usize| packet(client6(2), VIP6, Body::Udp(4000, port, length - 48)).frame();
        lab.feed(WAN, &datagram(room));
        one(&mut lab, THIN);
        lab.feed(WAN, &datagram(room + 1));
        let told = one(&mut lab, WAN);
        assert_eq!((told[54], told[55], be32(&told, 58)), (2, 0, room as u32), "packet too big");
        assert_eq!(Ipv6Addr::from(ipv6::Header::parse(&told[14..]).expect("IPv6").src), VIP6);
    }
}

#[test]
fn a_host_answers() {
    let mut lab = lab();
    let mut answer = |packet: Packet| {
        lab.feed(WAN, &packet.frame());
        let sent = one(&mut lab, WAN);
        let header = ipv6::Header::parse(&sent[14..]).expect("IPv6");
        assert_eq!((header.src, header.dst, header.hop_limit), (VIP6.octets(), client6(2).octets(), 64));
        (header.next, sent[54], sent[55], sent)
    };
    let (next, kind, code, sent) = answer(packet(client6(2), VIP6, Body::Icmp(icmpv6::ECHO)));
    assert_eq!((next, kind, code, be16(&sent, 58)), (icmpv6::PROTOCOL, icmpv6::ECHO_REPLY, 0, 7));
    let (next, _, _, sent) = answer(request(4000, ACK));
    assert_eq!((next, sent[67]), (6, RST));
    let (next, kind, code, _) = answer(packet(client6(2), VIP6, Body::Udp(4000, 80, 9)));
    assert_eq!((next, kind, code), (icmpv6::PROTOCOL, 1, 4));
    let (next, kind, code, sent) = answer(packet(client6(2), VIP6, Body::Other(47, 8)));
    assert_eq!((next, kind, code, be32(&sent, 58)), (icmpv6::PROTOCOL, 4, 1, 6), "which field: the header's own");
}

#[test]
fn what_nobody_should_hear_of_is_dropped() {
    let mut lab = lab();
    let error = packet(client6(2), VIP6, Body::Icmp(1)).frame();
    let nothing_behind = packet(client6(2), VIP6, Body::Other(59, 0)).frame();
    let bare = packet(client6(2), VIP6, Body::UdpBare(4000, 80, 9)).frame();
    let group = packet(client6(2), Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 5), Body::Udp(1, 1, 1)).frame();
    let endless = extended(&request(4000, SYN).frame(), DESTINATION, [200, 0, 0, 0, 0, 0, 0]);
    for (frame, counter) in [
        (&error, "drop_icmp"),
        (&nothing_behind, "drop_unanswerable"),
        (&bare, "drop_transport_checksum"),
        (&group, "drop_group"),
        (&endless, "drop_malformed"),
        (&packet(Ipv6Addr::LOCALHOST, client6(2), Body::Udp(1, 1, 1)).frame(), "drop_martian"),
        (&packet(VIP6, VIP6, Body::Icmp(icmpv6::ECHO)).frame(), "drop_unanswerable"),
        (&packet(VIP6, server6(11), Body::Udp(1, 1, 1)).ttl(1).frame(), "drop_unanswerable"),
    ] {
        let moved = lab.moved(|lab| lab.feed(WAN, frame));
        assert_eq!(moved, [("received", 1), (counter, 1)]);
    }
}

#[test]
fn without_a_route_the_sender_is_told() {
    let mut lab = lab();
    let nowhere = Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, 1);
    lab.feed(WAN, &packet(client6(2), nowhere, Body::Udp(1, 1, 1)).frame());
    let told = one(&mut lab, WAN);
    assert_eq!((told[54], told[55]), (1, 0), "no route");
    lab.feed(WAN, &packet(client6(2), server6(11), Body::Udp(1, 1, 1)).ttl(1).frame());
    let told = one(&mut lab, WAN);
    assert_eq!((told[54], told[55]), (3, 0), "hop limit exceeded");
    lab.feed(WAN, &packet(client6(2), server6(11), Body::Udp(1, 1, 1)).frame());
    assert_eq!(one(&mut lab, LAN)[21], 63);
    lab.feed(WAN, &packet(client6(2), server6(15), Body::Udp(1, 1, 1)).frame());
    assert_eq!((lab.parked(), lab.asked()), (1, vec![IpAddr::from(server6(15))]));
    lab.neighbor(LAN, server6(15).into());
    lab.turn();
    assert_eq!(one(&mut lab, LAN)[21], 63, "what waited leaves, changed once");
}

#[test]
fn next_hops_may_be_link_local() {
    let mut lab = lab();
    let router = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 7);
    let address = Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, 0).into();
    let via = Action::Via { interface: LAN, gateway: router.into() };
    lab.net(|net| net.routes.insert(Prefix { address, length: 16 }, via));
    lab.neighbor(LAN, router.into());
    lab.feed(WAN, &packet(client6(2), Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, 1), Body::Udp(1, 1, 1)).frame());
    assert_eq!(one(&mut lab, LAN)[..6], [2, 2, 0, 0, 0, 7]);
}

#[test]
fn clients_of_one_prefix_stay_together() {
    let mut lab = lab();
    let key = lab.service(Tcp, VIP6, 80, Rr, &[(server6(11), 80, Nat, 1), (server6(12), 80, Nat, 1)]);
    let persistent = Persistent { timeout: 30 << 10, mask4: u32::MAX, mask6: u128::MAX << 2, engine: None };
    lab.manner(key, Manner { one_packet: false, persistent: Some(persistent) });
    let mut server_of = |n: u8| {
        lab.feed(WAN, &packet(client6(n), VIP6, Body::Tcp(4000, 80, SYN, 0)).frame());
        ends(&one(&mut lab, LAN)).1.0
    };
    let [a, b, c, d] = [4, 5, 8, 7].map(&mut server_of);
    assert!(a == b && b == d && a != c, "::4 to ::7 are one client: {:?}", [a, b, c, d]);
}

#[test]
fn without_a_service_of_its_family_a_connection_does_not_count() {
    let mut lab = lab();
    lab.service(Tcp, VIP6, 80, Rr, &[(server6(11), 80, Nat, 1)]);
    lab.service(Tcp, VIP, 80, Rr, &[(server(11), 80, Nat, 1)]);
    lab.feed(WAN, &request(4000, SYN).frame());
    lab.feed(WAN, &packet(client(2), VIP, Body::Tcp(4000, 80, SYN, 0)).frame());
    assert_eq!(lab.sent(LAN).len(), 2);
    lab.tables.unhooked.v6 = true;
    lab.publish();
    lab.feed(WAN, &request(4000, FIN | ACK).frame());
    lab.feed(WAN, &packet(client(2), VIP, Body::Tcp(4000, 80, ACK, 0)).frame());
    assert_eq!((lab.sent(LAN).len(), lab.count("answer_tcp_reset")), (1, 1), "IPv4 goes on, IPv6 is reset");
}

#[test]
fn a_service_without_servers_says_so() {
    let mut lab = lab();
    lab.service(Tcp, VIP6, 80, Rr, NONE);
    lab.feed(WAN, &request(4000, SYN).frame());
    let told = one(&mut lab, WAN);
    assert_eq!((told[54], told[55]), (1, 4));
}
