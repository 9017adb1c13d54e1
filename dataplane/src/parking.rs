//! Parking: packets that wait for a neighbour. After `__neigh_event_send` (`net/core/neighbour.c`), but bounded in all.
//!
//! ```text
//! a neighbour's queue    begins with the first packet that needs it, and the neighbour is asked for then; a question that
//!                        finds no room is asked again by the next packet
//! its bound              16 packets of each class; one more displaces the oldest of its class. (A kernel's queue has
//!                        `unres_qlen_bytes` = 212,992 bytes for all, 101 small packets)
//! a pool                 places of one family and class, for all neighbours; one more displaces the oldest of the pool
//! ```
//!
//! So a packet that needs a neighbour always waits, its neighbour is always asked for, and nobody fills the places of
//! another class or family. Every step costs the same however many wait; all places are allocated once.

mod queues;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::clock::{TICKS_PER_SECOND, Tick};
use crate::forward::Change;
use crate::list::{Links, List};
use crate::map::Seed;
use crate::method::{Towards, Treatment};
use crate::packet::Meta;
use crate::verdict::Sent;
use queues::Queues;

/// Packets of one class that may wait for one neighbour.
pub const MAX_PARKED_PER_HOP: usize = 16;
/// Packets of each class, in their order, that may wait in one family.
pub const PLACES: [usize; CLASSES] = [512, 256, 256];
/// Packets that may wait in all, per worker.
pub const MAX_PARKED: usize = 2 * (PLACES[0] + PLACES[1] + PLACES[2]);

/// Ticks after which a worker gives up by itself, should control's word not come.
const PATIENCE: u32 = 5 * TICKS_PER_SECOND;

/// How a packet that leaves is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A received one that is sent on, and how it is treated.
    Forward(Treatment),
    /// One of the director's own.
    Own(Sent),
}

/// Whose packets share places, and questions on their way to control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Of connections, towards their servers.
    Servers,
    /// Of connections, towards their clients.
    Clients,
    /// What outsiders address as they like, and the director's own.
    Others,
}

/// How many classes there are.
pub const CLASSES: usize = 3;

impl Class {
    /// The class of what is routed towards somebody.
    #[must_use]
    pub const fn of(towards: Towards) -> Self {
        match towards {
            Towards::Server => Self::Servers,
            Towards::Client => Self::Clients,
            Towards::Destination => Self::Others,
        }
    }
}

/// A neighbour: its interface and address.
pub type Neighbor = (u16, IpAddr);

/// A packet that waits, as it came.
#[derive(Debug)]
pub struct Parked<B> {
    /// The packet.
    pub packet: B,
    /// Whom it waits for.
    pub neighbor: Neighbor,
    /// Whose place it takes.
    pub class: Class,
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

impl<B> Parked<B> {
    /// The pool that its place is of.
    const fn pool(&self) -> usize {
        let family = if self.neighbor.1.is_ipv4() { 0 } else { CLASSES };
        family + self.class as usize
    }
}

/// A place that is taken.
#[derive(Debug)]
struct Queued<B> {
    parked: Parked<B>,
    queue: u32,
    /// How many had begun to wait with it.
    number: u64,
}

/// Everything that waits.
#[derive(Debug)]
pub struct Parking<B> {
    places: Vec<Option<Queued<B>>>,
    free: Vec<u32>,
    /// Each place within its class of its neighbour's queue, and within its pool.
    in_queue: Vec<Links>,
    in_pool: Vec<Links>,
    pools: [List; 2 * CLASSES],
    queues: Queues,
    /// Packets that have begun to wait.
    arrivals: u64,
    /// Packets of each class that gave way because a pool was full.
    displaced: [u64; CLASSES],
    newest: u32,
}

impl<B> Parking<B> {
    /// Nothing waits. The seed is secret: outsiders choose neighbours.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        // A packet takes its place before another leaves for it.
        let most = MAX_PARKED + 1;
        Self {
            places: std::iter::repeat_with(|| None).take(most).collect(),
            free: (0..most as u32).rev().collect(),
            in_queue: vec![Links::NONE; most],
            in_pool: vec![Links::NONE; most],
            pools: Default::default(),
            queues: Queues::new(most, seed),
            arrivals: 0,
            displaced: [0; CLASSES],
            newest: 0,
        }
    }

    /// Bytes of one.
    #[must_use]
    pub const fn bytes() -> usize {
        let place = size_of::<Option<Queued<B>>>() + size_of::<u32>() + 2 * size_of::<Links>();
        (MAX_PARKED + 1) * (place + queues::BYTES)
    }

    /// Packets that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Packets of a class that wait, in the family that has more of them, and those that gave way so far because the class
    /// had used its places up. Of those that gave way because one neighbour had enough, none.
    #[must_use]
    pub fn fullness(&self, class: usize) -> (usize, u64) {
        (self.pools[class].len().max(self.pools[CLASSES + class].len()), self.displaced[class])
    }

    /// Packets that have begun to wait so far.
    #[must_use]
    pub const fn arrivals(&self) -> u64 {
        self.arrivals
    }

    /// The packet that began to wait last, if it still does.
    #[must_use]
    pub fn newest(&self) -> Option<&Parked<B>> {
        let place = self.places[self.newest as usize].as_ref()?;
        (place.number == self.arrivals).then_some(&place.parked)
    }

    /// What waits, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Parked<B>> {
        self.places.iter().flatten().map(|place| &place.parked)
    }

    /// Adds a packet. `ask` is called where its neighbour has not been asked for yet, and says whether it could. Returns the
    /// packet that was displaced, if one had to be.
    pub fn add(&mut self, parked: Parked<B>, ask: impl FnOnce(Class, Neighbor) -> bool) -> Option<Parked<B>> {
        let (class, neighbor) = (parked.class, parked.neighbor);
        let queue = self.queues.find_or_begin(neighbor, parked.since);
        let victim = self.push(parked, queue);
        if !self.queues[queue].asked {
            self.queues[queue].asked = ask(class, neighbor);
        }
        victim.and_then(|place| self.remove(place))
    }

    /// Takes a place at the end of a queue. Returns the place that must be given up for it: an older one, so the queue stays.
    fn push(&mut self, parked: Parked<B>, queue: u32) -> Option<u32> {
        let place = self.free.pop()?;
        let (class, pool) = (parked.class as usize, parked.pool());
        let waiting = &mut self.queues[queue].classes[class];
        waiting.push(&mut self.in_queue, place);
        self.pools[pool].push(&mut self.in_pool, place);
        let full_queue = waiting.len() > MAX_PARKED_PER_HOP;
        let full_pool = self.pools[pool].len() > PLACES[class];
        let victim = if full_queue { waiting.first() } else { self.pools[pool].first().filter(|_| full_pool) };
        self.displaced[class] += u64::from(full_pool && !full_queue);
        self.arrivals += 1;
        self.newest = place;
        self.places[place as usize] = Some(Queued { parked, queue, number: self.arrivals });
        victim
    }

    /// Gives a place up, and with the last one of a neighbour its queue.
    fn remove(&mut self, place: u32) -> Option<Parked<B>> {
        let Queued { parked, queue, .. } = self.places[place as usize].take()?;
        self.queues[queue].classes[parked.class as usize].remove(&mut self.in_queue, place);
        self.pools[parked.pool()].remove(&mut self.in_pool, place);
        self.free.push(place);
        if self.queues[queue].is_empty() {
            self.queues.end(queue);
        }
        Some(parked)
    }

    /// A neighbour that has been waited for longer than control takes to find or to fail it.
    #[must_use]
    pub fn overdue(&self, now: Tick) -> Option<Neighbor> {
        self.queues.oldest().filter(|queue| queue.since.until(now) > PATIENCE).map(|queue| queue.neighbor)
    }

    /// What waits for a neighbour leaves, by [`Parking::next_leaving`].
    pub fn leave(&mut self, neighbor: Neighbor) {
        if let Some(queue) = self.queues.find(neighbor) {
            self.queues.leave(queue);
        }
    }

    /// What waits for any neighbour that fits leaves, by [`Parking::next_leaving`]; each is looked at once.
    pub fn leave_where(&mut self, fits: impl Fn(Neighbor) -> bool) {
        self.queues.leave_where(fits);
    }

    /// Takes the next packet out that leaves: those of a neighbour in order of arrival.
    pub fn next_leaving(&mut self) -> Option<Parked<B>> {
        let queue = self.queues.leaving()?;
        let number = |place: &u32| self.places[*place as usize].as_ref().map_or(0, |place| place.number);
        let oldest = queue.classes.iter().filter_map(List::first).min_by_key(number)?;
        self.remove(oldest)
    }
}
