//! The environment: DPDK's memory, drivers and threads. One per process, for as long as anything uses it.
//!
//! Workers are plain threads that [`Eal::register_thread`] joins to it: an lcore id, and with it a cache of their own
//! in every pool. The EAL itself gets one lcore, the main thread's.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::mm::{Advice::LinuxDontDump, madvise};

use super::error::{Cause, Errno, Error};
use super::journal;
use super::runtime::{self, RuntimeDirectory};
use super::spec::DeviceSpec;

/// `rte_eal_init` runs once, even when it fails.
static STARTED: AtomicBool = AtomicBool::new(false);
/// Packets outlived their pool, so the memory they lie in stays.
static KEEP_MEMORY: AtomicBool = AtomicBool::new(false);

/// How to start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EalOptions<'a> {
    /// The name DPDK calls us, `argv[0]`.
    pub(crate) program: &'a str,
    /// Names this process's runtime files. `None`: `sluice-PID-RANDOM`, so that any number of processes get along, also
    /// where each counts its processes anew.
    pub(crate) file_prefix: Option<&'a str>,
    /// The CPU of the main thread, to which the calling thread is pinned.
    pub(crate) main_cpu: usize,
    /// What will be opened. Of PCI devices only these are touched; without any, the bus is not even looked at.
    pub(crate) devices: &'a [DeviceSpec],
    /// Further arguments as the operator wrote them, after ours, so that they win.
    pub(crate) extra: &'a [String],
}

impl EalOptions<'_> {
    /// The arguments of `rte_eal_init`.
    ///
    /// No `--in-memory` unless the operator says so: it excludes `--no-huge`, and it forbids secondary processes.
    /// Devices that share memory with a peer get it by file descriptor either way.
    fn arguments(&self, prefix: &str) -> Vec<String> {
        let mut arguments = vec![
            self.program.to_owned(),
            format!("--lcores=0@{}", self.main_cpu),
            format!("--file-prefix={prefix}"),
            "--log-level=warning".to_owned(),
            "--no-telemetry".to_owned(),
        ];
        let pci: Vec<String> = self.devices.iter().filter_map(DeviceSpec::pci).collect();
        if pci.is_empty() {
            arguments.push("--no-pci".to_owned());
        }
        for device in pci {
            arguments.extend(["-a".to_owned(), device]);
        }
        arguments.extend(self.extra.iter().cloned());
        arguments
    }
}

/// The started environment; clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Eal {
    runtime: Arc<Runtime>,
}

impl Eal {
    /// Starts DPDK. The calling thread becomes its main thread and is pinned to `main_cpu`; threads it makes later
    /// inherit that, and must be pinned anew.
    pub(crate) fn init(options: &EalOptions<'_>) -> Result<Self, Error> {
        let prefix = options.file_prefix.map_or_else(runtime::fresh_prefix, str::to_owned);
        let arguments = options.arguments(&prefix).into_iter().map(c_string).collect::<Result<Vec<_>, _>>()?;
        if STARTED.swap(true, Ordering::AcqRel) {
            return Err(Error::AlreadyStarted);
        }
        journal::open().map_err(|errno| Error::Eal(Cause { errno, said: Vec::new() }))?;
        let argc = c_int::try_from(arguments.len()).expect("an argument list is short");
        // As those of main() they live for ever: parts of DPDK keep pointers into them.
        let argv: Vec<*mut c_char> = arguments.into_iter().map(CString::into_raw).collect();
        let argv: &'static mut [*mut c_char] = argv.leak();
        // SAFETY: `argv` holds `argc` NUL-terminated, writable strings for the rest of the process; the flag above
        // lets one thread of the process through, once.
        let started = journal::attempt_errno(|| unsafe { dpdk_sys::rte_eal_init(argc, argv.as_mut_ptr()) });
        let directory = RuntimeDirectory::of(&prefix, runtime_directory());
        directory.sweep();
        started.map_err(Error::Eal)?;
        Ok(Self { runtime: Arc::new(Runtime { _directory: directory }) })
    }

    /// Joins the calling thread. Pin it first: DPDK takes its memory node from the CPUs it may run on.
    pub(crate) fn register_thread(&self) -> Result<EalThread, Error> {
        if lcore().is_some() {
            let said = vec!["it has an lcore id already".to_owned()];
            return Err(Error::Thread(Cause { errno: Errno::Exists, said }));
        }
        // SAFETY: the environment is up while `self.runtime` lives, and this thread has no lcore id.
        journal::attempt_errno(|| unsafe { dpdk_sys::rte_thread_register() }).map_err(Error::Thread)?;
        Ok(EalThread { _runtime: Arc::clone(&self.runtime), _this_thread: PhantomData })
    }

    /// Leaves what DPDK has taken of memory until now, packets above all, out of core files.
    pub(crate) fn leave_out_of_cores(&self) {
        // SAFETY: the environment is up, the function neither keeps what it is given nor touches DPDK's memory.
        let walked =
            journal::attempt(|| unsafe { dpdk_sys::rte_memseg_contig_walk(Some(leave_out_of_cores), ptr::null_mut()) });
        journal::complain(walked, "packet memory may be in core files");
    }

    /// What keeps the environment up.
    pub(super) fn runtime(&self) -> Arc<Runtime> {
        Arc::clone(&self.runtime)
    }
}

/// The lcore id of the calling thread; `None` where it has not joined.
pub(crate) fn lcore() -> Option<u32> {
    // SAFETY: reads a thread-local integer.
    let id = unsafe { dpdk_sys::shim_rte_lcore_id() };
    (id < dpdk_sys::RTE_MAX_LCORE).then_some(id)
}

/// A thread's membership. It leaves when this is dropped, which must happen on the same thread.
#[derive(Debug)]
pub(crate) struct EalThread {
    _runtime: Arc<Runtime>,
    _this_thread: PhantomData<*const ()>,
}

impl Drop for EalThread {
    fn drop(&mut self) {
        // SAFETY: this thread registered itself (the type is neither Send nor Sync) and the environment is up.
        unsafe { dpdk_sys::rte_thread_unregister() };
    }
}

/// Dropped last of all that DPDK gave out.
#[derive(Debug)]
pub(super) struct Runtime {
    _directory: RuntimeDirectory,
}

impl Runtime {
    /// Forbids the final cleanup, which unmaps all packet memory.
    pub(super) fn keep_memory() {
        KEEP_MEMORY.store(true, Ordering::Release);
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if KEEP_MEMORY.load(Ordering::Acquire) {
            return;
        }
        // SAFETY: pools, devices and registered threads hold an Arc of this; the last one is gone.
        journal::complain(journal::attempt(|| unsafe { dpdk_sys::rte_eal_cleanup() }), "DPDK does not stop cleanly");
    }
}

/// Leaves an area out of core files.
unsafe extern "C" fn leave_out_of_cores(
    _: *const dpdk_sys::rte_memseg_list,
    first: *const dpdk_sys::rte_memseg,
    length: usize,
    _: *mut c_void,
) -> c_int {
    // SAFETY: DPDK hands in the first segment of an area of so many bytes that it has mapped. What is read is one pointer,
    // in a structure that is packed; the advice changes no byte of the area.
    let told = unsafe { madvise((&raw const (*first).__bindgen_anon_1.addr).read_unaligned(), length, LinuxDontDump) };
    told.map_or_else(|errno| -errno.raw_os_error(), |()| 0)
}

fn runtime_directory() -> Option<PathBuf> {
    // SAFETY: rte_eal_init has been called; it returns NULL or a NUL-terminated string in static memory.
    let path = unsafe {
        let text = dpdk_sys::rte_eal_get_runtime_dir();
        if text.is_null() { return None } else { CStr::from_ptr(text) }
    };
    Some(PathBuf::from(path.to_str().ok()?))
}

/// A string for C.
pub(super) fn c_string(text: String) -> Result<CString, Error> {
    CString::new(text).map_err(|error| Error::Nul(String::from_utf8_lossy(&error.into_vec()).into_owned()))
}
