//! A service whose connections last until a test ends them. Server n is 10.1.0.n, and its slot is n; it may leave and
//! come back, as control has it.

use dataplane::map::Seed;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use dataplane::chance::Chance;
use dataplane::clock::{Tick, ticks};
use dataplane::flow::{Family, Protocol, ServiceKey};
use dataplane::method::ForwardMethod;
use dataplane::sched::{Asked, Scheduler};
use dataplane::service::{Cache, Manner, RealServer, SchedulerPlan, Server, Servers, ServiceState, VirtualService};

pub(crate) struct Table {
    pub(crate) service: VirtualService,
    pub(crate) servers: Servers,
    pub(crate) expiration: u32,
    chance: Chance,
    now: Tick,
}

impl Table {
    /// Servers are given as (n, weight), in the order in which they are added.
    pub(crate) fn new(scheduler: Scheduler, servers: &[(u16, u32)]) -> Self {
        let key = ServiceKey::Address { protocol: Protocol::Tcp, address: [10, 0, 0, 100].into(), port: 80 };
        let service = VirtualService {
            key,
            scheduler,
            sched_flags: 0,
            servers: Vec::new(),
            plan: SchedulerPlan::default(),
            list_version: 0,
            manner: Manner::default(),
            state: Arc::new(ServiceState::new(scheduler.cache(Seed([1, 2, 3, 4])))),
        };
        let (servers_memory, chance) = (Servers::new(1 << 16), Chance::seeded(1));
        let mut table = Self { service, servers: servers_memory, expiration: 86_400, chance, now: Tick(100) };
        servers.iter().for_each(|&(n, weight)| table.add(n, weight));
        table
    }

    /// A server joins at the head of the list.
    pub(crate) fn add(&mut self, n: u16, weight: u32) {
        let slot = u32::from(n);
        assert!(self.servers.ensure(slot));
        self.state(n).references.fetch_add(1, Relaxed);
        let address = IpAddr::from(Ipv4Addr::from_bits(0x0a01_0000 | slot));
        let (forward, generation, last_weight) = (ForwardMethod::Nat, 0, weight);
        let server = RealServer { slot, generation, address, port: 8080, forward, weight, last_weight };
        self.change(|list| list.insert(0, server));
    }

    /// A server leaves; what names it still does.
    pub(crate) fn remove(&mut self, n: u16) {
        self.change(|list| list.retain(|server| server.slot != u32::from(n)));
        self.state(n).references.fetch_sub(1, Relaxed);
    }

    /// A server gets another weight.
    pub(crate) fn weigh(&mut self, n: u16, weight: u32) {
        self.change(|list| {
            for server in list.iter_mut().filter(|server| server.slot == u32::from(n)) {
                server.weight = weight;
                server.last_weight = if weight > 0 { weight } else { server.last_weight };
            }
        });
    }

    fn change(&mut self, change: impl FnOnce(&mut Vec<RealServer>)) {
        let service = &mut self.service;
        let before = service.servers.clone();
        change(&mut service.servers);
        service.list_version = service.list_version.wrapping_add(1);
        service.plan = service.scheduler.plan(Family::Ipv4, &service.servers);
        service.scheduler.follow(&service.state.position, &before, &service.servers, service.list_version);
    }

    /// The server for a new connection, which is not made.
    pub(crate) fn pick(&self, client: SocketAddr, vip: IpAddr) -> Option<u16> {
        let asked = Asked {
            list: self.service.list(),
            servers: &self.servers,
            client,
            vip,
            now: self.now,
            lblcr_expiration: ticks(self.expiration),
            chance: &self.chance,
        };
        let index = self.service.scheduler.pick(&asked)?;
        Some(self.service.servers[index].slot as u16)
    }

    /// A connection to a destination is opened: it counts as active.
    pub(crate) fn open(&self, vip: [u8; 4]) -> Option<u16> {
        let n = self.pick(client(1), vip.into())?;
        self.state(n).bind_anyway();
        self.state(n).shift(false);
        Some(n)
    }

    /// Many connections to one destination, as the recorder of the kernel opens them. Returns who got them.
    pub(crate) fn open_many(&self, count: usize, vip: [u8; 4]) -> Vec<u16> {
        (0..count).map(|_| self.open(vip).expect("a usable server")).collect()
    }

    /// Every connection ends.
    pub(crate) fn close_all(&self) {
        for state in (0..1 << 16).filter_map(|slot| self.servers.get(slot)) {
            while state.active() > 0 {
                state.unbind(false);
            }
        }
    }

    /// Time passes, and control collects what is forgotten.
    pub(crate) fn pass(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.now = self.now.after(ticks(1));
            self.collect();
        }
    }

    pub(crate) fn collect(&self) {
        if let Some(cache) = &self.service.state.cache {
            cache.collect(self.now, ticks(self.expiration), &self.servers);
        }
    }

    pub(crate) fn cache(&self) -> &Cache {
        self.service.state.cache.as_ref().expect("a scheduler that remembers")
    }

    pub(crate) fn state(&self, n: u16) -> &Server {
        self.servers.get(n.into()).expect("a server that was added once")
    }
}

/// A client, by number.
pub(crate) fn client(n: u32) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::from_bits(0xac10_0000 + n).into(), 10_000)
}
