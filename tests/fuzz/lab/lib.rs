//! A director over ports in memory: control and a worker, turned by hand. Every target uses it.
//!
//! ```text
//! port 0  wan      172.16.0.254/24  fd00:1::fe/64    clients 172.16.0.1 to .4, fd00:1::1 to ::4, a router at .1
//!         wan.100  172.16.1.254/24  fd00:11::fe/64   the same, on a VLAN
//! port 1  lan      10.1.0.254/24    fd00:2::fe/64    servers 10.1.0.11 to .14, fd00:2::b to ::e
//!         lan.200  10.1.1.254/24    fd00:12::fe/64   the same, on a VLAN whose links take 1400 bytes
//! VIPs    10.0.0.100 and .101, fd00:f::64 and ::65
//! marked  10.3.0.0/16 with 7; what comes by wan.100 for fd00:3::/64 with 8
//! ```
//!
//! MACs of these are known; that of the servers after them (.15, ::f) is not. Servers are reached by every method.

pub mod frames;
mod network;
mod sent;

use std::sync::Arc;

use control::api::{Answer, ApiError, Client, Edit, Query, Request};
use control::config::Config;
use control::director::{Director, Facts};
use dataplane::clock::Nanos;
use dataplane::conn::{ConnMemory, flag};
use dataplane::fragments::{MAX_BYTES, MAX_DATAGRAMS};
use dataplane::handoff::Mesh;
use dataplane::mailbox::Link;
use dataplane::parking::Ending;
use dataplane::port::mem::MemPort;
use dataplane::service::Servers;
use dataplane::steering::Station;
use dataplane::worker::{Parts, Worker};

/// A second.
pub const SECOND: u64 = 1_000_000_000;
/// The director's MACs, by port.
pub const MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 1]; 2];
/// The VLAN of each port.
pub const VLANS: [u16; 2] = [100, 200];

/// Which of the networks on a port, and in which family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// IPv6.
    pub six: bool,
    /// On the VLAN.
    pub tagged: bool,
}

/// See the crate.
pub struct Lab {
    control: Director,
    worker: Worker<MemPort>,
    servers: Arc<Servers>,
    link: Arc<Link>,
    now: Nanos,
    right: bool,
    sent: Vec<(u16, Vec<u8>)>,
}

impl Lab {
    /// With services.
    #[must_use]
    pub fn new() -> Self {
        Self::of(network::full())
    }

    /// Without.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(network::empty())
    }

    /// With services of one's own.
    #[must_use]
    pub fn configured(services: &str) -> Self {
        Self::of(network::configured(services))
    }

    /// For packets that are right in everything: so is, then, what leaves.
    #[must_use]
    pub fn fed_right(self) -> Self {
        Self { right: true, ..self }
    }

    fn of(config: Config) -> Self {
        let facts = Facts::in_memory(&config);
        let now = Nanos(SECOND);
        let (control, mut seats) = Director::new(config, facts, now).expect("a possible configuration");
        let seat = seats.pop().expect("one worker");
        let (servers, link) = (Arc::clone(&seat.servers), Arc::clone(&seat.link));
        let parts = Parts {
            ports: vec![MemPort::default(), MemPort::default()],
            memory: ConnMemory::new(32, false),
            seeds: seat.seeds,
            reader: seat.reader,
            servers: seat.servers,
            templates: seat.templates,
            expected: seat.expected,
            link: seat.link,
            station: Station::alone(),
            mesh: Mesh::alone(),
        };
        let worker = Worker::new(parts, now);
        let mut lab = Self { control, worker, servers, link, now, right: false, sent: Vec::new() };
        lab.settle();
        lab
    }

    /// A frame arrives, and everybody does what follows from it.
    pub fn feed(&mut self, port: u16, frame: &[u8]) {
        self.queue(port, frame);
        self.settle();
    }

    /// A frame arrives, and waits to be one of a burst.
    pub fn queue(&mut self, port: u16, frame: &[u8]) {
        self.worker.ports_mut()[usize::from(port)].inject(frame);
    }

    /// There are no buffers to be had, and the ports take one frame a turn; or there is plenty again.
    pub fn scarce(&mut self, scarce: bool) {
        for port in self.worker.ports_mut() {
            (port.exhausted, port.tx_limit) = (scarce, scarce.then_some(1));
        }
    }

    /// Time passes.
    pub fn pass(&mut self, nanoseconds: u64) {
        self.now = Nanos(self.now.0 + nanoseconds);
        self.settle();
    }

    fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..1000 {
            let items = self.worker.turn(self.now) + self.control.turn(self.now);
            quiet = if items == 0 && self.control.is_idle() { quiet + 1 } else { 0 };
            for (port, queues) in (0..).zip(self.worker.ports_mut()) {
                for frame in queues.drain() {
                    sent::check(port, &frame, self.right);
                    self.sent.push((port, frame));
                }
            }
            if quiet == 3 {
                return;
            }
        }
        panic!("never quiet");
    }

    /// What has left since this was asked last, by port.
    pub fn sent(&mut self) -> Vec<(u16, Vec<u8>)> {
        std::mem::take(&mut self.sent)
    }

    /// What the worker counted, by name.
    #[must_use]
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        self.link.counters.read()
    }

    /// Connections that live.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.worker.shard().table.len()
    }

    /// Everything is taken away and all time passes: nothing waits then, and nothing refers to a server that is gone.
    pub fn end(&mut self) {
        self.scarce(false);
        self.ask(Edit::Flush.into()).expect("services may always go");
        (0..4).for_each(|_| self.pass(900 * SECOND));
        self.check();
        let shard = self.worker.shard();
        assert_eq!((self.connections(), shard.parking.len()), (0, 0), "connections, and packets that wait");
        let kept = [&shard.fragments4, &shard.fragments6].map(|store| (store.datagrams(), store.bytes()));
        assert_eq!(kept, [(0, 0); 2], "pieces");
        assert_eq!(self.worker.ports_mut().iter().map(|port| port.outstanding).sum::<i64>(), 0, "buffers");
        let free = |slot| self.servers.get(slot).is_none_or(|state| state.names() == 0);
        assert!(self.slots().all(free), "nothing refers to servers that are gone");
    }

    fn slots(&self) -> std::ops::Range<u32> {
        0..1024
    }

    /// What holds at any time.
    pub fn check(&mut self) {
        self.settle();
        self.check_accounts();
        self.check_counts();
    }

    /// Received packets have ended or wait, and every buffer is where it should be.
    fn check_accounts(&mut self) {
        let counters = self.link.counters.read();
        let sum = |prefixes: &[&str]| -> u64 {
            let named = counters.iter().filter(|(name, _)| prefixes.iter().any(|prefix| name.starts_with(prefix)));
            named.map(|(_, value)| value).sum()
        };
        let ended = sum(&["forward_", "punt_", "answer_", "drop_", "gathered", "gathering"]);
        let came = sum(&["received", "reassembled"]);
        let shard = self.worker.shard();
        let parked = shard.parking.len();
        let waits = shard.parking.iter().filter(|parked| matches!(parked.ending, Ending::Forward(_))).count();
        assert_eq!(came, ended + waits as u64, "{counters:?}");
        let stores = [&shard.fragments4, &shard.fragments6];
        assert!(stores.iter().all(|store| store.bytes() <= MAX_BYTES && store.datagrams() <= MAX_DATAGRAMS));
        let output = &self.worker.shard().output;
        let held = output.queues.iter().map(Vec::len).sum::<usize>() + output.dropped.len() + parked;
        let outstanding: i64 = self.worker.ports_mut().iter().map(|port| port.outstanding).sum();
        assert_eq!(outstanding, held as i64, "buffers out, and buffers that wait");
    }

    /// Servers count the connections that name them, and those that are expected; destinations that lblc and lblcr
    /// remember may name them, too.
    fn check_counts(&mut self) {
        let table = &self.worker.shard().table;
        let mut named = vec![(0u32, 0u32); self.slots().len()];
        for index in 0..table.walk_end() {
            let conn = &table[index];
            // What goes past the servers has none.
            let counted = named.get_mut(conn.server_slot() as usize).filter(|_| conn.has(flag::LIVE));
            if let Some((active, inactive)) = counted {
                *(if conn.has(flag::INACTIVE) { inactive } else { active }) += 1;
            }
        }
        let mut expected = self.expected();
        for (slot, mut counted) in named.into_iter().enumerate() {
            let Some(state) = self.servers.get(slot as u32) else { continue };
            let more = state.inactive().saturating_sub(counted.1);
            (counted.1, expected) = (counted.1 + more, expected - i64::from(more));
            assert_eq!((state.active(), state.inactive()), counted, "slot {slot}");
            let references = state.names();
            let connections = counted.0 + counted.1;
            assert!(references > connections || (references == 0 && connections == 0), "slot {slot}: {references}");
        }
        assert_eq!(expected, 0, "servers count what is expected");
    }

    /// How many connections of FTP are listed that are not in the worker's table.
    fn expected(&mut self) -> i64 {
        let (mut listed, mut cursor) = (Vec::new(), None);
        loop {
            match self.ask(Query::Connections { cursor, limit: None }.into()) {
                Ok(Answer::Connections { connections, next, late: None }) => {
                    listed.extend(connections);
                    cursor = next;
                }
                other => panic!("{other:?}"),
            }
            if cursor.is_none() {
                break;
            }
        }
        let table = &self.worker.shard().table;
        let here = (0..table.walk_end()).filter(|index| table[*index].has(flag::LIVE));
        // Templates have no client's port, as little as a connection from port 0.
        let portless = here.clone().filter(|index| table[*index].request_key().sport == 0).count();
        let templates = listed.iter().filter(|conn| conn.client.port() == 0 && conn.state != "LISTEN").count();
        listed.len() as i64 - here.count() as i64 - (templates as i64 - portless as i64)
    }
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

impl Client for Lab {
    fn ask(&mut self, request: Request) -> Result<Answer, ApiError> {
        let mut turns = 0;
        let Self { control, worker, now, .. } = self;
        let answer = control.handle(request, *now, &mut || {
            worker.turn(*now);
            turns += 1;
            turns < 1000
        });
        self.settle();
        answer
    }
}
