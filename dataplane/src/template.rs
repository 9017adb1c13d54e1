//! Persistence templates: which server the connections of a client (or of its network) go to. After
//! `ip_vs_sched_persist`, `ip_vs_check_template` (`ip_vs_core.c`, `ip_vs_conn.c`).
//!
//! Shared by all workers, in shards whose locks are taken only for the first and after the last packet of a connection
//! to a persistent service. Control ends those whose time has come.
//!
//! ```text
//! due = last used + timeout;  due and in control of connections: once more, in 60 s
//! server gone, or quiesced and expire_quiescent_template: no longer found, listed with port 65535 until it is due
//! ```

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::{TICKS_PER_SECOND, Tick};
use crate::expected::{self, AllExpected};
use crate::map::{Seed, Seeded, SeededMap};

/// No template.
pub const NONE: u32 = u32::MAX;
/// Most templates at a time.
pub const MOST: usize = 1 << 20;

const SHARDS: usize = 64;
const SHARD_BITS: u32 = SHARDS.trailing_zeros();
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
    /// Slot of its server.
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
    /// One of them was established.
    pub assured: bool,
    /// No longer found.
    pub invalid: bool,
    live: bool,
    /// Which of the heap's entries counts.
    stands: u64,
}

impl Template {
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
    /// There is no room for a new one.
    Full,
}

#[derive(Debug)]
struct Shard {
    by_key: SeededMap<TemplateKey, u32>,
    all: Vec<Template>,
    free: Vec<u32>,
    /// When to look at one again.
    due: BinaryHeap<Reverse<(u64, u32)>>,
    /// The last moment told, in ticks that do not wrap.
    clock: u64,
}

impl Shard {
    fn new(seed: Seed) -> Self {
        // Room for moments before the first one told.
        let clock = 1 << 33;
        Self { by_key: seed.map(), all: Vec::new(), free: Vec::new(), due: BinaryHeap::new(), clock }
    }
}

/// All templates.
#[derive(Debug)]
pub struct Templates {
    shards: Box<[Mutex<Shard>]>,
    hasher: Seeded,
    /// What else controls connections, or will be one.
    pub expected: AllExpected,
}

impl Templates {
    /// None, yet.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard::new(seed))).collect();
        Self { shards, hasher: seed.hasher(), expected: AllExpected::new(seed) }
    }

    fn shard(&self, number: usize) -> MutexGuard<'_, Shard> {
        self.shards[number % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The template of a key, for one connection more. One that is not `usable` is no longer found; without one, `choose`
    /// names a server for a new one.
    pub fn enlist(
        &self,
        key: TemplateKey,
        now: Tick,
        usable: impl FnOnce(&Template) -> bool,
        choose: impl FnOnce() -> Option<Choice>,
    ) -> Enlisted {
        let number = self.hasher.shard(&key, SHARDS);
        let mut shard = self.shard(number);
        let shard = &mut *shard;
        if let Some(&index) = shard.by_key.get(&key) {
            let template = &mut shard.all[index as usize];
            if usable(template) {
                (template.controls, template.last_used) = (template.controls + 1, now.0);
                return Enlisted::At(handle(number, index));
            }
            template.invalid = true;
            shard.by_key.remove(&key);
        }
        if shard.free.is_empty() && shard.all.len() >= MOST / SHARDS {
            return Enlisted::Full;
        }
        let Some(Choice { server, destination, timeout, owner }) = choose() else { return Enlisted::NoServer };
        let index = shard.take(Template {
            key: key.clone(),
            server,
            destination,
            owner,
            timeout,
            last_used: now.0,
            controls: 1,
            assured: false,
            invalid: false,
            live: true,
            stands: 0,
        });
        shard.by_key.insert(key, index);
        shard.clock = shard.unwrapped(now);
        shard.look_again(index);
        Enlisted::At(handle(number, index))
    }

    /// A connection that it controls, or a control connection of FTP, has ended. One that was dropped takes with it a template that nothing else needs.
    pub fn release(&self, handle: u32, dropped: bool) {
        if handle == NONE {
            return;
        }
        if expected::is_control(handle) {
            return self.expected.release(handle);
        }
        let (number, index) = parts(handle);
        let mut shard = self.shard(number);
        if let Some(template) = shard.all.get_mut(index as usize) {
            template.controls = template.controls.saturating_sub(1);
            if dropped && template.controls == 0 && !template.assured {
                template.timeout = 0;
                shard.look_again(index);
            }
        }
    }

    /// A connection that it controls is established.
    pub fn assure(&self, handle: u32) {
        if expected::is_control(handle) {
            return;
        }
        let (number, index) = parts(handle);
        if let Some(template) = self.shard(number).all.get_mut(index as usize) {
            template.assured = true;
        }
    }

    /// Ends templates whose time has come, at most `budget` looked at in each shard. `gone` is told of each.
    pub fn expire(&self, now: Tick, budget: usize, mut gone: impl FnMut(&Template)) {
        for number in 0..SHARDS {
            let mut shard = self.shard(number);
            shard.clock = shard.unwrapped(now);
            for _ in 0..budget {
                let Some((stood, index)) = shard.pop_due() else { break };
                let template = &mut shard.all[index as usize];
                if !template.live || template.stands != stood {
                    continue;
                }
                if now.is_before(template.due().after(LATE)) {
                    shard.look_again(index);
                } else if template.controls > 0 {
                    (template.last_used, template.timeout) = (now.0, LATER);
                    shard.look_again(index);
                } else {
                    gone(template);
                    shard.give(index);
                }
            }
        }
    }

    /// Templates of one shard from an index on, at most so many; where to go on in it, `None` at its end.
    #[must_use]
    pub fn page(&self, shard: usize, from: u32, most: usize) -> (Vec<Template>, Option<u32>) {
        let shard = self.shard(shard);
        let all = shard.all.iter().enumerate().skip(from as usize);
        let mut listed = Vec::new();
        for (index, template) in all {
            if listed.len() == most {
                return (listed, Some(index as u32));
            }
            listed.extend(template.live.then(|| template.clone()));
        }
        (listed, None)
    }

    /// Number of shards, for [`Templates::page`].
    #[must_use]
    pub const fn shards() -> usize {
        SHARDS
    }
}

impl Shard {
    fn take(&mut self, template: Template) -> u32 {
        if let Some(index) = self.free.pop() {
            self.all[index as usize] = template;
            return index;
        }
        self.all.push(template);
        self.all.len() as u32 - 1
    }

    fn give(&mut self, index: u32) {
        let template = &mut self.all[index as usize];
        template.live = false;
        if !template.invalid {
            self.by_key.remove(&template.key);
        }
        self.free.push(index);
    }

    /// Has a template looked at when it is due.
    fn look_again(&mut self, index: u32) {
        let due = self.unwrapped(self.all[index as usize].due().after(LATE));
        self.all[index as usize].stands = due;
        self.due.push(Reverse((due, index)));
    }

    fn pop_due(&mut self) -> Option<(u64, u32)> {
        let Reverse((due, _)) = self.due.peek()?;
        if *due > self.clock {
            return None;
        }
        self.due.pop().map(|Reverse(first)| first)
    }

    /// A moment near the last one told, in ticks that do not wrap.
    fn unwrapped(&self, tick: Tick) -> u64 {
        let ahead = tick.0.wrapping_sub(self.clock as u32).cast_signed();
        self.clock.saturating_add_signed(ahead.into())
    }
}

fn handle(shard: usize, index: u32) -> u32 {
    index << SHARD_BITS | shard as u32
}

fn parts(handle: u32) -> (usize, u32) {
    (handle as usize % SHARDS, handle >> SHARD_BITS)
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
