//! What a worker counts. It alone writes; anyone may read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::verdict::{Answer, Drop, Forward, Handoff, Punt, Sent, Verdict};

/// Adds to a counter that only this thread writes: two plain moves, no locked instruction.
#[inline(always)]
pub fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
}

/// How much those of a worker's stores hold that only it can count, as of its last turn that found something to do.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Packets that wait for neighbours, by their class.
    pub waiting: [Fullness; 3],
    /// Fragments of IPv4, and of IPv6.
    pub fragments: [FragmentGauges; 2],
    /// Control connections of FTP that are looked into.
    pub ftp: AtomicU64,
    /// Signposts of other workers' connections.
    pub signposts: AtomicU64,
    /// Signposts on their way to another worker, by the fullest ring.
    pub signs: AtomicU64,
    /// Packets on their way to another worker, by the fullest ring.
    pub crossing: AtomicU64,
}

/// How full one store is.
#[derive(Debug, Default)]
pub struct Fullness {
    /// Entries.
    pub used: AtomicU64,
    /// Entries that made room for others since the start.
    pub displaced: AtomicU64,
}

impl Fullness {
    /// Tells both.
    pub fn tell(&self, used: usize, displaced: u64) {
        self.used.store(used as u64, Relaxed);
        self.displaced.store(displaced, Relaxed);
    }
}

/// How full the store of one family's fragments is.
#[derive(Debug, Default)]
pub struct FragmentGauges {
    /// Incomplete datagrams. There being as many as may be, fragments were displaced.
    pub datagrams: Fullness,
    /// Bytes of their fragments. There being as many as may be, fragments were displaced.
    pub bytes: Fullness,
}

/// One worker's counters.
#[derive(Debug)]
#[repr(align(64))]
pub struct Counters {
    /// Packets received.
    pub received: AtomicU64,
    /// Packets taken over from other workers.
    pub taken: AtomicU64,
    /// Packets waiting for a neighbour now.
    pub parked: AtomicU64,
    /// Fragments that became part of a packet.
    pub gathered: AtomicU64,
    /// Packets that were put together of them.
    pub reassembled: AtomicU64,
    /// Fragments of packets of which others are missing now.
    pub gathering: AtomicU64,
    /// Connections made.
    pub connections_made: AtomicU64,
    /// Connections that ended.
    pub connections_ended: AtomicU64,
    /// Connections of least value that ended early, for new ones.
    pub connections_dropped_early: AtomicU64,
    /// Signposts of other workers that found no room: replies of those connections do not find home.
    pub signposts_lost: AtomicU64,
    /// Templates that gave way to new ones, as many as can be being there.
    pub templates_evicted: AtomicU64,
    /// Data connections of FTP that were announced, and gave way to what was announced later.
    pub announcements_evicted: AtomicU64,
    /// Announcements of FTP that named a third party.
    pub announcements_refused: AtomicU64,
    forward: [AtomicU64; Forward::ALL.len()],
    handoff: [AtomicU64; Handoff::ALL.len()],
    punt: [AtomicU64; Punt::ALL.len()],
    answer: [AtomicU64; Answer::ALL.len()],
    drop: [AtomicU64; Drop::ALL.len()],
    sent: [AtomicU64; Sent::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            received: AtomicU64::default(),
            taken: AtomicU64::default(),
            parked: AtomicU64::default(),
            gathered: AtomicU64::default(),
            reassembled: AtomicU64::default(),
            gathering: AtomicU64::default(),
            connections_made: AtomicU64::default(),
            connections_ended: AtomicU64::default(),
            connections_dropped_early: AtomicU64::default(),
            signposts_lost: AtomicU64::default(),
            templates_evicted: AtomicU64::default(),
            announcements_evicted: AtomicU64::default(),
            announcements_refused: AtomicU64::default(),
            forward: std::array::from_fn(|_| AtomicU64::default()),
            handoff: std::array::from_fn(|_| AtomicU64::default()),
            punt: std::array::from_fn(|_| AtomicU64::default()),
            answer: std::array::from_fn(|_| AtomicU64::default()),
            drop: std::array::from_fn(|_| AtomicU64::default()),
            sent: std::array::from_fn(|_| AtomicU64::default()),
        }
    }
}

impl Counters {
    /// Counts how a packet ended.
    #[inline]
    pub fn verdict(&self, verdict: Verdict) {
        self.verdicts(verdict, 1);
    }

    /// Counts how `n` packets ended.
    #[inline]
    pub fn verdicts(&self, verdict: Verdict, n: u64) {
        let counter = match verdict {
            Verdict::Forward(reason) => &self.forward[reason as usize],
            Verdict::Handoff(reason) => &self.handoff[reason as usize],
            Verdict::Punt(reason) => &self.punt[reason as usize],
            Verdict::Answer(reason) => &self.answer[reason as usize],
            Verdict::Drop(reason) => &self.drop[reason as usize],
        };
        add(counter, n);
    }

    /// How many packets ended for a reason.
    #[must_use]
    pub fn dropped(&self, reason: Drop) -> u64 {
        self.drop[reason as usize].load(Relaxed)
    }

    /// Counts a packet that the director made.
    pub fn sent(&self, sent: Sent) {
        add(&self.sent[sent as usize], 1);
    }

    /// Every counter with its name, in a fixed order.
    #[must_use]
    pub fn read(&self) -> Vec<(&'static str, u64)> {
        let single = [
            ("received", &self.received),
            ("taken", &self.taken),
            ("parked", &self.parked),
            ("gathered", &self.gathered),
            ("reassembled", &self.reassembled),
            ("gathering", &self.gathering),
            ("connections_made", &self.connections_made),
            ("connections_ended", &self.connections_ended),
            ("connections_dropped_early", &self.connections_dropped_early),
            ("signposts_lost", &self.signposts_lost),
            ("templates_evicted", &self.templates_evicted),
            ("announcements_evicted", &self.announcements_evicted),
            ("announcements_refused", &self.announcements_refused),
        ];
        let groups: [(&[&'static str], &[AtomicU64]); 6] = [
            (Forward::NAMES, &self.forward),
            (Handoff::NAMES, &self.handoff),
            (Punt::NAMES, &self.punt),
            (Answer::NAMES, &self.answer),
            (Drop::NAMES, &self.drop),
            (Sent::NAMES, &self.sent),
        ];
        let grouped = groups.into_iter().flat_map(|(names, values)| names.iter().copied().zip(values));
        single.into_iter().chain(grouped).map(|(name, value)| (name, value.load(Relaxed))).collect()
    }

    /// One counter by its name, 0 if there is none.
    #[must_use]
    pub fn value(&self, name: &str) -> u64 {
        self.read().into_iter().find(|(n, _)| *n == name).map_or(0, |(_, value)| value)
    }
}
