//! A director over ports in memory: control and a worker, turned by hand.
//!
//! Clients are 172.16.0.1 to .4 behind port 0, servers 10.1.0.11 to .14 behind port 1; their MACs are known. 10.1.0.15
//! is not. VIPs are 10.0.0.100 and 10.0.0.101; what is for 10.3.0.0/16 is marked with 7.

// Each target is a crate of its own and uses a part of this.
#![allow(dead_code)]

use std::net::Ipv4Addr;
use std::sync::Arc;

use control::api::{Answer, ApiError, Client, Request};
use control::director::{Director, Facts};
use dataplane::clock::Nanos;
use dataplane::conn::{ConnMemory, HashKey, flag};
use dataplane::flow::Protocol;
use dataplane::fragments::{MAX_BYTES, MAX_DATAGRAMS};
use dataplane::handoff::Mesh;
use dataplane::mailbox::Link;
use dataplane::parking::Ending;
use dataplane::port::PacketBuf;
use dataplane::port::mem::MemPort;
use dataplane::service::Servers;
use dataplane::steering::Station;
use dataplane::wire::checksum::Sum;
use dataplane::wire::ethernet::{self, Header, MacAddr};
use dataplane::wire::{ipv4, put};
use dataplane::worker::{Parts, Worker};

/// A second.
pub const SECOND: u64 = 1_000_000_000;
/// The director's MACs, by port.
pub const MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 1]; 2];

const NETWORK: &str = r#"
schema = 1
[dataplane]
workers = [0]
connections = 1000
[[interface]]
name = "wan"
device = "vdev:net_null0"
addresses = ["172.16.0.254/24", "fd00:1::fe/64"]
mac = "02:00:00:00:00:01"
[[interface]]
name = "lan"
device = "vdev:net_null1"
addresses = ["10.1.0.254/24"]
mac = "02:00:00:00:00:01"
[ipvs]
cache_bypass = 1
[[route]]
to = "0.0.0.0/0"
via = "172.16.0.1"
[[route]]
to = "192.0.2.0/24"
blackhole = true
"#;

const SERVICES: &str = r#"
[[mark]]
mark = 7
interface = "wan"
destination = "10.3.0.0/16"
[[service]]
fwmark = 7
scheduler = "rr"
[[service.server]]
address = "10.1.0.14"
forward = "dr"
upper = 1
[[service]]
protocol = "tcp"
address = "10.0.0.100:80"
scheduler = "wrr"
[[service.server]]
address = "10.1.0.11:80"
forward = "nat"
weight = 2
[[service.server]]
address = "10.1.0.12:81"
forward = "nat"
weight = 1
[[service.server]]
address = "10.1.0.15:80"
forward = "nat"
weight = 1
[[service]]
protocol = "udp"
address = "10.0.0.100:80"
scheduler = "wlc"
[[service.server]]
address = "10.1.0.13:80"
forward = "nat"
weight = 1
[[service]]
protocol = "tcp"
address = "10.0.0.101:80"
scheduler = "lc"
[[service.server]]
address = "10.1.0.14:80"
forward = "dr"
weight = 1
[[service.server]]
address = "10.1.0.13:80"
forward = "tun"
weight = 1
[[service]]
protocol = "sctp"
address = "10.0.0.100:80"
scheduler = "rr"
[[service.server]]
address = "10.1.0.11:8080"
forward = "nat"
[[service]]
protocol = "sctp"
address = "10.0.0.100:81"
scheduler = "rr"
[[service.server]]
address = "10.1.0.11:81"
forward = "nat"
[[service]]
protocol = "sctp"
address = "10.0.0.100:82"
scheduler = "rr"
[[service.server]]
address = "10.1.0.11:82"
forward = "dr"
[[service.server]]
address = "10.1.0.12:82"
forward = "tun"
[[service]]
protocol = "udp"
address = "10.0.0.100:500"
scheduler = "rr"
[[service.server]]
address = "10.1.0.11:500"
forward = "nat"
"#;

/// See the module.
pub struct Lab {
    control: Director,
    worker: Worker<MemPort>,
    servers: Arc<Servers>,
    link: Arc<Link>,
    now: Nanos,
}

impl Lab {
    /// With services.
    pub fn new() -> Self {
        Self::configured(SERVICES)
    }

    /// Without.
    pub fn empty() -> Self {
        Self::configured("")
    }

    /// With services of one's own.
    pub fn configured(services: &str) -> Self {
        let mut text = NETWORK.to_owned();
        let known = [("wan", "172.16.0", 1, 4), ("lan", "10.1.0", 11, 14)];
        for (interface, net, from, to) in known {
            for n in from..=to {
                text += &format!(
                    "[[neighbor]]\naddress = \"{net}.{n}\"\ninterface = \"{interface}\"\nmac = \"02:00:00:00:01:{n:02x}\"\n"
                );
            }
        }
        text += services;
        let config = control::config::parse(&text, "fuzz.toml").expect("a right configuration");
        let facts = Facts::in_memory(&config);
        let now = Nanos(SECOND);
        let (control, mut seats) = Director::new(config, facts, now).expect("a possible configuration");
        let seat = seats.pop().expect("one worker");
        let (servers, link) = (Arc::clone(&seat.servers), Arc::clone(&seat.link));
        let parts = Parts {
            ports: vec![MemPort::default(), MemPort::default()],
            memory: ConnMemory::new(64, false),
            key: HashKey([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]),
            reader: seat.reader,
            servers: seat.servers,
            link: seat.link,
            station: Station::alone(),
            mesh: Mesh::alone(),
        };
        let mut lab = Self { control, worker: Worker::new(parts, now), servers, link, now };
        lab.settle();
        lab
    }

    /// A frame arrives, and everybody does what follows from it.
    pub fn feed(&mut self, port: u16, frame: &[u8]) {
        self.worker.ports_mut()[usize::from(port)].inject(frame);
        self.settle();
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
            for port in self.worker.ports_mut() {
                port.tx.drain(..).for_each(|buffer| check_sent(buffer.data()));
            }
            if quiet == 3 {
                return;
            }
        }
        panic!("never quiet");
    }

    /// Connections that live.
    pub fn connections(&self) -> u32 {
        self.worker.shard().table.len()
    }

    /// Whether no slot of a server is referred to.
    pub fn servers_are_free(&self) -> bool {
        self.slots().all(|slot| self.servers.get(slot).is_none_or(|state| state.names() == 0))
    }

    fn slots(&self) -> std::ops::Range<u32> {
        0..1024
    }

    /// What holds at any time.
    pub fn check(&mut self) {
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
            let counted = named.get_mut(conn.server_slot as usize).filter(|_| conn.has(flag::LIVE));
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
            match self.ask(Request::Connections { cursor, limit: None }) {
                Ok(Answer::Connections { connections, next }) => {
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
        let here = (0..table.walk_end()).filter(|index| table[*index].has(flag::LIVE)).count();
        let templates = listed.iter().filter(|conn| conn.client.port() == 0 && conn.state != "LISTEN").count();
        listed.len() as i64 - here as i64 - templates as i64
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

/// What leaves is addressed, from the director, and whole.
fn check_sent(frame: &[u8]) {
    let header = Header::parse(frame).expect("a whole Ethernet header");
    assert_eq!(header.src.0, MACS[0]);
    if header.ethertype == ethernet::IPV4 {
        let packet = &frame[ethernet::HEADER..];
        let header = ipv4::Header::parse(packet).expect("a right IPv4 header");
        assert_eq!(header.total, packet.len());
    }
}

/// A packet of a client or a server.
pub fn frame(
    src: Ipv4Addr,
    dst: Ipv4Addr,
    (sport, dport): (u16, u16),
    protocol: Protocol,
    flags: u8,
    ttl: u8,
    fragment: u16,
) -> Vec<u8> {
    let mut transport = [sport.to_be_bytes(), dport.to_be_bytes()].concat();
    let checksum_at = if protocol == Protocol::Tcp {
        transport.extend([0, 0, 0, 9, 0, 0, 0, 5, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
        16
    } else {
        transport.extend([0, 8, 0, 0]);
        6
    };
    let number = protocol.number();
    let sum = Sum::default().pseudo(&src.octets(), &dst.octets(), number, transport.len()).bytes(&transport).finish();
    put(&mut transport, checksum_at, &sum.to_be_bytes());
    let build = ipv4::Build {
        tos: 0,
        payload: transport.len(),
        id: 7,
        df: false,
        ttl,
        protocol: number,
        src: src.to_bits(),
        dst: dst.to_bits(),
    };
    let mut header = build.bytes();
    put(&mut header, 6, &fragment.to_be_bytes());
    put(&mut header, 10, &[0, 0]);
    let sum = dataplane::wire::checksum::of(&header);
    put(&mut header, 10, &sum.to_be_bytes());
    let ether = Header { dst: MacAddr(MACS[0]), src: MacAddr([2, 0, 0, 0, 0, 0x77]), ethertype: ethernet::IPV4 };
    [&ether.bytes()[..], &header, &transport].concat()
}
