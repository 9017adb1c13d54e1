//! Random streams: few clients, few ports, every kind of packet, so that connections begin, repeat, collide and end.

use dataplane::clock::ticks;
use dataplane::conn::Conn;
use dataplane::flow::ForwardMethod::{Dr, Nat, Tun};
use dataplane::flow::{Encapsulation, Protocol, ServiceKey};
use dataplane::mailbox::Command;
use dataplane::mark::Marks;
use dataplane::port::mem::MemPort;
use dataplane::sched::Scheduler;
use dataplane::service::{Manner, Persistent, RealServer};
use dataplane::wire::ethernet;
use dataplane::wire::tcp::{ACK, FIN, RST, SYN};
use dataplane::wire::vlan::{self, Lan, Tagging};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::frames::{Body, arp, ether, extended, packet};
use crate::lab::{FAR6, LAN, Lab, Listed, NONE, OTHER_VIP, SECOND, THIN, VIP, VIP6, WAN};
use crate::lab::{bytes, client, client6, server, server6};
use crate::marks::{REMOTE, by_mark, to};

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

impl Event {
    /// Whether it is a frame that has a tag.
    pub(crate) fn is_tagged(&self) -> bool {
        matches!(self, Self::Frame(_, frame) if Tagging::of(frame) != Tagging::Untagged)
    }

    /// The same where the three arms are these.
    pub(crate) fn on(&self, arms: [Lan; 3]) -> Self {
        let Self::Frame(port, frame) = self else { return self.clone() };
        let lan = arms[usize::from(*port)];
        Self::Frame(lan.port(), vlan::tagged(frame.clone(), lan.vlan()))
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
            let from = if vip.is_ipv4() { client(from).into() } else { IpAddr::V6(client6(from)) };
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

/// A frame of a stream with some of its bytes changed, cut or added.
pub(crate) fn spoiled() -> impl Strategy<Value = Event> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (prop_oneof![request(), reply(), passer()], changes, -20i32..20).prop_map(|(event, changes, longer)| {
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
        10 => passer(),
        3 => prop_oneof![Just(SECOND / 50), Just(SECOND), Just(11 * SECOND), Just(130 * SECOND)].prop_map(Event::Pass),
        1 => Just(Event::Known),
        1 => Just(Event::Failed),
        1 => Just(Event::Toggle),
        1 => Just(Event::Renew),
    ]
}

/// A stream of well-formed packets.
pub(crate) fn clean_stream() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(), 1..250)
}

/// A stream with some that are not.
pub(crate) fn stream() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(prop_oneof![30 => event(), 1 => spoiled()], 1..250)
}

/// A lab with services of many schedulers; servers 11 to 14 are known, 15 is not.
pub(crate) fn lab(one_armed: bool, rate: u32, capacity: u32) -> (Lab, ServiceKey) {
    populated(if one_armed { Lab::one_armed(capacity) } else { Lab::new(capacity) }, rate)
}

/// The same in a lab that is there.
pub(crate) fn populated(mut lab: Lab, rate: u32) -> (Lab, ServiceKey) {
    lab.know_servers(11..=14);
    lab.tables.options.icmp_rate = rate;
    let [rr, wrr, lc, wlc] = [Scheduler::Rr, Scheduler::Wrr, Scheduler::Lc, Scheduler::Wlc];
    let (a, b, c, d, unknown) = (server(11), server(12), server(13), server(14), server(15));
    let first = lab.service(Protocol::Tcp, VIP, 80, rr, &[(a, 80, Nat, 1), (b, 8080, Nat, 1), (c, 80, Nat, 0)]);
    lab.service(Protocol::Tcp, VIP, 81, wrr, &[(a, 81, Nat, 3), (b, 81, Nat, 1), (unknown, 81, Nat, 2)]);
    lab.service(Protocol::Tcp, OTHER_VIP, 80, lc, &[(a, 80, Nat, 1), (c, 0, Dr, 1), (d, 80, Tun, 1)]);
    let limited = lab.service(Protocol::Tcp, OTHER_VIP, 81, wlc, &[(a, 81, Nat, 1), (b, 81, Nat, 4)]);
    lab.service(Protocol::Udp, VIP, 180, wlc, &[(a, 180, Nat, 1), (b, 180, Nat, 2)]);
    let mixed = [(a, 181, Nat, 1), (unknown, 181, Nat, 1), (b, 181, Tun, 1), (unknown, 181, Tun, 1)];
    let mixed = lab.service(Protocol::Udp, OTHER_VIP, 181, rr, &mixed);
    let gue = lab.tables.services[&mixed].servers[2].slot;
    lab.state(gue).encapsulation.store(Encapsulation::Gue { port: 6080, checksum: true }.number(), Relaxed);
    lab.service(Protocol::Tcp, VIP, 82, rr, NONE);
    let [a6, b6, unknown6] = [11, 12, 15].map(server6);
    lab.service(Protocol::Tcp, VIP6, 80, wlc, &[(a6, 80, Nat, 1), (b6, 8080, Nat, 2), (unknown6, 80, Nat, 1)]);
    lab.service(Protocol::Udp, VIP6, 180, rr, &[(a6, 180, Nat, 1), (b6, 180, Nat, 1), (b6, 0, Dr, 1)]);
    let both: [Listed<IpAddr>; 3] = [(a6.into(), 81, Tun, 1), (b.into(), 81, Tun, 1), (FAR6.into(), 81, Dr, 1)];
    lab.service(Protocol::Tcp, VIP6, 81, rr, &both);
    lab.service(Protocol::Udp, VIP6, 181, rr, NONE);
    let sticky6 = Persistent { timeout: ticks(30), mask4: u32::MAX, mask6: u128::MAX << 1 };
    let six = lab.service(Protocol::Tcp, VIP6, 82, rr, &[(a6, 82, Nat, 1), (b6, 82, Nat, 1)]);
    lab.manner(six, Manner { one_packet: false, persistent: Some(sticky6) });
    lab.service(Protocol::Tcp, VIP, 99, rr, &[(a6, 99, Tun, 1)]);
    let ops = lab.service(Protocol::Udp, OTHER_VIP, 182, lc, &[(a, 182, Nat, 1), (b, 182, Nat, 1), (c, 182, Dr, 1)]);
    lab.manner(ops, Manner { one_packet: true, persistent: None });
    let sticky = Persistent { timeout: ticks(30), mask4: 0xffff_fffe, mask6: u128::MAX };
    let together = Manner { one_packet: false, persistent: Some(sticky) };
    let tcp = lab.service(Protocol::Tcp, OTHER_VIP, 82, rr, &[(a, 82, Nat, 1), (b, 82, Nat, 1), (c, 82, Nat, 1)]);
    lab.manner(tcp, together);
    let both = lab.service(Protocol::Udp, OTHER_VIP, 183, rr, &[(a, 183, Nat, 1), (b, 183, Nat, 1)]);
    lab.manner(both, Manner { one_packet: true, ..together });
    let marked = lab.service_by(by_mark(7), rr, &[(a, 0, Nat, 1), (d, 0, Dr, 1)]);
    lab.tables.marks = Marks::new(vec![to(REMOTE, 7, true)]);
    // Two connections fill it; more go past it.
    Arc::make_mut(&mut lab.tables.sysctls).set("cache_bypass", "1").expect("it takes that");
    lab.publish();
    for server in lab.tables.services[&marked].servers.clone() {
        lab.state(server.slot).upper.store(1, Relaxed);
    }
    lab.service(Protocol::Tcp, VIP, 83, Scheduler::Lblc, &[(a, 83, Nat, 1), (b, 83, Nat, 1), (c, 83, Nat, 2)]);
    lab.service(Protocol::Tcp, VIP, 84, Scheduler::Lblcr, &[(a, 84, Nat, 1), (b, 84, Nat, 1), (c, 0, Dr, 0)]);
    lab.service(Protocol::Tcp, OTHER_VIP, 84, Scheduler::Mh, &[(a, 84, Nat, 1), (b, 84, Nat, 3), (c, 84, Nat, 0)]);
    lab.service(Protocol::Udp, OTHER_VIP, 184, Scheduler::Sh, &[(a, 184, Nat, 1), (b, 184, Nat, 2), (c, 0, Dr, 0)]);
    lab.service(Protocol::Tcp, OTHER_VIP, 85, Scheduler::Nq, &[(a, 85, Nat, 1), (b, 85, Nat, 3), (c, 0, Dr, 2)]);
    lab.service(Protocol::Udp, OTHER_VIP, 185, Scheduler::Sed, &[(a, 185, Nat, 1), (b, 185, Nat, 2)]);
    let tight = lab.tables.services[&tcp].servers[0].slot;
    lab.state(tight).upper.store(1, Relaxed);
    let small = lab.tables.services[&limited].servers[0].slot;
    lab.state(small).upper.store(2, Relaxed);
    lab.turn();
    (lab, first)
}

/// What a stream led to: all that anyone could see.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) sent: Vec<Vec<Vec<u8>>>,
    reports: Vec<String>,
    pub(crate) counters: Vec<(&'static str, u64)>,
    pub(crate) connections: Vec<(u32, String)>,
}

/// A lab in which a stream happens.
pub(crate) struct Player {
    pub(crate) lab: Lab,
    one_armed: bool,
    burst: usize,
    first: ServiceKey,
    away: Option<RealServer>,
    waiting: (u16, usize),
    reports: Vec<String>,
}

impl Player {
    /// One that hands packets over in bursts of at most this many.
    pub(crate) fn new(one_armed: bool, rate: u32, burst: usize) -> Self {
        Self::of(lab(one_armed, rate, 40), one_armed, burst)
    }

    /// One in a lab that is there.
    pub(crate) fn of((lab, first): (Lab, ServiceKey), one_armed: bool, burst: usize) -> Self {
        Self { lab, one_armed, burst, first, away: None, waiting: (WAN, 0), reports: Vec::new() }
    }

    /// Plays a stream. Time and control act between bursts.
    pub(crate) fn play(&mut self, events: &[Event]) {
        events.iter().for_each(|event| self.happen(event));
        self.flush();
    }

    pub(crate) fn happen(&mut self, event: &Event) {
        if let Event::Frame(port, frame) = event {
            let port = if self.one_armed { WAN } else { *port };
            if self.waiting.0 != port || self.waiting.1 == self.burst {
                self.flush();
            }
            self.lab.inject(port, frame);
            self.waiting = (port, self.waiting.1 + 1);
            return;
        }
        self.flush();
        let unknown: IpAddr = server(15).into();
        match event {
            Event::Frame(..) => {}
            Event::Pass(nanoseconds) => self.lab.pass(*nanoseconds),
            Event::Known => self.lab.neighbor(LAN, unknown),
            Event::Failed => {
                self.lab.tell(|| Command::NeighborFailed { interface: LAN, address: unknown });
            }
            Event::Toggle => self.toggle(),
            Event::Renew => self.lab.net(|_| ()),
        }
        self.flush();
    }

    fn toggle(&mut self) {
        let back = self.away.take();
        let slot = back.map_or_else(|| self.lab.tables.services[&self.first].servers[0].slot, |server| server.slot);
        self.lab.state(slot).available.store(back.is_some(), Relaxed);
        let away = &mut self.away;
        self.lab.list(self.first, |list| match back {
            Some(server) => list.insert(0, server),
            None => *away = Some(list.remove(0)),
        });
    }

    /// Has the worker take what waits, in one turn.
    fn flush(&mut self) {
        self.lab.turn();
        self.waiting.1 = 0;
        self.reports.extend(self.lab.reports().iter().map(|report| format!("{report:?}")));
    }

    /// What it led to.
    pub(crate) fn outcome(&mut self) -> Outcome {
        Outcome {
            sent: self.lab.worker.ports_mut().iter().map(frames_of).collect(),
            reports: std::mem::take(&mut self.reports),
            counters: self.lab.link.counters.read(),
            connections: self.lab.connections().iter().map(|(index, conn)| (*index, show(conn))).collect(),
        }
    }
}

fn frames_of(port: &MemPort) -> Vec<Vec<u8>> {
    bytes(port).into_iter().map(<[u8]>::to_vec).collect()
}

fn show(conn: &Conn) -> String {
    format!("{conn:?}")
}
