//! Large tables under traffic: 100,000 services of 10 servers loaded in three ways, one edit among them, 4 million
//! connections listed, a million that end in the same second.
//!
//! A whole director, control and one worker, in one thread: wherever control waits for the worker, the worker turns, and
//! each turn has a burst of packets of established connections. None of them may be lost, and a turn's items are
//! bounded, whatever else is going on.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use control::api::{Answer, ApiError, Batch, Client, Edit, Forward, Query, Reload, Request, ServerSpec, ServiceSpec};
use control::director::{Director, Facts, Garbage};
use control::{config, ipvsadm};
use dataplane::clock::Nanos;
use dataplane::flow::{Protocol, ServiceKey};
use dataplane::port::BURST;
use dataplane::sched::Scheduler;
use dataplane::wire::tcp::SYN;
use dataplane::worker::{COMMAND_BUDGET, EXPIRE_BUDGET, LIST_BUDGET};

use crate::stage::{START, Stage};
use crate::traffic::{SERVERS, Traffic};
use crate::{median, nanos};

const TRAFFIC: Traffic = Traffic::NAT4;
pub(crate) const SERVICES: u32 = 100_000;
/// Connections whose packets arrive all the time.
const BUSY: u32 = 10_000;
const LISTED: u32 = 4_000_000;
const ENDING: u32 = 1_000_000;
/// Rounds of edits of which the median is printed, and edits of a round.
const ROUNDS: usize = 9;
pub(crate) const EDITS: u32 = 1000;

/// Items of a turn, whatever else goes on: commands, a burst of each port, a page of a list, connections that end.
const LONGEST: usize = COMMAND_BUDGET + 2 * BURST + LIST_BUDGET as usize + EXPIRE_BUDGET;

/// The interfaces and neighbours that the stage's frames are made for.
const NETWORK: &str = r#"
schema = 1
[dataplane]
workers = [0]
[[interface]]
name = "wan"
device = "tap:wan"
addresses = ["10.0.0.1/24"]
mac = "02:00:00:00:00:01"
[[interface]]
name = "lan"
device = "tap:lan"
addresses = ["10.9.0.1/24"]
mac = "02:00:00:00:01:01"
[[route]]
to = "0.0.0.0/0"
via = "10.0.0.254"
[[neighbor]]
address = "10.0.0.254"
interface = "wan"
mac = "02:00:00:00:09:fe"
"#;

/// Every figure, one a line.
pub(crate) fn run() {
    load_by_file();
    load_by_restore();
    load_one_by_one();
    let [few, many] = [1000, SERVICES].map(edit);
    println!("edit_1k {:.1} us", few / 1e3);
    println!("edit_100k {:.1} us", many / 1e3);
    println!("edit_ratio {:.2} times", many / few);
    list();
    end_together();
    crate::slices::run();
}

fn load_by_file() {
    let mut live = Live::busy();
    std::fs::write(file(), configured(SERVICES)).expect("room for a file");
    let spent = nanos(|| live.done(Reload { prune: false }));
    std::fs::remove_file(file()).expect("it is still there");
    println!("load_file {:.2} s", spent / 1e9);
    live.is_filled("load_file");
}

fn load_by_restore() {
    let mut live = Live::busy();
    let mut text = String::new();
    for service in 1..SERVICES {
        _ = writeln!(text, "-A -t {}:80 -s rr", TRAFFIC.vip(service));
        (0..SERVERS)
            .for_each(|n| _ = writeln!(text, "-a -t {}:80 -r {} -m -w 1", TRAFFIC.vip(service), real(service, n)));
    }
    let restore = ["-R".to_owned()];
    let spent = nanos(|| {
        let outcome = ipvsadm::run(&restore, &mut text.as_bytes(), &mut live);
        assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
    });
    println!("load_restore {:.2} s", spent / 1e9);
    live.is_filled("load_restore");
}

fn load_one_by_one() {
    let mut live = Live::busy();
    let spent = nanos(|| {
        for service in 1..SERVICES {
            live.done(add_service(service));
            (0..SERVERS).for_each(|n| live.done(add_server(service, real(service, n), 1)));
        }
    });
    println!("load_each {:.2} s", spent / 1e9);
    live.is_filled("load_each");
}

/// Nanoseconds of one edit beside so many services: published, and seen by the worker.
fn edit(services: u32) -> f64 {
    let mut live = Live::filled(services);
    run_edits(&mut live, services);
    median((0..ROUNDS).map(|_| nanos(|| run_edits(&mut live, services))).collect()) / f64::from(EDITS)
}

/// One round of edits beside so many services, for callgrind.
pub(crate) fn counted(services: u32) {
    let mut live = Live::filled(services);
    run_edits(&mut live, services);
}

/// What is counted of edits: as many of each kind, at services all over the table.
#[inline(never)]
fn run_edits(live: &mut Live, services: u32) {
    let another = SocketAddr::from(([10, 8, 0, 1], 8080));
    for number in 0..EDITS / 5 {
        let there = number * 7919 % services;
        live.done(add_service(services + number));
        live.done(add_server(there, another, 1));
        live.done(Edit::EditServer { key: key(there), server: spec(another, 7) });
        live.done(Edit::DeleteServer { key: key(there), address: another });
        live.done(Edit::DeleteService { key: key(services + number) });
    }
}

/// Every connection by cursor, as `ipvsadm -Lc` does.
fn list() {
    let mut live = Live::new(&configured(1), LISTED);
    live.stage.establish();
    live.stage.acknowledge_some(LISTED, BUSY as usize);
    live.begin();
    let mut seen = vec![0u8; LISTED as usize];
    let (mut cursor, mut answers) = (None, 0);
    let spent = nanos(|| {
        loop {
            let answer = live.ask(Query::Connections { cursor, limit: None }.into());
            let Ok(Answer::Connections { connections, next, late: None }) = answer else {
                panic!("no page at {cursor:?}")
            };
            connections.iter().for_each(|conn| seen[Traffic::flow_of(conn.client) as usize] += 1);
            (cursor, answers) = (next, answers + 1);
            if cursor.is_none() {
                return;
            }
        }
    });
    assert!(seen.iter().all(|times| *times == 1), "every connection is listed once");
    println!("list_4m {:.2} s", spent / 1e9);
    println!("list_4m_answers {answers} answers");
    live.held("list_4m");
}

/// Half-open connections whose minute is over, beside established ones.
fn end_together() {
    let mut live = Live::new(&configured(1), BUSY + ENDING);
    live.stage.arrive(0, SYN);
    live.stage.drain();
    live.stage.open_some(BUSY);
    live.stage.acknowledge_some(BUSY, BUSY as usize);
    assert_eq!(live.stage.connections(), BUSY + ENDING);
    live.now = Nanos(live.now.0 + 61_000_000_000);
    live.begin();
    let spent = nanos(|| {
        while live.stage.connections() > BUSY {
            live.turn();
        }
    });
    println!("end_1m {:.2} s", spent / 1e9);
    live.held("end_1m");
}

/// A director at work.
pub(crate) struct Live {
    director: Director,
    stage: Stage,
    now: Nanos,
    /// Turns and packets before what is measured.
    before: [u64; 3],
    /// What is large is freed by somebody else, as in the appliance: here by nobody.
    elsewhere: Arc<AtomicBool>,
}

impl Live {
    /// As a file says, with room for so many connections.
    fn new(text: &str, flows: u32) -> Self {
        let config = config::parse(text, "bench.toml").expect("a right configuration");
        let elsewhere = Arc::new(AtomicBool::new(false));
        let leaves = Arc::clone(&elsewhere);
        let discard: Box<dyn FnMut(Garbage) + Send> = Box::new(move |garbage| {
            if leaves.load(Relaxed) {
                std::mem::forget(garbage)
            }
        });
        let facts = Facts { file: Some(file()), discard, ..Facts::in_memory(&config) };
        let (director, mut seats) = Director::new(config, facts, START).expect("a possible configuration");
        let stage = Stage::seated(seats.pop().expect("one worker"), TRAFFIC, flows);
        let mut live = Self { director, stage, now: START, before: [0; 3], elsewhere };
        let Self { director, stage, now, .. } = &mut live;
        director.wait_for_workers(&mut || turn(stage, now)).expect("the worker turns");
        live
    }

    /// One service with established connections, whose packets arrive from now on.
    fn busy() -> Self {
        let mut live = Self::new(&configured(1), BUSY);
        live.stage.establish();
        live.stage.acknowledge_some(BUSY, BUSY as usize);
        live.begin();
        live
    }

    /// So many services, and nobody who asks for them.
    pub(crate) fn filled(services: u32) -> Self {
        let mut live = Self::new(&configured(1), BUSY);
        for service in 1..services {
            let servers = (0..SERVERS).map(|n| add_server(service, real(service, n), 1));
            let requests = std::iter::once(add_service(service)).chain(servers).collect();
            live.done(Batch { requests, more: service + 1 < services });
        }
        live
    }

    /// From now on control frees nothing large.
    pub(crate) fn free_elsewhere(&self) {
        self.elsewhere.store(true, Relaxed);
    }

    /// Has control do something; the worker turns where it waits.
    pub(crate) fn beside(&mut self, work: impl FnOnce(&mut Director, Nanos, &mut dyn FnMut() -> bool)) {
        let Self { director, stage, now, .. } = self;
        let begun = *now;
        work(director, begun, &mut || turn(stage, now));
        director.turn(*now);
    }

    fn turn(&mut self) {
        turn(&mut self.stage, &mut self.now);
    }

    fn done(&mut self, request: impl Into<Request>) {
        self.ask(request.into()).expect("a possible edit");
    }

    fn counts(&self) -> [u64; 3] {
        let link = self.stage.link();
        [link.turns.load(Relaxed), link.counters.received.load(Relaxed), self.stage.forwarded()]
    }

    /// What follows is measured.
    fn begin(&mut self) {
        self.stage.link().longest_turn.store(0, Relaxed);
        self.before = self.counts();
    }

    /// Prints how the worker fared. No turn was longer than it may be, no packet of an established connection was lost.
    fn held(&self, name: &str) {
        let now = self.counts();
        let [turns, packets, forwarded] = [0, 1, 2].map(|at| now[at] - self.before[at]);
        assert_eq!(forwarded, packets, "every packet is forwarded");
        println!("{name}_turns {turns} turns");
        let longest = self.stage.link().longest_turn.load(Relaxed);
        assert!(longest as usize <= LONGEST, "a turn of {longest} items");
        println!("{name}_longest_turn {longest} items");
        println!("{name}_forwarded {packets} packets");
    }

    fn is_filled(&mut self, name: &str) {
        let Ok(Answer::Status(status)) = self.ask(Query::Status.into()) else { panic!("not a status") };
        assert_eq!((status.services, status.servers), (SERVICES, SERVICES * u32::from(SERVERS)));
        self.held(name);
    }
}

impl Client for Live {
    fn ask(&mut self, request: Request) -> Result<Answer, ApiError> {
        let Self { director, stage, now, .. } = self;
        let answer = director.handle(request, *now, &mut || turn(stage, now));
        director.turn(*now);
        answer
    }
}

/// A turn of the worker, a microsecond later, with packets to forward.
fn turn(stage: &mut Stage, now: &mut Nanos) -> bool {
    now.0 += 1000;
    if stage.left() == 0 {
        stage.again();
    }
    stage.turn(*now);
    true
}

fn key(service: u32) -> ServiceKey {
    ServiceKey::Address { protocol: Protocol::Tcp, address: TRAFFIC.vip(service), port: 80 }
}

/// A server of a service: those of the first one are the stage's, the others have nothing to do.
fn real(service: u32, number: u8) -> SocketAddr {
    let address = match service {
        0 => TRAFFIC.server(number),
        _ => Ipv4Addr::from_bits(0x1e00_0000 + service * u32::from(SERVERS) + u32::from(number)).into(),
    };
    (address, 8080).into()
}

fn add_service(service: u32) -> Edit {
    Edit::AddService { service: ServiceSpec::new(key(service), Scheduler::Rr).into() }
}

fn spec(address: SocketAddr, weight: u32) -> ServerSpec {
    ServerSpec { weight, ..ServerSpec::new(address, Forward::Nat) }
}

fn add_server(service: u32, address: SocketAddr, weight: u32) -> Edit {
    Edit::AddServer { key: key(service), server: spec(address, weight) }
}

/// The file that a reload reads.
fn file() -> PathBuf {
    std::env::temp_dir().join(format!("sluice-bench-{}.toml", std::process::id()))
}

/// The file of so many services. What is added last stands first, so servers are there from the last to the first.
pub(crate) fn configured(services: u32) -> String {
    let mut text = NETWORK.to_owned();
    for number in 0..SERVERS {
        let address = TRAFFIC.server(number);
        _ = writeln!(text, "[[neighbor]]\naddress = \"{address}\"\ninterface = \"lan\"");
        _ = writeln!(text, "mac = \"02:00:00:00:09:{number:02x}\"");
    }
    for service in 0..services {
        let address = TRAFFIC.vip(service);
        _ = writeln!(text, "[[service]]\nprotocol = \"tcp\"\naddress = \"{address}:80\"\nscheduler = \"rr\"");
        for number in (0..SERVERS).rev() {
            let address = real(service, number);
            _ = writeln!(text, "[[service.server]]\naddress = \"{address}\"\nforward = \"nat\"");
        }
    }
    text
}

/// A file in which every server has another weight.
pub(crate) fn reweighed(file: &str) -> String {
    file.replace("forward = \"nat\"", "forward = \"nat\"\nweight = 2")
}
