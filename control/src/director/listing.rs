//! Answers that list: services, connections, neighbours.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use dataplane::clock::Tick;
use dataplane::conn::Snapshot;
use dataplane::expected::{AllExpected, Expected};
use dataplane::flow::{Protocol, ServiceKey};
use dataplane::mailbox::Page;
use dataplane::proto::state_name;
use dataplane::proto::tcp::State;
use dataplane::proto::udp;
use dataplane::service::Engine;
use dataplane::template::{Template, Templates};
use dataplane::worker::LIST_BUDGET;

use super::{Director, Pump};
use crate::api::{Answer, ApiError, ConnInfo, Cursor, NeighborInfo, ServerInfo, ServiceInfo};
use crate::ipvs::{Piece, ServerEntry, no_service};

/// The `size=` that ipvsadm prints: the kernel's default number of buckets. Ours has no such limit.
pub(super) const TABLE_SIZE: u32 = 4096;

/// Most connections of one answer.
const MOST_LISTED: u32 = 10_000;
/// Questions to workers for one answer: a table with large gaps gives short pages.
const MOST_ASKED: usize = 16;

/// Most services and servers of one answer.
pub(super) const MOST_SERVERS: u32 = 2000;

impl Director {
    /// One page of services. The cursor is the number of a service, and that of a server within it.
    pub(super) fn list_services(
        &self,
        key: Option<ServiceKey>,
        cursor: Option<Cursor>,
        limit: Option<u32>,
    ) -> Result<Answer, ApiError> {
        let (from, room) = (cursor.unwrap_or(Cursor::START), limit.unwrap_or(MOST_SERVERS).min(MOST_SERVERS) as usize);
        let (pieces, next) = match key {
            None => self.services.page(from, room),
            Some(key) => self.services.page_of(&key, from, room).ok_or_else(|| no_service(&key))?,
        };
        let services = pieces.iter().map(|piece| self.service_info(piece)).collect();
        Ok(Answer::Services { table_size: TABLE_SIZE, services, next })
    }

    pub(super) fn service_info(&self, piece: &Piece<'_>) -> ServiceInfo {
        let read = |slot: u32| self.crew.totals(slot);
        let service = piece.service;
        ServiceInfo {
            spec: service.spec.clone(),
            runtime: service.origin.runtime,
            totals: service.meter.totals(service.raw_totals(&read), self.services.reading),
            rates: service.meter.rates(),
            servers: piece.servers.iter().map(|server| self.server_info(server)).collect(),
        }
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

    fn server_info(&self, server: &ServerEntry) -> ServerInfo {
        let (active, inactive, persistent, overloaded, unresolved) = self.counts(server.slot);
        ServerInfo {
            spec: server.spec.clone(),
            runtime: server.origin.runtime,
            active,
            inactive,
            persistent,
            overloaded,
            unresolved,
            totals: server.meter.totals(self.crew.totals(server.slot), self.services.reading),
            rates: server.meter.rates(),
        }
    }

    /// One page of connections, templates and what is expected last. The cursor is a worker's number and a slot of its
    /// table; numbers behind the last worker's are those of shards of the others. A worker that does not answer is passed
    /// over, and the page says so.
    pub(super) fn list_connections(
        &mut self,
        cursor: Option<u64>,
        limit: Option<u32>,
        pump: Pump<'_>,
    ) -> Result<Answer, ApiError> {
        let limit = limit.unwrap_or(MOST_LISTED).clamp(1, MOST_LISTED);
        let mut at = cursor.unwrap_or(0);
        let mut connections = Vec::new();
        for _ in 0..MOST_ASKED {
            if connections.len() >= limit as usize {
                break;
            }
            let (worker, slot) = ((at >> 32) as usize, at as u32);
            let room = limit - connections.len() as u32;
            if let Some(shard) = worker.checked_sub(self.crew.len()) {
                let Some((page, next)) = self.shared_connections(shard, slot, room as usize) else {
                    return Ok(Answer::Connections { connections, next: None, late: None });
                };
                connections.extend(page);
                at = next.map_or((worker as u64 + 1) << 32, |slot| (worker as u64) << 32 | u64::from(slot));
                continue;
            }
            let Some(page) = self.ask_worker(worker, slot, room.min(LIST_BUDGET), pump) else {
                let late = Some(format!("worker {worker} did not list its connections in time"));
                return Ok(Answer::Connections { connections, next: Some((worker as u64 + 1) << 32), late });
            };
            connections.extend(page.connections.iter().map(|(conn, ticks)| conn_info(conn, *ticks, worker)));
            at = page.next.map_or((worker as u64 + 1) << 32, |slot| (worker as u64) << 32 | u64::from(slot));
        }
        Ok(Answer::Connections { connections, next: Some(at), late: None })
    }

    /// One page of what is no worker's: shards of templates, then of expected connections. `None` behind the last.
    fn shared_connections(&self, shard: usize, from: u32, most: usize) -> Option<(Vec<ConnInfo>, Option<u32>)> {
        let (templates, now) = (&self.templates, self.now.tick());
        if shard < Templates::shards() {
            let (page, next) = templates.page(shard, from, most);
            return Some((page.iter().map(|template| template_info(template, now)).collect(), next));
        }
        let shard = shard - Templates::shards();
        if shard >= AllExpected::shards() {
            return None;
        }
        let (page, next) = self.expected.page(shard, from, most);
        Some((page.iter().map(|expected| expected_info(expected, now)).collect(), next))
    }

    /// A page of a worker's table; nothing if it does not answer in time.
    fn ask_worker(&mut self, worker: usize, from: u32, most: u32, pump: Pump<'_>) -> Option<Page> {
        let question = self.crew.ask(worker, from, most)?;
        loop {
            self.drain();
            if let Some(page) = self.crew.answer(worker, question) {
                return Some(page);
            }
            if !self.wait(pump) {
                return None;
            }
        }
    }

    pub(super) fn timeouts(&self) -> Answer {
        let timeouts = &self.tables.timeouts;
        let seconds = |ticks: u32| ticks / dataplane::clock::TICKS_PER_SECOND;
        Answer::Timeouts {
            tcp: seconds(timeouts.tcp[State::Established as usize]),
            tcp_fin: seconds(timeouts.tcp[State::FinWait as usize]),
            udp: seconds(timeouts.udp.of(udp::State::Stream)),
        }
    }

    pub(super) fn list_neighbors(&mut self, pump: Pump<'_>) -> Answer {
        let mut known: Vec<_> =
            self.net.neighbors().iter().map(|(key, it)| (*key, it.mac, it.state, it.since)).collect();
        let name = |director: &Self, interface: u16| director.net.interfaces()[usize::from(interface)].name.clone();
        known.sort_unstable_by_key(|((interface, address), ..)| (name(self, *interface), *address));
        let mut neighbors = Vec::with_capacity(known.len());
        for ((interface, address), mac, state, since) in known {
            neighbors.push(NeighborInfo {
                address,
                interface: name(self, interface).to_string(),
                mac: mac.map(|mac| mac.to_string()),
                state,
                age: self.now.0.saturating_sub(since.0) / 1_000_000_000,
            });
            self.pause(pump);
        }
        Answer::Neighbors { neighbors }
    }
}

fn template_info(template: &Template, now: Tick) -> ConnInfo {
    let key = &template.key;
    let text = |data: &Arc<[u8]>| data.iter().map(|byte| char::from(*byte)).collect();
    let (address, port) = template.destination;
    let shown = |port: u16| if template.invalid { u16::MAX } else { port };
    ConnInfo {
        protocol: Protocol::from_number(key.protocol),
        client: SocketAddr::new(key.client, 0),
        vip: SocketAddr::new(key.vip, shown(key.port)),
        destination: SocketAddr::new(address, shown(port)),
        state: if template.assured { "ASSURED" } else { "NONE" }.to_owned(),
        expires: now.until(template.due()) / dataplane::clock::TICKS_PER_SECOND,
        engine: key.data.as_ref().map(|data| (Engine::Sip.name().to_owned(), text(data))),
        worker: 0,
        in_packets: 0,
    }
}

fn expected_info(expected: &Expected, now: Tick) -> ConnInfo {
    ConnInfo {
        protocol: Some(Protocol::Tcp),
        client: expected.client,
        vip: expected.vip,
        destination: expected.server,
        state: State::Listen.name().to_owned(),
        expires: now.until(expected.due()) / dataplane::clock::TICKS_PER_SECOND,
        engine: None,
        worker: 0,
        in_packets: 0,
    }
}

fn conn_info(conn: &Snapshot, ticks: u32, worker: usize) -> ConnInfo {
    let [client, vip, destination] = conn.ends();
    ConnInfo {
        protocol: Protocol::from_number(conn.protocol_number()),
        client,
        vip,
        destination,
        state: state_name(conn.protocol_number(), conn.state()).to_owned(),
        expires: ticks / dataplane::clock::TICKS_PER_SECOND,
        engine: None,
        worker: worker as u32,
        in_packets: u64::from(conn.in_packets()),
    }
}
