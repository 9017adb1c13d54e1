//! A director between two ports in memory: one TCP service, ten servers, and as many clients as wanted.

use std::net::IpAddr;
use std::sync::Arc;

use control::director::WorkerSeat;
use dataplane::clock::Nanos;
use dataplane::conn::{ConnMemory, Shift, Shifts};
use dataplane::expected::AllExpected;
use dataplane::flow::{Protocol, ServiceKey};
use dataplane::handoff::Mesh;
use dataplane::mailbox::Link;
use dataplane::map::Seed;
use dataplane::neighbor::{NextHop, NextHops};
use dataplane::route::{Action, Prefix, RouteTable};
use dataplane::sched::Scheduler;
use dataplane::seeds::Seeds;
use dataplane::service::{MAX_SERVERS, Manner, RealServer, Servers, VirtualService};
use dataplane::snapshot::{Publisher, Reader};
use dataplane::steering::Station;
use dataplane::sysctl::Sysctls;
use dataplane::tables::{Interface, Net, Tables};
use dataplane::template::{MOST as MOST_TEMPLATES, Templates};
use dataplane::wire::ethernet::MacAddr;
use dataplane::wire::tcp;
use dataplane::wire::vlan::Lan;
use dataplane::worker::{Parts, Worker};

use crate::floor::{Ends, Floor};
use crate::flows::{FRAME, FlowPort};
use crate::traffic::{MACS, SERVERS, Traffic, bits, random_flows};

/// When the stage begins.
pub(crate) const START: Nanos = Nanos(1_000_000_000);

/// The director and its traffic.
pub(crate) struct Stage<const N: usize = FRAME> {
    worker: Worker<FlowPort<N>>,
    link: Arc<Link>,
    traffic: Traffic,
    flows: u32,
    _publisher: Option<Publisher>,
}

impl Stage {
    /// A director that has not seen a packet, with room for `flows` connections to the first of `services` services.
    pub(crate) fn new(flows: u32, scheduler: Scheduler, services: u32) -> Self {
        Self::of(Traffic::NAT4, flows, scheduler, services)
    }
}

impl<const N: usize> Stage<N> {
    /// A director that has not seen a packet, for any traffic.
    pub(crate) fn of(traffic: Traffic, flows: u32, scheduler: Scheduler, services: u32) -> Self {
        Self::changed(traffic, flows, scheduler, services, |_, _, _| ())
    }

    /// A director whose tables are changed before the worker sees them.
    pub(crate) fn changed(
        traffic: Traffic,
        flows: u32,
        scheduler: Scheduler,
        services: u32,
        change: impl FnOnce(&mut Tables, &Servers, &Link),
    ) -> Self {
        Self::with_templates(traffic, (flows, MOST_TEMPLATES), scheduler, services, change)
    }

    /// A director with room for so many connections and persistence templates.
    pub(crate) fn with_templates(
        traffic: Traffic,
        (flows, templates): (u32, usize),
        scheduler: Scheduler,
        services: u32,
        change: impl FnOnce(&mut Tables, &Servers, &Link),
    ) -> Self {
        let servers = Arc::new(Servers::new(MAX_SERVERS));
        let link = Link::new();
        let seeds = Seeds::new([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, 3, 4, 5, 6, 7, 8, 9, 10]);
        let mut tables = tables(traffic, &servers, &link, scheduler, services, seeds.maps);
        change(&mut tables, &servers, &link);
        let (publisher, board) = Publisher::new(1, tables);
        let seat = WorkerSeat {
            reader: Reader::new(board, 0),
            servers,
            templates: Arc::new(Templates::with_room(seeds.maps, templates)),
            expected: Arc::new(AllExpected::new(seeds.maps)),
            link,
            seeds,
        };
        Self { _publisher: Some(publisher), ..Self::seated(seat, traffic, flows) }
    }

    /// A director whose table of `flows` connections defends itself near full, as it does unless told otherwise.
    pub(crate) fn defended(traffic: Traffic, flows: u32) -> Self {
        let usual = |tables: &mut Tables, _: &Servers, _: &Link| tables.sysctls = Arc::new(Sysctls::usual(false));
        Self::changed(traffic, flows, Scheduler::Rr, 1, usual)
    }

    /// A worker with room for `flows` connections, whose tables are somebody else's.
    pub(crate) fn seated(seat: WorkerSeat, traffic: Traffic, flows: u32) -> Self {
        let WorkerSeat { reader, servers, templates, expected, link, seeds } = seat;
        let parts = Parts {
            ports: FlowPort::pair().into(),
            memory: ConnMemory::new(flows, false),
            seeds,
            reader,
            servers,
            templates,
            expected,
            link: Arc::clone(&link),
            station: Station::alone(),
            mesh: Mesh::alone(),
        };
        Self { worker: Worker::new(parts, START), link, traffic, flows, _publisher: None }
    }

    /// Opens every connection: SYN, SYN-ACK where it passes here, ACK.
    pub(crate) fn establish(&mut self) {
        self.send(0, tcp::SYN);
        if self.traffic.forward.row().has_replies() {
            self.send(1, tcp::SYN | tcp::ACK);
        }
        self.send(0, tcp::ACK);
        assert_eq!(self.worker.shard().table.len(), self.flows, "every flow is a connection");
    }

    /// Shifts the sequence numbers of every connection, both ways, by constants.
    pub(crate) fn shift(&mut self) {
        let table = &mut self.worker.shard_mut().table;
        for index in 0..table.walk_end() {
            *table.shifts_mut(index) = Shifts { request: Shift::constant(1 << 20), reply: Shift::constant(-77) };
        }
    }

    /// Opens the first so many of the connections whose SYN has come.
    pub(crate) fn open_some(&mut self, flows: u32) {
        let traffic = self.traffic;
        for (port, flags) in [(1, tcp::SYN | tcp::ACK), (0, tcp::ACK)] {
            self.wire(port).arrive((0..flows).map(|flow| traffic.frame(port, flow, flags)));
            self.drain();
        }
    }

    fn send(&mut self, port: usize, flags: u8) {
        self.arrive(port, flags);
        self.drain();
    }

    /// Turns until every packet has arrived.
    pub(crate) fn drain(&mut self) {
        while self.left() > 0 {
            self.turn(START);
        }
    }

    /// Has these frames arrive, and turns until they have.
    pub(crate) fn take(&mut self, port: usize, frames: impl Iterator<Item = [u8; N]>) {
        self.wire(port).arrive(frames);
        self.drain();
    }

    /// Has one packet of every flow arrive, in order.
    pub(crate) fn arrive(&mut self, port: usize, flags: u8) {
        let (flows, traffic) = (self.flows, self.traffic);
        self.wire(port).arrive((0..flows).map(|flow| traffic.frame(port, flow, flags)));
    }

    /// Has any frames arrive, in order.
    pub(crate) fn arrive_all(&mut self, port: usize, frames: impl Iterator<Item = [u8; N]>) {
        self.wire(port).arrive(frames);
    }

    /// Connections now.
    pub(crate) fn connections(&self) -> u32 {
        self.worker.shard().table.len()
    }

    /// Has packets of random connections arrive: half from clients, half from servers, where those answer by here.
    pub(crate) fn acknowledge(&mut self, packets: usize) {
        self.acknowledge_some(self.flows, packets);
    }

    /// Has packets of the first so many connections arrive.
    pub(crate) fn acknowledge_some(&mut self, flows: u32, packets: usize) {
        let (traffic, ports) = (self.traffic, if self.traffic.forward.row().has_replies() { 2 } else { 1 });
        for port in 0..ports {
            let order = random_flows(flows, packets / ports);
            self.wire(port).arrive(order.map(|flow| traffic.frame(port, flow, tcp::ACK)));
        }
    }

    /// Has the packets that arrived last arrive again.
    pub(crate) fn again(&mut self) {
        self.worker.ports_mut().iter_mut().for_each(FlowPort::again);
    }

    /// The worker's link to control.
    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// Packets that have not arrived yet.
    pub(crate) fn left(&mut self) -> usize {
        self.worker.ports_mut().iter().map(FlowPort::left).sum()
    }

    /// One turn of the worker.
    pub(crate) fn turn(&mut self, now: Nanos) {
        self.worker.turn(now);
    }

    /// Packets forwarded so far, by the worker's own counters.
    pub(crate) fn forwarded(&self) -> u64 {
        let counters = &self.link.counters;
        ["forward_nat_request", "forward_nat_reply", "forward_dr", "forward_tun"]
            .map(|name| counters.value(name))
            .iter()
            .sum()
    }

    fn wire(&mut self, port: usize) -> &mut FlowPort<N> {
        &mut self.worker.ports_mut()[port]
    }
}

/// The floor with the same flows.
pub(crate) fn floor(flows: u32) -> Floor {
    Floor::new((0..flows).map(|flow| {
        let (client, port) = Traffic::NAT4.client(flow);
        let server = Traffic::NAT4.server((flow % u32::from(SERVERS)) as u8);
        Ends { client: (bits(client), port), vip: (bits(Traffic::NAT4.vip(0)), 80), server: (bits(server), 8080) }
    }))
}

/// Has packets of random flows arrive at the floor.
pub(crate) fn arrive(floor: &mut Floor, flows: u32, packets: usize) {
    for (port, wire) in floor.ports.iter_mut().enumerate() {
        wire.arrive(random_flows(flows, packets / 2).map(|flow| Traffic::NAT4.frame(port, flow, tcp::ACK)));
    }
}

/// With rr, which starts at the head of the list, flow n goes to server n modulo ten; wlc does the same while all
/// connections stay. Further services have addresses and servers of their own.
fn tables(traffic: Traffic, servers: &Servers, link: &Link, scheduler: Scheduler, services: u32, seed: Seed) -> Tables {
    let mut tables = Tables { net: Arc::new(net(traffic, seed)), ..Tables::new(seed) };
    for number in 0..services {
        let vip = traffic.vip(number);
        let key = ServiceKey::Address { protocol: Protocol::Tcp, address: vip, port: 80 };
        let first = number * u32::from(SERVERS);
        let list: Vec<RealServer> =
            (0..SERVERS).map(|index| real(traffic, servers, link, first + u32::from(index), (index, 8080))).collect();
        let plan = scheduler.plan(key.family(), &list);
        let (manner, state) = (Manner::default(), Arc::default());
        let service =
            VirtualService { key, scheduler, sched_flags: 0, servers: list, plan, list_version: 0, manner, state };
        tables.services.insert(key, Arc::new(service));
        match vip {
            IpAddr::V4(vip) => drop(tables.locals.v4.insert(vip.to_bits(), true)),
            IpAddr::V6(vip) => drop(tables.locals.v6.insert(vip.to_bits(), ())),
        }
    }
    tables
}

/// The server of a slot, by its address's index and its port.
pub(crate) fn real(
    traffic: Traffic,
    servers: &Servers,
    link: &Link,
    slot: u32,
    (index, port): (u8, u16),
) -> RealServer {
    servers.ensure(slot);
    link.totals.ensure(slot);
    if let Some(state) = servers.get(slot) {
        state.available.store(true, std::sync::atomic::Ordering::Relaxed);
        state.weight.store(1, std::sync::atomic::Ordering::Relaxed);
        state.serve(port, traffic.forward);
    }
    let (address, forward) = (traffic.server(index), traffic.forward);
    RealServer { slot, generation: 0, address, port, forward, weight: 1, last_weight: 1 }
}

fn net(traffic: Traffic, seed: Seed) -> Net {
    let interface = |port: u16| Interface {
        name: format!("port{port}").into(),
        lan: Lan::untagged(port),
        mac: MACS[usize::from(port)],
        mtu: 1500,
        source4: None,
        source6: None,
        virtual6: None,
    };
    let mut routes = RouteTable::default();
    let mut route = |(address, length), action| routes.insert(Prefix { address, length }, action);
    route(traffic.servers(), Action::OnLink { interface: 1 });
    route(traffic.all(), Action::Via { interface: 0, gateway: traffic.gateway() });
    let hop = |port: u16, last: u8| {
        let mac = MacAddr([2, 0, 0, 0, 9, last]);
        NextHop::new(Lan::untagged(port), 1500, MACS[usize::from(port)], mac, Arc::default()).from(Some(traffic.own()))
    };
    let servers = (0..SERVERS).map(|index| ((1, traffic.server(index)), hop(1, index)));
    let neighbors = servers.chain([((0, traffic.gateway()), hop(0, 254))]);
    Net {
        version: 1,
        interfaces: (0..2).map(interface).collect::<Vec<_>>().into(),
        routes,
        hops: NextHops::new(seed, neighbors),
    }
}
