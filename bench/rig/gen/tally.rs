//! What was counted, and how long it took.

use crate::check::Wrong;

/// Counters. Arrays are by end: clients, servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Packets given to rings, or waiting for them.
    pub(crate) sent: [u64; 2],
    /// Packets that no ring took before the end.
    pub(crate) unsent: u64,
    /// Packets that arrived.
    pub(crate) received: [u64; 2],
    /// Packets that were verified.
    pub(crate) verified: u64,
    /// What was wrong with them, in the order of [`Wrong::ALL`].
    pub(crate) wrong: [u64; Wrong::ALL.len()],
    /// ICMP errors.
    pub(crate) refused: u64,
    /// Times a queue had something.
    pub(crate) bursts: u64,
    /// Frames that were no traffic of ours.
    pub(crate) other: u64,
}

impl Tally {
    /// Packets sent, both ends.
    pub(crate) fn all_sent(&self) -> u64 {
        self.sent[0] + self.sent[1]
    }

    /// Packets received, both ends.
    pub(crate) fn all_received(&self) -> u64 {
        self.received[0] + self.received[1]
    }

    /// Packets that are no longer under way: they came, or somebody refused them.
    pub(crate) fn back(&self) -> u64 {
        self.all_received() + self.refused
    }

    /// Packets that never came.
    pub(crate) fn lost(&self) -> u64 {
        (self.all_sent() - self.unsent).saturating_sub(self.all_received())
    }

    /// Packets that came wrong.
    pub(crate) fn all_wrong(&self) -> u64 {
        self.wrong.iter().sum()
    }
}

/// The part of a run that is measured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    /// How long it took.
    pub(crate) nanos: u64,
    /// Packets received meanwhile.
    pub(crate) received: u64,
    /// How long there was nothing to do: nothing arrived, and nothing could be sent.
    pub(crate) idle: u64,
}
