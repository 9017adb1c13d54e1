//! Entries of neighbours, found by key, and by state in the order in which their time comes: a state lasts as long for
//! everybody, so whoever enters it stands at the end of its list. No step walks more entries than it deals with.

use std::collections::HashMap;
use std::ops::Index;

use dataplane::list::{Links, List};

use super::{Key, Neighbor, State};

/// How many states there are.
const STATES: usize = 7;

/// All entries.
#[derive(Debug, Default)]
pub(super) struct Store {
    index: HashMap<Key, u32>,
    slots: Vec<Option<(Key, Neighbor)>>,
    free: Vec<u32>,
    links: Vec<Links>,
    states: [List; STATES],
}

impl Index<u32> for Store {
    type Output = Neighbor;

    fn index(&self, slot: u32) -> &Neighbor {
        &self.entry(slot).1
    }
}

impl Store {
    fn entry(&self, slot: u32) -> &(Key, Neighbor) {
        self.slots[slot as usize].as_ref().expect("slots that are handed out are in use")
    }

    /// The entries, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Neighbor)> {
        self.slots.iter().flatten().map(|(key, neighbor)| (key, neighbor))
    }

    /// The slot of a neighbour.
    pub(super) fn find(&self, key: Key) -> Option<u32> {
        self.index.get(&key).copied()
    }

    /// Whose entry is in a slot.
    pub(super) fn key(&self, slot: u32) -> Key {
        self.entry(slot).0
    }

    /// Entries that are not configured.
    pub(super) fn dynamic(&self) -> usize {
        self.index.len() - self.count(State::Static)
    }

    /// Entries in a state.
    pub(super) fn count(&self, state: State) -> usize {
        self.states[state as usize].len()
    }

    /// The entry that entered a state first, or was put back first.
    pub(super) fn first(&self, state: State) -> Option<u32> {
        self.states[state as usize].first()
    }

    /// All entries in a state, in that order.
    pub(super) fn all(&self, state: State) -> impl Iterator<Item = u32> {
        std::iter::successors(self.first(state), |slot| List::after(&self.links, *slot))
    }

    /// Adds a neighbour that has no entry.
    pub(super) fn insert(&mut self, key: Key, neighbor: Neighbor) {
        let state = neighbor.state;
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        if slot as usize == self.slots.len() {
            self.slots.push(None);
            self.links.push(Links::NONE);
        }
        self.slots[slot as usize] = Some((key, neighbor));
        self.index.insert(key, slot);
        self.states[state as usize].push(&mut self.links, slot);
    }

    /// Removes an entry.
    pub(super) fn remove(&mut self, slot: u32) -> Option<(Key, Neighbor)> {
        let (key, neighbor) = self.slots[slot as usize].take()?;
        self.states[neighbor.state as usize].remove(&mut self.links, slot);
        self.index.remove(&key);
        self.free.push(slot);
        Some((key, neighbor))
    }

    /// Changes an entry, which then stands at the end of its state's list.
    pub(super) fn change(&mut self, slot: u32, change: impl FnOnce(&mut Neighbor)) {
        let Some((_, neighbor)) = &mut self.slots[slot as usize] else { return };
        let before = neighbor.state;
        change(neighbor);
        let after = neighbor.state;
        self.states[before as usize].remove(&mut self.links, slot);
        self.states[after as usize].push(&mut self.links, slot);
    }
}
