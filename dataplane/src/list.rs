//! Lists through the items of a slab, oldest first. An item is known by its index; it joins at the end and leaves from
//! anywhere at a constant cost, and nothing is allocated.

/// No item.
const NONE: u32 = u32::MAX;

/// Where an item stands in its list. Items of a slab have these in an array, one array for each list that an item is in at
/// the same time.
#[derive(Clone, Copy, Debug)]
pub struct Links {
    before: u32,
    after: u32,
}

impl Links {
    /// In no list.
    pub const NONE: Self = Self { before: NONE, after: NONE };
}

/// A list.
#[derive(Clone, Copy, Debug)]
pub struct List {
    first: u32,
    last: u32,
    len: u32,
}

impl Default for List {
    fn default() -> Self {
        Self { first: NONE, last: NONE, len: 0 }
    }
}

impl List {
    /// Items in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The oldest item.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    /// The newest item.
    #[must_use]
    pub fn last(&self) -> Option<u32> {
        (self.last != NONE).then_some(self.last)
    }

    /// The item after another.
    #[must_use]
    pub fn after(links: &[Links], item: u32) -> Option<u32> {
        let after = links[item as usize].after;
        (after != NONE).then_some(after)
    }

    /// Adds an item that is in no list of these links.
    pub fn push(&mut self, links: &mut [Links], item: u32) {
        links[item as usize] = Links { before: self.last, after: NONE };
        match self.last {
            NONE => self.first = item,
            last => links[last as usize].after = item,
        }
        self.last = item;
        self.len += 1;
    }

    /// Takes an item of this list out.
    pub fn remove(&mut self, links: &mut [Links], item: u32) {
        let Links { before, after } = std::mem::replace(&mut links[item as usize], Links::NONE);
        match before {
            NONE => self.first = after,
            before => links[before as usize].after = after,
        }
        match after {
            NONE => self.last = before,
            after => links[after as usize].before = before,
        }
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn items(list: &List, links: &[Links]) -> Vec<u32> {
        std::iter::successors(list.first(), |item| List::after(links, *item)).collect()
    }

    proptest! {
        /// Two lists that share their links, against two vectors: an item that is in one moves to the other.
        #[test]
        fn lists_are_what_vectors_are(moves in proptest::collection::vec((0..12u32, 0..3usize), 1..200)) {
            let (mut links, mut lists, mut model) = ([Links::NONE; 12], [List::default(); 2], [Vec::new(), Vec::new()]);
            for (item, to) in moves {
                for (list, known) in lists.iter_mut().zip(&mut model) {
                    if let Some(at) = known.iter().position(|other| *other == item) {
                        known.remove(at);
                        list.remove(&mut links, item);
                    }
                }
                if to < 2 {
                    lists[to].push(&mut links, item);
                    model[to].push(item);
                }
                for (list, known) in lists.iter().zip(&model) {
                    prop_assert_eq!(&items(list, &links), known);
                    prop_assert_eq!((list.len(), list.is_empty()), (known.len(), known.is_empty()));
                }
            }
        }
    }
}
