//! The heap of the C library, which DPDK and we share.
//!
//! Reading a file of a million servers takes ten times the memory of what comes of it. The C library keeps what was
//! freed below anything that lives, so it has to be told.

/// Gives free memory back to the system.
pub(crate) fn trim() {
    // SAFETY: looks at free memory only; any thread may call it at any time.
    unsafe { dpdk_sys::malloc_trim(0) };
}
