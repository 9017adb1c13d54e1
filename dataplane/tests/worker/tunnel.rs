//! Tunnels: what leaves, what does not fit, what waits; and the route that a server's connections share.

use dataplane::conn::flag;
use dataplane::flow::Encapsulation;
use dataplane::flow::{Family, Protocol, ServiceKey};
use dataplane::mailbox::Command;
use dataplane::method::ForwardMethod::{Dr, Nat, Tun};
use dataplane::port::PacketBuf;
use dataplane::port::mem::MemBuf;
use dataplane::route::{Action, Prefix};
use dataplane::sched::Scheduler::Rr;
use dataplane::service::PathMtu;
use dataplane::wire::tcp::{ACK, FIN, SYN};
use dataplane::wire::{be16, be32, ecn, ipv4};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::frames::{Body, Packet, is_right, packet};
use crate::lab::{LAN, Lab, SECOND, THIN, VIP, VIP6, WAN, client, client6, server, server6};

const DF: u16 = 0x4000;
/// A server behind the link that takes 600 bytes.
const FAR: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 9);
/// The director's address on the servers' link.
const OWN: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 254);

/// A lab with one tunnel service of each protocol, both to the same server.
fn lab(to: Ipv4Addr) -> Lab {
    let mut lab = Lab::new(100);
    lab.service(Protocol::Tcp, VIP, 80, Rr, &[(to, 80, Tun, 1)]);
    lab.service(Protocol::Udp, VIP, 80, Rr, &[(to, 80, Tun, 1)]);
    lab.turn();
    lab
}

fn segment(sport: u16, flags: u8) -> Packet {
    packet(client(2), VIP, Body::Tcp(sport, 80, flags, 5))
}

/// A datagram that makes an IP packet of so many bytes.
fn datagram(length: usize) -> Packet {
    packet(client(2), VIP, Body::Udp(4000, 80, length - 28))
}

/// Outer header and inner frame of what left by a port.
fn unwrapped(frame: &[u8], overhead: usize) -> (ipv4::Header, Vec<u8>) {
    let outer = ipv4::Header::parse(&frame[14..]).expect("an outer header");
    assert_eq!(outer.total, frame.len() - 14);
    (outer, [&frame[..14], &frame[14 + overhead..]].concat())
}

#[test]
fn a_packet_travels_whole_to_the_server() {
    let mut lab = lab(server(11));
    lab.know_servers(11..=11);
    lab.feed(WAN, &segment(4000, SYN).frame());
    let sent = lab.sent(LAN);
    let (outer, inner) = unwrapped(&sent[0], 20);
    assert_eq!((outer.src, outer.dst, outer.protocol), (OWN.to_bits(), server(11).to_bits(), 4));
    assert_eq!((outer.ttl, outer.fragment), (63, 0));
    assert!(is_right(&inner));
    assert_eq!(inner[14..], segment(4000, SYN).ttl(63).frame()[14..]);
    assert_eq!(lab.count("forward_tun"), 1);
    lab.check_accounts();
}

#[test]
fn a_connection_has_no_replies_and_the_client_alone_closes_it() {
    let mut lab = lab(server(11));
    lab.know_servers(11..=11);
    lab.feed(WAN, &segment(4000, SYN).frame());
    let answer = packet(server(11), client(2), Body::Tcp(80, 4000, SYN | ACK, 0)).frame();
    lab.feed(LAN, &answer);
    assert_eq!(lab.count("forward_routed"), 1, "what comes from the server's own address is no reply");
    lab.feed(WAN, &segment(4000, ACK).frame());
    lab.feed(WAN, &segment(4000, FIN | ACK).frame());
    let [(_, conn)] = lab.connections()[..] else { panic!("one connection") };
    assert!(conn.has(flag::NO_OUTPUT));
    assert_eq!((lab.count("forward_tun"), lab.state(0).inactive()), (3, 1), "FIN_WAIT");
    lab.check_counts();
}

#[test]
fn identifications_differ_where_the_packet_may_be_fragmented() {
    let mut lab = lab(server(11));
    lab.know_servers(11..=11);
    for fragment in [0, DF, 0] {
        lab.feed(WAN, &datagram(100).fragment(fragment).frame());
    }
    let sent: Vec<_> = lab.sent(LAN).iter().map(|frame| (be16(frame, 18), be16(frame, 20))).collect();
    assert_eq!([sent[0].1, sent[1].1, sent[2].1], [0, DF, 0]);
    assert_eq!(sent[1].0, 0, "as the kernel numbers what stays whole");
    assert_ne!(sent[0].0, sent[2].0);
}

#[test]
fn old_connections_follow_the_servers_encapsulation() {
    let mut lab = lab(server(11));
    lab.know_servers(11..=11);
    for (kind, protocol) in [
        (Encapsulation::Ipip, 4),
        (Encapsulation::Gue { port: 6080, checksum: true }, 17),
        (Encapsulation::Gre { checksum: false }, 47),
    ] {
        lab.state(1).encapsulation.store(kind.word(), Relaxed);
        lab.feed(WAN, &datagram(100).frame());
        let sent = lab.sent(LAN);
        let (outer, inner) = unwrapped(&sent[0], usize::from(kind.overhead(Family::Ipv4)));
        assert_eq!(outer.protocol, protocol);
        assert!(is_right(&sent[0]) && is_right(&inner), "{kind:?}");
    }
    assert_eq!(lab.connections().len(), 1);
}

#[test]
fn the_headers_of_the_tunnel_take_part_of_the_links_room() {
    for (kind, room) in [(Encapsulation::Ipip, 580), (Encapsulation::Gre { checksum: true }, 572)] {
        let mut lab = lab(FAR);
        lab.state(1).encapsulation.store(kind.word(), Relaxed);
        lab.feed(WAN, &datagram(room).fragment(DF).frame());
        assert_eq!(lab.sent(THIN)[0].len(), 14 + 600);
        lab.feed(WAN, &datagram(room + 1).fragment(DF).frame());
        let told = lab.sent(WAN);
        assert_eq!((told[0][34], told[0][35], usize::from(be16(&told[0], 40))), (3, 4, room), "too big, and the room");
        assert!(is_right(&told[0]));
        let quoted = ipv4::Header::parse(&[&told[0][42..], &[0; 600]].concat()).expect("a quoted header");
        assert_eq!((quoted.ttl, quoted.total), (63, room + 1), "measured when the time to live was lower");
        lab.feed(WAN, &datagram(room + 1).frame());
        let pieces: Vec<_> = lab.sent(THIN).iter().map(|frame| (frame.len() - 14, be16(frame, 20))).collect();
        assert_eq!(pieces, [(20 + 576, 0x2000), (20 + 5, 576 / 8)], "the outer packet is cut");
        assert_eq!((lab.count("answer_too_big"), lab.count("sent_fragment")), (1, 2));
        lab.check_accounts();
    }
}

#[test]
fn without_path_mtu_discovery_nobody_is_told_and_nothing_is_kept_whole() {
    let mut lab = lab(FAR);
    Arc::make_mut(&mut lab.tables.sysctls).pmtu_disc = 0;
    lab.publish();
    lab.feed(WAN, &datagram(580).fragment(DF).frame());
    assert_eq!(be16(&lab.sent(THIN)[0], 20), 0, "outside");
    lab.feed(WAN, &datagram(581).fragment(DF).frame());
    let outside: Vec<_> = lab.sent(THIN).iter().map(|frame| be16(frame, 20)).collect();
    assert_eq!((lab.count("answer_too_big"), outside), (0, vec![0x2000, 576 / 8]));
}

#[test]
fn what_waits_is_wrapped_when_it_leaves() {
    let mut lab = lab(server(11));
    lab.feed(WAN, &datagram(100).frame());
    lab.feed(WAN, &datagram(1490).fragment(DF).frame());
    assert_eq!((lab.parked(), lab.asked()), (2, vec![IpAddr::V4(server(11))]));
    lab.know_servers(11..=11);
    lab.turn();
    let (outer, inner) = unwrapped(&lab.sent(LAN)[0], 20);
    assert_eq!((outer.src, outer.dst), (OWN.to_bits(), server(11).to_bits()));
    assert_eq!(inner[14..], datagram(100).ttl(63).frame()[14..]);
    assert_eq!((lab.count("forward_tun"), lab.count("answer_too_big")), (1, 1), "measured as any other");
    lab.check_accounts();
}

#[test]
fn a_server_that_does_not_answer_is_told_of_as_the_client_sent_it() {
    let mut lab = lab(server(11));
    lab.feed(WAN, &datagram(100).frame());
    lab.link.commands.push(Command::NeighborFailed { interface: LAN, address: server(11).into() }).expect("room");
    lab.turn();
    let told = lab.sent(WAN);
    assert_eq!(told[0][42..], datagram(100).frame()[14..]);
    assert_eq!(lab.count("answer_host_unreachable"), 1);
    lab.check_accounts();
}

#[test]
fn a_tunnel_needs_an_address_to_come_from() {
    let mut lab = lab(server(11));
    lab.net(|net| {
        let mut all = net.interfaces.to_vec();
        all[usize::from(LAN)].source4 = None;
        net.interfaces = all.into();
    });
    lab.know_servers(11..=11);
    lab.feed(WAN, &datagram(100).frame());
    assert_eq!((lab.count("answer_host_unreachable"), lab.count("forward_tun")), (1, 0));
}

/// A buffer with 16 bytes in front of its frame.
fn tight(frame: &[u8]) -> MemBuf {
    let mut buffer = MemBuf::empty();
    assert!(buffer.prepend(112) && buffer.set_len(frame.len()));
    buffer.data_mut().copy_from_slice(frame);
    buffer
}

#[test]
fn a_buffer_without_room_in_front_is_dropped() {
    let mut lab = lab(server(11));
    lab.worker.ports_mut()[usize::from(WAN)].rx.push_back(tight(&datagram(100).frame()));
    lab.turn();
    assert_eq!((lab.parked(), lab.count("drop_no_headroom")), (1, 0));
    lab.know_servers(11..=11);
    lab.turn();
    assert_eq!(lab.count("drop_no_headroom"), 1, "one that had waited");
    lab.worker.ports_mut()[usize::from(WAN)].rx.push_back(tight(&datagram(100).frame()));
    lab.turn();
    assert_eq!((lab.count("drop_no_headroom"), lab.count("forward_tun")), (2, 0));
    lab.check_accounts();
}

/// One server by NAT with one connection, then by DR; the old connection speaks first.
fn edited(strict: bool, to: Ipv4Addr) -> (Lab, ServiceKey) {
    let mut lab = Lab::new(100);
    lab.tables.options.strict_parity = strict;
    lab.know_servers(11..=12);
    lab.net(|net| {
        let prefix = Prefix { address: Ipv4Addr::new(10, 3, 0, 0).into(), length: 16 };
        net.routes.insert(prefix, Action::Via { interface: LAN, gateway: server(12).into() });
    });
    let key = lab.service(Protocol::Tcp, VIP, 80, Rr, &[(to, 80, Nat, 1)]);
    lab.turn();
    lab.feed(WAN, &segment(4000, SYN).frame());
    lab.list(key, |list| list[0].forward = Dr);
    lab.feed(WAN, &segment(4001, SYN).frame());
    (lab, key)
}

#[test]
fn direct_routing_goes_to_the_server_whoever_went_there_before() {
    let (mut lab, _) = edited(false, server(11));
    let sent: Vec<u32> = lab.sent(LAN).iter().map(|frame| be32(frame, 30)).collect();
    assert_eq!(sent, [server(11).to_bits(), VIP.to_bits()], "by NAT, then by DR");
    assert_eq!(lab.parked(), 0);
}

#[test]
fn under_strict_parity_a_server_has_one_route_for_all() {
    let (mut lab, _) = edited(true, server(11));
    assert_eq!((lab.sent(LAN).len(), lab.parked()), (1, 1));
    assert_eq!(lab.asked(), [IpAddr::V4(VIP)], "the link is asked for whom the packet is addressed to");
    // As control does when the server is edited.
    lab.state(0).forget_route(&PathMtu::default());
    lab.net(|_| ());
    lab.pass(6 * SECOND);
    lab.feed(WAN, &segment(4002, SYN).frame());
    lab.feed(WAN, &segment(4000, ACK).frame());
    assert_eq!((lab.sent(LAN).len(), lab.parked()), (2, 0), "direct routing made the route: it fits everybody");
}

#[test]
fn under_strict_parity_a_router_takes_everything() {
    let (mut lab, _) = edited(true, Ipv4Addr::new(10, 3, 0, 5));
    assert_eq!((lab.sent(LAN).len(), lab.parked()), (2, 0));
}

/// A packet with a type of service, its header's checksum right.
fn with_tos(packet: &Packet, tos: u8) -> Vec<u8> {
    let mut frame = packet.frame();
    match packet.src {
        IpAddr::V4(_) => ecn::write4(&mut frame[14..34], tos),
        IpAddr::V6(_) => (frame[14], frame[15]) = (0x60 | tos >> 4, tos << 4),
    }
    frame
}

#[test]
fn congestion_that_a_tunnel_experienced_reaches_the_server() {
    let mut lab = Lab::new(100);
    lab.know_servers(11..=11);
    lab.service(Protocol::Tcp, VIP, 80, Rr, &[(server(11), 80, Nat, 1)]);
    lab.tables.options.unwrap_ipip = true;
    lab.publish();
    for (outer, inner, arrives) in [
        (0, 0xb8, Some(0xb8)),
        (1, 2, Some(1)),
        (1, 0, Some(0)),
        (2, 1, Some(1)),
        (0x23, 0xb9, Some(0xbb)),
        (3, 2, Some(3)),
        (3, 3, Some(3)),
        (0x23, 0xb8, None),
    ] {
        let inside = with_tos(&segment(4000, SYN), inner);
        let mut frame = with_tos(&packet(client(9), VIP, Body::Other(4, inside.len() - 14)), outer);
        frame[34..].copy_from_slice(&inside[14..]);
        lab.feed(WAN, &frame);
        let sent = lab.sent(LAN);
        assert!(sent.iter().all(|frame| is_right(frame)), "the checksum of the header follows");
        assert_eq!(sent.first().map(|frame| frame[15]), arrives, "{outer:#x} around {inner:#x}");
    }
    assert_eq!(lab.count("drop_congestion"), 1);
    lab.check_accounts();
}

#[test]
fn a_tunnel_says_what_its_packet_understands_of_congestion() {
    let kinds = [
        Encapsulation::Ipip,
        Encapsulation::Gue { port: 6080, checksum: true },
        Encapsulation::Gre { checksum: false },
        Encapsulation::Gre { checksum: true },
    ];
    for (six, over_six) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut lab = Lab::new(100);
        lab.know_servers(11..=11);
        let to = if over_six { IpAddr::from(server6(11)) } else { server(11).into() };
        let vip = if six { IpAddr::from(VIP6) } else { VIP.into() };
        lab.service(Protocol::Udp, vip, 80, Rr, &[(to, 80, Tun, 1)]);
        for (kind, tos) in kinds.into_iter().flat_map(|kind| [0, 1, 2, 3, 0xb8, 0xbb].map(|tos| (kind, tos))) {
            lab.state(0).set_tunnel(Some(kind));
            let from = if six { IpAddr::from(client6(2)) } else { client(2).into() };
            lab.feed(WAN, &with_tos(&packet(from, vip, Body::Udp(4000, 80, 9)), tos));
            let sent = lab.sent(LAN).remove(0);
            let class = |at: usize, six| if six { sent[at] << 4 | sent[at + 1] >> 4 } else { sent[at + 1] };
            let inside = 14 + usize::from(kind.overhead(if over_six { Family::Ipv6 } else { Family::Ipv4 }));
            // "Experienced" is for routers in the tunnel to say anew (RFC 3168 9.1.1).
            let outside = if tos & 3 == 3 { tos - 1 } else { tos };
            assert_eq!([class(14, over_six), class(inside, six)], [outside, tos], "{kind:?}");
        }
        lab.check_accounts();
    }
}
