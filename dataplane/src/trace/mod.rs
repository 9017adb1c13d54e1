//! Seeing inside: watches that show what becomes of the packets that a filter lets pass. A watch stops by itself: by
//! its count of packets, by its time, or when control closes its tray.
//!
//! ```text
//! control            makes a Watch and its Tray, gives every worker one, takes records out of the tray
//! worker             while it has watches, `pipeline::observe` takes every burst one packet at a time
//! tray full          the record is lost and counted
//! ```
//!
//! The tray is the watch's own, so that no trace can crowd out what workers and control otherwise tell each other.

mod filter;
mod outline;
mod record;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

use arrayvec::ArrayVec;
use crossbeam::queue::ArrayQueue;

pub use filter::{Filter, PacketEnd, Term};
pub use outline::{NO_CHUNK, Outline};
pub use record::{
    Decided, Frame, Later, Left, MOST_EFFECTS, Outcome, Parsed, Record, Route, Scheduling, Sight, Trace, Waiting, Way,
    Why,
};

use crate::clock::Nanos;
use crate::packet::Watchers;
use crate::wire::vlan::Lan;

/// Most watches at a time.
pub const MAX_WATCHES: usize = 4;
/// Records that a tray holds.
pub const TRAY_RECORDS: usize = 4096;
/// Bytes of frames that a tray holds.
pub const TRAY_BYTES: usize = 4 << 20;

/// What is wanted of the packets that match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The stages they take.
    Trace,
    /// Their bytes, as received and as sent.
    Frames {
        /// Bytes of each, at most.
        snaplen: u32,
    },
}

/// One worker's part of a watch.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Which packets.
    pub filter: Filter,
    /// What of them.
    pub wanted: Wanted,
    /// When it ends at the latest.
    pub until: Nanos,
    /// Who looks.
    pub worker: u32,
    /// Its bit in the marks of packets, 0 to 7: the same for all workers, another one for every watch.
    pub slot: u8,
    /// Where to put what is seen.
    pub tray: Arc<Tray>,
}

impl Watch {
    fn bit(&self) -> u8 {
        1u8.checked_shl(self.slot.into()).unwrap_or(0)
    }

    /// Whether there is nothing more to see.
    #[must_use]
    pub fn is_over(&self, now: Nanos) -> bool {
        now >= self.until || self.tray.is_over()
    }
}

/// What all workers' parts of a watch share: the count of packets still wanted, and the records on their way to control.
#[derive(Debug)]
pub struct Tray {
    records: ArrayQueue<Record>,
    bytes: AtomicUsize,
    most: u64,
    taken: AtomicU64,
    under_way: AtomicU64,
    lost: AtomicU64,
    closed: AtomicBool,
}

impl Tray {
    /// An empty tray of a watch that wants so many packets.
    #[must_use]
    pub fn new(most: u64) -> Arc<Self> {
        Arc::new(Self {
            records: ArrayQueue::new(TRAY_RECORDS),
            bytes: AtomicUsize::default(),
            most,
            taken: AtomicU64::default(),
            under_way: AtomicU64::default(),
            lost: AtomicU64::default(),
            closed: AtomicBool::default(),
        })
    }

    /// Takes one of the packets that are still wanted; it is under way then.
    fn take(&self) -> bool {
        let taken = !self.is_full() && !self.is_closed() && self.taken.fetch_add(1, Relaxed) < self.most;
        if taken {
            self.under_way.fetch_add(1, Relaxed);
        }
        taken
    }

    /// The way of a packet is over. One of the director's own answers may end after the packet that it answers.
    fn end(&self) {
        let _ = self.under_way.fetch_update(Relaxed, Relaxed, |packets| packets.checked_sub(1));
    }

    fn put(&self, record: Record) {
        let size = record.sight.size();
        let fits = self.bytes.fetch_add(size, Relaxed) + size <= TRAY_BYTES;
        if !fits || self.records.push(record).is_err() {
            self.bytes.fetch_sub(size, Relaxed);
            self.lost.fetch_add(1, Relaxed);
        }
    }

    /// The next record.
    pub fn pop(&self) -> Option<Record> {
        let record = self.records.pop()?;
        self.bytes.fetch_sub(record.sight.size(), Relaxed);
        Some(record)
    }

    /// Nothing more is wanted.
    pub fn close(&self) {
        self.closed.store(true, Relaxed);
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    /// Whether it has all packets that were wanted.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.taken.load(Relaxed) >= self.most
    }

    /// Whether it has all packets that were wanted and none of them waits or crosses to another worker; or was closed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_closed() || self.is_full() && self.under_way.load(Relaxed) == 0
    }

    /// Packets that were seen.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.taken.load(Relaxed).min(self.most)
    }

    /// Records that found no room.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }
}

impl Sight {
    /// Bytes of a frame that it holds.
    fn size(&self) -> usize {
        if let Self::Frame(frame) = self { frame.bytes.len() } else { 0 }
    }
}

/// The watches of one worker.
#[derive(Debug)]
pub struct Observer {
    now: Nanos,
    watches: ArrayVec<Watch, MAX_WATCHES>,
}

impl Observer {
    /// Without watches.
    #[must_use]
    pub fn new(now: Nanos) -> Self {
        Self { now, watches: ArrayVec::new() }
    }

    /// Adds a watch; one too many is not looked after, and so is over at once.
    pub fn add(&mut self, watch: Watch) {
        // Control keeps to the bound.
        let _ = self.watches.try_push(watch);
    }

    /// Another turn begins: ends watches that are over. Returns whether any is left.
    pub fn turn(&mut self, now: Nanos) -> bool {
        self.now = now;
        self.watches.retain(|watch| !watch.is_over(now));
        !self.watches.is_empty()
    }

    /// Who wants a frame that came by a device port; it counts.
    pub fn count(&self, frame: &[u8], port: u16) -> Watchers {
        self.choose(|watch| watch.filter.matches(frame, port) && watch.tray.take())
    }

    /// Who wants a frame that does not count: the director's own.
    #[must_use]
    pub fn look(&self, frame: &[u8], port: u16) -> Watchers {
        self.choose(|watch| watch.filter.matches(frame, port))
    }

    fn choose(&self, wants: impl Fn(&Watch) -> bool) -> Watchers {
        let wanting = self.watches.iter().filter(|watch| wants(watch));
        Watchers(wanting.fold(0, |all, watch| all | watch.bit()))
    }

    /// Whether one of those who want it wants to know its stages.
    #[must_use]
    pub fn traces(&self, watchers: Watchers) -> bool {
        self.followers(watchers).any(|watch| watch.wanted == Wanted::Trace)
    }

    /// The way of a packet is over.
    pub fn end(&self, watchers: Watchers) {
        self.followers(watchers).for_each(|watch| watch.tray.end());
    }

    /// Tells those who want stages.
    pub fn tell(&self, watchers: Watchers, sight: &Sight) {
        for watch in self.followers(watchers).filter(|watch| watch.wanted == Wanted::Trace) {
            self.put(watch, sight.clone());
        }
    }

    /// Shows a frame to those who want bytes.
    pub fn show(&self, watchers: Watchers, way: Way, port: u16, frame: &[u8]) {
        for watch in self.followers(watchers) {
            if let Wanted::Frames { snaplen } = watch.wanted {
                let bytes = &frame[..frame.len().min(snaplen as usize)];
                self.put(
                    watch,
                    Sight::Frame(Frame {
                        way,
                        lan: Lan::of(port, frame),
                        length: frame.len() as u32,
                        bytes: bytes.into(),
                    }),
                );
            }
        }
    }

    fn put(&self, watch: &Watch, sight: Sight) {
        watch.tray.put(Record { at: self.now, worker: watch.worker, sight });
    }

    fn followers(&self, watchers: Watchers) -> impl Iterator<Item = &Watch> {
        self.watches.iter().filter(move |watch| watchers.0 & watch.bit() != 0)
    }
}
