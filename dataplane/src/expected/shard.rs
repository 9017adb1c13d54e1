//! A shard of what is expected: found by what the client's or the server's first packet carries, in the order in which it
//! was announced, which is that of its end: all are expected for the same time. Two control connections of a client may
//! announce one port of two servers: the client's packet belongs to what was announced last, as in the kernel.

use std::net::SocketAddr;

use super::{Expected, MOST, SHARDS};
use crate::list::{Links, List};
use crate::map::{Seed, SeededMap};

/// What names one announcement, and no later one: shard, place, and which of the place's it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u32);

const SHARD_BITS: u32 = SHARDS.trailing_zeros();
const INDEX_BITS: u32 = MOST.trailing_zeros();

impl Ticket {
    pub(super) fn new(shard: usize, (index, generation): (u32, u16)) -> Self {
        Self((u32::from(generation) << INDEX_BITS | index) << SHARD_BITS | shard as u32)
    }

    pub(super) const fn shard(self) -> usize {
        self.0 as usize % SHARDS
    }

    /// The place and its generation.
    pub(super) const fn place(self) -> (u32, u16) {
        (self.0 >> SHARD_BITS & ((1 << INDEX_BITS) - 1), (self.0 >> (SHARD_BITS + INDEX_BITS)) as u16)
    }
}

#[derive(Debug)]
struct ExpectedSlot {
    expected: Expected,
    taken: bool,
    /// Of the place's announcements.
    generation: u16,
}

#[derive(Debug)]
pub(super) struct Shard {
    places: Vec<ExpectedSlot>,
    free: Vec<u32>,
    by_request: SeededMap<(SocketAddr, SocketAddr), List>,
    by_reply: SeededMap<(SocketAddr, SocketAddr), u32>,
    by_age: List,
    /// Where each place stands among those of its request key, and by age.
    alike: Vec<Links>,
    ages: Vec<Links>,
}

impl Shard {
    pub(super) fn new(seed: Seed) -> Self {
        let (by_request, by_reply) = (seed.map(), seed.map());
        Self {
            places: Vec::new(),
            free: Vec::new(),
            by_request,
            by_reply,
            by_age: List::default(),
            alike: Vec::new(),
            ages: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_age.len()
    }

    pub(super) fn at(&self, index: u32) -> &Expected {
        &self.places[index as usize].expected
    }

    /// What waits already where this one would: for any client port, the server; for one port, the client.
    pub(super) fn renew(&mut self, expected: &Expected) -> Option<Expected> {
        let index = match expected.is_passive() {
            true => *self.by_reply.get(&expected.reply())?,
            false => self.newest(&expected.request())?,
        };
        let old = &mut self.places[index as usize].expected;
        (old.last_used, old.timeout) = (expected.last_used, expected.timeout);
        let renewed = *old;
        self.by_age.remove(&mut self.ages, index);
        self.by_age.push(&mut self.ages, index);
        Some(renewed)
    }

    fn newest(&self, request: &(SocketAddr, SocketAddr)) -> Option<u32> {
        self.by_request.get(request)?.last()
    }

    /// What the server's packet would be taken for in the place of this one.
    pub(super) fn rival(&self, expected: &Expected) -> Option<u32> {
        self.by_reply.get(&expected.reply()).copied()
    }

    pub(super) fn oldest(&self) -> Option<u32> {
        self.by_age.first()
    }

    /// One more is expected. Returns its place, and which of the place's it is.
    pub(super) fn insert(&mut self, expected: Expected) -> (u32, u16) {
        let index = self.free.pop().unwrap_or(self.places.len() as u32);
        match self.places.get_mut(index as usize) {
            Some(place) => {
                (place.expected, place.taken) = (expected, true);
                place.generation = place.generation.wrapping_add(1);
            }
            None => {
                self.places.push(ExpectedSlot { expected, taken: true, generation: 0 });
                self.alike.push(Links::NONE);
                self.ages.push(Links::NONE);
            }
        }
        self.by_request.entry(expected.request()).or_default().push(&mut self.alike, index);
        self.by_reply.insert(expected.reply(), index);
        self.by_age.push(&mut self.ages, index);
        (index, self.places[index as usize].generation)
    }

    /// It is expected no longer.
    pub(super) fn remove(&mut self, index: u32) -> (Expected, (u32, u16)) {
        let place = &mut self.places[index as usize];
        place.taken = false;
        let (expected, generation) = (place.expected, place.generation);
        if let Some(alike) = self.by_request.get_mut(&expected.request()) {
            alike.remove(&mut self.alike, index);
            if alike.is_empty() {
                self.by_request.remove(&expected.request());
            }
        }
        self.by_reply.remove(&expected.reply());
        self.by_age.remove(&mut self.ages, index);
        self.free.push(index);
        (expected, (index, generation))
    }

    /// The place, if that announcement still has it.
    pub(super) fn holder(&self, (index, generation): (u32, u16)) -> Option<u32> {
        let place = self.places.get(index as usize)?;
        (place.taken && place.generation == generation).then_some(index)
    }

    /// Where something stands that was found here before.
    pub(super) fn index_of(&self, expected: &Expected) -> Option<u32> {
        self.by_reply.get(&expected.reply()).copied().filter(|index| self.at(*index).vip == expected.vip)
    }

    pub(super) fn of_client(&self, client: SocketAddr, vip: SocketAddr) -> Option<Expected> {
        let exact = self.newest(&(client, vip));
        let index = exact.or_else(|| self.newest(&(SocketAddr::new(client.ip(), 0), vip)))?;
        Some(*self.at(index))
    }

    pub(super) fn of_server(&self, server: SocketAddr, client: SocketAddr) -> Option<Expected> {
        Some(*self.at(*self.by_reply.get(&(server, client))?))
    }

    /// Places that have ever been taken.
    pub(super) fn places(&self) -> u32 {
        self.places.len() as u32
    }

    pub(super) fn is_taken(&self, index: u32) -> bool {
        self.places[index as usize].taken
    }

    pub(super) fn page(&self, from: u32, most: usize) -> (Vec<Expected>, Option<u32>) {
        let mut listed = Vec::new();
        for (index, place) in self.places.iter().enumerate().skip(from as usize) {
            if listed.len() == most {
                return (listed, Some(index as u32));
            }
            listed.extend(place.taken.then_some(place.expected));
        }
        (listed, None)
    }
}
