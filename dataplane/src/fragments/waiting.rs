//! The incomplete datagrams of one family: a slab, and two lists through it, both by age: all of them, and those of
//! each source. Whatever is done to one of them touches its neighbours in these lists and nothing else.

use std::net::IpAddr;

use super::Key;
use super::queue::Queue;
use crate::list::{Links, List};
use crate::map::{Seed, SeededMap};

#[derive(Debug)]
struct Entry {
    key: Key,
    queue: Queue,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Waiting {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_key: SeededMap<Key, u32>,
    by_source: SeededMap<IpAddr, List>,
    all: List,
    /// Where each stands among all, and among those of its source.
    in_all: Vec<Links>,
    in_source: Vec<Links>,
}

impl Waiting {
    /// None yet.
    pub(super) fn new(seed: Seed) -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            by_key: seed.map(),
            by_source: seed.map(),
            all: List::default(),
            in_all: Vec::new(),
            in_source: Vec::new(),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// How many of them a source has.
    pub(super) fn count_of(&self, source: IpAddr) -> usize {
        self.by_source.get(&source).map_or(0, List::len)
    }

    /// Where a datagram is.
    pub(super) fn find(&self, key: &Key) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    /// The one that has waited longest.
    pub(super) fn oldest(&self) -> Option<u32> {
        self.all.first()
    }

    /// The one of a source that has waited longest.
    pub(super) fn oldest_of(&self, source: IpAddr) -> Option<u32> {
        self.by_source.get(&source)?.first()
    }

    /// What is there of one.
    pub(super) fn get(&self, at: u32) -> Option<&Queue> {
        Some(&self.entries.get(at as usize)?.as_ref()?.queue)
    }

    /// What is there of one, to be changed.
    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut Queue> {
        Some(&mut self.entries.get_mut(at as usize)?.as_mut()?.queue)
    }

    /// Begins one: it is the youngest. Returns where it is.
    pub(super) fn begin(&mut self, key: Key, queue: Queue) -> u32 {
        let at = self.place(Entry { key, queue });
        self.by_key.insert(key, at);
        self.all.push(&mut self.in_all, at);
        self.by_source.entry(key.src).or_default().push(&mut self.in_source, at);
        at
    }

    /// Puts an entry into a free place of the slab, or a new one.
    fn place(&mut self, entry: Entry) -> u32 {
        if let Some(at) = self.free.pop() {
            self.entries[at as usize] = Some(entry);
            return at;
        }
        self.entries.push(Some(entry));
        self.in_all.push(Links::NONE);
        self.in_source.push(Links::NONE);
        self.entries.len() as u32 - 1
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, at: u32) -> Option<Queue> {
        let Entry { key, queue } = self.entries.get_mut(at as usize)?.take()?;
        self.free.push(at);
        self.by_key.remove(&key);
        self.all.remove(&mut self.in_all, at);
        if let Some(source) = self.by_source.get_mut(&key.src) {
            source.remove(&mut self.in_source, at);
            if source.is_empty() {
                self.by_source.remove(&key.src);
            }
        }
        Some(queue)
    }
}
