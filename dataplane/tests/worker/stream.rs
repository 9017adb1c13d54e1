//! Random streams: few clients, few ports, every kind of packet, so that connections begin, repeat, collide and end.

use dataplane::clock::ticks;
use dataplane::conn::Snapshot;
use dataplane::flow::{Encapsulation, Protocol, ServiceKey};
use dataplane::mailbox::Command;
use dataplane::mark::Marks;
use dataplane::method::ForwardMethod::{Dr, Nat, Tun};
use dataplane::port::mem::MemPort;
use dataplane::sched::Scheduler;
use dataplane::service::{Manner, Persistent, RealServer};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::events::Event;
use crate::lab::{FAR6, LAN, Lab, Listed, NONE, OTHER_VIP, VIP, VIP6, WAN};
use crate::lab::{bytes, server, server6};
use crate::marks::{REMOTE, by_mark, to};

/// A lab with services of many schedulers; servers 11 to 14 are known, 15 is not.
pub(crate) fn lab(one_armed: bool, rate: u32, capacity: u32) -> (Lab, ServiceKey) {
    let (mut lab, first) = populated(if one_armed { Lab::one_armed(capacity) } else { Lab::new(capacity) }, rate);
    Arc::make_mut(&mut lab.tables.sysctls).set("drop_entry", "1").expect("it takes that");
    lab.publish();
    lab.turn();
    (lab, first)
}

/// Services and servers in a lab that is there.
pub(crate) fn populated(mut lab: Lab, rate: u32) -> (Lab, ServiceKey) {
    lab.know_servers(11..=14);
    lab.limit(rate);
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
    lab.state(gue).encapsulation.store(Encapsulation::Gue { port: 6080, checksum: true }.word(), Relaxed);
    lab.service(Protocol::Tcp, VIP, 82, rr, NONE);
    let [a6, b6, unknown6] = [11, 12, 15].map(server6);
    lab.service(Protocol::Tcp, VIP6, 80, wlc, &[(a6, 80, Nat, 1), (b6, 8080, Nat, 2), (unknown6, 80, Nat, 1)]);
    lab.service(Protocol::Udp, VIP6, 180, rr, &[(a6, 180, Nat, 1), (b6, 180, Nat, 1), (b6, 0, Dr, 1)]);
    let both: [Listed<IpAddr>; 3] = [(a6.into(), 81, Tun, 1), (b.into(), 81, Tun, 1), (FAR6.into(), 81, Dr, 1)];
    lab.service(Protocol::Tcp, VIP6, 81, rr, &both);
    lab.service(Protocol::Udp, VIP6, 181, rr, NONE);
    let sticky6 = Persistent { timeout: ticks(30), mask4: u32::MAX, mask6: u128::MAX << 1, engine: None };
    let six = lab.service(Protocol::Tcp, VIP6, 82, rr, &[(a6, 82, Nat, 1), (b6, 82, Nat, 1)]);
    lab.manner(six, Manner { one_packet: false, persistent: Some(sticky6) });
    lab.service(Protocol::Tcp, VIP, 99, rr, &[(a6, 99, Tun, 1)]);
    let ops = lab.service(Protocol::Udp, OTHER_VIP, 182, lc, &[(a, 182, Nat, 1), (b, 182, Nat, 1), (c, 182, Dr, 1)]);
    lab.manner(ops, Manner { one_packet: true, persistent: None });
    let sticky = Persistent { timeout: ticks(30), mask4: 0xffff_fffe, mask6: u128::MAX, engine: None };
    let together = Manner { one_packet: false, persistent: Some(sticky) };
    let tcp = lab.service(Protocol::Tcp, OTHER_VIP, 82, rr, &[(a, 82, Nat, 1), (b, 82, Nat, 1), (c, 82, Nat, 1)]);
    lab.manner(tcp, together);
    let both = lab.service(Protocol::Udp, OTHER_VIP, 183, rr, &[(a, 183, Nat, 1), (b, 183, Nat, 1)]);
    lab.manner(both, Manner { one_packet: true, ..together });
    let marked = lab.service_by(by_mark(7), rr, &[(a, 0, Nat, 1), (d, 0, Dr, 1)]);
    lab.tables.marks = Marks::new(vec![to(REMOTE, 7, true)]);
    // Two connections fill it; more go past it.
    for name in ["cache_bypass", "schedule_icmp"] {
        Arc::make_mut(&mut lab.tables.sysctls).set(name, "1").expect("it takes that");
    }
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
    let sctp = [(a, 280, Nat, 2), (b, 8080, Nat, 1), (c, 280, Dr, 1), (unknown, 8080, Nat, 1)];
    lab.service(Protocol::Sctp, VIP, 280, wrr, &sctp);
    lab.service(Protocol::Sctp, OTHER_VIP, 280, lc, &[(c, 280, Tun, 1), (d, 280, Nat, 1)]);
    lab.service(
        Protocol::Udp,
        VIP,
        500,
        rr,
        &[(a, 500, Nat, 1), (b, 500, Dr, 1), (c, 500, Tun, 1), (unknown, 500, Nat, 1)],
    );
    let sctp6 = [(a6, 280, Nat, 2), (b6, 8080, Nat, 1), (b6, 280, Dr, 1), (a6, 281, Tun, 1), (unknown6, 8080, Nat, 1)];
    lab.service(Protocol::Sctp, VIP6, 280, wrr, &sctp6);
    lab.service(Protocol::Udp, VIP6, 500, rr, &[(a6, 500, Nat, 1), (b6, 500, Dr, 1), (unknown6, 500, Nat, 1)]);
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
    /// In no order: each class of packets has a queue of its own.
    asked: Vec<IpAddr>,
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
    asked: Vec<IpAddr>,
}

impl Player {
    /// One that hands packets over in bursts of at most this many.
    pub(crate) fn new(one_armed: bool, rate: u32, burst: usize) -> Self {
        Self::of(lab(one_armed, rate, 40), one_armed, burst)
    }

    /// One in a lab that is there.
    pub(crate) fn of((lab, first): (Lab, ServiceKey), one_armed: bool, burst: usize) -> Self {
        Self { lab, one_armed, burst, first, away: None, waiting: (WAN, 0), reports: Vec::new(), asked: Vec::new() }
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
        self.asked.append(&mut self.lab.asked());
    }

    /// What it led to.
    pub(crate) fn outcome(&mut self) -> Outcome {
        self.asked.sort_unstable();
        Outcome {
            sent: self.lab.worker.ports_mut().iter().map(frames_of).collect(),
            reports: std::mem::take(&mut self.reports),
            asked: std::mem::take(&mut self.asked),
            counters: self.lab.link.counters.read(),
            connections: self.lab.connections().iter().map(|(index, conn)| (*index, show(conn))).collect(),
        }
    }
}

fn frames_of(port: &MemPort) -> Vec<Vec<u8>> {
    bytes(port).into_iter().map(<[u8]>::to_vec).collect()
}

fn show(conn: &Snapshot) -> String {
    format!("{conn:?}")
}
