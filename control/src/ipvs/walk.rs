//! Going through all services: in the order of lists, a piece at a time, to sample them, to sum them up.

use dataplane::clock::Nanos;
use dataplane::flow::ServiceKey;
use dataplane::service::TotalsRead;

use super::{ReadTotals, ServerEntry, Service, Services};
use crate::api::Cursor;
use crate::statistics::sum;

/// Up to so many services and servers a sum is of this moment. Beyond, it is of the last samples.
const MOST_SUMMED: usize = 8192;

/// A part of a list: a service, or what is left of one of which the servers before have been listed.
#[derive(Debug)]
pub struct Piece<'a> {
    /// The service.
    pub service: &'a Service,
    /// Those of its servers that belong to this piece.
    pub servers: &'a [ServerEntry],
    /// Whether the service itself has been listed before.
    pub continued: bool,
}

impl Service {
    /// Brings the sum of all services up to date with this one.
    pub(super) fn count(&mut self, read: ReadTotals<'_>, all: &mut TotalsRead) -> TotalsRead {
        let now = self.raw_totals(read);
        *all = sum(*all, now.zip(self.summed, u64::wrapping_sub));
        self.summed = now;
        now
    }
}

impl Services {
    /// All services, last added first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Service> {
        self.order.values().rev().filter_map(|key| self.get(key))
    }

    /// The keys of all services, last added first.
    #[must_use]
    pub fn keys(&self) -> Vec<ServiceKey> {
        self.order.values().rev().copied().collect()
    }

    /// A page of the list, last added first: from a cursor on, `room` services and servers together at most, and where
    /// to go on. What is added meanwhile stands before every cursor, and what is removed is passed over, so nothing is
    /// listed twice and nothing that stays is left out.
    #[must_use]
    pub fn page(&self, from: Cursor, room: usize) -> (Vec<Piece<'_>>, Option<Cursor>) {
        let mut pieces = Vec::new();
        let mut room = room.max(2);
        for (&number, key) in self.order.range(..=from.service).rev() {
            let Some(service) = self.by_key.get(key) else { continue };
            let continued = number == from.service && from.server != Cursor::START.server;
            let Some(piece) = service.piece(if continued { from.server } else { Cursor::START.server }) else {
                continue;
            };
            if room < 2 {
                return (pieces, Some(Cursor { service: number, ..Cursor::START }));
            }
            let whole = piece.servers.len();
            let servers = &piece.servers[..whole.min(room - 1)];
            room -= servers.len() + 1;
            pieces.push(Piece { servers, ..piece });
            if let (true, Some(last)) = (servers.len() < whole, servers.last()) {
                return (pieces, Some(Cursor { service: number, server: last.number }));
            }
        }
        (pieces, None)
    }

    /// A page of the list for a file: services in the order of the list, the servers of each first added first. Those of a
    /// piece are still last added first.
    #[must_use]
    pub fn page_as_filed(&self, from: Cursor, room: usize) -> (Vec<Piece<'_>>, Option<Cursor>) {
        let mut pieces = Vec::new();
        let mut room = room.max(2);
        for (&number, key) in self.order.range(..=from.service).rev() {
            let Some(service) = self.get(key) else { continue };
            let continued = number == from.service && from.server != Cursor::START.server;
            let after = if continued { from.server } else { 0 };
            let servers = &service.servers[..service.servers.partition_point(|server| server.number > after)];
            if continued && servers.is_empty() {
                continue;
            }
            if room < 2 {
                return (pieces, Some(Cursor { service: number, ..Cursor::START }));
            }
            let fits = &servers[servers.len() - servers.len().min(room - 1)..];
            room -= fits.len() + 1;
            pieces.push(Piece { service, servers: fits, continued });
            if let (true, Some(last)) = (fits.len() < servers.len(), fits.first()) {
                return (pieces, Some(Cursor { service: number, server: last.number }));
            }
        }
        (pieces, None)
    }

    /// A page of one service: servers from a cursor on, `room` at most, and where to go on; nothing where there is no such
    /// service.
    #[must_use]
    pub fn page_of(&self, key: &ServiceKey, from: Cursor, room: usize) -> Option<(Vec<Piece<'_>>, Option<Cursor>)> {
        let service = self.by_key.get(key)?;
        let Some(piece) = service.piece(from.server) else { return Some((Vec::new(), None)) };
        let servers = &piece.servers[..piece.servers.len().min(room.max(1))];
        let left = servers.len() < piece.servers.len();
        let next = servers.last().filter(|_| left).map(|last| Cursor { service: service.number, server: last.number });
        Some((vec![Piece { servers, ..piece }], next))
    }

    /// Samples the meters whose time has come: services with their servers until `most` meters are done. Returns how
    /// many that were.
    pub fn sample(&mut self, now: Nanos, most: usize, read: ReadTotals<'_>) -> usize {
        let mut done = 0;
        while done < most {
            let Some((number, due)) = self.estimates.pop(now) else { break };
            let Some(service) = self.order.get(&number).and_then(|key| self.by_key.get_mut(key)) else { continue };
            service.due = due;
            let total = service.count(read, &mut self.sum);
            service.meter.sample(total);
            service.servers.iter_mut().for_each(|server| server.meter.sample(read(server.slot)));
            done += 1 + service.servers.len();
        }
        done
    }

    /// The counters of all services since the start: as of now, or of a large table as of its last samples.
    pub fn total(&mut self, read: ReadTotals<'_>) -> TotalsRead {
        if self.by_key.len() + self.servers <= MOST_SUMMED {
            for service in self.by_key.values_mut() {
                service.count(read, &mut self.sum);
            }
        }
        self.sum
    }

    /// Slots of servers that there are or have been: those below.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.slots.end()
    }

    /// Has a service and its servers count from zero.
    pub fn zero(&mut self, key: &ServiceKey, read: ReadTotals<'_>) {
        let Some(service) = self.by_key.get_mut(key) else { return };
        let now = service.count(read, &mut self.sum);
        service.meter = service.meter.zeroed(now, self.reading);
        for server in &mut service.servers {
            server.meter = server.meter.zeroed(read(server.slot), self.reading);
        }
    }
}

impl Service {
    /// The piece that begins after the server of a number; nothing where only a rest was wanted and there is none.
    fn piece(&self, after: u64) -> Option<Piece<'_>> {
        let continued = after != Cursor::START.server;
        let servers = &self.servers[self.servers.partition_point(|server| server.number >= after)..];
        (!continued || !servers.is_empty()).then_some(Piece { service: self, servers, continued })
    }
}
