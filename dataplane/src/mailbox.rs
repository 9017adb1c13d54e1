//! What control and one worker say to each other: two bounded queues and a page of gauges.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crossbeam::queue::ArrayQueue;

use crate::clock::Midnight;
use crate::conn::Snapshot;
use crate::counters::{self, Counters, Gauges};
use crate::parking::{CLASSES, Class, Neighbor};
use crate::service::{MAX_SERVERS, Totals};
use crate::trace::Watch;
use crate::wire::vlan::Lan;

/// Messages that may wait, in each direction.
const QUEUE: usize = 1024;
/// Questions of each class that may wait.
pub const QUESTIONS: usize = 256;

/// From control.
#[derive(Debug)]
pub enum Command {
    /// Send this frame by a port.
    Send {
        /// The port.
        port: u16,
        /// From the Ethernet header on.
        frame: Vec<u8>,
    },
    /// A neighbour does not answer: end what waits for it.
    NeighborFailed {
        /// Its interface.
        interface: u16,
        /// Its address.
        address: IpAddr,
    },
    /// Servers were removed and `expire_nodest_conn` is on: their connections end.
    EndOrphans,
    /// List connections from a slot on.
    List {
        /// Which question this is; the page that answers it has the same number.
        question: u64,
        /// Where to go on.
        from: u32,
        /// Slots to look at, at most.
        most: u32,
    },
    /// Look at packets, until the watch is over.
    Watch(Box<Watch>),
}

/// From a worker.
#[derive(Debug)]
pub enum Report {
    /// A frame for control.
    Frame {
        /// Where it came from.
        lan: Lan,
        /// From the Ethernet header on, without a tag.
        frame: Vec<u8>,
    },
    /// A piece of the list.
    Listed(Page),
}

/// A page of a worker's connections.
#[derive(Debug)]
pub struct Page {
    /// The question that it answers.
    pub question: u64,
    /// Live connections, with the ticks until each ends.
    pub connections: Vec<(Snapshot, u32)>,
    /// Where to go on; `None` at the end.
    pub next: Option<u32>,
}

/// Neighbours that packets wait for, on their way to control. A queue for each class of packets: who makes many questions
/// of one crowds out no other, nor what else the mailbox holds.
#[derive(Debug)]
pub struct Questions {
    queues: [ArrayQueue<Neighbor>; CLASSES],
    refused: AtomicU64,
}

impl Questions {
    fn new() -> Self {
        Self { queues: std::array::from_fn(|_| ArrayQueue::new(QUESTIONS)), refused: AtomicU64::default() }
    }

    /// Asks for a neighbour on behalf of a packet. Returns whether there was room for the question.
    pub fn ask(&self, class: Class, neighbor: Neighbor) -> bool {
        let asked = self.queues[class as usize].push(neighbor).is_ok();
        if !asked {
            counters::add(&self.refused, 1);
        }
        asked
    }

    /// The next question of each class.
    pub fn take(&self) -> [Option<Neighbor>; CLASSES] {
        std::array::from_fn(|class| self.queues[class].pop())
    }

    /// Questions that wait, of the class with most of them.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queues.iter().map(ArrayQueue::len).max().unwrap_or(0)
    }

    /// Questions that found no room since the start. They are asked again by the next packet.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Whether nobody asks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queues.iter().all(ArrayQueue::is_empty)
    }
}

/// The link between control and one worker.
#[derive(Debug)]
pub struct Link {
    /// To the worker.
    pub commands: ArrayQueue<Command>,
    /// To control.
    pub reports: ArrayQueue<Report>,
    /// To control, apart from reports.
    pub questions: Questions,
    /// Verdicts.
    pub counters: Counters,
    /// How much its stores hold.
    pub gauges: Gauges,
    /// Totals by server.
    pub totals: Totals,
    /// Turns.
    pub turns: AtomicU64,
    /// Turns that found something to do.
    pub busy_turns: AtomicU64,
    /// Nanoseconds spent in turns that found something to do.
    pub busy_nanos: AtomicU64,
    /// Items of the longest turn since the start.
    pub longest_turn: AtomicU64,
    /// Items of the longest turn in the last whole second.
    pub longest_turn_1s: AtomicU64,
    /// Connections now.
    pub connections: AtomicU64,
    /// The time of day, where a packet asks for it.
    pub midnight: Midnight,
}

impl Link {
    /// How many frames that ask for neighbours the worker may be told to send: half of its mailbox is left for answers.
    #[must_use]
    pub fn room_for_questions(&self) -> usize {
        (QUEUE / 2).saturating_sub(self.commands.len())
    }

    /// Bytes of one, beside totals: those are there by server.
    #[must_use]
    pub const fn bytes() -> usize {
        // Each place of a queue has a stamp.
        QUEUE * (size_of::<Command>() + size_of::<Report>() + 2 * size_of::<usize>())
            + CLASSES * QUESTIONS * (size_of::<Neighbor>() + size_of::<usize>())
            + size_of::<Self>()
    }

    /// An idle link.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            commands: ArrayQueue::new(QUEUE),
            reports: ArrayQueue::new(QUEUE),
            questions: Questions::new(),
            counters: Counters::default(),
            gauges: Gauges::default(),
            totals: Totals::new(MAX_SERVERS),
            turns: AtomicU64::default(),
            busy_turns: AtomicU64::default(),
            busy_nanos: AtomicU64::default(),
            longest_turn: AtomicU64::default(),
            longest_turn_1s: AtomicU64::default(),
            connections: AtomicU64::default(),
            midnight: Midnight::default(),
        })
    }
}
