//! The wanted table of virtual services, with the semantics of the kernel's control interface (`ip_vs_ctl.c`):
//! what may be added, edited and removed, in which order things stand, and what happens to the memory of a removed
//! server.

mod callers;
mod changed;
mod check;
mod estimate;
mod index;
mod memory;
mod origin;
mod paths;
mod slots;
mod upkeep;
mod view;
mod walk;

use dataplane::map::Seed;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use dataplane::clock::Nanos;
use dataplane::flow::ServiceKey;
use dataplane::method::ForwardMethod;
use dataplane::sched::Scheduler;
use dataplane::service::{Servers, ServiceState, TotalsRead};

use crate::api::{ApiError, Code, ServerSpec, ServiceSpec, ServiceWords};
use crate::statistics::{Meter, Reading, sum};
use estimate::Estimates;
use index::Index;
use paths::Paths;

pub use check::Links;
pub use memory::{Memory, needed};
pub use origin::Origin;
pub use slots::Slots;
pub use walk::Piece;

/// Reads the totals of a server's slot, summed over workers.
pub type ReadTotals<'a> = &'a dyn Fn(u32) -> TotalsRead;

/// A service and its servers.
#[derive(Debug)]
pub struct Service {
    /// Settings.
    pub spec: ServiceSpec,
    /// Where it comes from.
    pub origin: Origin<ServiceSpec>,
    /// Last added first.
    pub servers: Vec<ServerEntry>,
    /// Totals and rates.
    pub meter: Meter,
    state: Arc<ServiceState>,
    list_version: u16,
    /// Of all services and servers, in the order in which they were added.
    number: u64,
    /// When it is sampled next.
    due: Nanos,
    /// What servers that are gone from the list had counted.
    departed: TotalsRead,
    /// What of its counters is in the sum of all.
    summed: TotalsRead,
}

/// A server of a service.
#[derive(Debug)]
pub struct ServerEntry {
    /// Settings.
    pub spec: ServerSpec,
    method: ForwardMethod,
    /// Where it comes from.
    pub origin: Origin<ServerSpec>,
    /// Slot of its state.
    pub slot: u32,
    /// Totals and rates.
    pub meter: Meter,
    /// Of all services and servers, in the order in which they were added.
    number: u64,
    generation: u32,
    /// The last weight that was not 0, or that it joined with; what it had before it was removed does not count.
    last_weight: u32,
    /// What the slot stood at when the server joined the service.
    joined: TotalsRead,
}

impl Service {
    /// What the service's counters stand at, servers that left included.
    #[must_use]
    pub fn raw_totals(&self, read: ReadTotals<'_>) -> TotalsRead {
        let servers = self.servers.iter().map(|s| read(s.slot).zip(s.joined, u64::wrapping_sub));
        let all = servers.fold(self.departed, sum);
        // A connection counts for the service whose packet began it, all its packets for the one whose server it has.
        let begun = self.state.elsewhere.load(Relaxed).wrapping_sub(all.guests);
        TotalsRead { connections: all.connections.wrapping_add(begun), guests: 0, ..all }
    }

    /// One of its servers.
    #[must_use]
    pub fn server(&self, address: SocketAddr) -> Option<&ServerEntry> {
        self.servers.iter().find(|server| server.spec.address == address)
    }

    fn position(&self, address: SocketAddr) -> Option<usize> {
        self.servers.iter().position(|s| s.spec.address == address)
    }

    /// Changes the list; the scheduler's position follows.
    fn change_list<T>(&mut self, change: impl FnOnce(&mut Vec<ServerEntry>) -> T) -> T {
        let before = self.worker_servers();
        let result = change(&mut self.servers);
        self.list_version = self.list_version.wrapping_add(1);
        self.spec.scheduler.follow(&self.state.position, &before, &self.worker_servers(), self.list_version);
        result
    }
}

/// By how much a full list of servers grows: an eighth, where a vector doubles. A million lists are too many for that.
const fn growth(servers: usize) -> usize {
    1 + servers / 8
}

/// Whether this director can carry out a service with these servers, before anything is changed.
pub fn validate<'a>(
    service: &ServiceSpec,
    servers: impl IntoIterator<Item = &'a ServerSpec>,
    links: &Links,
) -> Result<(), ApiError> {
    check::service(service)?;
    servers.into_iter().try_for_each(|server| check::server(service, server, links))
}

/// Every service.
#[derive(Debug)]
pub struct Services {
    /// Which totals are told.
    pub reading: Reading,
    /// Boxed, so that a map that grows moves little at once.
    by_key: HashMap<ServiceKey, Box<Service>>,
    /// By number: the order of every list.
    order: BTreeMap<u64, ServiceKey>,
    servers: usize,
    slots: Slots,
    /// Services and servers ever added.
    added: u64,
    estimates: Estimates,
    /// The counters of all services, those that are gone included, as far as they have been looked at.
    sum: TotalsRead,
    dirty: HashSet<ServiceKey>,
    /// Services whose schedulers remember where destinations went.
    remembering: HashSet<ServiceKey>,
    index: Index,
    /// Of those memories.
    seed: Seed,
    links: Links,
    paths: Paths,
}

/// Applies a server's settings to its slot.
fn configure(slot: u32, spec: &ServerSpec, method: ForwardMethod, slots: &Slots, paths: &mut Paths) {
    let address = spec.address.ip();
    if spec.forward.wraps() {
        paths.join(address, slot);
    }
    slots.configure(slot, spec, method, &paths.mtu(address));
}

/// A scheduler's memory is not needed any more.
fn retire(state: &ServiceState, servers: &Servers) {
    if let Some(cache) = &state.cache {
        cache.retire(servers);
    }
}

fn remember(remembering: &mut HashSet<ServiceKey>, key: ServiceKey, scheduler: Scheduler) {
    match scheduler.remembers() {
        true => remembering.insert(key),
        false => remembering.remove(&key),
    };
}

pub(crate) fn no_service(key: &ServiceKey) -> ApiError {
    ApiError { code: Code::NoService, place: key.to_string(), text: "no such service".to_owned() }
}

fn no_server(key: &ServiceKey, address: SocketAddr) -> ApiError {
    ApiError { code: Code::NoEntry, place: key.to_string(), text: format!("no server {address}") }
}

impl Services {
    /// An empty table over the slab of server states, of a director with such links. Memories of destinations are hashed by
    /// the seed.
    #[must_use]
    pub fn new(servers: Arc<Servers>, seed: Seed, links: Links) -> Self {
        Self {
            reading: Reading::default(),
            by_key: HashMap::new(),
            order: BTreeMap::new(),
            servers: 0,
            slots: Slots::new(servers),
            added: 0,
            estimates: Estimates::default(),
            sum: TotalsRead::default(),
            dirty: HashSet::new(),
            remembering: HashSet::new(),
            index: Index::default(),
            seed,
            links,
            paths: Paths::default(),
        }
    }

    /// Number of services.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// One service.
    #[must_use]
    pub fn get(&self, key: &ServiceKey) -> Option<&Service> {
        self.by_key.get(key).map(Box::as_ref)
    }

    /// Number of servers, of all services together.
    #[must_use]
    pub fn servers(&self) -> usize {
        self.servers
    }

    /// States of servers.
    #[must_use]
    pub fn states(&self) -> &Servers {
        self.slots.states()
    }

    /// Adds a service at the head of the list. As in the kernel, that it exists counts before what is wrong with it.
    pub fn add(&mut self, service: ServiceWords, runtime: bool, now: Nanos) -> Result<(), ApiError> {
        let key = service.key;
        if self.by_key.contains_key(&key) {
            let text = "the service exists".to_owned();
            return Err(ApiError { code: Code::Exists, place: key.to_string(), text });
        }
        let spec = service.known()?;
        check::service(&spec)?;
        self.added += 1;
        let number = self.added;
        let scheduler = spec.scheduler;
        let service = Service {
            spec,
            origin: Origin::new(runtime),
            servers: Vec::new(),
            meter: Meter::default(),
            state: Arc::new(ServiceState::new(scheduler.cache(self.seed))),
            list_version: 0,
            number,
            due: self.estimates.add(number, now),
            departed: TotalsRead::default(),
            summed: TotalsRead::default(),
        };
        self.order.insert(number, key);
        self.by_key.insert(key, Box::new(service));
        self.index.add_service(&key);
        remember(&mut self.remembering, key, scheduler);
        self.dirty.insert(key);
        Ok(())
    }

    /// Replaces the settings of a service, at run time or as the file has them; its servers and counts stay. As in the
    /// kernel, that it does not exist counts before what is wrong with it.
    pub fn edit(&mut self, service: ServiceWords, runtime: bool) -> Result<(), ApiError> {
        let key = service.key;
        let edited = self.by_key.get_mut(&key).ok_or_else(|| no_service(&key))?;
        let spec = service.known()?;
        check::service(&spec)?;
        if (edited.spec.engine, edited.spec.persistence) != (spec.engine, spec.persistence) {
            let servers = edited.servers.iter().map(|server| (&server.spec, server.slot));
            self.index.edit_service([&edited.spec, &spec], servers);
        }
        edited.origin.edited(&edited.spec, &spec, runtime);
        let before = std::mem::replace(&mut edited.spec, spec);
        let scheduler = edited.spec.scheduler;
        if scheduler != before.scheduler {
            let state = Arc::new(edited.state.chosen_anew(scheduler.cache(self.seed)));
            let before = std::mem::replace(&mut edited.state, state);
            retire(&before, self.slots.states());
            remember(&mut self.remembering, key, scheduler);
            edited.change_list(|_| ());
        }
        self.dirty.insert(key);
        Ok(())
    }

    /// Removes a service; the connections of its servers stay listed, their packets are dropped.
    pub fn delete(&mut self, key: &ServiceKey, read: ReadTotals<'_>) -> Result<(), ApiError> {
        let mut service = self.by_key.remove(key).ok_or_else(|| no_service(key))?;
        self.remembering.remove(key);
        self.index.remove_service(key);
        retire(&service.state, self.slots.states());
        service.count(read, &mut self.sum);
        self.order.remove(&service.number);
        self.estimates.forget(service.due, service.number);
        self.servers -= service.servers.len();
        for entry in service.servers {
            self.index.remove_server(&service.spec, &entry.spec);
            self.paths.leave(entry.spec.address.ip(), entry.slot);
            self.slots.retire((*key, entry.spec.address), entry.slot, (entry.meter, service.number));
        }
        self.dirty.insert(*key);
        Ok(())
    }

    /// Adds a server at the head of its service's list. One that was removed and still has connections comes back.
    pub fn add_server(
        &mut self,
        key: &ServiceKey,
        spec: ServerSpec,
        runtime: bool,
        read: ReadTotals<'_>,
    ) -> Result<(), ApiError> {
        let service = self.by_key.get_mut(key).ok_or_else(|| no_service(key))?;
        check::values(&service.spec, &spec)?;
        if service.position(spec.address).is_some() {
            let text = format!("the server {} exists", spec.address);
            return Err(ApiError { code: Code::Exists, place: key.to_string(), text });
        }
        check::address(&service.spec, &spec, &self.links)?;
        let method = check::possible(&service.spec, &spec)?;
        let (slot, kept) = self.slots.take(*key, spec.address).ok_or_else(|| ApiError {
            code: Code::Full,
            place: key.to_string(),
            text: format!("the table of real servers is full ({})", dataplane::service::MAX_SERVERS),
        })?;
        configure(slot, &spec, method, &self.slots, &mut self.paths);
        let generation = self.slots.states().get(slot).map_or(0, |state| state.generation.load(Relaxed));
        self.index.add_server(&service.spec, &spec, slot);
        let now = read(slot);
        self.added += 1;
        self.servers += 1;
        let (number, last_weight) = (self.added, spec.weight);
        let meter = match kept {
            Some((meter, owner)) if owner == service.number => meter,
            Some((meter, _)) => meter.zeroed(now, self.reading),
            None => Meter::starting_at(now),
        };
        let entry = ServerEntry {
            spec,
            method,
            origin: Origin::new(runtime),
            slot,
            meter,
            number,
            generation,
            last_weight,
            joined: now,
        };
        service.change_list(|servers| {
            if servers.len() == servers.capacity() {
                servers.reserve_exact(growth(servers.len()));
            }
            servers.insert(0, entry);
        });
        self.dirty.insert(*key);
        Ok(())
    }

    /// Replaces the settings of a server, at run time or as the file has them.
    pub fn edit_server(&mut self, key: &ServiceKey, spec: ServerSpec, runtime: bool) -> Result<(), ApiError> {
        let service = self.by_key.get_mut(key).ok_or_else(|| no_service(key))?;
        check::values(&service.spec, &spec)?;
        let at = service.position(spec.address).ok_or_else(|| no_server(key, spec.address))?;
        let method = check::possible(&service.spec, &spec)?;
        let slot = service.servers[at].slot;
        configure(slot, &spec, method, &self.slots, &mut self.paths);
        // Where it listens, and whose calls are whose, is a matter of its address and of how it is reached.
        if service.servers[at].spec.forward != spec.forward {
            self.index.remove_server(&service.spec, &service.servers[at].spec);
            self.index.add_server(&service.spec, &spec, slot);
        }
        service.change_list(|servers| {
            if spec.weight > 0 {
                servers[at].last_weight = spec.weight;
            }
            let server = &mut servers[at];
            server.origin.edited(&server.spec, &spec, runtime);
            (server.spec, server.method) = (spec, method);
        });
        self.dirty.insert(*key);
        Ok(())
    }

    /// Removes a server from its service.
    pub fn delete_server(
        &mut self,
        key: &ServiceKey,
        address: SocketAddr,
        read: ReadTotals<'_>,
    ) -> Result<(), ApiError> {
        let service = self.by_key.get_mut(key).ok_or_else(|| no_service(key))?;
        let at = service.position(address).ok_or_else(|| no_server(key, address))?;
        let entry = service.change_list(|servers| servers.remove(at));
        self.index.remove_server(&service.spec, &entry.spec);
        self.paths.leave(address.ip(), entry.slot);
        self.servers -= 1;
        service.departed = sum(service.departed, read(entry.slot).zip(entry.joined, u64::wrapping_sub));
        self.slots.retire((*key, address), entry.slot, (entry.meter, service.number));
        self.dirty.insert(*key);
        Ok(())
    }
}
