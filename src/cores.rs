//! CPUs: which there are, and pinning a worker's thread to its own.

use std::thread;

use core_affinity::CoreId;
use rustix::thread::CpuSet;

/// Checks that threads can be pinned to these CPUs. Those of `isolcpus` are among them, though no program is there by itself: so a
/// thread of its own goes and tries.
pub(crate) fn check(wanted: &[usize]) -> Result<(), String> {
    let can = reachable(wanted.to_vec());
    let Some(cpu) = wanted.iter().find(|cpu| !can.contains(cpu)) else { return Ok(()) };
    let there = reachable((0..CpuSet::MAX_CPU).collect());
    Err(format!("CPU {cpu} is not available to this process; available are {there:?}"))
}

/// Those of the CPUs that a thread of ours can be pinned to.
fn reachable(mut cpus: Vec<usize>) -> Vec<usize> {
    cpus.retain(|cpu| *cpu < CpuSet::MAX_CPU);
    let tried = thread::Builder::new().spawn(move || {
        cpus.retain(|&id| core_affinity::set_for_current(CoreId { id }));
        cpus
    });
    tried.ok().and_then(|thread| thread.join().ok()).unwrap_or_default()
}

/// Pins the calling thread.
pub(crate) fn pin(cpu: usize) -> Result<(), String> {
    if core_affinity::set_for_current(CoreId { id: cpu }) {
        Ok(())
    } else {
        Err(format!("cannot pin a worker to CPU {cpu}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_counts_that_this_thread_is_kept_from() {
        let cpus: Vec<usize> = core_affinity::get_core_ids().expect("CPUs").iter().map(|core| core.id).collect();
        let tried = thread::spawn(move || {
            // As a program is started where `isolcpus` names all others.
            pin(cpus[0])?;
            check(&cpus)
        });
        assert_eq!(tried.join().expect("it ends"), Ok(()));
        for absent in [CpuSet::MAX_CPU - 1, CpuSet::MAX_CPU, usize::MAX] {
            let error = check(&[absent]).expect_err("there is none");
            assert!(error.starts_with(&format!("CPU {absent} is not available to this process; available are [")));
        }
    }
}
