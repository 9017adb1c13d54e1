//! A director with one worker that does nothing but look for new tables: as large as a test wants.

use std::net::{Ipv4Addr, SocketAddr};

use control::api::{Answer, ApiError, Batch, Client, Edit, Forward, Query, Request, ServerSpec, ServiceSpec};
use control::config;
use control::director::{Director, Facts, WorkerSeat};
use dataplane::clock::Nanos;
use dataplane::flow::{Protocol, ServiceKey};
use dataplane::sched::Scheduler;

pub(crate) const MS: u64 = 1_000_000;

/// Two interfaces.
pub(crate) const NETWORK: &str = r#"
schema = 1
[dataplane]
workers = [0]
[[interface]]
name = "wan"
device = "vdev:net_null0"
addresses = ["172.16.0.254/24"]
[[interface]]
name = "lan"
device = "vdev:net_null1"
addresses = ["10.1.0.254/24"]
"#;

/// See the module.
pub(crate) struct Lab {
    pub(crate) director: Director,
    pub(crate) seat: WorkerSeat,
    pub(crate) now: Nanos,
}

impl Lab {
    /// Without services.
    pub(crate) fn new() -> Self {
        Self::of(config::parse(NETWORK, "scale.toml").expect("a right configuration"))
    }

    /// As a configuration says.
    pub(crate) fn of(config: config::Config) -> Self {
        let facts = Facts::in_memory(&config);
        Self::start(config, facts)
    }

    /// As a file says, that can be read again.
    pub(crate) fn with_file(config: config::Config) -> Self {
        let file = Some("scale.toml".into());
        // As in the appliance, what is large is not freed by control.
        let facts = Facts { file, discard: Box::new(std::mem::forget), ..Facts::in_memory(&config) };
        Self::start(config, facts)
    }

    fn start(config: config::Config, facts: Facts) -> Self {
        let now = Nanos(1000 * MS);
        let (director, mut seats) = Director::new(config, facts, now).expect("a possible configuration");
        let seat = seats.pop().expect("one worker");
        let mut lab = Self { director, seat, now };
        lab.turn();
        lab
    }

    /// With so many services of so many servers each, added in batches.
    pub(crate) fn filled(services: u32, servers: u32) -> Self {
        let mut lab = Self::new();
        for from in (0..services).step_by(1000) {
            let requests = (from..services.min(from + 1000)).flat_map(|service| {
                let added = (0..servers).map(move |server| add_server(service, server));
                std::iter::once(add_service(service)).chain(added)
            });
            lab.done(Batch { requests: requests.collect(), more: false });
        }
        lab
    }

    /// Asks and wants "done".
    #[track_caller]
    pub(crate) fn done(&mut self, request: impl Into<Request>) {
        assert_eq!(self.ask(request.into()), Ok(Answer::Done));
    }

    /// Control turns, and the worker looks for new tables and does what control sends it for.
    pub(crate) fn turn(&mut self) {
        self.director.turn(self.now);
        self.seat.reader.refresh();
        while self.seat.link.commands.pop().is_some() {}
    }

    /// Publications so far.
    pub(crate) fn publications(&mut self) -> u64 {
        let Ok(Answer::Status(status)) = self.ask(Query::Status.into()) else { panic!("not a status") };
        status.workers[0].tables
    }
}

impl Client for Lab {
    fn ask(&mut self, request: Request) -> Result<Answer, ApiError> {
        let Self { director, seat, now } = self;
        director.handle(request, *now, &mut || {
            seat.reader.refresh();
            true
        })
    }
}

/// The key of a service by number.
pub(crate) fn key(service: u32) -> ServiceKey {
    ServiceKey::Address { protocol: Protocol::Tcp, address: vip(service).into(), port: 80 }
}

/// The virtual address of a service by number.
pub(crate) fn vip(service: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x1400_0000 + service)
}

/// The address of a server by number.
pub(crate) fn address(server: u32) -> SocketAddr {
    (Ipv4Addr::from_bits(0x0a01_0100 + server), 8080).into()
}

pub(crate) fn add_service(service: u32) -> Edit {
    Edit::AddService { service: ServiceSpec::new(key(service), Scheduler::Wrr).into() }
}

pub(crate) fn server(server: u32, weight: u32) -> ServerSpec {
    ServerSpec { weight, ..ServerSpec::new(address(server), Forward::Nat) }
}

pub(crate) fn add_server(service: u32, number: u32) -> Edit {
    Edit::AddServer { key: key(service), server: server(number, 1) }
}
