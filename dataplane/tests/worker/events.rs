//! What happens in random streams: packets of few clients to few ports, of every kind, whole and in pieces, and time.

use dataplane::wire::ethernet;
use dataplane::wire::tcp::{ACK, FIN, RST, SYN};
use dataplane::wire::vlan::{self, Lan, Tagging};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

use crate::frames::{Body, arp, ether, extended, packet, pieces};
use crate::lab::{FAR6, LAN, OTHER_VIP, SECOND, THIN, VIP, VIP6, WAN};
use crate::lab::{client, client6, server, server6};
use crate::marks::REMOTE;
/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A frame by a port.
    Frame(u16, Vec<u8>),
    /// Time passes.
    Pass(u64),
    /// Server 15 becomes known.
    Known,
    /// Server 15 turns out not to answer.
    Failed,
    /// The first server leaves the first service, or comes back to it.
    Toggle,
    /// All routes and neighbours are published anew.
    Renew,
}

impl Event {
    /// Whether it is a frame that has a tag.
    pub(crate) fn is_tagged(&self) -> bool {
        matches!(self, Self::Frame(_, frame) if Tagging::of(frame) != Tagging::Untagged)
    }

    /// This event where the three arms are these.
    pub(crate) fn on(&self, arms: [Lan; 3]) -> Self {
        let Self::Frame(port, frame) = self else { return self.clone() };
        let lan = arms[usize::from(*port)];
        Self::Frame(lan.port(), vlan::tagged(frame.clone(), lan.vlan()))
    }
}

const FLAGS: [u8; 9] = [SYN, SYN, ACK, ACK, FIN | ACK, RST, SYN | ACK, RST | ACK, 0];
/// Virtual addresses and ports; one is of a service without a server, one nobody's, one somebody else's and marked. Ports of UDP are a hundred more: one service there keeps no connections, one keeps those of a client
/// together.
const ENDS: [(IpAddr, u16); 18] = [
    (IpAddr::V4(VIP), 80),
    (IpAddr::V4(VIP), 81),
    (IpAddr::V4(OTHER_VIP), 80),
    (IpAddr::V4(OTHER_VIP), 81),
    (IpAddr::V4(OTHER_VIP), 82),
    (IpAddr::V4(OTHER_VIP), 83),
    (IpAddr::V4(VIP), 83),
    (IpAddr::V4(VIP), 84),
    (IpAddr::V4(OTHER_VIP), 84),
    (IpAddr::V4(OTHER_VIP), 85),
    (IpAddr::V4(VIP), 82),
    (IpAddr::V4(VIP), 99),
    (IpAddr::V4(REMOTE), 80),
    (IpAddr::V6(VIP6), 80),
    (IpAddr::V6(VIP6), 80),
    (IpAddr::V6(VIP6), 81),
    (IpAddr::V6(VIP6), 82),
    (IpAddr::V6(VIP6), 99),
];

/// Chunks that move an association, and some that mean nothing.
pub(crate) const CHUNKS: [&[u8]; 12] = [
    &[1, 0, 0, 20, 0, 0, 0, 9, 0, 0, 0x10, 0, 0, 1, 0, 1, 0, 0, 0, 5],
    &[2, 0, 0, 20, 0, 0, 0, 9, 0, 0, 0x10, 0, 0, 1, 0, 1, 0, 0, 0, 5],
    &[10, 0, 0, 8, 1, 2, 3, 4],
    &[11, 0, 0, 4],
    &[0, 3, 0, 20, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xab, 0xcd, 0xef, 1],
    &[7, 0, 0, 8, 0, 0, 0, 1],
    &[8, 0, 0, 4],
    &[14, 0, 0, 4],
    &[6, 0, 0, 4],
    &[10, 0, 0, 4, 6, 0, 0, 4],
    &[0, 0, 0, 0],
    &[],
];

/// SCTP, and AH or ESP with the packets of ISAKMP that they follow.
fn unusual() -> impl Strategy<Value = Event> {
    let chunks = prop_oneof![4 => Just(0), 12 => 0..CHUNKS.len()];
    let ends: [(IpAddr, u16); 8] = [
        (VIP.into(), 280),
        (VIP.into(), 280),
        (OTHER_VIP.into(), 280),
        (VIP.into(), 281),
        (REMOTE.into(), 80),
        (VIP6.into(), 280),
        (VIP6.into(), 280),
        (VIP6.into(), 281),
    ];
    let end = prop::sample::select(ends.to_vec());
    let sctp = (few(), few(), chunks, end, any::<bool>(), prop::sample::select(vec![280u16, 8080])).prop_map(
        |(from, sport, chunks, (vip, dport), reply, server_port)| {
            let (sport, chunks) = (4000 + u16::from(sport), CHUNKS[chunks]);
            let [client, server] = of_family(vip, from, 10 + from);
            if reply {
                Event::Frame(LAN, packet(server, client, Body::Sctp(server_port, sport, chunks)).frame())
            } else {
                Event::Frame(WAN, packet(client, vip, Body::Sctp(sport, dport, chunks)).frame())
            }
        },
    );
    let bodies = vec![Body::Udp(500, 500, 3), Body::Other(50, 12), Body::Other(51, 28), Body::Other(50, 0)];
    let vip = prop::sample::select(vec![IpAddr::V4(VIP), IpAddr::V4(VIP), IpAddr::V6(VIP6)]);
    let ipsec =
        (few(), prop::sample::select(bodies), any::<bool>(), 11u8..15, vip).prop_map(|(from, body, reply, by, vip)| {
            let [client, server] = of_family(vip, from, by);
            if reply {
                Event::Frame(LAN, packet(server, client, body).frame())
            } else {
                Event::Frame(WAN, packet(client, vip, body).frame())
            }
        });
    prop_oneof![2 => sctp, 1 => ipsec]
}

/// A client and a server of a virtual address's family.
fn of_family(vip: IpAddr, from: u8, by: u8) -> [IpAddr; 2] {
    match vip {
        IpAddr::V4(_) => [client(from).into(), server(by).into()],
        IpAddr::V6(_) => [client6(from).into(), server6(by).into()],
    }
}

/// One of three, mostly the first: streams meet their own past.
fn few() -> impl Strategy<Value = u8> {
    prop_oneof![5 => Just(1u8), 1 => Just(2u8), 1 => Just(3u8)]
}

fn request() -> impl Strategy<Value = Event> {
    let end = prop_oneof![Just(0), 0..ENDS.len()];
    let ttl = prop_oneof![12 => Just(64u8), 1 => 0u8..3];
    let flags = prop::sample::select(FLAGS.to_vec());
    (few(), few(), end, flags, prop::bool::weighted(0.8), 0usize..40, ttl).prop_map(
        |(from, sport, end, flags, tcp, payload, ttl)| {
            let (vip, dport) = ENDS[end];
            let sport = 4000 + u16::from(sport);
            let body =
                if tcp { Body::Tcp(sport, dport, flags, payload) } else { Body::Udp(sport, dport + 100, payload) };
            let [from, _] = of_family(vip, from, 11);
            Event::Frame(WAN, packet(from, vip, body).ttl(ttl).frame())
        },
    )
}

fn reply() -> impl Strategy<Value = Event> {
    let ttl = prop_oneof![12 => Just(64u8), 1 => 0u8..3];
    let port = prop::sample::select(vec![80u16, 80, 8080, 8080, 81, 180, 181]);
    let six = prop::bool::weighted(0.2);
    (11u8..15, port, few(), few(), prop::sample::select(FLAGS.to_vec()), any::<bool>(), ttl, six).prop_map(
        |(from, sport, to, dport, flags, bare, ttl, six)| {
            let dport = 4000 + u16::from(dport);
            let body = match (sport, bare) {
                (180 | 181, true) => Body::UdpBare(sport, dport, 5),
                (180 | 181, false) => Body::Udp(sport, dport, 5),
                _ => Body::Tcp(sport, dport, flags, 5),
            };
            let answer =
                if six { packet(server6(from), client6(to), body) } else { packet(server(from), client(to), body) };
            Event::Frame(LAN, answer.ttl(ttl).frame())
        },
    )
}

/// An ICMP error about a packet of a connection that may be there: to its server, to its client, or to the director about
/// one in a tunnel.
fn error() -> impl Strategy<Value = Event> {
    let kind = prop::sample::select(vec![(3u8, 1u8, 0u32), (3, 4, 1300), (11, 0, 0), (4, 0, 0), (12, 0, 0), (1, 4, 0)]);
    let length = prop_oneof![6 => Just(usize::MAX), 1 => 0usize..60];
    (few(), few(), 0..ENDS.len(), 11u8..15, any::<bool>(), kind, length, 0u8..4).prop_map(
        |(from, port, end, to, tcp, kind, length, about)| {
            let (vip, vport) = ENDS[end];
            let port = 4000 + u16::from(port);
            let vport = if tcp { vport } else { vport + 100 };
            let body = |sport, dport| if tcp { Body::Tcp(sport, dport, ACK, 9) } else { Body::Udp(sport, dport, 9) };
            let four = vip.is_ipv4();
            let (client, server, router): (IpAddr, IpAddr, IpAddr) = if four {
                (client(from).into(), server(to).into(), server(14).into())
            } else {
                (client6(from).into(), server6(to).into(), server6(14).into())
            };
            let about_packet =
                |src, dst, ports: (u16, u16)| packet(src, dst, body(ports.0, ports.1)).frame()[14..].to_vec();
            let cut = |mut quoted: Vec<u8>| {
                quoted.truncate(length);
                quoted
            };
            let request = about_packet(client, vip, (port, vport));
            match about {
                0 => Event::Frame(
                    WAN,
                    crate::frames::error(client, vip, kind, &cut(about_packet(vip, client, (vport, port)))),
                ),
                1 => {
                    let seen = about_packet(client, server, (port, vport));
                    Event::Frame(LAN, crate::frames::error(router, client, kind, &cut(seen)))
                }
                2 => Event::Frame(LAN, crate::frames::error(router, client, kind, &cut(request))),
                _ => {
                    let director = Ipv4Addr::new(10, 1, 0, 254);
                    let mut outer =
                        packet(director, Ipv4Addr::new(10, 1, 0, to), Body::Other(4, request.len())).frame();
                    let at = outer.len() - request.len();
                    outer[at..].copy_from_slice(&request);
                    Event::Frame(
                        LAN,
                        crate::frames::error(Ipv4Addr::new(10, 1, 0, 14), director, kind, &cut(outer[14..].to_vec())),
                    )
                }
            }
        },
    )
}

/// What belongs to no connection.
fn passer() -> impl Strategy<Value = Event> {
    let from = client(2);
    let tcp = |flags| Body::Tcp(4000, 80, flags, 0);
    let long = Body::Udp(4000, 9, 800);
    let other_mac = ethernet::MacAddr([2; 6]);
    let frames = vec![
        arp(),
        packet(from, VIP, Body::Icmp(8)).frame(),
        packet(from, VIP, Body::Icmp(0)).frame(),
        packet(from, VIP, Body::Other(47, 8)).frame(),
        packet(from, VIP, tcp(SYN)).fragment(0x2000).frame(),
        packet(from, VIP, tcp(SYN)).fragment(0x0010).frame(),
        packet(from, server(11), tcp(SYN)).frame(),
        packet(from, server(11), tcp(SYN)).ttl(1).frame(),
        packet(from, server(15), tcp(SYN)).frame(),
        packet(from, Ipv4Addr::new(192, 0, 2, 1), tcp(SYN)).frame(),
        packet(from, Ipv4Addr::new(198, 51, 100, 1), tcp(SYN)).frame(),
        packet(from, Ipv4Addr::new(8, 8, 8, 8), tcp(SYN)).frame(),
        packet(from, Ipv4Addr::new(10, 2, 0, 9), long).frame(),
        packet(from, Ipv4Addr::new(10, 2, 0, 9), long).fragment(0x4000).frame(),
        packet(from, Ipv4Addr::new(224, 0, 0, 1), long).frame(),
        packet(VIP, client(3), long).frame(),
        packet(Ipv4Addr::LOCALHOST, VIP, long).frame(),
        packet(client6(2), VIP6, Body::Icmp(128)).frame(),
        packet(client6(2), VIP6, Body::Other(47, 8)).frame(),
        packet(client6(2), VIP6, Body::UdpBare(4000, 9, 4)).frame(),
        packet(client6(2), server6(11), tcp(SYN)).frame(),
        packet(client6(2), FAR6, long).frame(),
        extended(&packet(client6(2), VIP6, tcp(SYN)).frame(), 44, [0, 0, 1, 0, 0, 0, 9]),
        ether(other_mac, ethernet::IPV4, &[0; 40]),
        ether(ethernet::BROADCAST, ethernet::IPV4, &[0; 40]),
        vec![1, 2, 3],
    ];
    (prop::sample::select(frames), prop::sample::select(vec![WAN, WAN, LAN, THIN]))
        .prop_map(|(frame, port)| Event::Frame(port, frame))
}

/// A packet in pieces, some of which may be missing, twice there or in another order; streams meet them between others.
fn fragmented() -> impl Strategy<Value = Vec<Event>> {
    let three = [0usize, 1, 2];
    let order =
        prop_oneof![3 => Just(three.to_vec()), 1 => Just(vec![2, 1, 0]), 1 => prop::collection::vec(0usize..3, 1..5)];
    let end = prop::sample::select(vec![0usize, 2, 3, 7, 11, 13, 15, 17]);
    (few(), end, any::<bool>(), 0u16..3, prop_oneof![Just(90usize), Just(1900)], order).prop_map(
        |(from, end, reply, id, payload, order)| {
            let ((vip, dport), body) = (ENDS[end], |sport, dport| Body::Udp(sport, dport, payload));
            let (port, frame) = match (vip, reply) {
                (IpAddr::V4(_), true) => (LAN, packet(server(11), client(from), body(180, 4001)).frame()),
                (IpAddr::V6(_), true) => (LAN, packet(server6(11), client6(from), body(180, 4001)).frame()),
                (IpAddr::V4(_), false) => (WAN, packet(client(from), vip, body(4001, dport + 100)).frame()),
                (IpAddr::V6(_), false) => (WAN, packet(client6(from), vip, body(4001, dport + 100)).frame()),
            };
            let pieces = pieces(&frame, id, &[payload / 16 * 8, 24, payload]);
            order.into_iter().map(|n| Event::Frame(port, pieces[n].clone())).collect()
        },
    )
}

/// Mostly single events, and now and then a packet in pieces.
fn events(single: impl Strategy<Value = Event>) -> impl Strategy<Value = Vec<Event>> {
    let group = prop_oneof![20 => single.prop_map(|event| vec![event]), 1 => fragmented()];
    prop::collection::vec(group, 1..250).prop_map(|groups| groups.concat())
}

/// A frame of a stream with some of its bytes changed, cut or added.
pub(crate) fn spoiled() -> impl Strategy<Value = Event> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let any = prop_oneof![request(), reply(), unusual(), passer(), error()];
    (any, changes, -20i32..20).prop_map(|(event, changes, longer)| {
        let Event::Frame(port, mut frame) = event else { return event };
        for (at, value) in changes {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        frame.resize((frame.len() as i32 + longer).max(0) as usize, 0xa5);
        Event::Frame(port, frame)
    })
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        40 => request(),
        30 => reply(),
        15 => unusual(),
        10 => passer(),
        10 => error(),
        3 => prop_oneof![Just(SECOND / 50), Just(SECOND), Just(11 * SECOND), Just(130 * SECOND)].prop_map(Event::Pass),
        1 => Just(Event::Known),
        1 => Just(Event::Failed),
        1 => Just(Event::Toggle),
        1 => Just(Event::Renew),
    ]
}

/// A stream of well-formed packets.
pub(crate) fn clean_stream() -> impl Strategy<Value = Vec<Event>> {
    events(event())
}

/// A stream with some that are not.
pub(crate) fn stream() -> impl Strategy<Value = Vec<Event>> {
    events(prop_oneof![30 => event(), 1 => spoiled()])
}
