//! The journal: which connections were made, moved to another state or ended since somebody asked last. Not that packets
//! came. It is bounded, and closed until somebody reads it.
//!
//! ```text
//! each connection stands in it at most once (flag NOTED); who reads looks at the entry as it is now
//! full = any connection may have changed, until it is read
//! ```

use arrayvec::ArrayVec;

/// Most connections that it holds.
pub const MOST: usize = 4096;

/// Connections that changed.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// `None` = closed.
    noted: Option<Box<ArrayVec<u32, MOST>>>,
    overflowed: bool,
}

/// What the journal said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// All that changed.
    Told,
    /// More changed than it holds: any connection may have.
    Any,
}

impl Journal {
    /// Notes changes from now on. Does nothing to one that is open.
    pub(super) fn open(&mut self) {
        self.noted.get_or_insert_default();
    }

    /// Whether changes are noted.
    #[inline(always)]
    pub(super) fn is_open(&self) -> bool {
        self.noted.is_some()
    }

    /// Notes a connection that does not stand in it. `false` where it is full.
    pub(super) fn note(&mut self, index: u32) -> bool {
        let there = self.noted.as_mut().is_some_and(|noted| noted.try_push(index).is_ok());
        self.overflowed |= !there;
        there
    }

    /// Gives each connection that stands in it to `forget`, which learns, too, whether that is all that changed. It is empty
    /// then.
    pub(super) fn drain(&mut self, mut forget: impl FnMut(u32, Changes)) -> Changes {
        let changes = if std::mem::take(&mut self.overflowed) { Changes::Any } else { Changes::Told };
        if let Some(noted) = &mut self.noted {
            noted.drain(..).for_each(|index| forget(index, changes));
        }
        changes
    }
}
