//! The journal: which connections were made, moved to another state or ended since somebody asked last. Not that packets
//! came. It is bounded, and closed until somebody reads it.
//!
//! ```text
//! each connection stands in it at most once (flag NOTED); who reads looks at the entry as it is now
//! full = any connection may have changed, until it is read
//! ```

use arrayvec::ArrayVec;

use super::{ConnTable, flag};

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

impl ConnTable {
    /// Notes changes from now on. Does nothing to a journal that is open.
    pub fn open_journal(&mut self) {
        self.journal.noted.get_or_insert_default();
    }

    /// Tells the indices of the connections that changed since the last call, and forgets them. An index may be free by
    /// now, or another connection's.
    pub fn drain_journal(&mut self, mut tell: impl FnMut(u32)) -> Changes {
        let overflowed = std::mem::take(&mut self.journal.overflowed);
        let Some(noted) = &mut self.journal.noted else { return Changes::Told };
        for index in noted.drain(..) {
            self.memory.conns[index as usize].set_any(flag::NOTED, false);
            if !overflowed {
                tell(index);
            }
        }
        if overflowed { Changes::Any } else { Changes::Told }
    }

    /// A connection changed. One of a single packet is not noted: nobody can ask for it.
    #[inline(always)]
    pub(super) fn note(&mut self, index: u32) {
        if self.journal.noted.is_some() {
            self.note_at(index);
        }
    }

    #[cold]
    fn note_at(&mut self, index: u32) {
        let Some(noted) = &mut self.journal.noted else { return };
        let conn = &mut self.memory.conns[index as usize];
        if index < self.capacity && !conn.has(flag::NOTED) {
            let full = noted.try_push(index).is_err();
            conn.set_any(flag::NOTED, !full);
            self.journal.overflowed |= full;
        }
    }
}
