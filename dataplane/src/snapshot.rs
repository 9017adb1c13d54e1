//! How workers learn of new tables: control publishes an immutable value, each worker looks once per burst.
//!
//! Unchanged costs a worker one load. A change costs it one lock, never contended for longer than a pointer copy and
//! never waited for: a worker that finds it taken keeps the old tables for this burst. Control keeps every published
//! value until all workers have moved on, so that the last reference, and the freeing, are control's.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use crate::tables::Tables;

/// The meeting point of control and workers.
#[derive(Debug)]
pub struct Board {
    epoch: AtomicU64,
    current: Mutex<Arc<Tables>>,
    seen: Box<[AtomicU64]>,
}

impl Board {
    /// A board for so many workers.
    #[must_use]
    pub fn new(workers: usize, tables: Arc<Tables>) -> Self {
        Self {
            epoch: AtomicU64::new(1),
            current: Mutex::new(tables),
            seen: (0..workers).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// The first worker that has not yet seen an epoch.
    #[must_use]
    pub fn behind(&self, epoch: u64) -> Option<usize> {
        self.seen.iter().position(|seen| seen.load(Ordering::Acquire) < epoch)
    }

    /// The epoch a worker works with.
    #[must_use]
    pub fn seen(&self, worker: usize) -> u64 {
        self.seen.get(worker).map_or(0, |seen| seen.load(Ordering::Acquire))
    }
}

/// Control's side: publishes and keeps what is still in use.
#[derive(Debug)]
pub struct Publisher {
    board: Arc<Board>,
    epoch: u64,
    retired: Vec<(u64, Arc<Tables>)>,
}

impl Publisher {
    /// A publisher and the board its workers read.
    #[must_use]
    pub fn new(workers: usize, tables: Tables) -> (Self, Arc<Board>) {
        let tables = Arc::new(tables);
        let board = Arc::new(Board::new(workers, Arc::clone(&tables)));
        (Self { board: Arc::clone(&board), epoch: 1, retired: vec![(1, tables)] }, board)
    }

    /// Makes new tables current. Returns their epoch.
    pub fn publish(&mut self, tables: Tables) -> u64 {
        let tables = Arc::new(tables);
        self.epoch += 1;
        {
            let mut current = self.board.current.lock().unwrap_or_else(PoisonError::into_inner);
            *current = Arc::clone(&tables);
            self.board.epoch.store(self.epoch, Ordering::Release);
        }
        self.retired.push((self.epoch, tables));
        self.epoch
    }

    /// What no worker uses any more, for the caller to let go of. That takes its time where much has changed.
    #[must_use]
    pub fn sweep(&mut self) -> Vec<Arc<Tables>> {
        let (board, current) = (&self.board, self.epoch);
        let in_use = |(epoch, tables): &(u64, Arc<Tables>)| {
            *epoch == current || board.behind(epoch + 1).is_some() || Arc::strong_count(tables) > 1
        };
        let unused = self.retired.extract_if(.., |retired| !in_use(retired));
        unused.map(|(_, tables)| tables).collect()
    }

    /// The epoch published last.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The first worker that has not yet seen the tables of an epoch.
    #[must_use]
    pub fn behind(&self, epoch: u64) -> Option<usize> {
        self.board.behind(epoch)
    }

    /// The epoch a worker works with.
    #[must_use]
    pub fn seen(&self, worker: usize) -> u64 {
        self.board.seen(worker)
    }
}

/// A worker's side.
#[derive(Debug)]
pub struct Reader {
    board: Arc<Board>,
    worker: usize,
    epoch: u64,
    tables: Arc<Tables>,
}

impl Reader {
    /// The reader of worker number `worker`.
    #[must_use]
    pub fn new(board: Arc<Board>, worker: usize) -> Self {
        let tables = Arc::clone(&board.current.lock().unwrap_or_else(PoisonError::into_inner));
        Self { board, worker, epoch: 0, tables }
    }

    /// Looks for newer tables. Call once per burst; returns whether there were some.
    #[inline]
    pub fn refresh(&mut self) -> bool {
        if self.board.epoch.load(Ordering::Acquire) == self.epoch {
            return false;
        }
        self.take()
    }

    #[cold]
    fn take(&mut self) -> bool {
        let current = match self.board.current.try_lock() {
            Ok(current) => current,
            Err(TryLockError::Poisoned(current)) => current.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        self.tables = Arc::clone(&current);
        self.epoch = self.board.epoch.load(Ordering::Acquire);
        drop(current);
        self.board.seen[self.worker].store(self.epoch, Ordering::Release);
        true
    }

    /// The tables of this burst.
    #[inline]
    #[must_use]
    pub fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::Seed;

    fn tables() -> Tables {
        Tables::new(Seed([1, 2, 3, 4]))
    }

    #[test]
    fn applied_means_seen_and_old_tables_are_freed_by_control() {
        let (mut publisher, board) = Publisher::new(2, tables());
        let mut readers = [Reader::new(Arc::clone(&board), 0), Reader::new(board, 1)];
        readers.iter_mut().for_each(|r| assert!(r.refresh() && !r.refresh()));
        let first = Arc::downgrade(readers[0].tables());
        publisher.publish(tables());
        assert!(readers[0].refresh());
        assert_eq!(publisher.behind(publisher.epoch()), Some(1));
        drop(publisher.sweep());
        assert!(first.upgrade().is_some(), "worker 1 still works with it");
        assert!(readers[1].refresh());
        assert!(publisher.behind(publisher.epoch()).is_none());
        assert!(first.upgrade().is_some(), "freeing is control's, not a worker's");
        drop(publisher.sweep());
        assert!(first.upgrade().is_none());
    }
}
