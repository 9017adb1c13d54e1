//! A worker: its ports, its shard, its links. One turn is one bounded piece of work; time is an argument.

mod core;

use std::sync::Arc;

use arrayvec::ArrayVec;

use crate::chance::Chance;
use crate::clock::{Nanos, Tick};
use crate::conn::ConnMemory;
use crate::counters;
use crate::expected::AllExpected;
use crate::handoff::{Crossing, Errand, Mesh, WHOLES};
use crate::mailbox::{Command, Link};
use crate::packet::{Arrival, Burst};
use crate::parking::{Ending, Neighbor};
use crate::pipeline::{self, Desk};
use crate::port::{BURST, PacketBuf, Port};
use crate::seeds::Seeds;
use crate::service::Servers;
use crate::shard::Shard;
use crate::snapshot::Reader;
use crate::steering::Station;
use crate::template::Templates;
use crate::trace::Way;
use crate::verdict::Sent;
use crate::wire::vlan::Lan;
use core::{Common, Core};

pub use core::{DEFENCE_BUDGET, EXPIRE_BUDGET};

/// Commands per turn.
pub const COMMAND_BUDGET: usize = 32;
/// Connection slots looked at for one command to list.
pub const LIST_BUDGET: u32 = 1024;
/// Fragments per turn that are given up because the time of their datagrams is over; of the last one all.
pub const FRAGMENT_BUDGET: usize = 64;

/// One poll-mode worker.
#[derive(Debug)]
pub struct Worker<P: Port> {
    ports: Vec<P>,
    burst: Burst<P::Buf>,
    core: Core<P::Buf>,
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
    /// Which servers clients of persistent services go to.
    pub templates: Arc<Templates>,
    /// Connections that control connections have announced.
    pub expected: Arc<AllExpected>,
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
        let Parts { ports, memory, seeds, reader, servers, templates, expected, link, station, mesh } = parts;
        let chance = Chance::seeded(seeds.chance ^ u64::from(station.me()) << 32);
        let shard = Shard::new(memory, seeds, ports.len() as u16, now.tick(), station, mesh);
        let common = Common { servers, templates, expected };
        Self { ports, burst: Burst::default(), core: Core::new(shard, reader, common, link, chance, now) }
    }

    /// Its ports, for tests that inject and capture.
    pub fn ports_mut(&mut self) -> &mut [P] {
        &mut self.ports
    }

    /// Its state, for tests and reports.
    #[must_use]
    pub fn shard(&self) -> &Shard<P::Buf> {
        &self.core.shard
    }

    /// Its state, for tests that change it.
    pub fn shard_mut(&mut self) -> &mut Shard<P::Buf> {
        &mut self.core.shard
    }

    /// Whether somebody looks at its packets, for tests.
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.core.observer.is_some()
    }

    /// Its link to control.
    #[must_use]
    pub fn link(&self) -> &Arc<Link> {
        &self.core.link
    }

    /// Gives every packet back that it still holds.
    pub fn finish(mut self) {
        let Shard { output, parking, mesh, .. } = &mut self.core.shard;
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
        self.core.begin_turn(now);
        let tick = now.tick();
        let mut items = if self.core.reader.refresh() { self.release(tick) } else { 0 };
        self.core.look_at_room();
        items += self.commands(tick);
        items += self.receive(tick);
        items += self.take_over(tick);
        items += self.give_up(tick);
        items += self.expire_fragments(tick);
        items += self.core.end_connections(tick);
        self.transmit();
        self.core.report(items);
        items
    }
}

/// Parts of a turn.
impl<P: Port> Worker<P> {
    fn receive(&mut self, now: Tick) -> usize {
        let mut items = 0;
        let Self { ports, burst, core } = self;
        for (index, port) in ports.iter_mut().enumerate() {
            let received = port.rx_burst(&mut burst.packets);
            if received > 0 {
                items += received;
                counters::add(&core.link.counters.received, received as u64);
                // After taking packets, before looking anything up: a reply cannot overtake its signpost.
                items += core.read_signs();
                burst.cuts_at = port.cuts_at();
                core.work(now, &mut || port.alloc(), |desk| pipeline::run(burst, index as u16, desk));
            }
        }
        items
    }

    /// Takes over what other workers hand to this one.
    fn take_over(&mut self, now: Tick) -> usize {
        (0..self.core.shard.mesh.peers.len()).map(|peer| self.take_over_from(peer, now)).sum()
    }

    fn take_over_from(&mut self, peer: usize, now: Tick) -> usize {
        let Self { ports, burst, core } = self;
        let mut alloc = || ports.first_mut().and_then(Port::alloc);
        let mut items = 0;
        for _ in 0..BURST {
            let Ok(Crossing { packet, port, errand, watchers }) = core.shard.mesh.peers[peer].arriving.pop() else {
                break;
            };
            items += 1;
            let arrival = match errand {
                Errand::Land => Arrival::Landed,
                Errand::Reply { conn } => Arrival::Signed { conn },
                Errand::Leave(ending) => {
                    if matches!(ending, Ending::Forward(_)) {
                        counters::add(&core.link.counters.taken, 1);
                    }
                    core.work(now, &mut alloc, |desk| pipeline::leave(packet, port, ending, watchers, desk));
                    continue;
                }
            };
            let meta = &mut burst.meta[burst.packets.len()];
            (meta.lan, meta.arrival, meta.watchers) = (Lan::untagged(port), arrival, watchers);
            burst.packets.push(packet);
        }
        let mut wholes = ArrayVec::<_, WHOLES>::new();
        wholes.extend(std::iter::from_fn(|| core.shard.mesh.peers[peer].wholes.pop().ok()).take(WHOLES));
        items += core.read_signs() + wholes.len();
        if !burst.packets.is_empty() {
            counters::add(&core.link.counters.taken, burst.packets.len() as u64);
            core.work(now, &mut alloc, |desk| pipeline::run_handed(burst, desk));
        }
        counters::add(&core.link.counters.taken, wholes.len() as u64);
        for crossing in wholes {
            core.work(now, &mut alloc, |desk| pipeline::whole(crossing, desk));
        }
        items
    }

    /// A page of a list counts by its slots: after one, other commands wait for the next turn.
    fn commands(&mut self, now: Tick) -> usize {
        let mut items = 0;
        while items < COMMAND_BUDGET
            && let Some(command) = self.core.link.commands.pop()
        {
            items += 1;
            match command {
                Command::Send { port, frame } => self.send(port, &frame),
                Command::NeighborFailed { interface, address } => items += self.fail((interface, address), now),
                Command::EndOrphans => self.core.shard.end_orphans_soon(),
                Command::List { question, from, most } => {
                    items += self.core.list(question, from, most.clamp(1, LIST_BUDGET), now);
                }
                Command::Watch(watch) => self.core.observe(*watch),
            }
        }
        items
    }

    /// Sends what new tables allow.
    fn release(&mut self, now: Tick) -> usize {
        self.work(now, pipeline::release)
    }

    /// Ends what waits for a neighbour. Returns how many packets that were.
    fn fail(&mut self, neighbor: Neighbor, now: Tick) -> usize {
        self.work(now, |desk| pipeline::fail(neighbor, desk))
    }

    /// Ends what has waited too long for one neighbour.
    fn give_up(&mut self, now: Tick) -> usize {
        let Some(neighbor) = self.core.shard.parking.overdue(now) else { return 0 };
        self.fail(neighbor, now)
    }

    /// Ends what waits for fragments that do not come.
    fn expire_fragments(&mut self, now: Tick) -> usize {
        let shard = &self.core.shard;
        if shard.fragments4.pieces() + shard.fragments6.pieces() == 0 {
            return 0;
        }
        self.work(now, |desk| pipeline::expire_fragments(desk, FRAGMENT_BUDGET))
    }

    /// Work that no packet of a port asks for: buffers come from the first.
    fn work<R>(&mut self, now: Tick, work: impl FnOnce(&mut Desk<'_, P::Buf>) -> R) -> R {
        let Self { ports, core, .. } = self;
        core.work(now, &mut || ports.first_mut().and_then(Port::alloc), work)
    }

    /// A frame of control's.
    fn send(&mut self, port: u16, frame: &[u8]) {
        let Some(buffer) = self.ports.get_mut(usize::from(port)).and_then(Port::alloc) else {
            self.core.link.counters.sent(Sent::Lost);
            return;
        };
        let mut buffer = buffer;
        if !buffer.set_len(frame.len()) {
            self.core.link.counters.sent(Sent::Lost);
            self.core.shard.output.dropped.push(buffer);
            return;
        }
        buffer.data_mut().copy_from_slice(frame);
        match self.core.shard.output.push(port, buffer) {
            Ok(()) => {
                self.core.link.counters.sent(Sent::Control);
                if let Some(observer) = &self.core.observer {
                    observer.show(observer.look(frame, port), Way::Out, port, frame);
                }
            }
            Err(buffer) => {
                self.core.link.counters.sent(Sent::Lost);
                self.core.shard.output.dropped.push(buffer);
            }
        }
    }

    fn transmit(&mut self) {
        for (port, queue) in self.ports.iter_mut().zip(&mut self.core.shard.output.queues) {
            if !queue.is_empty() {
                port.tx_burst(queue);
            }
        }
        if let Some(port) = self.ports.first_mut()
            && !self.core.shard.output.dropped.is_empty()
        {
            port.free_bulk(&mut self.core.shard.output.dropped);
        }
    }
}
