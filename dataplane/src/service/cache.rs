//! Where destinations went: the memory of lblc and lblcr (`ip_vs_lblc.c`, `ip_vs_lblcr.c`).
//!
//! Only the first packet of a connection comes here. A destination's entry is under the lock of its bucket. Outsiders choose
//! destinations: which bucket is secret, so that they are even, and entries of a bucket are in a tree. An entry refers to
//! its servers: their memory, and with it the entry, survives a removal and a return. Which server an entry gets is the
//! scheduler's choice.
//!
//! ```text
//! control collects, a round a minute
//!   every 30th round, not counting those that collected: entries unused for the expiration go
//!   else, above 16384 entries: those unused for 6 minutes, bucket by bucket from where the last round stopped, until
//!         4/3 of the surplus (at most 8192) are gone
//! ```
//! The kernel's memory has no other bound. Here, at four times that many entries, destinations are no longer learned.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::real::{RealServer, place};
use super::server::Servers;
use crate::clock::{Tick, ticks};
use crate::map::{Seed, Seeded};

const BUCKETS: usize = 1 << 10;
/// Entries above which unused ones are collected early.
const MANY: usize = BUCKETS * 16;
/// Entries above which none are made.
pub const MOST: usize = MANY * 4;
/// Ticks between two rounds.
const ROUND: u32 = ticks(60);
/// Ticks after which an unused entry may be collected early.
const IDLE: u32 = ticks(6 * 60);
/// Rounds from one look for expired entries to the next.
const ROUNDS: u32 = 30;
/// Members of a set that are in no list, before they are forgotten.
const GONE: usize = 64;

/// See the module.
#[derive(Debug)]
pub struct Cache {
    hasher: Seeded,
    buckets: Box<[Mutex<Bucket>]>,
    entries: AtomicUsize,
    /// Destinations that were not remembered, there being as many as can be.
    refused: AtomicU64,
    dead: AtomicBool,
    collector: Mutex<Collector>,
}

type Bucket = BTreeMap<IpAddr, Entry>;

/// Where a destination goes.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Last joined first; one in lblc.
    pub(crate) members: Vec<Member>,
    pub(crate) changed: Tick,
    pub(crate) used: Tick,
}

/// A server of an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) slot: u32,
    /// Where it was seen in the list.
    hint: usize,
    /// As it was seen last.
    pub(crate) weight: u32,
}

/// What control remembers between rounds.
#[derive(Debug)]
struct Collector {
    next: Option<Tick>,
    counter: u32,
    rover: usize,
}

impl Cache {
    /// Bytes beside the value itself while nothing is remembered.
    pub(crate) const EMPTY: usize = BUCKETS * size_of::<Mutex<Bucket>>();

    /// One that knows nothing yet.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self {
            hasher: seed.hasher(),
            buckets: (0..BUCKETS).map(|_| Mutex::default()).collect(),
            entries: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            dead: AtomicBool::new(false),
            collector: Mutex::new(Collector { next: None, counter: 1, rover: 0 }),
        }
    }
}

/// A locked bucket, and the destination asked for.
pub(crate) struct LockedBucket<'a> {
    cache: &'a Cache,
    bucket: MutexGuard<'a, Bucket>,
    destination: IpAddr,
}

impl Cache {
    /// Where the destination's entry is, or would be.
    pub(crate) fn place(&self, destination: IpAddr) -> LockedBucket<'_> {
        let bucket = self.hasher.shard(&destination, BUCKETS);
        LockedBucket { cache: self, bucket: lock(&self.buckets[bucket]), destination }
    }

    /// Destinations known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.load(Relaxed)
    }

    /// Times that a destination was not remembered, since there were [`MOST`].
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Whether no destination is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries name each server, by slot.
    #[must_use]
    pub fn named(&self) -> BTreeMap<u32, u32> {
        let mut named = BTreeMap::new();
        for bucket in &self.buckets {
            for member in lock(bucket).values().flat_map(|entry| &entry.members) {
                *named.entry(member.slot).or_default() += 1;
            }
        }
        named
    }

    /// Forgets everything, for good: its service is gone or has another scheduler, and workers may not know yet.
    pub fn retire(&self, servers: &Servers) {
        self.dead.store(true, Relaxed);
        self.buckets.iter().for_each(|bucket| {
            self.forget(servers, &mut lock(bucket), |_| true);
        });
    }

    /// Carries out the rounds that are due, `ROUNDS` at most; `expiration` in ticks (`lblc_expiration`,
    /// `lblcr_expiration`). Control calls it now and then.
    pub fn collect(&self, now: Tick, expiration: u32, servers: &Servers) {
        let mut collector = lock(&self.collector);
        for _ in 0..ROUNDS {
            let next = *collector.next.get_or_insert(now.after(ROUND));
            if now.is_before(next) {
                return;
            }
            collector.next = Some(next.after(ROUND));
            self.round(&mut collector, now, expiration, servers);
        }
    }

    fn round(&self, collector: &mut Collector, now: Tick, expiration: u32, servers: &Servers) {
        if collector.counter.is_multiple_of(ROUNDS) {
            collector.counter = 1;
            self.sweep(&mut collector.rover, servers, usize::MAX, |entry| !now.is_before(entry.used.after(expiration)));
            return;
        }
        let surplus = self.len().saturating_sub(MANY);
        if surplus == 0 {
            collector.counter += 1;
            return;
        }
        let goal = (surplus * 4 / 3).min(MANY / 2);
        self.sweep(&mut collector.rover, servers, goal, |entry| !now.is_before(entry.used.after(IDLE)));
    }

    /// Goes once around the buckets, from the one after `rover`, until `goal` entries are gone.
    fn sweep(&self, rover: &mut usize, servers: &Servers, goal: usize, over: impl Fn(&Entry) -> bool) {
        let mut gone = 0;
        for _ in 0..BUCKETS {
            *rover = (*rover + 1) % BUCKETS;
            gone += self.forget(servers, &mut lock(&self.buckets[*rover]), &over);
            if gone >= goal {
                return;
            }
        }
    }

    fn forget(&self, servers: &Servers, bucket: &mut Bucket, over: impl Fn(&Entry) -> bool) -> usize {
        let before = bucket.len();
        bucket.retain(|_, entry| {
            let over = over(entry);
            if over {
                entry.members.iter().for_each(|member| release(servers, member.slot));
            }
            !over
        });
        let gone = before - bucket.len();
        self.entries.fetch_sub(gone, Relaxed);
        gone
    }
}

impl LockedBucket<'_> {
    /// The entry.
    pub(crate) fn entry(&mut self) -> Option<&mut Entry> {
        self.bucket.get_mut(&self.destination)
    }

    /// Makes the entry, with one server of a list, unless there is no room for it.
    pub(crate) fn learn(&mut self, index: usize, list: &[RealServer], servers: &Servers, now: Tick) {
        let cache = self.cache;
        if cache.dead.load(Relaxed) {
            return;
        }
        if cache.entries.load(Relaxed) >= MOST {
            cache.refused.fetch_add(1, Relaxed);
            return;
        }
        let mut entry = Entry { members: Vec::new(), changed: now, used: now };
        entry.join(index, list, servers, now);
        self.bucket.insert(self.destination, entry);
        cache.entries.fetch_add(1, Relaxed);
    }
}

impl Entry {
    /// The members that a list has, with their place in it.
    pub(crate) fn present(&mut self, list: &[RealServer]) -> impl Iterator<Item = usize> {
        self.members.iter_mut().filter_map(|member| member.find(list))
    }

    /// A server of a list joins at the head, unless it is a member.
    pub(crate) fn join(&mut self, index: usize, list: &[RealServer], servers: &Servers, now: Tick) {
        let RealServer { slot, weight, .. } = list[index];
        if self.members.iter().any(|member| member.slot == slot) {
            return;
        }
        if self.members.len() >= list.len() + GONE {
            self.leave(servers, now, |member| member.find(list).is_none());
        }
        if let Some(state) = servers.get(slot) {
            state.references.fetch_add(1, Relaxed);
            self.members.insert(0, Member { slot, hint: index, weight });
            self.changed = now;
        }
    }

    /// Members leave.
    pub(crate) fn leave(&mut self, servers: &Servers, now: Tick, mut who: impl FnMut(&mut Member) -> bool) {
        self.changed = now;
        self.members.retain_mut(|member| {
            let leaves = who(member);
            if leaves {
                release(servers, member.slot);
            }
            !leaves
        });
    }
}

impl Member {
    /// Its place in the list, if the list has it.
    fn find(&mut self, list: &[RealServer]) -> Option<usize> {
        let index = place(list, self.slot, self.hint)?;
        (self.hint, self.weight) = (index, list[index].weight);
        Some(index)
    }
}

fn release(servers: &Servers, slot: u32) {
    if let Some(state) = servers.get(slot) {
        state.references.fetch_sub(1, Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
