//! The heap of the C library, which DPDK and we share.
//!
//! Reading a file of a million servers takes three times the memory of what comes of it. The C library keeps what was
//! freed below anything that lives, so it has to be told.

/// Has all threads allocate from one heap, which can be given back in full: one of a thread's own keeps tens of megabytes
/// when a large file has been read. Workers allocate nothing after the start. Call it before there are threads.
pub(crate) fn share() {
    // SAFETY: it sets a number; any thread may call it at any time.
    unsafe { dpdk_sys::mallopt(dpdk_sys::M_ARENA_MAX, 1) };
}

/// Gives free memory back to the system.
pub(crate) fn trim() {
    // SAFETY: it touches free memory only, under the heap's own locks; any thread may call it at any time.
    unsafe { dpdk_sys::malloc_trim(0) };
}
