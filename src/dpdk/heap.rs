//! The heap of the C library, which DPDK and we share.
//!
//! Reading a file of a million servers takes three times the memory of what comes of it. The C library keeps what was
//! freed below anything that lives, so it has to be told.

/// Gives free memory back to the system.
pub(crate) fn trim() {
    // SAFETY: it touches free memory only, under the heap's own locks; any thread may call it at any time.
    unsafe { dpdk_sys::malloc_trim(0) };
}
