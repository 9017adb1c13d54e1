//! The director: the wanted state, the requests that change it, and the tables it publishes to the workers.
//!
//! One thread owns it. [`Director::turn`] does what time and packets ask for, [`Director::handle`] what an operator
//! asks for. Time is an argument, and waiting for workers is a function that the caller hands in, so that tests turn
//! the workers by hand.

mod addresses;
mod audit;
mod converge;
mod crew;
mod edits;
mod facts;
mod host;
#[cfg(test)]
mod lab;
mod listing;
mod mail;
mod marks;
mod net;
mod orphans;
mod pauses;
mod publish;
mod reload;
mod routes;
mod rules;
mod running;
mod sampling;
#[cfg(test)]
mod statistics_tests;
mod status;
mod stores;
mod sysctl;
mod timeouts;
mod watch;

pub use audit::Requester;
use crew::Crew;
pub use facts::{Devices, Facts, PortLink};
pub use host::{Garbage, Host, Pump};
use net::Net;
pub use reload::{Prepared, validate};
pub use rules::rehearse;
use watch::Wish;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use dataplane::clock::Nanos;
use dataplane::expected::AllExpected;
use dataplane::mailbox::{Link, Report};
use dataplane::seeds::Seeds;
use dataplane::service::{MAX_SERVERS, Servers};
use dataplane::shard::let_go;
use dataplane::snapshot::Reader;
use dataplane::sysctl::Sysctls;
use dataplane::tables::Tables;
use dataplane::template::Templates;

use crate::api::{Answer, ApiError, Batch, Code, MarkInfo, Observe, Query, Reload, Request, SteeringReport};
use crate::config::Config;
use crate::ipvs::{Links, Services};

/// Templates, or expected connections, of a shard that one round looks at for their end.
const TEMPLATES: usize = 1024;
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

/// See the module.
pub struct Director {
    config: Config,
    facts: Facts,
    services: Services,
    /// Which servers clients of persistent services go to: the workers' too.
    templates: Arc<Templates>,
    /// Connections that control connections have announced: the workers' too.
    expected: Arc<AllExpected>,
    marks: Vec<MarkInfo>,
    /// What is known of the network.
    net: Net,
    /// The workers.
    crew: Crew,
    /// To be published next.
    tables: Tables,
    /// Published last.
    published: Tables,
    pending: publish::Pending,
    sampling: sampling::Sampling,
    watches: watch::Watches,
    orphans: orphans::Orphans,
    audit: audit::Audit,
    pauses: pauses::Pauses,
    /// The server from which on routes are to be forgotten.
    forgetting: Option<u32>,
    started: Nanos,
    now: Nanos,
    next_round: Nanos,
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
        let links = Links::of(config.interfaces.iter().flat_map(|interface| &interface.addresses));
        let mut director = Self {
            services: Services::new(servers, seeds.maps, links),
            templates,
            expected,
            marks: Vec::new(),
            net: Net::new(&config, &facts.macs, crew.mail(), &tables, seeds.maps),
            crew,
            published: tables.clone(),
            tables,
            pending: publish::Pending::default(),
            sampling: sampling::Sampling::default(),
            watches: watch::Watches::default(),
            orphans: orphans::Orphans::default(),
            audit: audit::Audit::default(),
            pauses: pauses::Pauses::new(now),
            forgetting: None,
            started: now,
            now,
            next_round: now,
            config: Config::default(),
            facts,
        };
        // The file's switches hold from the first address on.
        director.config.ipvs.strict_parity = config.ipvs.strict_parity;
        director.tables.sysctls = Arc::new(Sysctls::usual(config.ipvs.strict_parity));
        director.net.take_own_addresses(now);
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
        if self.is_to_publish() {
            self.publish();
        }
        self.retire_servers();
        items
    }

    /// What cannot wait for the end of a long request.
    fn serve_network(&mut self) -> usize {
        let items = self.drain() + self.net.time_neighbors(self.now);
        if self.now >= self.next_round {
            self.keep_house();
        }
        self.sample();
        items
    }

    /// What need not be done at every turn.
    fn keep_house(&mut self) {
        let now = self.now;
        self.next_round = Nanos(now.0 + net::ROUND);
        self.net.look_at_stale(now);
        self.net.look_at_cables(&*self.facts.devices, now);
        self.net.look_for_silent(&self.services, now);
        // Of addresses that workers do not know yet nothing is told.
        if !self.pauses.is_in_request() && !self.has_changes() {
            self.net.announce(now);
        }
        self.net.answer_for_groups(now);
        self.net.examine(now);
        self.crew.feel_pulse(now);
        self.look_at_stores();
        self.crew.look_at_cut_frames();
        self.expire_templates();
        self.services.forget_destinations(now.tick(), &self.tables.sysctls);
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
            Query::Routes => Ok(Answer::Routes { routes: self.net.list_routes() }),
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
            Observe::DoctorArp { examination } => self.net.doctor_arp(examination, self.now),
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

    /// Takes what the workers report.
    fn drain(&mut self) -> usize {
        let mut items = 0;
        for worker in 0..self.crew.len() {
            while let Some(report) = self.crew.report(worker) {
                items += 1;
                match report {
                    Report::Frame { lan, frame } => self.net.frame(lan, &frame, self.now),
                    Report::Listed(page) => self.crew.keep(worker, page),
                }
            }
        }
        items + self.answer_questions()
    }

    /// Asks for neighbours that packets wait for: one of each class in turn, from every worker, as long as the mailbox
    /// that the questions leave by has room. Returns how many that were.
    fn answer_questions(&mut self) -> usize {
        let mut asked = 0;
        loop {
            let before = asked;
            for worker in 0..self.crew.len() {
                if self.net.room_for_questions() == 0 {
                    return asked;
                }
                for key in self.crew.wanted(worker) {
                    self.net.resolve(key, self.now);
                    asked += 1;
                }
            }
            if asked == before {
                return asked;
            }
        }
    }
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
