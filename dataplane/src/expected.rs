//! Expected connections: what the control connections of FTP have announced. After `ip_vs_conn_new` with
//! `IP_VS_CONN_F_NO_CPORT`, `ip_vs_conn_in_get` and `ip_vs_control_add` (`net/netfilter/ipvs/ip_vs_conn.c`).
//!
//! Shared by all workers, for nobody knows where the first packet will land; in shards by the client's address. Packets of
//! known connections never come here, others only while something is expected: until then that is one load. Control ends
//! those whose time has come.
//!
//! A control connection outlives the data connections that it announced. They name it by a handle, by which is counted how
//! many there are.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Tick;
use crate::flow::Direction;
use crate::map::{Seed, Seeded, SeededMap};

const SHARDS: usize = 16;
/// Most in one shard: 65,536 in all.
const MOST: usize = 4096;
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
}

/// What became of an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// It is expected from now on.
    New,
    /// It was, and is again: this one.
    Again(Expected),
    /// There is no room for it.
    Full,
}

#[derive(Debug)]
struct Shard {
    by_request: SeededMap<(SocketAddr, SocketAddr), Expected>,
    /// What the server's packets carry, to the key of the other map.
    by_reply: SeededMap<(SocketAddr, SocketAddr), (SocketAddr, SocketAddr)>,
}

/// Handles of control connections: how many data connections each has announced that are not over.
#[derive(Debug, Default)]
struct Controllers {
    children: Vec<u32>,
    free: Vec<u32>,
}

/// All that is expected.
#[derive(Debug)]
pub struct AllExpected {
    shards: [Mutex<Shard>; SHARDS],
    hasher: Seeded,
    len: AtomicU32,
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
        let shard = || Mutex::new(Shard { by_request: seed.map(), by_reply: seed.map() });
        Self {
            shards: std::array::from_fn(|_| shard()),
            hasher: seed.hasher(),
            len: AtomicU32::new(0),
            helped: AtomicU32::new(0),
            controllers: Mutex::default(),
        }
    }

    fn shard(&self, client: IpAddr) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.hasher.shard(&client, SHARDS)])
    }

    /// Whether nothing is expected.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len.load(Relaxed) == 0
    }

    /// Expects a connection. One whose server waits for the same client already is expected for longer.
    pub fn plant(&self, expected: Expected) -> Planted {
        let mut shard = self.shard(expected.client.ip());
        let shard = &mut *shard;
        let known = shard.by_reply.get(&expected.reply()).copied().unwrap_or_else(|| expected.request());
        if let Some(old) = shard.by_request.get_mut(&known) {
            (old.last_used, old.timeout) = (expected.last_used, expected.timeout);
            return Planted::Again(*old);
        }
        if shard.by_request.len() >= MOST {
            return Planted::Full;
        }
        shard.by_request.insert(expected.request(), expected);
        shard.by_reply.insert(expected.reply(), expected.request());
        self.len.fetch_add(1, Relaxed);
        Planted::New
    }

    /// What a packet of a direction belongs to.
    #[must_use]
    pub fn find(&self, [source, destination]: [SocketAddr; 2], direction: Direction) -> Option<Expected> {
        match direction {
            Direction::Request => self.shard(source.ip()).of_client(source, destination),
            Direction::Reply => {
                let shard = self.shard(destination.ip());
                shard.by_reply.get(&(source, destination)).and_then(|key| shard.by_request.get(key)).copied()
            }
        }
    }

    /// What was found has come: `false` where another worker was faster.
    pub fn take(&self, expected: &Expected) -> bool {
        let taken = self.shard(expected.client.ip()).remove(expected);
        if taken {
            self.len.fetch_sub(1, Relaxed);
        }
        taken
    }

    /// Ends what has not come in time. `gone` is told of each.
    pub fn expire(&self, now: Tick, mut gone: impl FnMut(&Expected)) {
        if self.is_empty() {
            return;
        }
        for shard in &self.shards {
            let mut shard = lock(shard);
            let is_over = |expected: &&Expected| !now.is_before(expected.due().after(LATE));
            let over: Vec<Expected> = shard.by_request.values().filter(is_over).copied().collect();
            for expected in over {
                shard.remove(&expected);
                self.len.fetch_sub(1, Relaxed);
                self.release(expected.controller);
                gone(&expected);
            }
        }
    }

    /// What one shard expects, at most so much from a place on; where to go on, `None` at its end.
    #[must_use]
    pub fn page(&self, shard: usize, from: u32, most: usize) -> (Vec<Expected>, Option<u32>) {
        let shard = lock(&self.shards[shard % SHARDS]);
        let listed: Vec<_> = shard.by_request.values().skip(from as usize).take(most).copied().collect();
        let next = from + listed.len() as u32;
        (listed, ((next as usize) < shard.by_request.len()).then_some(next))
    }

    /// Number of shards, for [`AllExpected::page`].
    #[must_use]
    pub const fn shards() -> usize {
        SHARDS
    }
}

impl Shard {
    fn of_client(&self, client: SocketAddr, vip: SocketAddr) -> Option<Expected> {
        let exact = self.by_request.get(&(client, vip));
        exact.or_else(|| self.by_request.get(&(SocketAddr::new(client.ip(), 0), vip))).copied()
    }

    fn remove(&mut self, expected: &Expected) -> bool {
        self.by_reply.remove(&expected.reply());
        self.by_request.remove(&expected.request()).is_some()
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
        let mut controllers = lock(&self.controllers);
        let index = controllers.free.pop().unwrap_or(controllers.children.len() as u32);
        if index as usize == controllers.children.len() {
            controllers.children.push(0);
        }
        index | HANDLE
    }

    /// A control connection is over: its handle is free.
    pub fn forget(&self, handle: u32) {
        lock(&self.controllers).free.push(handle & !HANDLE);
    }

    /// A control connection announced one more data connection.
    pub fn hold(&self, handle: u32) {
        if let Some(children) = lock(&self.controllers).children.get_mut((handle & !HANDLE) as usize) {
            *children += 1;
        }
    }

    /// One of them is over.
    pub fn release(&self, handle: u32) {
        if let Some(children) = lock(&self.controllers).children.get_mut((handle & !HANDLE) as usize) {
            *children = children.saturating_sub(1);
        }
    }

    /// How many of a control connection's are not over.
    #[must_use]
    pub fn children(&self, handle: u32) -> u32 {
        lock(&self.controllers).children.get((handle & !HANDLE) as usize).copied().unwrap_or(0)
    }
}

/// Whether a connection's controller is a control connection, not a template.
#[must_use]
pub const fn is_control(handle: u32) -> bool {
    handle != u32::MAX && handle & HANDLE != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn passive(now: u32) -> Expected {
        Expected {
            client: at("172.16.0.1:0"),
            vip: at("10.0.0.100:25610"),
            server: at("10.1.0.11:25610"),
            slot: 3,
            generation: 0,
            controller: HANDLE,
            last_used: now,
            timeout: 1000,
        }
    }

    #[test]
    fn any_port_of_the_client_will_do_but_no_other_client() {
        let all = AllExpected::new(Seed([1, 2, 3, 4]));
        assert!(all.is_empty());
        assert_eq!(all.plant(passive(0)), Planted::New);
        let find = |client| all.find([at(client), at("10.0.0.100:25610")], Direction::Request);
        assert_eq!(find("172.16.0.2:4001"), None);
        let found = find("172.16.0.1:4001").expect("expected");
        assert!(all.take(&found) && !all.take(&found) && all.is_empty());
    }

    #[test]
    fn the_server_may_come_first() {
        let all = AllExpected::new(Seed([1, 2, 3, 4]));
        let active = Expected {
            client: at("172.16.0.1:51210"),
            vip: at("10.0.0.100:20"),
            server: at("10.1.0.11:20"),
            ..passive(0)
        };
        all.plant(active);
        assert_eq!(all.find([active.server, active.client], Direction::Reply), Some(active));
        assert_eq!(all.find([active.client, active.vip], Direction::Request), Some(active));
        assert_eq!(all.find([at("10.1.0.12:20"), active.client], Direction::Reply), None);
    }

    #[test]
    fn what_does_not_come_is_forgotten_with_its_announcement() {
        let all = AllExpected::new(Seed([1, 2, 3, 4]));
        let handle = all.control();
        all.hold(handle);
        all.plant(Expected { controller: handle, ..passive(5) });
        assert!(matches!(all.plant(passive(500)), Planted::Again(old) if old.last_used == 500));
        let mut gone = 0;
        all.expire(Tick(1500 + LATE - 1), |_| gone += 1);
        assert_eq!((gone, all.children(handle)), (0, 1));
        all.expire(Tick(1500 + LATE), |_| gone += 1);
        assert_eq!((gone, all.children(handle), all.is_empty()), (1, 0, true));
        all.forget(handle);
        assert_eq!(all.control(), handle);
    }

    #[test]
    fn a_shard_takes_so_many_and_gives_them_in_pages() {
        let all = AllExpected::new(Seed([1, 2, 3, 4]));
        let of = |port: u16| Expected {
            vip: SocketAddr::new([10, 0, 0, 100].into(), port),
            server: SocketAddr::new([10, 1, 0, 11].into(), port),
            ..passive(0)
        };
        assert!((1..=MOST as u16).all(|port| all.plant(of(port)) == Planted::New));
        assert_eq!(all.plant(of(MOST as u16 + 1)), Planted::Full);
        let mut seen = 0;
        for shard in 0..AllExpected::shards() {
            let mut from = Some(0);
            while let Some(at) = from {
                let (page, next) = all.page(shard, at, 1000);
                seen += page.len();
                from = next;
            }
        }
        assert_eq!(seen, MOST);
    }
}
