//! The loop: receive from every queue, make what may be sent, send. One thread, and nothing else in it.

use std::hint;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dataplane::port::{BURST, PacketBuf, Port};
use dataplane::wire::ethernet::MacAddr;

use crate::args::Spread;
use crate::arp::Arp;
use crate::check::Wrong;
use crate::door::Door;
use crate::frame::{Order, Writer};
use crate::pace::Pace;
use crate::plan::{End, Plan};
use crate::seen::Packet;
use crate::tally::{Span, Tally};
use crate::traffic::Traffic;

/// Idle turns before a shared CPU is offered to others.
const PATIENT_TURNS: u32 = 64;
/// How often an open question is asked again.
const ASK: Duration = Duration::from_millis(100);

/// What bounds a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long to send.
    pub(crate) time: Duration,
    /// Packets a second, or 0.
    pub(crate) rate: u64,
    /// Packets under way, or 0.
    pub(crate) window: u64,
    /// How long a packet may be under way.
    pub(crate) patience: Duration,
}

impl Limits {
    /// Silence, in nanoseconds, after which nothing more comes.
    pub(crate) fn silence(self) -> u64 {
        self.patience.mul_f64(1.5).as_nanos() as u64
    }
}

/// How an engine spreads what it sends, and how it looks at what arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Which queue a packet is sent on.
    pub(crate) spread: Spread,
    /// One packet of so many is verified; 0: none.
    pub(crate) verify: u32,
    /// Everything is counted as it comes, and nothing is read.
    pub(crate) blind: bool,
    /// Others want the CPU, too.
    pub(crate) share: bool,
}

/// Doors, and what is needed to go through them.
pub(crate) struct Engine<P: Port> {
    pub(crate) doors: Vec<Door<P>>,
    pub(crate) plan: Plan,
    pub(crate) arp: Arp,
    pub(crate) manner: Manner,
    pub(crate) tally: Tally,
    /// Packets until the next one is verified.
    pub(crate) until_verified: u32,
    /// Buffers for the next frames.
    pub(crate) spares: Vec<P::Buf>,
    writer: Writer,
    start: Instant,
}

impl<P: Port> Engine<P> {
    /// An engine between one door for both ends, or a door for each: the clients', the servers'.
    pub(crate) fn new(doors: Vec<Door<P>>, plan: Plan, writer: Writer, arp: Arp, manner: Manner) -> Self {
        Self {
            doors,
            plan,
            arp,
            manner,
            tally: Tally::default(),
            until_verified: 1,
            spares: Vec::new(),
            writer,
            start: Instant::now(),
        }
    }

    /// Frames are made by another writer from now on.
    pub(crate) fn write_with(&mut self, writer: Writer) {
        self.writer = writer;
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// Runs until the traffic or the time is over, or somebody says stop; then listens until nothing more comes.
    pub(crate) fn run<T: Traffic>(&mut self, traffic: &mut T, limits: Limits, stop: &AtomicBool) -> Span {
        self.tally = Tally::default();
        let begun = self.now();
        let most = limits.time.as_nanos() as u64;
        let mut pace = Pace::new(limits, begun);
        let (mut now, mut idle, mut idle_turns) = (begun, 0, 0);
        while now - begun < most && !traffic.is_over() && !stop.load(Ordering::Relaxed) {
            let busy = self.turn(traffic, &mut pace, now);
            self.rest(busy, &mut idle_turns);
            let then = self.now();
            idle += if busy { 0 } else { then - now };
            now = then;
        }
        let span = Span { nanos: now - begun, received: self.tally.all_received(), idle };
        self.listen(traffic, &mut pace, limits.silence());
        span
    }

    /// The end of a run: what has begun ends, and what is under way arrives. It listens until nothing has come for so long,
    /// ten times that at most.
    fn listen<T: Traffic>(&mut self, traffic: &mut T, pace: &mut Pace, silence: u64) {
        traffic.wind_down();
        let begun = self.now();
        let (mut now, mut last, mut idle_turns) = (begun, begun, 0);
        let complete = |tally: &Tally| tally.back() >= tally.all_sent();
        while now - last < silence && now - begun < 10 * silence && !(traffic.is_over() && complete(&self.tally)) {
            let busy = self.turn(traffic, pace, now);
            self.rest(busy, &mut idle_turns);
            now = self.now();
            last = if busy { now } else { last };
        }
        self.tally.unsent = self.doors.iter_mut().map(Door::withdraw).sum::<usize>() as u64;
    }

    /// Once round. Whether there was anything to do.
    fn turn<T: Traffic>(&mut self, traffic: &mut T, pace: &mut Pace, now: u64) -> bool {
        let received = self.receive(traffic, now);
        let room = pace.room(now, self.tally.all_sent(), self.tally.back());
        let made = self.produce(traffic, room.min(BURST as u64), now);
        let gone: usize = self.doors.iter_mut().map(Door::flush).sum();
        received + made + gone > 0
    }

    /// Makes at most so many frames. Returns how many.
    fn produce<T: Traffic>(&mut self, traffic: &mut T, room: u64, now: u64) -> usize {
        if self.doors.iter().any(Door::is_crowded) {
            return 0;
        }
        let mut made = 0;
        while made < room {
            let Some(buffer) = self.spares.pop().or_else(|| self.doors[0].alloc()) else { break };
            let Some(order) = traffic.next(now) else {
                self.spares.push(buffer);
                break;
            };
            self.send(&order, buffer);
            made += 1;
        }
        made as usize
    }

    fn send(&mut self, order: &Order, mut buffer: P::Buf) {
        if buffer.set_len(self.writer.size()) {
            self.writer.write(order, buffer.data_mut());
            let door = self.door_of(order.from);
            let lane = match self.manner.spread {
                Spread::Turns => self.doors[door].next(),
                Spread::Flow => lane_of(order, self.doors[door].width()),
            };
            self.doors[door].push(lane, buffer);
            self.tally.sent[order.from as usize] += 1;
        }
    }

    /// After a turn. One in which there was nothing to do ends with a pause, or, after some of them, with a chance for
    /// others.
    fn rest(&self, busy: bool, idle_turns: &mut u32) {
        *idle_turns = if busy { 0 } else { *idle_turns + 1 };
        if self.manner.share && *idle_turns >= PATIENT_TURNS {
            thread::yield_now();
        } else if !busy {
            hint::spin_loop();
        }
    }

    /// The door of an end.
    pub(crate) fn door_of(&self, end: End) -> usize {
        (end as usize).min(self.doors.len() - 1)
    }

    /// Sends a frame that is there already.
    pub(crate) fn say(&mut self, door: usize, frame: &[u8]) {
        if let Some(mut buffer) = self.doors[door].alloc()
            && buffer.set_len(frame.len())
        {
            buffer.data_mut().copy_from_slice(frame);
            self.doors[door].push(0, buffer);
        }
    }

    /// Asks for the director until everybody knows each other, for so long at most. Its MACs, by end.
    pub(crate) fn meet(&mut self, most: Duration, stop: &AtomicBool) -> Option<[MacAddr; 2]> {
        let begun = Instant::now();
        while self.arp.acquainted().is_none() && begun.elapsed() < most && !stop.load(Ordering::Relaxed) {
            for (end, question) in self.arp.questions() {
                self.say(self.door_of(end), &question);
            }
            let asked = Instant::now();
            while asked.elapsed() < ASK && self.arp.acquainted().is_none() {
                self.doors.iter_mut().for_each(|door| _ = door.flush());
                let now = self.now();
                self.receive(&mut Silence, now);
                thread::sleep(Duration::from_micros(100));
            }
        }
        self.arp.acquainted()
    }
}

/// No traffic: only ARP is answered.
struct Silence;

impl Traffic for Silence {
    fn next(&mut self, _now: u64) -> Option<Order> {
        None
    }

    fn arrived(&mut self, _: u64, _: End, _: &Packet<'_>) -> Result<(), Wrong> {
        Ok(())
    }

    fn follows(&self) -> bool {
        false
    }

    fn is_over(&self) -> bool {
        true
    }
}

/// A queue that follows from flow and direction, as a hash of the packet would.
fn lane_of(order: &Order, width: usize) -> usize {
    let mixed = (order.flow ^ (order.from as u32) << 31).wrapping_mul(0x9e37_79b1);
    ((u64::from(mixed) * width as u64) >> 32) as usize
}
