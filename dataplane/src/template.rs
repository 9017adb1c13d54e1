//! Persistence templates: which server the connections of a client (or of its network) go to. After
//! `ip_vs_sched_persist`, `ip_vs_check_template`, `ip_vs_expire_nodest_conn_flush` (`ip_vs_core.c`, `ip_vs_conn.c`).
//!
//! Shared by all workers, in shards whose locks are taken only for the first and after the last packet of a connection
//! to a persistent service. Control ends those whose time has come.
//!
//! ```text
//! due = last used + timeout;  due and in control of connections: once more, in 60 s
//! server gone, or quiesced and expire_quiescent_template: no longer found, listed with port 65535 until it is due
//! its only connection is refused: it goes with it
//! as many as can be: the one that is worth least gives way to a new one (`place.rs`)
//! ```

mod place;
mod shard;

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::{TICKS_PER_SECOND, Tick};
use crate::map::{Seed, Seeded};
use shard::Shard;

/// No template.
pub const NONE: u32 = u32::MAX;
/// Most templates at a time.
pub const MOST: usize = SHARDS << INDEX_BITS;

/// A handle, from the top: two bits that are 0, as those of other controllers are not; generation, index, shard.
const SHARDS: usize = 1 << SHARD_BITS;
const SHARD_BITS: u32 = 6;
const INDEX_BITS: u32 = 14;
const GENERATION_BITS: u32 = 10;
/// Bits of a handle.
pub(crate) const HANDLE_BITS: u32 = SHARD_BITS + INDEX_BITS + GENERATION_BITS;

/// How late one is looked at: the kernel's timers for half a minute are so late at most.
const LATE: u32 = 64;
/// How much longer one lives that is due and controls connections.
const LATER: u32 = 60 * TICKS_PER_SECOND;

/// What names a template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TemplateKey {
    /// IANA number; 0 for a service by mark.
    pub protocol: u8,
    /// The client's address, masked.
    pub client: IpAddr,
    /// The virtual address; the mark as an address for a service by mark.
    pub vip: IpAddr,
    /// The service's port; 0 where connections to any port go together.
    pub port: u16,
    /// What a persistence engine read in the first packet: of SIP, the Call-ID.
    pub data: Option<Arc<[u8]>>,
}

/// A template.
#[derive(Clone, Debug)]
pub struct Template {
    /// What names it.
    pub key: TemplateKey,
    /// TemplateSlot of its server.
    pub server: u32,
    /// Where it leads: the server's address, and its port or 0.
    pub destination: (IpAddr, u16),
    /// Port of the service that it was made for, and whose server it is; 0 for one of all ports.
    pub owner: u16,
    /// Ticks it lives after its last use.
    pub timeout: u32,
    /// When it was used last.
    pub last_used: u32,
    /// Connections that it controls.
    pub controls: u32,
    /// One of them was established, or answered.
    pub assured: bool,
    /// Its client sent a second packet, or began a second connection.
    pub heard_again: bool,
    /// No longer found.
    pub invalid: bool,
}

impl Template {
    /// A new one, which controls one connection.
    fn new(key: TemplateKey, choice: Choice, now: Tick) -> Self {
        let Choice { server, destination, timeout, owner } = choice;
        Self {
            key,
            server,
            destination,
            owner,
            timeout,
            last_used: now.0,
            controls: 1,
            assured: false,
            heard_again: false,
            invalid: false,
        }
    }

    /// When it ends unless it is used, or controls something.
    #[must_use]
    pub const fn due(&self) -> Tick {
        Tick(self.last_used).after(self.timeout)
    }
}

/// A new template's server.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Its slot.
    pub server: u32,
    /// Its address, and its port or 0.
    pub destination: (IpAddr, u16),
    /// Ticks the template lives after its last use.
    pub timeout: u32,
    /// Port of the service whose server it is; 0 for one of all ports.
    pub owner: u16,
}

/// What became of a question for a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enlisted {
    /// By this one, an old or a new one: its handle.
    At(u32),
    /// There is no server for a new one.
    NoServer,
    /// There is no room for a new one, and none can give way.
    Full,
}

/// How a connection that a template controls ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its time was over.
    Over,
    /// It was dropped before: it takes a template along that nothing else needs, and none was established by.
    Dropped,
    /// It never began: it takes a template along that was made for it alone.
    Refused,
}

impl Ended {
    fn takes(self, template: &Template) -> bool {
        template.controls == 0
            && match self {
                Self::Over => false,
                Self::Dropped => !template.assured,
                Self::Refused => !template.assured && !template.heard_again,
            }
    }
}

/// All templates.
#[derive(Debug)]
pub struct Templates {
    shards: Box<[Mutex<Shard>]>,
    hasher: Seeded,
    /// Most in one shard.
    most: usize,
}

impl Templates {
    /// None, yet.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self::with_room(seed, MOST)
    }

    /// None, and room for so many, at most [`MOST`]: the same number in each shard.
    #[must_use]
    pub fn with_room(seed: Seed, most: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard::new(seed.hasher()))).collect();
        let most = (most.min(MOST) / SHARDS).max(1);
        Self { shards, hasher: seed.hasher(), most }
    }

    /// Bytes of as many templates as there can be, what persistence engines read not counted.
    #[must_use]
    pub const fn bytes() -> usize {
        SHARDS * Shard::bytes(MOST / SHARDS)
    }

    fn shard(&self, number: usize) -> MutexGuard<'_, Shard> {
        self.shards[number % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The template of a key, for one connection more. One that is not `usable` is no longer found; without one, `choose`
    /// names a server for a new one. `gone` is told of the one that gives way to it, if there are as many as can be.
    pub fn enlist(
        &self,
        key: TemplateKey,
        now: Tick,
        usable: impl FnOnce(&Template) -> bool,
        choose: impl FnOnce() -> Option<Choice>,
        gone: impl FnOnce(&Template),
    ) -> Enlisted {
        let (hash, number) = (self.hasher.hash_one(&key), self.hasher.shard(&key, SHARDS));
        let mut shard = self.shard(number);
        shard.tell(now);
        if let Some(index) = shard.find(hash, &key) {
            if usable(shard.template(index)) {
                shard.join(index, now);
                return Enlisted::At(handle(number, index, shard.generation(index)));
            }
            shard.invalidate(index);
        }
        let Some(index) = shard.vacancy(self.most) else { return Enlisted::Full };
        let Some(choice) = choose() else { return Enlisted::NoServer };
        shard.put(hash, index, Template::new(key, choice, now), self.most, gone);
        Enlisted::At(handle(number, index, shard.generation(index)))
    }

    /// A connection that it controls has ended. `gone` is told if it went along.
    pub fn release(&self, handle: u32, ended: Ended, gone: impl FnOnce(&Template)) {
        if !is_template(handle) {
            return;
        }
        let (number, index, generation) = parts(handle);
        let mut shard = self.shard(number);
        if let Some(template) = shard.leave(index, generation)
            && ended.takes(template)
        {
            gone(template);
            shard.end(index);
        }
    }

    /// A connection that it controls is established, or answered.
    pub fn assure(&self, handle: u32) {
        self.change(handle, |template| template.assured = true);
    }

    /// The client of a connection that it controls sent a second packet.
    pub fn hear_again(&self, handle: u32) {
        self.change(handle, |template| template.heard_again = true);
    }

    fn change(&self, handle: u32, change: impl FnOnce(&mut Template)) {
        if is_template(handle) {
            let (number, index, generation) = parts(handle);
            self.shard(number).change(index, generation, change);
        }
    }

    /// Ends templates whose time has come, at most `budget` looked at in each shard. `gone` is told of each.
    pub fn expire(&self, now: Tick, budget: usize, mut gone: impl FnMut(&Template)) {
        for number in 0..SHARDS {
            self.shard(number).expire(now, budget, &mut gone);
        }
    }

    /// Ends templates whose servers are gone, at most so many looked at from a place of a shard on; those that control
    /// connections end with the last of them. `gone` is told of each. Returns how many it looked at, and where to go on in the
    /// shard.
    pub fn end_orphans(
        &self,
        (shard, from): (usize, u32),
        most: usize,
        is_orphan: impl Fn(&Template) -> bool,
        mut gone: impl FnMut(&Template),
    ) -> (usize, Option<u32>) {
        self.shard(shard).end_orphans(from, most, &is_orphan, &mut gone)
    }

    /// Templates of one shard from an index on, at most so many; where to go on in it, `None` at its end.
    #[must_use]
    pub fn page(&self, shard: usize, from: u32, most: usize) -> (Vec<Template>, Option<u32>) {
        self.shard(shard).page(from, most)
    }

    /// How many there are: counted when asked, since control asks once a second.
    #[must_use]
    pub fn count(&self) -> usize {
        (0..SHARDS).map(|number| self.shard(number).taken()).sum()
    }

    /// Number of shards, for [`Templates::page`].
    #[must_use]
    pub const fn shards() -> usize {
        SHARDS
    }
}

/// Whether a connection's controller is a template.
const fn is_template(handle: u32) -> bool {
    handle >> HANDLE_BITS == 0
}

fn handle(shard: usize, index: u32, generation: u16) -> u32 {
    (u32::from(generation) << INDEX_BITS | index) << SHARD_BITS | shard as u32
}

fn parts(handle: u32) -> (usize, u32, u16) {
    let index = handle >> SHARD_BITS & ((1 << INDEX_BITS) - 1);
    (handle as usize % SHARDS, index, (handle >> (SHARD_BITS + INDEX_BITS)) as u16)
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
