//! Neighbours that packets wait for: found by interface and address, and in order of age.

use std::hash::BuildHasher;
use std::ops::{Index, IndexMut};

use super::{CLASSES, Neighbor};
use crate::clock::Tick;
use crate::conn::NONE;
use crate::list::{Links, List};
use crate::map::{Seed, Seeded};

/// Heads of hash chains.
const BUCKETS: usize = 4096;
/// Bytes for each neighbour that may be waited for, its share of the buckets among them.
pub(super) const BYTES: usize = size_of::<Queue>() + size_of::<Links>() + 3 * size_of::<u32>();

/// What waits for a neighbour.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) neighbor: Neighbor,
    /// Since when it is waited for.
    pub(super) since: Tick,
    /// Whether control has been asked.
    pub(super) asked: bool,
    /// Places by class, oldest first.
    pub(super) classes: [List; CLASSES],
    /// It leaves: whoever needs the neighbour now begins another queue.
    leaves: bool,
    /// The next one in its bucket.
    next: u32,
}

impl Queue {
    /// Whether nothing waits any more.
    pub(super) fn is_empty(&self) -> bool {
        self.classes.iter().all(List::is_empty)
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Queues {
    slots: Vec<Queue>,
    free: Vec<u32>,
    links: Vec<Links>,
    waiting: List,
    leaving: List,
    buckets: Box<[u32]>,
    hasher: Seeded,
}

impl Index<u32> for Queues {
    type Output = Queue;

    fn index(&self, queue: u32) -> &Queue {
        &self.slots[queue as usize]
    }
}

impl IndexMut<u32> for Queues {
    fn index_mut(&mut self, queue: u32) -> &mut Queue {
        &mut self.slots[queue as usize]
    }
}

impl Queues {
    /// Room for so many.
    pub(super) fn new(most: usize, seed: Seed) -> Self {
        Self {
            slots: Vec::with_capacity(most),
            free: Vec::with_capacity(most),
            links: vec![Links::NONE; most],
            waiting: List::default(),
            leaving: List::default(),
            buckets: vec![NONE; BUCKETS].into(),
            hasher: seed.hasher(),
        }
    }

    fn bucket(&self, neighbor: Neighbor) -> usize {
        self.hasher.hash_one(neighbor) as usize % BUCKETS
    }

    /// The queue of a neighbour.
    pub(super) fn find(&self, neighbor: Neighbor) -> Option<u32> {
        let mut at = self.buckets[self.bucket(neighbor)];
        while at != NONE && self[at].neighbor != neighbor {
            at = self[at].next;
        }
        (at != NONE).then_some(at)
    }

    /// A neighbour's queue, which begins if there is none.
    pub(super) fn find_or_begin(&mut self, neighbor: Neighbor, now: Tick) -> u32 {
        self.find(neighbor).unwrap_or_else(|| self.begin(neighbor, now))
    }

    fn begin(&mut self, neighbor: Neighbor, now: Tick) -> u32 {
        let bucket = self.bucket(neighbor);
        let next = self.buckets[bucket];
        let fresh = Queue { neighbor, since: now, asked: false, classes: Default::default(), leaves: false, next };
        let queue = match self.free.pop() {
            Some(queue) => {
                self[queue] = fresh;
                queue
            }
            None => {
                self.slots.push(fresh);
                self.slots.len() as u32 - 1
            }
        };
        self.buckets[bucket] = queue;
        self.waiting.push(&mut self.links, queue);
        queue
    }

    /// The queue that has been there longest.
    pub(super) fn oldest(&self) -> Option<&Queue> {
        self.waiting.first().map(|queue| &self[queue])
    }

    /// A queue that leaves.
    pub(super) fn leaving(&self) -> Option<&Queue> {
        self.leaving.first().map(|queue| &self[queue])
    }

    /// Has a queue leave.
    pub(super) fn leave(&mut self, queue: u32) {
        self.unlink(queue);
        self.waiting.remove(&mut self.links, queue);
        self.leaving.push(&mut self.links, queue);
        self[queue].leaves = true;
    }

    /// Every queue whose neighbour fits is about to leave.
    pub(super) fn leave_where(&mut self, fits: impl Fn(Neighbor) -> bool) {
        let mut next = self.waiting.first();
        while let Some(queue) = next {
            next = List::after(&self.links, queue);
            if fits(self[queue].neighbor) {
                self.leave(queue);
            }
        }
    }

    /// A queue is over.
    pub(super) fn end(&mut self, queue: u32) {
        if self[queue].leaves {
            self.leaving.remove(&mut self.links, queue);
        } else {
            self.unlink(queue);
            self.waiting.remove(&mut self.links, queue);
        }
        self.free.push(queue);
    }

    /// Takes a queue out of its bucket.
    fn unlink(&mut self, queue: u32) {
        let (bucket, next) = (self.bucket(self[queue].neighbor), self[queue].next);
        if self.buckets[bucket] == queue {
            self.buckets[bucket] = next;
            return;
        }
        let mut at = self.buckets[bucket];
        while self[at].next != queue {
            at = self[at].next;
        }
        self[at].next = next;
    }
}
