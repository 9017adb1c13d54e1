//! A worker: its ports, its shard, its links. One turn is one bounded piece of work; time is an argument.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrayvec::ArrayVec;

use crate::chance::Chance;
use crate::clock::{Nanos, Tick};
use crate::conn::{Conn, ConnMemory, flag};
use crate::counters;
use crate::handoff::{Crossing, Errand, Mesh, WHOLES};
use crate::mailbox::{Command, Link, Page, Report};
use crate::packet::{Arrival, Burst};
use crate::parking::Ending;
use crate::pipeline::{self, Scene};
use crate::port::{BURST, PacketBuf, Port};
use crate::proto::tcp;
use crate::seeds::Seeds;
use crate::service::Servers;
use crate::shard::Shard;
use crate::snapshot::Reader;
use crate::steering::Station;
use crate::tables::Tables;
use crate::trace::Way;
use crate::verdict::Sent;
use crate::wire::vlan::Lan;

/// Connections looked at per turn for their end, and as many more whose servers may be gone.
pub const EXPIRE_BUDGET: usize = 256;
/// Commands per turn.
pub const COMMAND_BUDGET: usize = 32;
/// Connection slots looked at for one command to list.
pub const LIST_BUDGET: u32 = 1024;
/// Entries looked at per turn for the defence to drop.
pub const DEFENCE_BUDGET: u32 = 256;
/// Fragments per turn that are given up because the time of their datagrams is over; of the last one all.
pub const FRAGMENT_BUDGET: usize = 64;
/// Nanoseconds over which the longest recent turn is looked for.
const SECOND: u64 = 1_000_000_000;

/// One poll-mode worker.
#[derive(Debug)]
pub struct Worker<P: Port> {
    ports: Vec<P>,
    shard: Shard<P::Buf>,
    reader: Reader,
    servers: Arc<Servers>,
    link: Arc<Link>,
    burst: Burst<P::Buf>,
    chance: Chance,
    pace: Pace,
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

/// What a worker is made of.
#[derive(Debug)]
pub struct Parts<P: Port> {
    /// One queue of every port, in the order of ports.
    pub ports: Vec<P>,
    /// Storage of its connections.
    pub memory: ConnMemory,
    /// What nobody outside knows.
    pub seeds: Seeds,
    /// Tables.
    pub reader: Reader,
    /// States of real servers.
    pub servers: Arc<Servers>,
    /// Link to control.
    pub link: Arc<Link>,
    /// Where it stands among the others.
    pub station: Station,
    /// Rings to and from the others.
    pub mesh: Mesh<P::Buf>,
}

impl<P: Port> Worker<P> {
    /// A worker that has not turned yet.
    #[must_use]
    pub fn new(parts: Parts<P>, now: Nanos) -> Self {
        let Parts { ports, memory, seeds, reader, servers, link, station, mesh } = parts;
        let chance = Chance::seeded(seeds.chance ^ u64::from(station.me()) << 32);
        let shard = Shard::new(memory, seeds, ports.len() as u16, now.tick(), station, mesh);
        let pace = Pace { began: now, busy: false, second: now, longest: 0 };
        Self { ports, shard, reader, servers, link, burst: Burst::default(), chance, pace }
    }

    /// Its ports, for tests that inject and capture.
    pub fn ports_mut(&mut self) -> &mut [P] {
        &mut self.ports
    }

    /// Its state, for tests and reports.
    #[must_use]
    pub fn shard(&self) -> &Shard<P::Buf> {
        &self.shard
    }

    /// Its link to control.
    #[must_use]
    pub fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Gives every packet back that it still holds.
    pub fn finish(mut self) {
        let Shard { output, parking, mesh, .. } = &mut self.shard;
        for peer in &mut mesh.peers {
            output.dropped.extend(std::iter::from_fn(|| peer.arriving.pop().ok()).map(|crossing| crossing.packet));
        }
        parking.leave_where(|_| true);
        output.dropped.extend(std::iter::from_fn(|| parking.next_leaving()).map(|parked| parked.packet));
        output.queues.iter_mut().for_each(|queue| output.dropped.append(queue));
        if let Some(port) = self.ports.first_mut() {
            port.free_bulk(&mut output.dropped);
        }
    }

    /// One bounded piece of work: commands, a burst of every port, timers, output. Returns the items handled.
    pub fn turn(&mut self, now: Nanos) -> usize {
        self.pace(now);
        let tick = now.tick();
        self.shard.observe_turn(now);
        let mut items = if self.reader.refresh() { self.release(tick) } else { 0 };
        let capacity = self.shard.table.capacity();
        self.shard.defence.look(self.reader.tables(), capacity - self.shard.table.len(), capacity);
        items += self.commands(tick);
        items += self.receive(tick);
        items += self.take_over(tick);
        items += self.give_up(tick);
        items += self.expire_fragments(tick);
        items += self.shard.expire(tick, EXPIRE_BUDGET, &self.servers, &self.reader.tables().templates, &self.link);
        items += self.shard.end_orphans(tick, EXPIRE_BUDGET as u32, &self.servers);
        let Tables { sysctls, templates, .. } = &**self.reader.tables();
        items += self.shard.drop_entries(tick, DEFENCE_BUDGET, sysctls, &templates.expected, &self.chance);
        self.transmit();
        self.report(items);
        items
    }
}

/// What a burst consults.
fn scene<'a, B>(
    now: Tick,
    reader: &'a Reader,
    servers: &'a Servers,
    link: &'a Link,
    chance: &'a Chance,
    shard: &Shard<B>,
) -> Scene<'a> {
    let tables = reader.tables();
    let tcp = if shard.defence.is_secure(&tables.sysctls) { &tcp::SECURE } else { &tcp::USUAL };
    Scene { now, tables, servers, link, chance, tcp }
}

/// Parts of a turn.
impl<P: Port> Worker<P> {
    fn receive(&mut self, now: Tick) -> usize {
        let mut items = 0;
        let Self { ports, shard, reader, servers, link, burst, chance, .. } = self;
        let context = &scene(now, reader, servers, link, chance, shard);
        for (index, port) in ports.iter_mut().enumerate() {
            let received = port.rx_burst(&mut burst.packets);
            if received > 0 {
                items += received;
                counters::add(&link.counters.received, received as u64);
                // After taking packets, before looking anything up: a reply cannot overtake its signpost.
                items += shard.read_signs(link);
                burst.cuts_at = port.cuts_at();
                pipeline::run(burst, index as u16, shard, context, &mut || port.alloc());
            }
        }
        items
    }

    /// Takes over what other workers hand to this one.
    fn take_over(&mut self, now: Tick) -> usize {
        let Self { ports, shard, reader, servers, link, burst, chance, .. } = self;
        let context = &scene(now, reader, servers, link, chance, shard);
        let mut items = 0;
        for at in 0..shard.mesh.peers.len() {
            for _ in 0..BURST {
                let Ok(Crossing { packet, port, errand, mark }) = shard.mesh.peers[at].arriving.pop() else { break };
                items += 1;
                let arrival = match errand {
                    Errand::Land => Arrival::Landed,
                    Errand::Reply { conn } => Arrival::Signed { conn },
                    Errand::Leave(ending) => {
                        if matches!(ending, Ending::Forward(_)) {
                            counters::add(&link.counters.taken, 1);
                        }
                        pipeline::leave(packet, port, ending, mark, shard, context);
                        continue;
                    }
                };
                let meta = &mut burst.meta[burst.packets.len()];
                (meta.lan, meta.arrival, meta.mark) = (Lan::untagged(port), arrival, mark);
                burst.packets.push(packet);
            }
            let mut wholes = ArrayVec::<_, WHOLES>::new();
            wholes.extend(std::iter::from_fn(|| shard.mesh.peers[at].wholes.pop().ok()).take(WHOLES));
            items += shard.read_signs(link) + wholes.len();
            let mut alloc = || ports.first_mut().and_then(Port::alloc);
            if !burst.packets.is_empty() {
                counters::add(&link.counters.taken, burst.packets.len() as u64);
                pipeline::run_handed(burst, shard, context, &mut alloc);
            }
            counters::add(&link.counters.taken, wholes.len() as u64);
            wholes.into_iter().for_each(|crossing| pipeline::whole(crossing, shard, context, &mut alloc));
        }
        items
    }

    /// A page of a list counts by its slots: after one, other commands wait for the next turn.
    fn commands(&mut self, now: Tick) -> usize {
        let mut items = 0;
        while items < COMMAND_BUDGET
            && let Some(command) = self.link.commands.pop()
        {
            items += 1;
            match command {
                Command::Send { port, frame } => self.send(port, &frame),
                Command::NeighborFailed { interface, address } => items += self.fail((interface, address), now),
                Command::EndOrphans => self.shard.end_orphans_soon(),
                Command::List { question, from, most } => {
                    items += self.list(question, from, most.clamp(1, LIST_BUDGET), now);
                }
                Command::Watch(watch) => self.shard.observe(*watch, self.pace.began),
            }
        }
        items
    }

    /// Sends what new tables allow.
    fn release(&mut self, now: Tick) -> usize {
        let Self { ports, shard, reader, servers, link, chance, .. } = self;
        let context = &scene(now, reader, servers, link, chance, shard);
        pipeline::release(shard, context, &mut || ports.first_mut().and_then(Port::alloc))
    }

    /// Ends what waits for a neighbour. Returns how many packets that were.
    fn fail(&mut self, neighbor: (u16, IpAddr), now: Tick) -> usize {
        let Self { ports, shard, reader, servers, link, chance, .. } = self;
        let context = &scene(now, reader, servers, link, chance, shard);
        let mut alloc = || ports.first_mut().and_then(Port::alloc);
        pipeline::fail(shard, context, neighbor, &mut alloc)
    }

    /// Ends what has waited too long for one neighbour.
    fn give_up(&mut self, now: Tick) -> usize {
        let Some(neighbor) = self.shard.parking.overdue(now) else { return 0 };
        self.fail(neighbor, now)
    }

    /// Ends what waits for pieces that do not come.
    fn expire_fragments(&mut self, now: Tick) -> usize {
        if self.shard.fragments4.pieces() + self.shard.fragments6.pieces() == 0 {
            return 0;
        }
        let Self { ports, shard, reader, servers, link, chance, .. } = self;
        let context = &scene(now, reader, servers, link, chance, shard);
        let mut alloc = || ports.first_mut().and_then(Port::alloc);
        pipeline::expire_fragments(shard, context, FRAGMENT_BUDGET, &mut alloc)
    }

    /// A frame of control's.
    fn send(&mut self, port: u16, frame: &[u8]) {
        let Some(buffer) = self.ports.get_mut(usize::from(port)).and_then(Port::alloc) else {
            self.link.counters.sent(Sent::Lost);
            return;
        };
        let mut buffer = buffer;
        if !buffer.set_len(frame.len()) {
            self.link.counters.sent(Sent::Lost);
            self.shard.output.dropped.push(buffer);
            return;
        }
        buffer.data_mut().copy_from_slice(frame);
        match self.shard.output.push(port, buffer) {
            Ok(()) => {
                self.link.counters.sent(Sent::Control);
                if let Some(observer) = &self.shard.observer {
                    observer.show(observer.look(frame, port), Way::Out, port, frame);
                }
            }
            Err(buffer) => {
                self.link.counters.sent(Sent::Lost);
                self.shard.output.dropped.push(buffer);
            }
        }
    }

    /// Tells control what is in some slots. Returns how many that are.
    fn list(&self, question: u64, from: u32, most: u32, now: Tick) -> usize {
        let end = self.shard.table.walk_end();
        let stop = from.saturating_add(most).min(end);
        let live = |index: u32| {
            let conn: Conn = self.shard.table[index];
            conn.has(flag::LIVE).then(|| (conn, now.until(conn.due())))
        };
        let connections = (from..stop).filter_map(live).collect();
        let report = Report::Listed(Page { question, connections, next: (stop < end).then_some(stop) });
        // Control waits for this answer with a time limit of its own and asks again.
        let _ = self.link.reports.push(report);
        stop.saturating_sub(from) as usize
    }

    fn transmit(&mut self) {
        for (port, queue) in self.ports.iter_mut().zip(&mut self.shard.output.queues) {
            if !queue.is_empty() {
                port.tx_burst(queue);
            }
        }
        if let Some(port) = self.ports.first_mut()
            && !self.shard.output.dropped.is_empty()
        {
            port.free_bulk(&mut self.shard.output.dropped);
        }
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
        gauges.ftp.store(shard.sides.taken() as u64, Relaxed);
        gauges.signposts.store(shard.table.signposts().into(), Relaxed);
        let (packets, signs) = shard.mesh.waiting();
        gauges.crossing.store(packets as u64, Relaxed);
        gauges.signs.store(signs as u64, Relaxed);
    }

    fn report(&mut self, items: usize) {
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
