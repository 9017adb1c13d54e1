//! Parking: packets that wait for a neighbour. Bounded per next hop and in all; the room is allocated once.

use std::net::IpAddr;

use crate::clock::{TICKS_PER_SECOND, Tick};
use crate::forward::Change;
use crate::packet::Meta;
use crate::verdict::{Forward, Sent};

/// Packets that may wait for one next hop.
pub const MAX_PARKED_PER_HOP: usize = 64;
/// Packets that may wait in all, per worker.
pub const MAX_PARKED: usize = 1024;

/// Ticks after which a worker gives up by itself, should control's word not come.
const PATIENCE: u32 = 5 * TICKS_PER_SECOND;

/// How a packet that leaves is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A received one ends with this verdict.
    Forward(Forward),
    /// One of the director's own.
    Own(Sent),
}

/// A packet that waits, as it came.
#[derive(Debug)]
pub struct Parked<B> {
    /// The packet.
    pub packet: B,
    /// Its interface and neighbour.
    pub neighbor: (u16, IpAddr),
    /// What is known of it.
    pub meta: Meta,
    /// What changes when it is sent.
    pub change: Change,
    /// How it is counted then.
    pub ending: Ending,
    /// Since when it waits.
    pub since: Tick,
    /// Slot of the server it was going to, `NONE` = none.
    pub server: u32,
}

/// Everything that waits, in order of arrival.
#[derive(Debug)]
pub struct Parking<B> {
    waiting: Vec<Parked<B>>,
    spare: Vec<Parked<B>>,
}

impl<B> Default for Parking<B> {
    fn default() -> Self {
        Self { waiting: Vec::with_capacity(MAX_PARKED), spare: Vec::with_capacity(MAX_PARKED) }
    }
}

impl<B> Parking<B> {
    /// Packets that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// What came last.
    #[must_use]
    pub fn newest(&self) -> Option<&Parked<B>> {
        self.waiting.last()
    }

    /// What waits.
    pub fn iter(&self) -> impl Iterator<Item = &Parked<B>> {
        self.waiting.iter()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds a packet. Returns whether it is the first to wait for its neighbour, or the packet where there is no room.
    #[expect(clippy::result_large_err, reason = "whoever finds no room has the packet back, and has it rarely")]
    pub fn add(&mut self, parked: Parked<B>) -> Result<bool, Parked<B>> {
        let before = self.waiting.iter().filter(|p| p.neighbor == parked.neighbor).count();
        if before >= MAX_PARKED_PER_HOP || self.waiting.len() >= MAX_PARKED {
            return Err(parked);
        }
        self.waiting.push(parked);
        Ok(before == 0)
    }

    /// A neighbour that has been waited for longer than control takes to find or to fail it.
    #[must_use]
    pub fn overdue(&self, now: Tick) -> Option<(u16, IpAddr)> {
        self.waiting.first().filter(|parked| parked.since.until(now) > PATIENCE).map(|parked| parked.neighbor)
    }

    /// Takes out those that `leaves` says, in order. Give the list back with [`Parking::recycle`], so that its room is
    /// allocated only once.
    pub fn take(&mut self, mut leaves: impl FnMut(&Parked<B>) -> bool) -> Vec<Parked<B>> {
        let mut leaving = std::mem::take(&mut self.spare);
        leaving.extend(self.waiting.extract_if(.., |parked| leaves(parked)));
        leaving
    }

    /// Takes an emptied list back.
    pub fn recycle(&mut self, list: Vec<Parked<B>>) {
        self.spare = list;
    }
}
