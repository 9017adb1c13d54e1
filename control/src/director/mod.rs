//! The director: the wanted state, the requests that change it, and the tables it publishes to the workers.
//!
//! One thread owns it. [`Director::turn`] does what time and packets ask for (`turns`), [`Director::handle`] what an
//! operator asks for (`requests`). Time is an argument, and waiting for workers is a function that the caller hands in, so
//! that tests turn the workers by hand.
//!
//! ```text
//! net    interfaces, routes, virtual addresses, neighbours: what is known of the network, and said to it
//! crew   the workers: tables published to them, commands, reports, counters, who is stalled
//! rest   services and their publication, the file, settings, watches, the log of changes
//! ```
//!
//! `net` and `crew` know nothing of the director; `net` sends by the workers' mailboxes (`mail`).

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
mod pending;
mod proc;
mod publish;
mod reload;
mod requests;
mod routes;
mod rules;
mod running;
mod sampling;
#[cfg(test)]
mod statistics_tests;
mod status;
#[cfg(test)]
mod status_tests;
mod stores;
mod sysctl;
mod timeouts;
mod turns;
mod watch;
mod words;

pub use audit::Requester;
pub use facts::{Devices, Facts, PortLink};
pub use host::{Garbage, Host, Pump};
pub use reload::{Prepared, validate};
pub use rules::rehearse;

use std::sync::Arc;

use dataplane::clock::Nanos;
use dataplane::expected::AllExpected;
use dataplane::mailbox::Link;
use dataplane::seeds::Seeds;
use dataplane::service::{MAX_SERVERS, Servers};
use dataplane::snapshot::Reader;
use dataplane::sysctl::Sysctls;
use dataplane::tables::Tables;
use dataplane::template::Templates;

use crate::api::{ApiError, MarkInfo};
use crate::config::Config;
use crate::ipvs::{Links, Services};
use crew::Crew;
use net::Net;

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
    pending: pending::Pending,
    sampling: sampling::Sampling,
    watches: watch::Watches,
    orphans: orphans::Orphans,
    audit: audit::Audit,
    pauses: host::Pauses,
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
            pending: pending::Pending::default(),
            sampling: sampling::Sampling::default(),
            watches: watch::Watches::default(),
            orphans: orphans::Orphans::default(),
            audit: audit::Audit::default(),
            pauses: host::Pauses::new(now),
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

    /// Whether every worker turns, as far as the last round of housekeeping knows.
    #[must_use]
    pub fn workers_turn(&self) -> bool {
        self.crew.turns()
    }

    /// Whoever asks from now on, for the log.
    pub fn requested_by(&mut self, requester: &Requester) {
        self.audit.begin(requester);
    }

    /// Whether nothing waits in any mailbox of workers; for tests.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.crew.is_idle()
    }
}
