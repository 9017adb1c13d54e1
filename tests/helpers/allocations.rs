//! A global allocator that counts, by thread: what a piece of code allocates is a number that does not flicker.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<Allocations> = const { Cell::new(Allocations { calls: 0, bytes: 0, frees: 0, freed: 0 }) };
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

/// What was asked of the allocator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allocations {
    /// How often, growing included.
    pub(crate) calls: u64,
    /// Bytes.
    pub(crate) bytes: u64,
    /// How often something was given back, growing included.
    pub(crate) frees: u64,
    /// Bytes given back.
    pub(crate) freed: u64,
}

impl Allocations {
    /// What has come since.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            calls: self.calls - before.calls,
            bytes: self.bytes - before.bytes,
            frees: self.frees - before.frees,
            freed: self.freed - before.freed,
        }
    }
}

/// What `work` allocates on this thread.
pub(crate) fn of<T>(work: impl FnOnce() -> T) -> (T, Allocations) {
    let before = COUNT.get();
    let result = work();
    let after = COUNT.get();
    (result, after.since(before))
}

/// What this thread has allocated since it began.
#[allow(dead_code, reason = "not every test program has slices")]
pub(crate) fn so_far() -> Allocations {
    COUNT.get()
}

fn count(bytes: usize) {
    let before = COUNT.get();
    COUNT.set(Allocations { calls: before.calls + 1, bytes: before.bytes + bytes as u64, ..before });
}

fn count_back(bytes: usize) {
    let before = COUNT.get();
    COUNT.set(Allocations { frees: before.frees + 1, freed: before.freed + bytes as u64, ..before });
}

// SAFETY: the system's allocator does the work, with the arguments as they came. Counting allocates nothing: the
// thread's counter needs neither initialisation nor destruction.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as for `self.alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as for `self.alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        count_back(layout.size());
        // SAFETY: as for `self.realloc`.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count_back(layout.size());
        // SAFETY: as for `self.dealloc`.
        unsafe { System.dealloc(block, layout) }
    }
}
