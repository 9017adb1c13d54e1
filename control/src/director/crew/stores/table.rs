//! Every store of a worker: what it holds, how much of it is used, and what it has lost since the start.

use std::sync::atomic::Ordering::Relaxed;

use dataplane::conn::{ConnMemory, MOST_HELPED};
use dataplane::counters::Fullness;
use dataplane::fragments::{MAX_BYTES, MAX_DATAGRAMS};
use dataplane::handoff::{PACKETS, SIGNS};
use dataplane::mailbox::{Link, QUESTIONS};
use dataplane::parking::{Class, PLACES};
use dataplane::verdict::Drop;

use crate::config::Config;

/// How much is in a store, and how many entries it has lost since the start: refused, and displaced for others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::director) struct Level {
    pub(super) used: u64,
    pub(super) capacity: u64,
    pub(super) refused: u64,
    pub(super) displaced: u64,
}

impl Level {
    pub(in crate::director) fn new(used: u64, capacity: u64) -> Self {
        Self { used, capacity, ..Self::default() }
    }

    pub(in crate::director) fn refused(self, refused: u64) -> Self {
        Self { refused, ..self }
    }

    pub(in crate::director) fn displaced(self, displaced: u64) -> Self {
        Self { displaced, ..self }
    }
}

/// What a store is called, and what is said of entries that it lost.
#[derive(Debug)]
pub(in crate::director) struct Kind {
    pub(super) name: &'static str,
    pub(super) refused: &'static str,
    pub(super) displaced: &'static str,
}

/// A store of every worker.
pub(super) struct OfWorker(pub(super) Kind, pub(super) fn(&Link, &Config) -> Level);

/// What a store is called, and what is said of what it refused and displaced.
pub(in crate::director) const fn kind(name: &'static str, refused: &'static str, displaced: &'static str) -> Kind {
    Kind { name, refused, displaced }
}

pub(super) const OF_WORKERS: [OfWorker; 14] = [
    OfWorker(kind("connections", "new connections", "connections"), |link, config| {
        Level::new(link.connections.load(Relaxed), config.dataplane.connections.into())
            .refused(link.counters.dropped(Drop::ConnectionsFull))
            .displaced(link.counters.connections_dropped_early.load(Relaxed))
    }),
    OfWorker(kind("packets waiting for servers", "packets", "packets"), |link, _| waiting(link, Class::Servers)),
    OfWorker(kind("packets waiting for clients", "packets", "packets"), |link, _| waiting(link, Class::Clients)),
    OfWorker(kind("other packets waiting", "packets", "packets"), |link, _| waiting(link, Class::Others)),
    OfWorker(kind("neighbour requests", "requests", "requests"), |link, _| {
        Level::new(link.questions.waiting() as u64, QUESTIONS as u64).refused(link.questions.refused())
    }),
    OfWorker(kind("messages to control", "frames", "frames"), |link, _| {
        Level::new(link.reports.len() as u64, link.reports.capacity() as u64)
            .refused(link.counters.dropped(Drop::PuntFull))
    }),
    OfWorker(kind("FTP control connections", "new connections", "connections"), |link, _| {
        Level::new(link.gauges.ftp.load(Relaxed), MOST_HELPED as u64).refused(link.counters.dropped(Drop::FtpFull))
    }),
    OfWorker(kind("incomplete IPv4 packets", "fragments", "fragments"), |link, _| incomplete(link, 0)),
    OfWorker(kind("bytes of IPv4 fragments", "fragments", "fragments"), |link, _| bytes(link, 0)),
    OfWorker(kind("incomplete IPv6 packets", "fragments", "fragments"), |link, _| incomplete(link, 1)),
    OfWorker(kind("bytes of IPv6 fragments", "fragments", "fragments"), |link, _| bytes(link, 1)),
    OfWorker(kind("signposts", "signposts", "signposts"), |link, config| {
        let capacity = ConnMemory::signposts(config.dataplane.connections, is_crew(config));
        Level::new(link.gauges.signposts.load(Relaxed), capacity as u64)
            .refused(link.counters.signposts_lost.load(Relaxed))
    }),
    OfWorker(kind("signposts to another worker", "new connections", "signposts"), |link, config| {
        ring(link.gauges.signs.load(Relaxed), SIGNS, config).refused(link.counters.dropped(Drop::SignpostFull))
    }),
    OfWorker(kind("packets to another worker", "packets", "packets"), |link, config| {
        ring(link.gauges.crossing.load(Relaxed), PACKETS, config).refused(link.counters.dropped(Drop::HandoffFull))
    }),
];

/// Packets of a class that wait for neighbours, of the family that has more of them.
fn waiting(link: &Link, class: Class) -> Level {
    of(&link.gauges.waiting[class as usize], PLACES[class as usize])
}

/// Incomplete packets of IPv4 (0) or IPv6 (1).
fn incomplete(link: &Link, family: usize) -> Level {
    of(&link.gauges.fragments[family].datagrams, MAX_DATAGRAMS)
}

/// Bytes of their fragments.
fn bytes(link: &Link, family: usize) -> Level {
    of(&link.gauges.fragments[family].bytes, MAX_BYTES)
}

fn of(gauge: &Fullness, capacity: usize) -> Level {
    Level::new(gauge.used.load(Relaxed), capacity as u64).displaced(gauge.displaced.load(Relaxed))
}

/// The fullest ring to another worker; there is none without others.
fn ring(used: u64, capacity: usize, config: &Config) -> Level {
    Level::new(used, if is_crew(config) { capacity as u64 } else { 0 })
}

fn is_crew(config: &Config) -> bool {
    config.dataplane.workers.len() > 1
}
