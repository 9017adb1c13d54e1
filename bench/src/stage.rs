//! A director between two ports in memory: one TCP service, ten servers, and as many clients as wanted.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use control::director::WorkerSeat;
use dataplane::clock::Nanos;
use dataplane::conn::{ConnMemory, HashKey};
use dataplane::flow::ForwardMethod;
use dataplane::flow::{Protocol, ServiceKey};
use dataplane::handoff::Mesh;
use dataplane::mailbox::Link;
use dataplane::neighbor::{NextHop, NextHops};
use dataplane::route::{Action, Prefix, RouteTable};
use dataplane::sched::{Plan, Scheduler};
use dataplane::service::{MAX_SERVERS, Manner, RealServer, Servers, VirtualService};
use dataplane::snapshot::{Publisher, Reader};
use dataplane::steering::Station;
use dataplane::tables::{Interface, Net, Tables};
use dataplane::wire::checksum::Sum;
use dataplane::wire::ethernet::{self, Header, MacAddr};
use dataplane::wire::{ipv4, put, tcp};
use dataplane::worker::{Parts, Worker};

use crate::floor::{Ends, Floor};
use crate::flows::{FRAME, FlowPort};

/// When the stage begins.
pub(crate) const START: Nanos = Nanos(1_000_000_000);

pub(crate) const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);
pub(crate) const SERVERS: u8 = 10;
/// MACs of the director by port.
const MACS: [MacAddr; 2] = [MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 1, 1])];

/// The director and its traffic.
pub(crate) struct Stage {
    worker: Worker<FlowPort>,
    link: Arc<Link>,
    flows: u32,
    _publisher: Option<Publisher>,
}

impl Stage {
    /// A director that has not seen a packet, with room for `flows` connections to the first of `services` services.
    pub(crate) fn new(flows: u32, scheduler: Scheduler, services: u32) -> Self {
        let servers = Arc::new(Servers::new(MAX_SERVERS));
        let link = Link::new();
        let (publisher, board) = Publisher::new(1, tables(&servers, &link, scheduler, services));
        let seat = WorkerSeat { reader: Reader::new(board, 0), servers, link };
        Self { _publisher: Some(publisher), ..Self::seated(seat, flows) }
    }

    /// A worker with room for `flows` connections, whose tables are somebody else's.
    pub(crate) fn seated(seat: WorkerSeat, flows: u32) -> Self {
        let WorkerSeat { reader, servers, link } = seat;
        let parts = Parts {
            ports: FlowPort::pair().into(),
            memory: ConnMemory::new(flows, false),
            key: HashKey([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]),
            reader,
            servers,
            link: Arc::clone(&link),
            station: Station::alone(),
            mesh: Mesh::alone(),
        };
        Self { worker: Worker::new(parts, START), link, flows, _publisher: None }
    }

    /// Opens every connection: SYN, SYN-ACK, ACK.
    pub(crate) fn establish(&mut self) {
        self.send(0, tcp::SYN);
        self.send(1, tcp::SYN | tcp::ACK);
        self.send(0, tcp::ACK);
        assert_eq!(self.worker.shard().table.len(), self.flows, "every flow is a connection");
    }

    /// Opens the first so many of the connections whose SYN has come.
    pub(crate) fn open_some(&mut self, flows: u32) {
        for (port, flags) in [(1, tcp::SYN | tcp::ACK), (0, tcp::ACK)] {
            self.wire(port).arrive((0..flows).map(|flow| frame(port, flow, flags)));
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

    /// Has one packet of every flow arrive, in order.
    pub(crate) fn arrive(&mut self, port: usize, flags: u8) {
        let flows = self.flows;
        self.wire(port).arrive((0..flows).map(|flow| frame(port, flow, flags)));
    }

    /// Connections now.
    pub(crate) fn connections(&self) -> u32 {
        self.worker.shard().table.len()
    }

    /// Has packets of random connections arrive, half from clients, half from servers.
    pub(crate) fn acknowledge(&mut self, packets: usize) {
        self.acknowledge_some(self.flows, packets);
    }

    /// The same of the first so many connections.
    pub(crate) fn acknowledge_some(&mut self, flows: u32, packets: usize) {
        for port in 0..2 {
            let order = random_flows(flows, packets / 2);
            self.wire(port).arrive(order.map(|flow| frame(port, flow, tcp::ACK)));
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
        counters.value("forward_nat_request") + counters.value("forward_nat_reply")
    }

    fn wire(&mut self, port: usize) -> &mut FlowPort {
        &mut self.worker.ports_mut()[port]
    }
}

/// Random flows, the same sequence in every run (xorshift64*).
pub(crate) fn random_flows(flows: u32, n: usize) -> impl Iterator<Item = u32> {
    let mut chance = 1u64;
    (0..n).map(move |_| {
        chance ^= chance >> 12;
        chance ^= chance << 25;
        chance ^= chance >> 27;
        (chance.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32 % flows
    })
}

/// The floor with the same flows.
pub(crate) fn floor(flows: u32) -> Floor {
    Floor::new((0..flows).map(|flow| {
        let (client, port) = client(flow);
        let server = server((flow % u32::from(SERVERS)) as u8);
        Ends { client: (client.to_bits(), port), vip: (VIP.to_bits(), 80), server: (server.to_bits(), 8080) }
    }))
}

/// Has packets of random flows arrive at the floor.
pub(crate) fn arrive(floor: &mut Floor, flows: u32, packets: usize) {
    for (port, wire) in floor.ports.iter_mut().enumerate() {
        wire.arrive(random_flows(flows, packets / 2).map(|flow| frame(port, flow, tcp::ACK)));
    }
}

/// Beyond the virtual addresses of 100,000 services.
pub(crate) fn server(index: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 9, 0, 11 + index)
}

/// With rr, which starts at the head of the list, flow n goes to server n modulo ten; wlc does the same while all
/// connections stay. Further services have addresses and servers of their own.
fn tables(servers: &Servers, link: &Link, scheduler: Scheduler, services: u32) -> Tables {
    let mut tables = Tables { net: Arc::new(net()), ..Tables::default() };
    for number in 0..services {
        let vip = Ipv4Addr::from_bits(VIP.to_bits() + number);
        let key = ServiceKey::Address { protocol: Protocol::Tcp, address: vip.into(), port: 80 };
        let list: Vec<RealServer> = (0..SERVERS).map(|index| real(servers, link, number, index)).collect();
        let plan = Plan::of(scheduler, key.family(), &list);
        let (manner, state) = (Manner::default(), Arc::default());
        let service =
            VirtualService { key, scheduler, sched_flags: 0, servers: list, plan, list_version: 0, manner, state };
        tables.services.insert(key, Arc::new(service));
        tables.locals.v4.insert(vip.to_bits(), true);
    }
    tables
}

fn real(servers: &Servers, link: &Link, service: u32, index: u8) -> RealServer {
    let slot = service * u32::from(SERVERS) + u32::from(index);
    servers.ensure(slot);
    link.totals.ensure(slot);
    if let Some(state) = servers.get(slot) {
        state.available.store(true, std::sync::atomic::Ordering::Relaxed);
    }
    let address = IpAddr::V4(server(index));
    RealServer { slot, generation: 0, address, port: 8080, forward: ForwardMethod::Nat, weight: 1, last_weight: 1 }
}

fn net() -> Net {
    let interface = |port: u16| Interface {
        name: format!("port{port}").into(),
        port,
        mac: MACS[usize::from(port)],
        mtu: 1500,
        source4: None,
        source6: None,
    };
    let mut routes = RouteTable::default();
    let mut route = |address: Ipv4Addr, length, action| {
        routes.insert(Prefix { address: address.into(), length }, action);
    };
    route(Ipv4Addr::new(10, 9, 0, 0), 24, Action::OnLink { interface: 1 });
    route(Ipv4Addr::UNSPECIFIED, 0, Action::Via { interface: 0, gateway: GATEWAY.into() });
    let hop = |port: u16, last: u8| {
        let mac = MacAddr([2, 0, 0, 0, 9, last]);
        NextHop::new(port, 1500, MACS[usize::from(port)], mac, Arc::default())
    };
    let servers = (0..SERVERS).map(|index| ((1, IpAddr::V4(server(index))), hop(1, index)));
    let neighbors = servers.chain([((0, IpAddr::V4(GATEWAY)), hop(0, 254))]);
    Net { version: 1, interfaces: (0..2).map(interface).collect(), routes, hops: NextHops::new(neighbors) }
}

/// A flow's client.
fn client(flow: u32) -> (Ipv4Addr, u16) {
    (Ipv4Addr::from_bits(0xac10_0000 + flow / 50_000), 10_000 + (flow % 50_000) as u16)
}

/// The flow of a client.
pub(crate) fn flow_of(client: SocketAddr) -> u32 {
    let IpAddr::V4(address) = client.ip() else { panic!("{client}: no flow of ours") };
    (address.to_bits() - 0xac10_0000) * 50_000 + u32::from(client.port()) - 10_000
}

/// A segment of a flow: from its client (port 0) or from its server (port 1).
fn frame(port: usize, flow: u32, flags: u8) -> [u8; FRAME] {
    let client = client(flow);
    let (src, dst) = match port {
        0 => (client, (VIP, 80)),
        _ => ((server((flow % u32::from(SERVERS)) as u8), 8080), client),
    };
    let mut frame = [0; FRAME];
    let header = Header { dst: MACS[port], src: MacAddr([2, 0, 0, 0, 8, 8]), ethertype: ethernet::IPV4 };
    put(&mut frame, 0, &header.bytes());
    let payload = FRAME - ethernet::HEADER - ipv4::HEADER;
    let ip = ipv4::Build {
        tos: 0,
        payload,
        id: 0,
        df: true,
        ttl: 64,
        protocol: 6,
        src: src.0.to_bits(),
        dst: dst.0.to_bits(),
    };
    put(&mut frame, ethernet::HEADER, &ip.bytes());
    let segment = &mut frame[ethernet::HEADER + ipv4::HEADER..];
    put(segment, 0, &src.1.to_be_bytes());
    put(segment, 2, &dst.1.to_be_bytes());
    put(segment, 12, &[5 << 4, flags]);
    let sum = Sum::default().pseudo(&src.0.octets(), &dst.0.octets(), 6, payload).bytes(segment).finish();
    put(segment, tcp::CHECKSUM, &sum.to_be_bytes());
    frame
}
