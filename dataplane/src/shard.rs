//! What one worker owns: its connections, their timers, what waits, what leaves. No other thread ever touches it.

mod early_drop;

use std::sync::atomic::Ordering::Relaxed;

use arrayvec::ArrayVec;

use crate::chance::Chance;
use crate::clock::{TICKS_PER_SECOND, Tick};
use crate::conn::{ConnMemory, ConnTable, HashKey, Helpers, NONE, New, Wheel, flag};
use crate::counters;
use crate::defence::Defence;
use crate::expected::{self, AllExpected};
use crate::flow::{Direction, Tuple};
use crate::fragments::Fragments;
use crate::handoff::{Mesh, Sign};
use crate::limiter::Limiter;
use crate::mailbox::Link;
use crate::parking::Parking;
use crate::port::BURST;
use crate::seeds::Seeds;
use crate::service::Servers;
use crate::steering::Station;
use crate::sysctl::Sysctls;
use crate::template::{self, Ended, Template, Templates};

/// Packets that may wait for one port to take them.
pub const OUTPUT_LIMIT: usize = 512;

/// How much longer a connection lives that is due and controls others.
const LATER: u32 = 60 * TICKS_PER_SECOND;
/// How much longer a connection lives that was dropped and controls others.
const SOON: u32 = TICKS_PER_SECOND / 16;

/// How far apart the workers' identifications begin.
const IDS_APART: u16 = 0x9e37;

/// One worker's state.
#[derive(Debug)]
pub struct Shard<B> {
    /// Connections.
    pub table: ConnTable,
    /// What helpers keep of some of them.
    pub helpers: Helpers,
    /// Their timers.
    pub wheel: Wheel,
    /// Packets that wait for a neighbour.
    pub parking: Parking<B>,
    /// Fragments of IPv4 packets of which others are missing.
    pub fragments4: Fragments,
    /// Fragments of IPv6 packets of which others are missing.
    pub fragments6: Fragments,
    /// Packets that leave.
    pub output: Output<B>,
    /// How many answers of its own the director may still give.
    pub limiter: Limiter,
    /// Where to go on ending connections whose servers are gone, and how many entries have not been looked at since one was.
    orphans: (u32, u32),
    /// Connections of one packet, until the burst has left.
    pub passing: ArrayVec<u32, BURST>,
    /// What is dropped when room is short.
    pub defence: Defence,
    /// Where this worker stands among the others.
    pub station: Station,
    /// Rings to and from the others.
    pub mesh: Mesh<B>,
    /// IP identifications of the director's own packets.
    pub ids: Ids,
    /// Those of packets around others. Counted apart: wrapping comes before answering, so in a burst the numbers would mix
    /// otherwise than one at a time.
    pub tunnel_ids: Ids,
    fragment_id: u32,
    fragment_ids: HashKey,
}

/// IP identifications, one after the other (RFC 6864).
#[derive(Debug)]
pub struct Ids(u16);

impl Ids {
    /// A worker's: apart from those of the others, whose servers are the same.
    const fn new(seed: u16, worker: u16) -> Self {
        Self(seed.wrapping_add(worker.wrapping_mul(IDS_APART)))
    }

    /// The next packet's.
    #[inline]
    pub const fn next(&mut self) -> u16 {
        self.0 = self.0.wrapping_add(1);
        self.0
    }
}

impl<B> Shard<B> {
    /// An empty shard.
    #[must_use]
    pub fn new(memory: ConnMemory, seeds: Seeds, ports: u16, now: Tick, station: Station, mesh: Mesh<B>) -> Self {
        let me = station.me();
        let output = Output::new((0..ports).map(|port| station.sends(port)));
        Self {
            station,
            mesh,
            fragments4: Fragments::v4(seeds.maps),
            fragments6: Fragments::v6(seeds.maps),
            table: ConnTable::new(memory, seeds.table),
            helpers: Helpers::default(),
            wheel: Wheel::new(now),
            parking: Parking::new(seeds.maps),
            output,
            passing: ArrayVec::new(),
            orphans: (0, 0),
            defence: Defence::new(now),
            limiter: Limiter::new(seeds.maps, now),
            ids: Ids::new(seeds.ids[0], me),
            tunnel_ids: Ids::new(seeds.ids[1], me),
            fragment_id: u32::from(me) << 16,
            fragment_ids: seeds.ids6,
        }
    }

    /// The identification of the next IPv6 packet that is cut: nobody outside can tell the next from the last (RFC 7739).
    pub fn next_fragment_id(&mut self) -> u32 {
        self.fragment_id = self.fragment_id.wrapping_add(1);
        let counted = Tuple { src: self.fragment_id, ..Tuple::default() };
        (self.fragment_ids.hash(&counted) as u32).max(1)
    }

    /// Has the wheel watch a connection.
    pub fn watch(&mut self, index: u32) {
        let due = self.table[index].due();
        self.wheel.insert(&mut self.table, index, due);
    }

    /// Tells the wheel that a connection's life got shorter.
    #[inline(never)]
    pub fn shortened(&mut self, index: u32) {
        self.wheel.shorten(&mut self.table, index);
    }

    /// Ends a connection as the kernel does "now": no packet finds it any more, and the wheel takes it next.
    pub fn end_now(&mut self, index: u32, now: Tick) {
        self.let_go(index);
        self.table[index].renew(now, 0);
        self.wheel.doom(&mut self.table, index);
    }

    /// Ends a connection whose tuple another takes. One that controls others stays for its time.
    pub fn give_way(&mut self, index: u32, now: Tick, expected: &AllExpected) {
        if self.is_needed(index, expected) { self.let_go(index) } else { self.end_now(index, now) }
    }

    /// Whether data connections that a control connection has announced are not over.
    fn is_needed(&self, index: u32, expected: &AllExpected) -> bool {
        let helped = self.helpers.get(self.table.helper(index));
        helped.is_some_and(|kept| kept.controller != NONE && expected.children(kept.controller) > 0)
    }

    /// What a helper keeps of a connection goes with it.
    pub fn end_help(&mut self, helper: u32, expected: &AllExpected) {
        let Some(kept) = self.helpers.get(helper) else { return };
        if kept.controller != NONE {
            expected.forget(kept.controller);
        }
        self.helpers.give(helper);
        expected.helps(false);
    }

    /// No packet finds a connection any more.
    fn let_go(&mut self, index: u32) {
        self.table.unlink(index);
        // Replies belong to an older connection with the same reply key, if there is one. If the other worker cannot be
        // told now, it is when the wheel takes this one.
        if self.take_signpost(index) {
            self.table.forget_signpost(index);
        }
    }

    /// Begins to end the connections whose servers are gone (`ip_vs_expire_nodest_conn_flush`).
    pub fn end_orphans_soon(&mut self) {
        self.orphans.1 = self.table.walk_end();
    }

    /// Ends connections whose servers are gone, at most `budget` looked at. Returns how many it looked at.
    pub fn end_orphans(&mut self, now: Tick, budget: u32, servers: &Servers) -> usize {
        let (mut index, left) = self.orphans;
        let (end, looked) = (self.table.walk_end(), left.min(budget));
        for _ in 0..looked {
            index = if index + 1 < end { index + 1 } else { 0 };
            let conn = &self.table[index];
            let gone = || servers.get(conn.server_slot()).is_some_and(|server| !server.available.load(Relaxed));
            if conn.has(flag::LIVE) && !conn.has(flag::UNLINKED) && gone() {
                self.table[index].set::<{ flag::DROPPED }>(true);
                self.end_now(index, now);
            }
        }
        self.orphans = (index, left - looked);
        looked as usize
    }

    /// Drops entries that no other needs as the defence says, at most `budget` looked at. Returns how many it looked at.
    pub fn drop_entries(
        &mut self,
        now: Tick,
        budget: u32,
        sysctls: &Sysctls,
        expected: &AllExpected,
        chance: &Chance,
    ) -> usize {
        let end = self.table.walk_end();
        let looked = self.defence.entries_to_look_at(sysctls, now, end, budget, chance);
        for _ in 0..looked {
            let index = chance.below(end.into()) as u32;
            let conn = &self.table[index];
            let there = conn.has(flag::LIVE) && !conn.has(flag::UNLINKED) && !self.is_needed(index, expected);
            if there && self.defence.drops_entry(conn, now) {
                self.table[index].set::<{ flag::DROPPED }>(true);
                self.end_now(index, now);
            }
        }
        looked as usize
    }

    /// Ends connections whose time has come, at most `budget` looked at. Returns how many it looked at.
    pub fn expire(&mut self, now: Tick, budget: usize, shared: Shared<'_>, link: &Link) -> usize {
        for looked in 0..budget {
            let Some(index) = self.wheel.pop(&mut self.table, now) else { return looked };
            if now.is_before(self.table[index].due()) {
                self.watch(index);
                continue;
            }
            if self.is_needed(index, shared.expected) {
                // What it needs was dropped with it, and is over soon.
                let later = if self.table[index].has(flag::DROPPED) { SOON } else { LATER };
                self.table[index].renew(now, later);
                self.watch(index);
                continue;
            }
            if !self.take_signpost(index) {
                // The other worker does not keep up: a little later.
                self.wheel.insert(&mut self.table, index, now.after(1));
                continue;
            }
            self.end(index, shared, link);
        }
        budget
    }

    /// A connection is over: whatever it held is given back, its place is free. The wheel has let go of it, and whoever had
    /// a signpost to it has been told.
    fn end(&mut self, index: u32, shared: Shared<'_>, link: &Link) {
        let conn = &self.table[index];
        let ended = if conn.has(flag::DROPPED) { Ended::Dropped } else { Ended::Over };
        let (controller, helper, server) = (self.table.controller(index), self.table.helper(index), conn.server_slot());
        self.table.end(index, shared.servers.get(server));
        shared.release(controller, ended);
        self.end_help(helper, shared.expected);
        counters::add(&link.counters.connections_ended, 1);
    }

    /// Ends the connections of one packet whose burst has left. Their servers have forgotten them already.
    pub fn end_passing(&mut self, shared: Shared<'_>, link: &Link) {
        for index in std::mem::take(&mut self.passing) {
            let controller = self.table.controller(index);
            shared.release(controller, Ended::Over);
            counters::add(&link.counters.connections_ended, 1);
        }
    }
}

/// What all workers share and change, whatever the tables: what a connection holds of it is given back when it ends.
#[derive(Clone, Copy, Debug)]
pub struct Shared<'a> {
    /// States of real servers.
    pub servers: &'a Servers,
    /// Which servers clients of persistent services go to.
    pub templates: &'a Templates,
    /// Connections that control connections have announced.
    pub expected: &'a AllExpected,
}

// Handles of both are kept in one place.
const _: () = assert!(expected::HANDLE >= 1 << template::HANDLE_BITS);

impl Shared<'_> {
    /// A connection is controlled no longer: by a template, or by a control connection of FTP.
    pub fn release(&self, controller: u32, ended: Ended) {
        if expected::is_control(controller) {
            self.expected.release(controller);
        } else {
            self.templates.release(controller, ended, |template| let_go(template, self.servers));
        }
    }
}

/// A template is gone: its server is named once less.
pub fn let_go(template: &Template, servers: &Servers) {
    servers.get(template.server).inspect(|server| server.release_template());
}

/// Signposts.
impl<B> Shard<B> {
    /// The other worker that needs a signpost for a connection's replies, if any does: `Err` where it cannot be told now.
    pub fn signpost_for(&mut self, new: &New) -> Result<Option<u16>, u16> {
        match self.station.signpost_for(&new.line().reply_key(), new.ends6(Direction::Reply)) {
            Some(worker) if !self.mesh.can_tell(worker) => Err(worker),
            other => Ok(other),
        }
    }

    /// Has a signpost put up for a connection. There is room in the ring: [`Shard::signpost_for`] has looked.
    pub fn put_signpost(&mut self, worker: u16, index: u32) {
        self.mesh.tell(worker, Sign::Up { key: self.table[index].reply_key(), conn: index });
    }

    /// Has a connection's signpost taken down, if it has one; `false` where the other worker cannot be told now.
    fn take_signpost(&mut self, index: u32) -> bool {
        let conn = &self.table[index];
        if !conn.has(flag::REPLY_AWAY) {
            return true;
        }
        let worker = self.station.signpost_for(&conn.reply_key(), self.table.reply_ends6(index));
        worker.is_none_or(|worker| self.mesh.tell(worker, Sign::Down { conn: index }))
    }

    /// Puts up and takes down what other workers said. Returns how many signs that were, at most a ring of each.
    pub fn read_signs(&mut self, link: &Link) -> usize {
        let Self { mesh, table, .. } = self;
        let mut read = 0;
        for peer in &mut mesh.peers {
            for sign in std::iter::from_fn(|| peer.signs.pop().ok()).take(crate::handoff::SIGNS) {
                read += 1;
                match sign {
                    Sign::Down { conn } => table.take_signpost(peer.worker, conn),
                    Sign::Up { key, conn } if table.put_signpost(&key, peer.worker, conn) => {}
                    Sign::Up { .. } => counters::add(&link.counters.signposts_lost, 1),
                }
            }
        }
        read
    }
}

/// Output queues by port, and the buffers to be freed in bulk.
#[derive(Debug)]
pub struct Output<B> {
    /// By port; one by which another worker sends has no room.
    pub queues: Vec<Vec<B>>,
    /// Buffers whose packets ended here.
    pub dropped: Vec<B>,
}

impl<B> Output<B> {
    /// How many more packets a port's queue takes; `None` where another worker sends by it.
    #[must_use]
    pub fn room(&self, port: u16) -> Option<usize> {
        let queue = self.queues.get(usize::from(port)).filter(|queue| queue.capacity() > 0)?;
        Some(queue.capacity() - queue.len())
    }

    fn new(sends: impl Iterator<Item = bool>) -> Self {
        let queues = sends.map(|here| Vec::with_capacity(if here { OUTPUT_LIMIT } else { 0 })).collect();
        Self { queues, dropped: Vec::with_capacity(OUTPUT_LIMIT) }
    }

    /// Queues a packet for a port, or gives it back where the queue is full.
    pub fn push(&mut self, port: u16, packet: B) -> Result<(), B> {
        match self.queues.get_mut(usize::from(port)) {
            Some(queue) if queue.len() < queue.capacity() => {
                queue.push(packet);
                Ok(())
            }
            _ => Err(packet),
        }
    }
}
