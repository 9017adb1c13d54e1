//! What a worker has beside its ports: its shard, its links, who looks at its packets, and the pace of its turns.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::chance::Chance;
use crate::clock::{Nanos, Tick};
use crate::conn::flag;
use crate::counters;
use crate::expected::AllExpected;
use crate::mailbox::{Link, Page, Report};
use crate::pipeline::{Desk, Scene};
use crate::proto::tcp;
use crate::service::Servers;
use crate::shard::{Shard, Shared};
use crate::snapshot::Reader;
use crate::template::Templates;
use crate::trace::{Observer, Watch};

/// Connections looked at per turn for their end, and as many more whose servers may be gone.
pub const EXPIRE_BUDGET: usize = 256;
/// Entries looked at per turn for the defence to drop.
pub const DEFENCE_BUDGET: u32 = 256;
/// Nanoseconds over which the longest recent turn is looked for.
const SECOND: u64 = 1_000_000_000;

/// A worker without its ports.
#[derive(Debug)]
pub(super) struct Core<B> {
    pub(super) shard: Shard<B>,
    pub(super) reader: Reader,
    pub(super) link: Arc<Link>,
    /// Who looks at packets, while somebody wants to.
    pub(super) observer: Option<Box<Observer>>,
    common: Common,
    chance: Chance,
    pace: Pace,
}

/// What a worker has in common with the others and with control, whatever the tables.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) servers: Arc<Servers>,
    pub(super) templates: Arc<Templates>,
    pub(super) expected: Arc<AllExpected>,
}

impl Common {
    fn shared(&self) -> Shared<'_> {
        Shared { servers: &self.servers, templates: &self.templates, expected: &self.expected }
    }
}

/// What a worker remembers of its last turns. A busy turn lasts until the next one begins, so that no second clock is
/// read; an idle one may have slept.
#[derive(Debug)]
struct Pace {
    began: Nanos,
    busy: bool,
    second: Nanos,
    longest: u64,
}

impl<B> Core<B> {
    pub(super) fn new(
        shard: Shard<B>,
        reader: Reader,
        common: Common,
        link: Arc<Link>,
        chance: Chance,
        now: Nanos,
    ) -> Self {
        let pace = Pace { began: now, busy: false, second: now, longest: 0 };
        Self { shard, reader, link, observer: None, common, chance, pace }
    }

    /// Does a piece of work at this worker's desk. `source` gives an empty buffer, if there is one.
    pub(super) fn work<R>(
        &mut self,
        now: Tick,
        source: &mut dyn FnMut() -> Option<B>,
        work: impl FnOnce(&mut Desk<'_, B>) -> R,
    ) -> R {
        let Self { shard, reader, link, observer, common: Common { servers, templates, expected }, chance, .. } = self;
        let tables = reader.tables();
        let tcp = if shard.defence.is_secure(&tables.sysctls) { &tcp::SECURE } else { &tcp::USUAL };
        let scene = Scene { now, tables, servers, templates, expected, link, chance, tcp };
        work(&mut Desk::new(shard, &scene, observer.as_deref(), source))
    }

    /// Another turn begins: the last one is accounted for, watches that are over end.
    pub(super) fn begin_turn(&mut self, now: Nanos) {
        self.pace(now);
        if self.observer.as_mut().is_some_and(|observer| !observer.turn(now)) {
            self.observer = None;
        }
    }

    /// Lets somebody look at packets.
    pub(super) fn observe(&mut self, watch: Watch) {
        let began = self.pace.began;
        self.observer.get_or_insert_with(|| Box::new(Observer::new(began))).add(watch);
    }

    /// Tells the defence how much room there is for connections.
    pub(super) fn look_at_room(&mut self) {
        let capacity = self.shard.table.capacity();
        self.shard.defence.look(self.reader.tables(), capacity - self.shard.table.len(), capacity);
    }

    /// Puts up and takes down the signposts of other workers. Returns how many that were.
    pub(super) fn read_signs(&mut self) -> usize {
        self.shard.read_signs(&self.link)
    }

    /// Ends connections whose time has come, whose servers are gone, or that the defence drops. Returns how many it looked
    /// at.
    pub(super) fn end_connections(&mut self, now: Tick) -> usize {
        let (sysctls, common) = (&self.reader.tables().sysctls, &self.common);
        let due = self.shard.expire(now, EXPIRE_BUDGET, common.shared(), &self.link);
        let orphans = self.shard.end_orphans(now, EXPIRE_BUDGET as u32, &common.servers);
        due + orphans + self.shard.drop_entries(now, DEFENCE_BUDGET, sysctls, &common.expected, &self.chance)
    }

    /// Tells control what is in some slots. Returns how many that are.
    pub(super) fn list(&self, question: u64, from: u32, most: u32, now: Tick) -> usize {
        let end = self.shard.table.walk_end();
        let stop = from.saturating_add(most).min(end);
        let live = |index: u32| {
            let table = &self.shard.table;
            table[index].has(flag::LIVE).then(|| (table.snapshot(index), now.until(table[index].due())))
        };
        let connections = (from..stop).filter_map(live).collect();
        let report = Report::Listed(Page { question, connections, next: (stop < end).then_some(stop) });
        // Control waits for this answer with a time limit of its own and asks again.
        let _ = self.link.reports.push(report);
        stop.saturating_sub(from) as usize
    }

    /// Accounts for the time since the last turn began.
    fn pace(&mut self, now: Nanos) {
        let Self { pace, link, .. } = self;
        if pace.busy {
            counters::add(&link.busy_nanos, now.0.saturating_sub(pace.began.0));
        }
        pace.began = now;
        if now.0.saturating_sub(pace.second.0) >= SECOND {
            link.longest_turn_1s.store(pace.longest, Relaxed);
            (pace.second, pace.longest) = (now, 0);
        }
    }

    /// Tells how much the stores hold.
    fn gauge(&self) {
        let (shard, gauges) = (&self.shard, &self.link.gauges);
        for (gauges, store) in gauges.fragments.iter().zip([&shard.fragments4, &shard.fragments6]) {
            let displaced = store.displaced();
            gauges.datagrams.tell(store.datagrams(), displaced.by_count);
            gauges.bytes.tell(store.bytes(), displaced.by_bytes);
        }
        for (class, gauge) in gauges.waiting.iter().enumerate() {
            let (used, displaced) = shard.parking.fullness(class);
            gauge.tell(used, displaced);
        }
        gauges.ftp.store(shard.helpers.taken() as u64, Relaxed);
        gauges.signposts.store(shard.table.signposts().into(), Relaxed);
        let (packets, signs) = shard.mesh.waiting();
        gauges.crossing.store(packets as u64, Relaxed);
        gauges.signs.store(signs as u64, Relaxed);
    }

    pub(super) fn report(&mut self, items: usize) {
        counters::add(&self.link.turns, 1);
        self.pace.busy = items > 0;
        if items > 0 {
            self.pace.longest = self.pace.longest.max(items as u64);
            let longest = self.link.longest_turn.load(Relaxed).max(items as u64);
            self.link.longest_turn.store(longest, Relaxed);
            counters::add(&self.link.busy_turns, 1);
            self.link.connections.store(u64::from(self.shard.table.len()), Relaxed);
            self.link.counters.parked.store(self.shard.parking.len() as u64, Relaxed);
            self.gauge();
        }
    }
}
