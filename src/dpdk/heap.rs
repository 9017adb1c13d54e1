//! The heap of the C library, which DPDK and we share.
//!
//! Reading a file of a million servers takes three times the memory of what comes of it. The C library keeps what was
//! freed below anything that lives, so it has to be told.

/// Bytes that may lie free at the end of a thread's heap.
const SLACK: i32 = 4 << 20;

/// Has the end of every heap given back when it is free. Left alone, the C library keeps up to 64 MiB there once it has freed
/// large blocks, and a thread that reads a large file has a heap of its own. (One heap for all would have the workers wait
/// for whoever frees a table.) Call it before there are threads.
pub(crate) fn keep_little() {
    // SAFETY: it sets a number; any thread may call it at any time.
    unsafe { dpdk_sys::mallopt(dpdk_sys::M_TRIM_THRESHOLD, SLACK) };
}

/// Gives free memory back to the system.
pub(crate) fn trim() {
    // SAFETY: it touches free memory only, under the heap's own locks; any thread may call it at any time.
    unsafe { dpdk_sys::malloc_trim(0) };
}
