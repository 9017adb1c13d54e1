//! What one worker owns: its connections, their timers, what waits, what leaves. No other thread ever touches it.

use crate::clock::{Nanos, TICKS_PER_SECOND, Tick};
use crate::conn::{ConnMemory, ConnTable, HashKey, Wheel, flag};
use crate::counters;
use crate::mailbox::Link;
use crate::parking::Parking;
use crate::service::Servers;
use crate::trace::{Observer, Watch};

/// Packets that may wait for one port to take them.
pub const OUTPUT_LIMIT: usize = 512;

/// One worker's state.
#[derive(Debug)]
pub struct Shard<B> {
    /// Connections.
    pub table: ConnTable,
    /// Their timers.
    pub wheel: Wheel,
    /// Packets that wait for a neighbour.
    pub parking: Parking<B>,
    /// Packets that leave.
    pub output: Output<B>,
    /// How many answers of its own the director may still give.
    pub limiter: Limiter,
    /// Who looks at packets, while somebody wants to.
    pub observer: Option<Box<Observer>>,
    id: u16,
}

impl<B> Shard<B> {
    /// An empty shard.
    #[must_use]
    pub fn new(memory: ConnMemory, key: HashKey, ports: usize, now: Tick) -> Self {
        Self {
            table: ConnTable::new(memory, key),
            wheel: Wheel::new(now),
            parking: Parking::default(),
            output: Output::new(ports),
            limiter: Limiter { tokens: u64::MAX / 2, at: now },
            observer: None,
            id: key.0[0] as u16,
        }
    }

    /// The IP identification of the director's next own packet.
    pub fn next_id(&mut self) -> u16 {
        self.id = self.id.wrapping_add(1);
        self.id
    }

    /// Lets somebody look at packets.
    pub fn observe(&mut self, watch: Watch, now: Nanos) {
        self.observer.get_or_insert_with(|| Box::new(Observer::new(now))).add(watch);
    }

    /// Another turn begins: watches that are over end.
    pub fn observe_turn(&mut self, now: Nanos) {
        if self.observer.as_mut().is_some_and(|observer| !observer.turn(now)) {
            self.observer = None;
        }
    }

    /// Has the wheel watch a connection.
    pub fn watch(&mut self, index: u32) {
        let due = self.table[index].due();
        self.wheel.insert(&mut self.table, index, due);
    }

    /// Tells the wheel that a connection's life got shorter.
    pub fn shortened(&mut self, index: u32) {
        self.wheel.shorten(&mut self.table, index);
    }

    /// Ends a connection as the kernel does "now": no packet finds it any more, and the wheel takes it next.
    pub fn end_now(&mut self, index: u32, now: Tick) {
        self.table.unlink(index);
        let conn = &mut self.table[index];
        conn.last_seen = now.0;
        conn.timeout = 0;
        self.shortened(index);
    }

    /// Ends connections whose time has come, at most `budget` looked at. Returns how many it looked at.
    pub fn expire(&mut self, now: Tick, budget: usize, servers: &Servers, link: &Link) -> usize {
        for looked in 0..budget {
            let Some(index) = self.wheel.pop(&mut self.table, now) else { return looked };
            if now.is_before(self.table[index].due()) {
                self.watch(index);
                continue;
            }
            let conn = &self.table[index];
            if let Some(server) = servers.get(conn.server_slot) {
                server.unbind(conn.has(flag::INACTIVE));
            }
            self.table.remove(index);
            counters::add(&link.counters.connections_ended, 1);
        }
        budget
    }
}

/// Output queues by port, and the buffers to be freed in bulk.
#[derive(Debug)]
pub struct Output<B> {
    /// By port.
    pub queues: Vec<Vec<B>>,
    /// Buffers whose packets ended here.
    pub dropped: Vec<B>,
}

impl<B> Output<B> {
    fn new(ports: usize) -> Self {
        let queues = (0..ports).map(|_| Vec::with_capacity(OUTPUT_LIMIT)).collect();
        Self { queues, dropped: Vec::with_capacity(OUTPUT_LIMIT) }
    }

    /// Queues a packet for a port, or gives it back where the queue is full.
    pub fn push(&mut self, port: u16, packet: B) -> Result<(), B> {
        match self.queues.get_mut(usize::from(port)) {
            Some(queue) if queue.len() < OUTPUT_LIMIT => {
                queue.push(packet);
                Ok(())
            }
            _ => Err(packet),
        }
    }
}

/// A token bucket for the director's own answers: a tenth of a second's worth may come at once.
#[derive(Clone, Copy, Debug)]
pub struct Limiter {
    tokens: u64,
    at: Tick,
}

impl Limiter {
    /// Refills for the time that has passed.
    pub fn refill(&mut self, now: Tick, rate: u32) {
        let elapsed = u64::from(self.at.until(now).min(TICKS_PER_SECOND));
        let most = (u64::from(rate) / 10).max(1) * u64::from(TICKS_PER_SECOND);
        self.tokens = (self.tokens + elapsed * u64::from(rate)).min(most);
        self.at = now;
    }

    /// Whether one more answer may go; `rate` 0 = no limit.
    pub fn allow(&mut self, rate: u32) -> bool {
        let cost = u64::from(TICKS_PER_SECOND);
        if rate == 0 {
            return true;
        }
        let enough = self.tokens >= cost;
        if enough {
            self.tokens -= cost;
        }
        enough
    }
}
