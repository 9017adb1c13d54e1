//! A worker on a bench: tables made by hand, ports in memory, time as the test says.
//!
//! ```text
//! port 0  wan   172.16.0.254/24   clients 172.16.0.1 to .9, a router at .1 for everything else
//! port 1  lan   10.1.0.254/24     servers 10.1.0.11 to .19: those that a test makes known
//! port 2  thin  10.2.0.254/24     links that take 600 bytes, a host at .9
//! VIPs 10.0.0.100 and 10.0.0.101; 192.0.2.0/24 is a blackhole, 198.51.100.0/24 is unreachable
//! IPv6: clients fd00:1::1 to ::9, servers fd00:2::11 to ::19 (known with their IPv4 namesakes), VIP fd00:1::100;
//!       fd00:3:: behind the thin link, a host at ::9; no default route
//! ```

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use dataplane::clock::Nanos;
use dataplane::conn::{ConnMemory, Snapshot, flag};
use dataplane::expected::AllExpected;
use dataplane::flow::{Protocol, ServiceKey};
use dataplane::handoff::Mesh;
use dataplane::limiter::Limits;
use dataplane::mailbox::{Command, Link, Report};
use dataplane::method::ForwardMethod;
use dataplane::neighbor::{NextHop, NextHops};
use dataplane::port::PacketBuf;
use dataplane::port::mem::MemPort;
use dataplane::route::{Action, Prefix};
use dataplane::sched::Scheduler;
use dataplane::seeds::Seeds;
use dataplane::service::{Manner, RealServer, SchedulerPlan, Server, Servers, ServiceState, VirtualService};
use dataplane::snapshot::{Publisher, Reader};
use dataplane::steering::Station;
use dataplane::tables::{Interface, Net, Tables};
use dataplane::template::Templates;
use dataplane::trace::{Filter, Term, Tray, Wanted, Watch};
use dataplane::wire::ethernet::MacAddr;
use dataplane::wire::vlan::Lan;
use dataplane::worker::{Parts, Worker};

use crate::frames::DIRECTOR;

pub(crate) const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
pub(crate) const OTHER_VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 101);
pub(crate) const VIP6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 0x100);
pub(crate) const WAN: u16 = 0;
pub(crate) const LAN: u16 = 1;
pub(crate) const THIN: u16 = 2;
pub(crate) const SECOND: u64 = 1_000_000_000;

/// A client's address.
pub(crate) fn client(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(172, 16, 0, n)
}

/// A server's address.
pub(crate) fn server(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 1, 0, n)
}

/// A client's IPv6 address.
pub(crate) fn client6(n: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, n.into())
}

/// A server's IPv6 address.
pub(crate) fn server6(n: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, n.into())
}

/// The host behind the thin link.
pub(crate) const FAR6: Ipv6Addr = Ipv6Addr::new(0xfd00, 3, 0, 0, 0, 0, 0, 9);

/// A server of a list: address, port, method, weight.
pub(crate) type Listed<A> = (A, u16, ForwardMethod, u32);
/// No server.
pub(crate) const NONE: &[Listed<IpAddr>] = &[];

/// A worker and what is around it; in a crew, further workers.
pub(crate) struct Lab {
    pub(crate) worker: Worker<MemPort>,
    pub(crate) others: Vec<Worker<MemPort>>,
    pub(crate) publisher: Publisher,
    pub(crate) tables: Tables,
    pub(crate) servers: Arc<Servers>,
    pub(crate) templates: Arc<Templates>,
    pub(crate) expected: Arc<AllExpected>,
    pub(crate) link: Arc<Link>,
    pub(crate) now: Nanos,
    neighbors: Vec<((u16, IpAddr), NextHop)>,
    slots: u32,
    watches: u8,
}

impl Lab {
    /// Two arms and a thin one, room for so many connections.
    pub(crate) fn new(capacity: u32) -> Self {
        Self::with_arms(capacity, [WAN, LAN, THIN].map(Lan::untagged), vec![Station::alone()])
    }

    /// Everything on one port.
    pub(crate) fn one_armed(capacity: u32) -> Self {
        Self::with_arms(capacity, [Lan::untagged(WAN); 3], vec![Station::alone()])
    }

    /// A worker at each station.
    pub(crate) fn with_arms(capacity: u32, arms: [Lan; 3], stations: Vec<Station>) -> Self {
        Self::made(capacity, arms, stations, Templates::new(seeds().maps))
    }

    pub(crate) fn made(capacity: u32, arms: [Lan; 3], stations: Vec<Station>, templates: Templates) -> Self {
        let (templates, expected) = (Arc::new(templates), Arc::new(AllExpected::new(seeds().maps)));
        let tables = Tables { net: Arc::new(net(arms)), ..Tables::new(seeds().maps) };
        let crew = stations.len();
        let (publisher, board) = Publisher::new(crew, tables.clone());
        let (servers, now) = (Arc::new(Servers::new(4096)), Nanos(SECOND));
        let parts =
            stations.into_iter().zip(Mesh::of(crew as u16)).enumerate().map(|(number, (station, mesh))| Parts {
                ports: (0..3).map(|_| MemPort::default()).collect(),
                memory: ConnMemory::new(capacity, crew > 1),
                seeds: seeds(),
                reader: Reader::new(Arc::clone(&board), number),
                servers: Arc::clone(&servers),
                templates: Arc::clone(&templates),
                expected: Arc::clone(&expected),
                link: Link::new(),
                station,
                mesh,
            });
        let mut others: Vec<_> = parts.map(|parts| Worker::new(parts, now)).collect();
        let worker = others.remove(0);
        let link = Arc::clone(worker.link());
        let mut lab = Self {
            worker,
            others,
            publisher,
            tables,
            servers,
            templates,
            expected,
            link,
            now,
            neighbors: Vec::new(),
            slots: 0,
            watches: 0,
        };
        let own = [VIP, OTHER_VIP, Ipv4Addr::new(172, 16, 0, 254), Ipv4Addr::new(10, 1, 0, 254)];
        lab.tables.locals.v4.extend(own.map(|address| (address.to_bits(), true)));
        lab.tables.locals.v4.insert(Ipv4Addr::new(172, 16, 0, 255).to_bits(), false);
        let own6 = [VIP6, Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 0xfe), Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 0xfe)];
        lab.tables.locals.v6.extend(own6.map(|address| (address.to_bits(), ())));
        lab.tables.options.limits = Limits::NONE;
        (1..10).for_each(|n| lab.neighbor(WAN, client(n).into()));
        (1..10).for_each(|n| lab.neighbor(WAN, client6(n).into()));
        lab.neighbor(THIN, FAR6.into());
        lab.neighbor(THIN, Ipv4Addr::new(10, 2, 0, 9).into());
        lab.publish();
        lab.turn();
        lab
    }

    /// Adds a service; servers are given as in a file: address, port, method, weight.
    pub(crate) fn service(
        &mut self,
        protocol: Protocol,
        address: impl Into<IpAddr>,
        port: u16,
        scheduler: Scheduler,
        servers: &[Listed<impl Into<IpAddr> + Copy>],
    ) -> ServiceKey {
        self.service_by(ServiceKey::Address { protocol, address: address.into(), port }, scheduler, servers)
    }

    /// Adds a service by any key.
    pub(crate) fn service_by(
        &mut self,
        key: ServiceKey,
        scheduler: Scheduler,
        servers: &[Listed<impl Into<IpAddr> + Copy>],
    ) -> ServiceKey {
        let service = VirtualService {
            key,
            scheduler,
            sched_flags: 0,
            servers: Vec::new(),
            plan: SchedulerPlan::default(),
            list_version: 0,
            manner: Manner::default(),
            state: Arc::new(ServiceState::new(scheduler.cache(seeds().maps))),
        };
        self.tables.services.insert(key, Arc::new(service));
        let made: Vec<RealServer> = servers.iter().map(|spec| self.real_server(*spec)).collect();
        self.list(key, |list| *list = made);
        key
    }

    fn real_server(&mut self, (address, port, forward, weight): Listed<impl Into<IpAddr>>) -> RealServer {
        let slot = self.slots;
        self.slots += 1;
        assert!(self.servers.ensure(slot) && self.links().all(|link| link.totals.ensure(slot)));
        self.state(slot).references.store(1, Relaxed);
        self.state(slot).available.store(true, Relaxed);
        let address = address.into();
        if forward == ForwardMethod::Tun {
            let path = self.tables.paths.entry(address).or_default();
            path.servers = path.servers.iter().copied().chain([slot]).collect();
        }
        RealServer { slot, generation: 0, address, port, forward, weight, last_weight: weight }
    }

    /// Says what is special about the connections of a service.
    pub(crate) fn manner(&mut self, key: ServiceKey, manner: Manner) {
        let mut service = VirtualService::clone(&self.tables.services[&key]);
        service.manner = manner;
        self.tables.services.insert(key, Arc::new(service));
        self.publish();
    }

    /// Changes the servers of a service as control does: the scheduler's position follows, workers get a new value.
    pub(crate) fn list(&mut self, key: ServiceKey, change: impl FnOnce(&mut Vec<RealServer>)) {
        let mut service = VirtualService::clone(&self.tables.services[&key]);
        let before = service.servers.clone();
        change(&mut service.servers);
        for server in &service.servers {
            self.state(server.slot).weight.store(server.weight, Relaxed);
            self.state(server.slot).serve(server.port, server.forward);
        }
        service.list_version = service.list_version.wrapping_add(1);
        service.plan = service.scheduler.plan(key.family(), &service.servers);
        service.scheduler.follow(&service.state.position, &before, &service.servers, service.list_version);
        self.tables.services.insert(key, Arc::new(service));
        self.publish();
    }

    /// Makes a neighbour known.
    pub(crate) fn neighbor(&mut self, interface: u16, address: IpAddr) {
        let here = &self.tables.net.interfaces[usize::from(interface)];
        let mac = match address {
            IpAddr::V4(a) => MacAddr([2, 1, a.octets()[0], a.octets()[1], a.octets()[2], a.octets()[3]]),
            IpAddr::V6(a) => MacAddr([2, 2, 0, 0, a.octets()[14], a.octets()[15]]),
        };
        let hop = NextHop::new(here.lan, here.mtu, here.mac, mac, Arc::new(AtomicU32::new(0)))
            .from(if address.is_ipv4() { here.source4.map(IpAddr::V4) } else { here.source6.map(IpAddr::V6) });
        if self.neighbors.iter().all(|(key, _)| *key != (interface, address)) {
            self.neighbors.push(((interface, address), hop));
        }
        let hops = NextHops::new(seeds().maps, self.neighbors.iter().cloned());
        self.net(|net| net.hops = hops);
    }

    /// Makes the servers `from` to `to` known.
    pub(crate) fn know_servers(&mut self, range: std::ops::RangeInclusive<u8>) {
        for n in range {
            self.neighbor(LAN, server(n).into());
            self.neighbor(LAN, server6(n).into());
        }
    }

    /// Changes interfaces, routes or neighbours: a new version.
    pub(crate) fn net(&mut self, change: impl FnOnce(&mut Net)) {
        let net = Arc::make_mut(&mut self.tables.net);
        net.version += 1;
        change(net);
        self.publish();
    }

    /// Publishes the tables; the worker sees them in its next turn.
    pub(crate) fn publish(&mut self) {
        self.publisher.publish(self.tables.clone());
        drop(self.publisher.sweep());
    }

    /// Starts a watch of packets that fit all terms, on every worker.
    pub(crate) fn watch(&mut self, tray: Arc<Tray>, terms: &[Term], wanted: Wanted, until: Nanos) -> Arc<Tray> {
        let filter = Filter { terms: terms.iter().map(|term| (*term, true)).collect() };
        let slot = self.watches;
        self.watches = (self.watches + 1) % 8;
        for (worker, at) in self.crew_mut().zip(0..) {
            let (filter, tray) = (filter.clone(), Arc::clone(&tray));
            let watch = Command::Watch(Box::new(Watch { filter, wanted, until, worker: at, slot, tray }));
            worker.link().commands.push(watch).expect("room for a command");
        }
        self.turn();
        tray
    }

    /// A server's state.
    pub(crate) fn state(&self, slot: u32) -> &Server {
        self.servers.get(slot).expect("the slot is in use")
    }

    /// Slots in use.
    pub(crate) fn slots(&self) -> std::ops::Range<u32> {
        0..self.slots
    }

    pub(crate) fn inject(&mut self, port: u16, frame: &[u8]) {
        self.worker.ports_mut()[usize::from(port)].inject(frame);
    }

    /// One turn of every worker.
    pub(crate) fn turn(&mut self) -> usize {
        let now = self.now;
        self.crew_mut().map(|worker| worker.turn(now)).sum()
    }

    /// Every worker.
    pub(crate) fn crew(&self) -> impl Iterator<Item = &Worker<MemPort>> {
        std::iter::once(&self.worker).chain(&self.others)
    }

    pub(crate) fn crew_mut(&mut self) -> impl Iterator<Item = &mut Worker<MemPort>> {
        std::iter::once(&mut self.worker).chain(&mut self.others)
    }

    /// The link of every worker.
    pub(crate) fn links(&self) -> impl Iterator<Item = &Arc<Link>> {
        self.crew().map(Worker::link)
    }

    /// Tells every worker something.
    pub(crate) fn tell(&self, command: impl Fn() -> Command) {
        self.links().for_each(|link| link.commands.push(command()).expect("room for a command"));
    }

    /// Every counter, summed over workers.
    pub(crate) fn counters(&self) -> Vec<(&'static str, u64)> {
        let each = self.links().map(|link| link.counters.read());
        each.reduce(|sum, more| sum.into_iter().zip(more).map(|((name, a), (_, b))| (name, a + b)).collect())
            .expect("there is a worker")
    }

    /// Injects a frame and turns once.
    pub(crate) fn feed(&mut self, port: u16, frame: &[u8]) {
        self.inject(port, frame);
        self.turn();
    }

    /// Lets time pass and turns until nothing is left to do.
    pub(crate) fn pass(&mut self, nanoseconds: u64) {
        self.now.0 += nanoseconds;
        while self.turn() > 0 {}
        self.expire_templates();
    }

    /// Ends templates and what was expected, as control does.
    fn expire_templates(&self) {
        self.templates.expire(self.now.tick(), usize::MAX, |template| {
            self.state(template.server).release_template();
        });
        self.expected.expire(self.now.tick(), usize::MAX, |expected| self.state(expected.slot).unbind(true));
    }

    /// What left by a port since the last look.
    pub(crate) fn sent(&mut self, port: u16) -> Vec<Vec<u8>> {
        self.worker.ports_mut()[usize::from(port)].drain()
    }

    /// What the worker told control since the last look.
    pub(crate) fn reports(&mut self) -> Vec<Report> {
        let of = |link: &Arc<Link>| std::iter::from_fn(|| link.reports.pop()).collect::<Vec<_>>();
        self.links().flat_map(of).collect()
    }

    /// The neighbours that workers asked for since the last look: in order, for packets of one class.
    pub(crate) fn asked(&mut self) -> Vec<IpAddr> {
        let of = |link: &Arc<Link>| {
            let each = std::iter::repeat_with(|| link.questions.take());
            let some = each.take_while(|questions| questions.iter().any(Option::is_some));
            some.flatten().flatten().map(|(_, address)| address).collect::<Vec<_>>()
        };
        self.links().flat_map(of).collect()
    }

    /// Limits answers of every kind to so many a second.
    pub(crate) fn limit(&mut self, rate: u32) {
        let (icmp_target_rate, path_mtu_rate, echo_rate, reset_rate) = (0, rate, rate, rate);
        self.tables.options.limits = Limits { icmp_rate: rate, icmp_target_rate, path_mtu_rate, echo_rate, reset_rate };
        self.publish();
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        let counters: BTreeMap<_, _> = self.counters().into_iter().collect();
        *counters.get(name).unwrap_or_else(|| panic!("no counter {name}"))
    }

    /// The counters that moved while something happened, with how far.
    pub(crate) fn moved(&mut self, happens: impl FnOnce(&mut Self)) -> Vec<(&'static str, i64)> {
        let before = self.counters();
        happens(self);
        let pairs = before.into_iter().zip(self.counters());
        pairs.filter(|(b, a)| a != b).map(|((name, b), (_, a))| (name, a as i64 - b as i64)).collect()
    }

    /// Live connections with their index.
    pub(crate) fn connections(&self) -> Vec<(u32, Snapshot)> {
        let tables = self.crew().map(|worker| &worker.shard().table);
        let live = tables.flat_map(|table| (0..table.walk_end()).map(|i| (i, table.snapshot(i))));
        live.filter(|(_, conn)| conn.has(flag::LIVE)).collect()
    }

    /// Packets that wait for a neighbour.
    pub(crate) fn parked(&self) -> usize {
        self.crew().map(|worker| worker.shard().parking.len()).sum()
    }
}

/// Seeds that are the same in every test.
pub(crate) fn seeds() -> Seeds {
    Seeds::new(std::array::from_fn(|word| word as u64 ^ 0x736c_7569_6365_2121))
}

fn net(arms: [Lan; 3]) -> Net {
    let interface = |(name, lan, mtu, n, six): (&str, Lan, u16, [u8; 4], u16)| Interface {
        name: name.into(),
        lan,
        mac: DIRECTOR,
        mtu,
        source4: Some(n.into()),
        source6: Some(Ipv6Addr::new(0xfd00, six, 0, 0, 0, 0, 0, 0xfe)),
        virtual6: None,
    };
    let interfaces = [
        ("wan", arms[0], 1500, [172, 16, 0, 254], 1),
        ("lan", arms[1], 1500, [10, 1, 0, 254], 2),
        ("thin", arms[2], 600, [10, 2, 0, 254], 3),
    ];
    let mut net = Net { version: 1, interfaces: interfaces.map(interface).to_vec().into(), ..Net::new(seeds().maps) };
    let mut route = |address: &str, length, action| {
        net.routes.insert(Prefix { address: address.parse().expect("an address"), length }, action);
    };
    route("172.16.0.0", 24, Action::OnLink { interface: WAN });
    route("10.1.0.0", 24, Action::OnLink { interface: LAN });
    route("10.2.0.0", 24, Action::OnLink { interface: THIN });
    route("fd00:1::", 64, Action::OnLink { interface: WAN });
    route("fd00:2::", 64, Action::OnLink { interface: LAN });
    route("fd00:3::", 64, Action::OnLink { interface: THIN });
    route("192.0.2.0", 24, Action::Blackhole);
    route("198.51.100.0", 24, Action::Unreachable);
    route("0.0.0.0", 0, Action::Via { interface: WAN, gateway: client(1).into() });
    net
}

/// The bytes of buffers that left, for ports that a test looks into itself.
pub(crate) fn bytes(port: &MemPort) -> Vec<&[u8]> {
    port.tx.iter().map(PacketBuf::data).collect()
}
