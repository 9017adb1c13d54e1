//! The director: the wanted state, the requests that change it, and the tables it publishes to the workers.
//!
//! One thread owns it. [`Director::turn`] does what time and packets ask for, [`Director::handle`] what an operator
//! asks for. Time is an argument, and waiting for workers is a function that the caller hands in, so that tests turn
//! the workers by hand.

mod addresses;
mod audit;
mod cables;
mod converge;
mod crew;
mod discovery;
mod doctor;
mod edits;
mod facts;
mod frames;
mod groups;
#[cfg(test)]
mod lab;
mod lines;
mod listing;
mod mail;
mod marks;
mod orphans;
mod pauses;
mod publish;
mod reload;
mod routes;
mod rules;
mod running;
mod silent;
#[cfg(test)]
mod statistics_tests;
mod status;
mod stores;
mod sysctl;
mod timeouts;
mod vips;
mod watch;

pub use audit::Requester;
use crew::Crew;
pub use facts::{Devices, Facts, PortLink};
pub use pauses::{Garbage, Host, Pump};
pub use reload::{Prepared, validate};
pub use rules::rehearse;
use watch::Wish;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use dataplane::clock::Nanos;
use dataplane::expected::AllExpected;
use dataplane::mailbox::{Link, Report};
use dataplane::seeds::Seeds;
use dataplane::service::{MAX_SERVERS, Servers, TotalsRead};
use dataplane::shard::let_go;
use dataplane::snapshot::Reader;
use dataplane::sysctl::Sysctls;
use dataplane::tables::Tables;
use dataplane::template::Templates;
use dataplane::wire::ethernet::MacAddr;
use dataplane::wire::vlan::Lan;

use crate::api::{Answer, ApiError, Batch, Code, MarkInfo, Observe, Query, Reload, Request, SteeringReport};
use crate::config::Config;
use crate::ipvs::{Links, Services};
use crate::neighbors::Neighbors;
use crate::net::{NetInterface, NetRoute, link_local};
use crate::statistics::{self, Meter};

/// Nanoseconds between two rounds of housekeeping: timers of neighbours, announcements, memory to be freed.
const ROUND: u64 = 100_000_000;

/// Templates, or expected connections, of a shard that one round looks at for their end.
const TEMPLATES: usize = 1024;
/// Meters sampled in one turn.
const SAMPLE_BUDGET: usize = 2048;
/// Slots of removed servers looked at in one round of housekeeping.
const SWEEP_BUDGET: usize = 16_384;

/// What a worker gets of the director.
#[derive(Debug)]
pub struct WorkerSeat {
    /// Tables.
    pub reader: Reader,
    /// States of real servers.
    pub servers: Arc<Servers>,
    /// Which servers clients of persistent services go to.
    pub templates: Arc<Templates>,
    /// Connections that control connections have announced.
    pub expected: Arc<AllExpected>,
    /// Link.
    pub link: Arc<Link>,
    /// What nobody outside may know.
    pub seeds: Seeds,
}

/// A virtual address.
#[derive(Clone, Debug)]
struct Vip {
    /// The interfaces that answer for it.
    on: Vec<u16>,
    /// By a `[[vip]]` of the file, not only by a service.
    configured: bool,
    /// It came with a service that was made at run time, and the file has none with it.
    runtime: bool,
}

/// See the module.
pub struct Director {
    config: Config,
    facts: Facts,
    interfaces: Vec<NetInterface>,
    routes: Vec<NetRoute>,
    vips: BTreeMap<IpAddr, Vip>,
    /// The virtual addresses of each interface.
    answered: Vec<BTreeSet<IpAddr>>,
    neighbors: Neighbors,
    services: Services,
    /// Which servers clients of persistent services go to: the workers' too.
    templates: Arc<Templates>,
    /// Connections that control connections have announced: the workers' too.
    expected: Arc<AllExpected>,
    marks: Vec<MarkInfo>,
    /// To be published next.
    tables: Tables,
    /// Published last.
    published: Tables,
    /// Changes on their way from `services` into `tables`.
    pending: publish::Pending,
    crew: Crew,
    silent: silent::Silent,
    total: Meter,
    announcements: frames::Announcements,
    cables: cables::Cables,
    listeners: Vec<groups::Listener>,
    watches: watch::Watches,
    examination: doctor::Examination,
    orphans: orphans::Orphans,
    audit: audit::Audit,
    /// The server from which on routes are to be forgotten.
    forgetting: Option<u32>,
    /// A request is being carried out: what it changes is half done.
    in_request: bool,
    /// When neighbours are published next in the middle of one.
    next_net: Nanos,
    started: Nanos,
    now: Nanos,
    /// When all services together are sampled next; not before there is one.
    next_sample: Option<Nanos>,
    next_round: Nanos,
    next_claim: Nanos,
    unpublished: bool,
    net_changed: bool,
    /// Until when changes of services wait for more of them.
    held_until: Option<Nanos>,
}

impl Director {
    /// A director that has published what the configuration says, and the seats of its workers.
    pub fn new(config: Config, facts: Facts, now: Nanos) -> Result<(Self, Vec<WorkerSeat>), ApiError> {
        let servers = Arc::new(Servers::new(MAX_SERVERS));
        let (templates, expected) =
            (Arc::new(Templates::new(facts.seeds.maps)), Arc::new(AllExpected::new(facts.seeds.maps)));
        let workers = config.dataplane.workers.len();
        let (seeds, tables) = (facts.seeds, Tables::new(facts.seeds.maps));
        let (crew, ends) = Crew::new(workers, facts.cpus.clone(), tables.clone(), now);
        let seat = |(reader, link)| WorkerSeat {
            reader,
            servers: Arc::clone(&servers),
            templates: Arc::clone(&templates),
            expected: Arc::clone(&expected),
            link,
            seeds,
        };
        let seats = ends.into_iter().map(seat).collect();
        let mut director = Self {
            interfaces: interfaces(&config, &facts.macs),
            routes: Vec::new(),
            vips: BTreeMap::new(),
            answered: vec![BTreeSet::new(); config.interfaces.len()],
            neighbors: Neighbors::default(),
            services: Services::new(
                servers,
                seeds.maps,
                Links::of(config.interfaces.iter().flat_map(|interface| &interface.addresses)),
            ),
            templates,
            expected,
            marks: Vec::new(),
            published: tables.clone(),
            tables,
            pending: publish::Pending::default(),
            crew,
            silent: silent::Silent::default(),
            total: Meter::default(),
            announcements: Default::default(),
            cables: cables::Cables::default(),
            listeners: config.interfaces.iter().map(|_| groups::Listener::default()).collect(),
            watches: watch::Watches::default(),
            examination: doctor::Examination::default(),
            orphans: orphans::Orphans::default(),
            audit: audit::Audit::default(),
            forgetting: None,
            in_request: false,
            next_net: now,
            started: now,
            now,
            next_sample: None,
            next_round: now,
            next_claim: now,
            unpublished: false,
            net_changed: true,
            held_until: None,
            config: Config::default(),
            facts,
        };
        // The file's switches decide whether the first addresses are announced.
        director.config.ipvs.strict_parity = config.ipvs.strict_parity;
        director.tables.sysctls = Arc::new(Sysctls::usual(config.ipvs.strict_parity));
        director.take_own_addresses();
        let rules = config.control.rules.clone();
        let nobody = &mut || false;
        director.converge(config, false, nobody)?;
        rules.map_or(Ok(()), |rules| director.restore(&rules))?;
        while !director.take_services(usize::MAX) {}
        director.publish();
        Ok((director, seats))
    }

    /// Waits until every worker has seen the first tables.
    pub fn wait_for_workers(&mut self, pump: Pump<'_>) -> Result<(), ApiError> {
        self.commit(pump)
    }

    /// Tells workers the time of day, in milliseconds since midnight UT, for packets that ask for it.
    pub fn tell_time(&self, now: Nanos, since_midnight: u32) {
        self.crew.tell_time(now, since_midnight);
    }

    /// What packets and time ask for. Returns the items handled.
    pub fn turn(&mut self, now: Nanos) -> usize {
        self.now = now;
        let items = self.serve_network();
        self.end_orphans();
        self.forget_routes();
        if self.unpublished || self.is_held() || self.has_changes() {
            self.publish();
        }
        self.retire_servers();
        items
    }

    /// What cannot wait for the end of a long request.
    fn serve_network(&mut self) -> usize {
        let items = self.drain() + self.time_neighbors();
        if self.now >= self.next_round {
            self.keep_house();
        }
        self.sample();
        items
    }

    /// What need not be done at every turn.
    fn keep_house(&mut self) {
        self.next_round = Nanos(self.now.0 + ROUND);
        let effects = self.neighbors.look_at_stale(self.now);
        self.carry_out(effects);
        self.look_at_cables();
        self.look_for_silent();
        self.announce();
        self.answer_for_groups();
        self.examine();
        self.crew.feel_pulse(self.now);
        self.look_at_stores();
        self.crew.look_at_cut_frames();
        self.expire_templates();
        self.services.forget_destinations(self.now.tick(), &self.tables.sysctls);
        self.sweep_watches();
        self.sweep_tables();
        self.sweep_slots(SWEEP_BUDGET);
    }

    /// Ends persistence templates, and expected connections, whose time has come.
    fn expire_templates(&self) {
        let states = self.services.states();
        self.templates.expire(self.now.tick(), TEMPLATES, |template| let_go(template, states));
        self.expected.expire(self.now.tick(), TEMPLATES, |expected| {
            if let Some(server) = states.get(expected.slot) {
                server.unbind(true);
            }
        });
    }

    /// Answers a request. "Done" means seen by every worker.
    pub fn handle(&mut self, request: Request, now: Nanos, pump: Pump<'_>) -> Result<Answer, ApiError> {
        self.now = now;
        match request {
            Request::Query(query) => self.query(query, pump),
            Request::Observe(observe) => self.observe(observe),
            Request::Reload(Reload { prune }) => {
                let prepared = self.prepare()?;
                self.reload(prepared, prune, pump)
            }
            Request::Batch(Batch { requests, more }) => {
                let result = self.batch(requests, pump);
                let published = if more { self.hold(pump) } else { self.commit(pump) };
                result.and(published).map(|()| Answer::Done)
            }
            Request::Edit(edit) => {
                let result = self.edit(edit, pump);
                result.and(self.commit(pump)).map(|()| Answer::Done)
            }
        }
    }

    /// Answers a question. The network is served while workers are asked.
    fn query(&mut self, query: Query, pump: Pump<'_>) -> Result<Answer, ApiError> {
        match query {
            Query::Services { key, cursor, limit } => self.list_services(key, cursor, limit),
            Query::Connections { cursor, limit } => self.list_connections(cursor, limit, pump),
            Query::Timeouts => Ok(self.timeouts()),
            Query::Sysctls { name } => self.list_sysctls(name),
            Query::Daemons => Ok(Answer::Daemons { daemons: Vec::new() }),
            Query::Status => Ok(self.status()),
            Query::Stats => Ok(self.stats()),
            Query::Neighbors => Ok(self.list_neighbors(pump)),
            Query::Routes => Ok(self.list_routes()),
            Query::Vips { cursor } => Ok(self.list_vips(cursor)),
            Query::Marks => Ok(Answer::Marks { rules: self.marks.clone() }),
            Query::Steering => Ok(Answer::Steering(Box::new(SteeringReport::of(&self.facts.steering)))),
            Query::ConfigShow { cursor } => Ok(self.show_config(cursor)),
            Query::Proc { name, cursor } => self.proc(&name, cursor, pump),
        }
    }

    /// Starts, reads or ends an observation.
    fn observe(&mut self, observe: Observe) -> Result<Answer, ApiError> {
        match observe {
            Observe::TraceStart { filter, count, seconds } => self.start_watch(&Wish::trace(filter, count, seconds)),
            Observe::CaptureStart { filter, count, seconds, snaplen } => {
                self.start_watch(&Wish::capture(filter, count, seconds, snaplen))
            }
            Observe::WatchNext { watch } => self.next_of_watch(watch),
            Observe::WatchStop { watch } => self.stop_watch(watch),
            Observe::DoctorArp { examination } => self.doctor_arp(examination),
        }
    }

    /// Whether every worker turns, as far as the last round of housekeeping knows.
    #[must_use]
    pub fn workers_turn(&self) -> bool {
        self.crew.turns()
    }

    /// Whoever asks from now on, for the log.
    pub fn requested_by(&mut self, requester: &Requester) {
        self.audit.begin(requester);
    }

    /// The counters of all services since the start.
    fn raw_total(&mut self) -> TotalsRead {
        let crew = &self.crew;
        self.services.total(&|slot| crew.totals(slot))
    }

    /// Samples what is due, a bounded piece of it; the rest follows in the next turns.
    fn sample(&mut self) {
        if self.tables.sysctls.run_estimation == 0 {
            return;
        }
        let crew = &self.crew;
        self.services.sample(self.now, SAMPLE_BUDGET, &|slot| crew.totals(slot));
        let period = statistics::PERIOD * 1_000_000_000;
        if self.next_sample.is_none() && !self.services.is_empty() {
            self.next_sample = Some(Nanos(self.now.0 + period));
        }
        if let Some(due) = self.next_sample.filter(|due| self.now >= *due) {
            let total = self.raw_total();
            self.total.sample(total);
            let missed = (self.now.0 - due.0) / period;
            self.next_sample = Some(Nanos(due.0 + (missed + 1) * period));
        }
    }

    /// Takes what the workers report.
    fn drain(&mut self) -> usize {
        let mut items = 0;
        for worker in 0..self.crew.len() {
            while let Some(report) = self.crew.report(worker) {
                items += 1;
                match report {
                    Report::Frame { lan, frame } => self.frame(lan, &frame),
                    Report::Listed(page) => self.crew.keep(worker, page),
                }
            }
        }
        items + self.answer_questions()
    }
}

/// Interfaces with what was found out of their devices, or their parents'.
fn interfaces(config: &Config, macs: &[MacAddr]) -> Vec<NetInterface> {
    let build = |interface: &crate::config::Interface| {
        let on = interface.parent.as_ref().unwrap_or(&interface.name);
        let (port, device) = (0..).zip(config.devices()).find(|(_, device)| device.name == *on)?;
        let found = macs.get(usize::from(port)).copied().unwrap_or_default();
        let mac = device.mac.map_or(found, |mac| MacAddr(mac.0));
        Some(NetInterface {
            name: interface.name.as_str().into(),
            lan: Lan::new(port, interface.vlan.unwrap_or(0)),
            mac,
            mtu: interface.mtu,
            addresses: interface.addresses.clone(),
            link_local: link_local(&interface.addresses, mac),
            virtual6: None,
        })
    };
    config.interfaces.iter().filter_map(build).collect()
}

fn unsupported(text: &str) -> ApiError {
    ApiError { code: Code::Unsupported, place: String::new(), text: text.to_owned() }
}

impl Director {
    /// Whether nothing waits in any mailbox of workers; for tests.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.crew.is_idle()
    }

    /// A server's active and inactive connections and templates, whether it is overloaded, and packets that waited for
    /// its neighbour in vain.
    fn counts(&self, slot: u32) -> (u32, u32, u32, bool, u64) {
        self.services.states().get(slot).map_or((0, 0, 0, false, 0), |state| {
            (
                state.active(),
                state.inactive(),
                state.persistent.load(Relaxed),
                state.is_overloaded(),
                state.unresolved.load(Relaxed),
            )
        })
    }
}
