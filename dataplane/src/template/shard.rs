//! A shard of the templates: their places, found by key, in order of their ends, and of what they are worth. Whatever is
//! done takes as long as with few of them, but for the logarithm in the order of their ends.

use std::collections::BTreeSet;
use std::hash::BuildHasher;

use hashbrown::HashTable;

use super::place::{TemplateSlot, Worth};
use super::{LATE, LATER, Template, TemplateKey};
use crate::clock::Tick;
use crate::list::{Links, List};
use crate::map::Seeded;

#[derive(Debug)]
pub(super) struct Shard {
    hasher: Seeded,
    places: Vec<TemplateSlot>,
    by_key: HashTable<u32>,
    free: Vec<u32>,
    /// Which to look at when, in ticks that do not wrap.
    due: BTreeSet<(u64, u32)>,
    by_worth: [List; Worth::COUNT],
    /// Where each place stands in the list of its worth.
    links: Vec<Links>,
    /// The last moment told, in ticks that do not wrap.
    clock: u64,
}

impl Shard {
    pub(super) fn new(hasher: Seeded) -> Self {
        Self {
            hasher,
            places: Vec::new(),
            by_key: HashTable::new(),
            free: Vec::new(),
            due: BTreeSet::new(),
            by_worth: Default::default(),
            links: Vec::new(),
            // Enough before it for moments before the first one told.
            clock: 1 << 33,
        }
    }

    /// Bytes that so many templates take, half of the nodes of their order being empty, as it is where they come in order.
    pub(super) const fn bytes(templates: usize) -> usize {
        const ORDER: usize = 2 * size_of::<(u64, u32)>();
        const TABLE: usize = size_of::<u32>() + 1;
        templates * (size_of::<TemplateSlot>() + size_of::<Links>() + size_of::<u32>() + ORDER) + 2 * templates * TABLE
    }

    /// A moment is told.
    pub(super) fn tell(&mut self, now: Tick) {
        self.clock = self.unwrapped(now);
    }

    pub(super) fn find(&self, hash: u64, key: &TemplateKey) -> Option<u32> {
        self.by_key.find(hash, |index| self.places[*index as usize].template.key == *key).copied()
    }

    pub(super) fn template(&self, index: u32) -> &Template {
        &self.places[index as usize].template
    }

    pub(super) fn generation(&self, index: u32) -> u16 {
        self.places[index as usize].generation
    }

    /// How many there are: each is looked at for its end.
    pub(super) fn taken(&self) -> usize {
        self.due.len()
    }

    /// A template is asked for once more.
    pub(super) fn join(&mut self, index: u32, now: Tick) {
        self.places[index as usize].join(now.0);
        self.move_to(index, self.places[index as usize].value());
    }

    /// A template is no longer found.
    pub(super) fn invalidate(&mut self, index: u32) {
        self.forget_key(index);
        self.places[index as usize].template.invalid = true;
        self.rank(index);
    }

    /// The place that the next new template takes: a free one, one that there has never been, or, where there are as many
    /// as may be, that of the template that is worth least.
    pub(super) fn vacancy(&self, most: usize) -> Option<u32> {
        let new = || (self.places.len() < most).then_some(self.places.len() as u32);
        let least = || Worth::GIVING_WAY.iter().find_map(|worth| self.by_worth[*worth as usize].first());
        self.free.last().copied().or_else(new).or_else(least)
    }

    /// A new template takes a [`Shard::vacancy`]; who had the place is gone.
    pub(super) fn put(&mut self, hash: u64, index: u32, template: Template, most: usize, gone: impl FnOnce(&Template)) {
        if self.places.is_empty() {
            // At once: later, all would have to be moved in one step.
            self.places.reserve_exact(most);
            self.links.reserve_exact(most);
            self.by_key.reserve(most, |_| 0);
        }
        match self.places.get_mut(index as usize) {
            Some(place) if place.live => {
                gone(&place.template);
                self.end(index);
                self.take(index, template);
            }
            Some(_) => self.take(index, template),
            None => {
                self.places.push(TemplateSlot::new(template));
                self.links.push(Links::NONE);
            }
        }
        let Self { places, by_key, hasher, .. } = self;
        by_key.insert_unique(hash, index, |index| hasher.hash_one(&places[*index as usize].template.key));
        self.enter(index);
    }

    fn take(&mut self, index: u32, template: Template) {
        let free = self.free.pop();
        debug_assert_eq!(free, Some(index), "the vacancy");
        self.places[index as usize].occupy(template);
    }

    /// A template stands where its worth is, and is looked at when it is due.
    fn enter(&mut self, index: u32) {
        let place = &mut self.places[index as usize];
        place.worth = place.value();
        self.by_worth[place.worth as usize].push(&mut self.links, index);
        self.look_again(index);
    }

    /// A handle comes back. Returns the template, if it is still there.
    pub(super) fn leave(&mut self, index: u32, generation: u16) -> Option<&Template> {
        let place = self.places.get_mut(index as usize)?;
        let current = place.leave(generation);
        if place.live {
            self.rank(index);
        } else if place.is_rested() {
            self.free.push(index);
        }
        current.then(|| self.template(index))
    }

    /// The template that a handle names, to be changed, if it is still there.
    pub(super) fn change(&mut self, index: u32, generation: u16, change: impl FnOnce(&mut Template)) {
        let place = self.places.get_mut(index as usize).filter(|place| place.live && place.generation == generation);
        if let Some(place) = place {
            change(&mut place.template);
            self.rank(index);
        }
    }

    /// A template stands where its worth is now, if that is another.
    fn rank(&mut self, index: u32) {
        let place = &self.places[index as usize];
        let worth = place.value();
        if worth != place.worth {
            self.move_to(index, worth);
        }
    }

    /// A template stands behind those that are worth as much.
    fn move_to(&mut self, index: u32, worth: Worth) {
        let before = std::mem::replace(&mut self.places[index as usize].worth, worth);
        self.by_worth[before as usize].remove(&mut self.links, index);
        self.by_worth[worth as usize].push(&mut self.links, index);
    }

    /// A template is over.
    pub(super) fn end(&mut self, index: u32) {
        let place = &mut self.places[index as usize];
        let (worth, looked_at, invalid) = (place.worth, place.looked_at, place.template.invalid);
        place.live = false;
        let worn_out = place.is_worn_out();
        self.by_worth[worth as usize].remove(&mut self.links, index);
        self.due.remove(&(looked_at, index));
        if !invalid {
            self.forget_key(index);
        }
        self.places[index as usize].template.key.data = None;
        if !worn_out {
            self.free.push(index);
        }
    }

    fn forget_key(&mut self, index: u32) {
        let hash = self.hasher.hash_one(&self.template(index).key);
        if let Ok(entry) = self.by_key.find_entry(hash, |known| *known == index) {
            entry.remove();
        }
    }

    /// Ends what is due, at most `budget` looked at.
    pub(super) fn expire(&mut self, now: Tick, budget: usize, gone: &mut impl FnMut(&Template)) {
        self.tell(now);
        for _ in 0..budget {
            let Some(&(looked_at, index)) = self.due.first() else { return };
            if looked_at > self.clock {
                return;
            }
            let template = &mut self.places[index as usize].template;
            if now.is_before(template.due().after(LATE)) {
                self.look_again(index);
            } else if template.controls > 0 {
                (template.last_used, template.timeout) = (now.0, LATER);
                self.look_again(index);
            } else {
                gone(template);
                self.end(index);
            }
        }
    }

    /// Ends templates without connections from a place on, at most so many looked at, whose servers are gone; those with
    /// connections end with the last. Returns how many it looked at, and where to go on.
    pub(super) fn end_orphans(
        &mut self,
        from: u32,
        most: usize,
        is_orphan: &impl Fn(&Template) -> bool,
        gone: &mut impl FnMut(&Template),
    ) -> (usize, Option<u32>) {
        let end = self.places.len().min(from as usize + most).max(from as usize);
        for index in from as usize..end {
            let place = &mut self.places[index];
            if !place.live || !is_orphan(&place.template) {
                continue;
            }
            if place.template.controls > 0 {
                (place.template.assured, place.template.heard_again) = (false, false);
                self.rank(index as u32);
            } else {
                gone(&place.template);
                self.end(index as u32);
            }
        }
        (end - from as usize, (end < self.places.len()).then_some(end as u32))
    }

    /// Has a template looked at when it is due.
    fn look_again(&mut self, index: u32) {
        let due = self.unwrapped(self.template(index).due().after(LATE));
        let before = std::mem::replace(&mut self.places[index as usize].looked_at, due);
        self.due.remove(&(before, index));
        self.due.insert((due, index));
    }

    /// Templates from a place on, at most so many; where to go on, `None` at the end.
    pub(super) fn page(&self, from: u32, most: usize) -> (Vec<Template>, Option<u32>) {
        let mut listed = Vec::new();
        for (index, place) in self.places.iter().enumerate().skip(from as usize) {
            if listed.len() == most {
                return (listed, Some(index as u32));
            }
            listed.extend(place.live.then(|| place.template.clone()));
        }
        (listed, None)
    }

    /// A moment near the last one told, in ticks that do not wrap.
    fn unwrapped(&self, tick: Tick) -> u64 {
        let ahead = tick.0.wrapping_sub(self.clock as u32).cast_signed();
        self.clock.saturating_add_signed(ahead.into())
    }
}
