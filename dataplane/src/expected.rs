//! Expected connections: what the control connections of FTP have announced. After `ip_vs_conn_new` with
//! `IP_VS_CONN_F_NO_CPORT`, `ip_vs_conn_in_get` and `ip_vs_control_add` (`net/netfilter/ipvs/ip_vs_conn.c`).
//!
//! Shared by all workers, for nobody knows where the first packet will land; in shards by the client's address. Packets of
//! known connections never come here, others only while something is expected: until then that is one load. Control ends
//! those whose time has come.
//!
//! A control connection outlives the data connections that it announced. They name it by a handle, by which is counted how
//! many there are. A control connection has so much announced at a time; of more, the oldest gives way. So it does where a
//! shard is full. A lock of the control connections is taken under that of a shard, never the other way round.

mod controllers;
mod shard;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Tick;
use crate::flow::Direction;
use crate::map::{Seed, Seeded};
use controllers::Controllers;
use shard::{Shard, Ticket};

pub use controllers::MOST_ANNOUNCED;

const SHARDS: usize = 16;
/// Most in one shard.
const MOST: usize = 4096;
/// Most in all: 65,536.
pub const MOST_EXPECTED: usize = SHARDS * MOST;
/// How late one ends: the kernel's timers for minutes are so late at least.
const LATE: u32 = 64;

/// Set in handles of control connections, which so differ from those of templates.
pub const HANDLE: u32 = 1 << 30;

/// A connection that will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The client; port 0 = any.
    pub client: SocketAddr,
    /// The virtual end.
    pub vip: SocketAddr,
    /// The server.
    pub server: SocketAddr,
    /// The server's slot.
    pub slot: u32,
    /// Occupant of that slot.
    pub generation: u8,
    /// The control connection that announced it.
    pub controller: u32,
    /// When it was announced last.
    pub last_used: u32,
    /// Ticks it is expected after that.
    pub timeout: u32,
}

impl Expected {
    /// When it is expected no longer.
    #[must_use]
    pub const fn due(&self) -> Tick {
        Tick(self.last_used).after(self.timeout)
    }

    const fn request(&self) -> (SocketAddr, SocketAddr) {
        (self.client, self.vip)
    }

    const fn reply(&self) -> (SocketAddr, SocketAddr) {
        (self.server, self.client)
    }

    /// Whether the client connects, from a port that nobody knows yet.
    const fn is_passive(&self) -> bool {
        self.client.port() == 0
    }
}

/// What became of an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// It is expected from now on.
    New,
    /// It was, and is again: this one.
    Again(Expected),
}

/// All that is expected.
#[derive(Debug)]
pub struct AllExpected {
    shards: [Mutex<Shard>; SHARDS],
    hasher: Seeded,
    len: AtomicU32,
    displaced: AtomicU64,
    helped: AtomicU32,
    controllers: Mutex<Controllers>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AllExpected {
    /// Nothing, yet.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::new(Shard::new(seed))),
            hasher: seed.hasher(),
            len: AtomicU32::new(0),
            displaced: AtomicU64::new(0),
            helped: AtomicU32::new(0),
            controllers: Mutex::default(),
        }
    }

    fn number(&self, client: IpAddr) -> usize {
        self.hasher.shard(&client, SHARDS)
    }

    fn shard(&self, client: IpAddr) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.number(client)])
    }

    /// Whether nothing is expected.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len.load(Relaxed) == 0
    }

    /// How many are expected.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.len.load(Relaxed)
    }

    /// How many gave way since the start because the shard of a new one was full.
    #[must_use]
    pub fn displaced(&self) -> u64 {
        self.displaced.load(Relaxed)
    }

    /// Expects a connection, of which its control connection has one more then. One that waits already is expected for
    /// longer. `gone` is told of each that gives way.
    pub fn plant(&self, expected: Expected, mut gone: impl FnMut(&Expected)) -> Planted {
        let number = self.number(expected.client.ip());
        let mut shard = lock(&self.shards[number]);
        if let Some(old) = shard.renew(&expected) {
            return Planted::Again(old);
        }
        if let Some(index) = shard.rival(&expected) {
            gone(&self.end(number, &mut shard, index));
        }
        if let Some(index) = shard.oldest().filter(|_| shard.len() >= MOST) {
            self.displaced.fetch_add(1, Relaxed);
            gone(&self.end(number, &mut shard, index));
        }
        let ticket = Ticket::new(number, shard.insert(expected));
        self.len.fetch_add(1, Relaxed);
        let oldest = lock(&self.controllers).announce(expected.controller, ticket);
        drop(shard);
        if let Some(expected) = oldest.and_then(|ticket| self.withdraw(ticket)) {
            gone(&expected);
        }
        Planted::New
    }

    /// What was taken cannot begin now, but may be sent again. `gone` is told of each that gives way.
    pub fn put_back(&self, expected: Expected, mut gone: impl FnMut(&Expected)) {
        if matches!(self.plant(expected, &mut gone), Planted::Again(_)) {
            gone(&expected);
        }
        // It was counted before it was taken, too.
        self.release(expected.controller);
    }

    /// Ends what a ticket names, if it is still expected.
    fn withdraw(&self, ticket: Ticket) -> Option<Expected> {
        let number = ticket.shard();
        let mut shard = lock(&self.shards[number]);
        let index = shard.holder(ticket.place())?;
        Some(self.end(number, &mut shard, index))
    }

    /// What is expected no longer; its control connection has one less.
    fn end(&self, number: usize, shard: &mut Shard, index: u32) -> Expected {
        let expected = self.remove(number, shard, index);
        self.release(expected.controller);
        expected
    }

    fn remove(&self, number: usize, shard: &mut Shard, index: u32) -> Expected {
        let (expected, place) = shard.remove(index);
        self.len.fetch_sub(1, Relaxed);
        lock(&self.controllers).forget_ticket(expected.controller, Ticket::new(number, place));
        expected
    }

    /// What a packet of a direction belongs to.
    #[must_use]
    pub fn find(&self, [source, destination]: [SocketAddr; 2], direction: Direction) -> Option<Expected> {
        match direction {
            Direction::Request => self.shard(source.ip()).of_client(source, destination),
            Direction::Reply => self.shard(destination.ip()).of_server(source, destination),
        }
    }

    /// What was found has come: `false` where another worker was faster.
    pub fn take(&self, expected: &Expected) -> bool {
        let number = self.number(expected.client.ip());
        let mut shard = lock(&self.shards[number]);
        let index = shard.index_of(expected);
        index.map(|index| self.remove(number, &mut shard, index)).is_some()
    }

    /// Ends what has not come in time, at most `budget` in each shard. `gone` is told of each.
    pub fn expire(&self, now: Tick, budget: usize, mut gone: impl FnMut(&Expected)) {
        if self.is_empty() {
            return;
        }
        for (number, shard) in self.shards.iter().enumerate() {
            let mut shard = lock(shard);
            let is_over = |expected: &Expected| !now.is_before(expected.due().after(LATE));
            for _ in 0..budget {
                let Some(index) = shard.oldest().filter(|index| is_over(shard.at(*index))) else { break };
                gone(&self.end(number, &mut shard, index));
            }
        }
    }

    /// Ends what is expected of servers that are gone, in one shard. `gone` is told of each. Returns how many it looked at.
    pub fn end_orphans(
        &self,
        number: usize,
        is_orphan: impl Fn(&Expected) -> bool,
        mut gone: impl FnMut(&Expected),
    ) -> usize {
        let mut shard = lock(&self.shards[number % SHARDS]);
        let places = shard.places();
        for index in 0..places {
            if shard.is_taken(index) && is_orphan(shard.at(index)) {
                gone(&self.end(number, &mut shard, index));
            }
        }
        places as usize
    }

    /// What one shard expects, at most so much from a place on; where to go on, `None` at its end.
    #[must_use]
    pub fn page(&self, shard: usize, from: u32, most: usize) -> (Vec<Expected>, Option<u32>) {
        lock(&self.shards[shard % SHARDS]).page(from, most)
    }

    /// Number of shards, for [`AllExpected::page`].
    #[must_use]
    pub const fn shards() -> usize {
        SHARDS
    }
}

/// Control connections.
impl AllExpected {
    /// A connection begins, or ends, whose payload is looked into.
    pub fn helps(&self, begins: bool) {
        if begins {
            self.helped.fetch_add(1, Relaxed)
        } else {
            self.helped.fetch_sub(1, Relaxed)
        };
    }

    /// How many there are.
    #[must_use]
    pub fn helped(&self) -> u32 {
        self.helped.load(Relaxed)
    }

    /// A handle for a control connection that announces its first data connection.
    #[must_use]
    pub fn control(&self) -> u32 {
        lock(&self.controllers).begin() | HANDLE
    }

    /// A control connection is over: its handle is free.
    pub fn forget(&self, handle: u32) {
        lock(&self.controllers).end(handle);
    }

    /// One of a control connection's data connections is over.
    pub fn release(&self, handle: u32) {
        lock(&self.controllers).release(handle);
    }

    /// How many of a control connection's are not over.
    #[must_use]
    pub fn children(&self, handle: u32) -> u32 {
        lock(&self.controllers).children(handle)
    }
}

/// Whether a connection's controller is a control connection, not a template.
#[must_use]
pub const fn is_control(handle: u32) -> bool {
    handle != u32::MAX && handle & HANDLE != 0
}

#[cfg(test)]
#[path = "expected_tests.rs"]
mod tests;
