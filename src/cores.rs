//! CPUs: which there are, and pinning a worker's thread to its own.

use core_affinity::CoreId;

/// Checks that every CPU exists. Call it before DPDK pins the main thread.
pub(crate) fn check(wanted: &[usize]) -> Result<(), String> {
    let there: Vec<usize> = core_affinity::get_core_ids().unwrap_or_default().iter().map(|core| core.id).collect();
    match wanted.iter().find(|cpu| !there.contains(cpu)) {
        Some(cpu) => Err(format!("CPU {cpu} is not available to this process; available are {there:?}")),
        None => Ok(()),
    }
}

/// Pins the calling thread.
pub(crate) fn pin(cpu: usize) -> Result<(), String> {
    if core_affinity::set_for_current(CoreId { id: cpu }) {
        Ok(())
    } else {
        Err(format!("cannot pin a worker to CPU {cpu}"))
    }
}
