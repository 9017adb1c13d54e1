//! What DPDK says. Its log stream is ours: lines go to the `log` crate, unless the thread is inside [`attempt`];
//! then they become part of the error, where the reader needs them.

use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_long, c_void};
use std::ptr;

use super::error::{Cause, Errno};

thread_local! {
    /// Lines said on this thread since the innermost running `capture` began.
    static SAID: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Takes over DPDK's log stream. Called once, before the EAL starts; the stream lives as long as the process.
pub(super) fn open() -> Result<(), Errno> {
    let calls = dpdk_sys::cookie_io_functions_t { read: None, write: Some(write), seek: None, close: None };
    // SAFETY: the mode is a NUL-terminated string, the cookie is never read, `write` outlives everything.
    let stream = unsafe { dpdk_sys::fopencookie(ptr::null_mut(), c"w".as_ptr(), calls) };
    if stream.is_null() {
        return Err(Errno::NoMemory);
    }
    // SAFETY: `stream` is open and is never closed.
    match unsafe { dpdk_sys::rte_openlog_stream(stream) } {
        0 => Ok(()),
        code => Err(Errno::returned(code)),
    }
}

/// Runs a call that returns a negative error number when it fails.
pub(super) fn attempt(call: impl FnOnce() -> c_int) -> Result<c_int, Cause> {
    settle(call, |code| (*code < 0).then(|| Errno::returned(*code)))
}

/// Runs a call that returns something negative and sets `rte_errno` when it fails.
pub(super) fn attempt_errno(call: impl FnOnce() -> c_int) -> Result<c_int, Cause> {
    settle(call, |code| (*code < 0).then(Errno::last))
}

/// Runs a call that returns NULL and sets `rte_errno` when it fails.
pub(super) fn attempt_ptr<T>(call: impl FnOnce() -> *mut T) -> Result<ptr::NonNull<T>, Cause> {
    let pointer = settle(call, |pointer| pointer.is_null().then(Errno::last))?;
    Ok(ptr::NonNull::new(pointer).expect("NULL was settled as a failure"))
}

/// Runs a call whose complaints tell nobody anything, such as reading the counters of a peer that is away.
pub(super) fn quietly<R>(call: impl FnOnce() -> R) -> R {
    let outer = SAID.replace(Some(Vec::new()));
    let result = call();
    SAID.set(outer);
    result
}

fn settle<R>(call: impl FnOnce() -> R, failure: impl FnOnce(&R) -> Option<Errno>) -> Result<R, Cause> {
    let outer = SAID.replace(Some(Vec::new()));
    let result = call();
    let errno = failure(&result);
    let said = SAID.replace(outer).unwrap_or_default();
    if let Some(errno) = errno {
        return Err(Cause { errno, said: reasons(said) });
    }
    for line in said {
        log::warn!(target: "dpdk", "{line}");
    }
    Ok(result)
}

/// What the EAL adds to every failure to open a device.
const ECHOES: [&str; 2] = ["EAL: Driver cannot attach the device", "EAL: Failed to attach device"];

/// Without the echoes, unless they are all there is.
fn reasons(mut said: Vec<String>) -> Vec<String> {
    let echo = |line: &String| ECHOES.iter().any(|echo| line.starts_with(echo));
    if said.iter().all(echo) {
        said.truncate(1);
    }
    let only = said.len() == 1;
    said.retain(|line| only || !echo(line));
    said
}

/// The stream's write function. DPDK flushes after each message, so a call is one message, or a few.
unsafe extern "C" fn write(_: *mut c_void, text: *const c_char, n: usize) -> c_long {
    // SAFETY: stdio passes `n` readable bytes.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), n) };
    // SAFETY: reads a thread-local integer.
    let level = unsafe { dpdk_sys::rte_log_cur_msg_loglevel() };
    for line in String::from_utf8_lossy(bytes).lines().map(str::trim).filter(|line| !line.is_empty()) {
        hear(level.unsigned_abs(), line);
    }
    // What is not taken would be offered again, so all of it is.
    n.cast_signed() as c_long
}

fn hear(level: u32, line: &str) {
    let kept = level <= dpdk_sys::RTE_LOG_WARNING
        && SAID
            .try_with(|said| said.borrow_mut().as_mut().map(|lines| lines.push(line.to_owned())).is_some())
            .unwrap_or(false);
    if !kept {
        log::log!(target: "dpdk", severity(level), "{line}");
    }
}

const fn severity(level: u32) -> log::Level {
    match level {
        0..=dpdk_sys::RTE_LOG_ERR => log::Level::Error,
        dpdk_sys::RTE_LOG_WARNING => log::Level::Warn,
        dpdk_sys::RTE_LOG_NOTICE | dpdk_sys::RTE_LOG_INFO => log::Level::Info,
        _ => log::Level::Debug,
    }
}

/// Says on behalf of DPDK what cannot be returned, such as a failure while dropping.
pub(super) fn complain(result: Result<c_int, Cause>, what: &str) {
    if let Err(cause) = result {
        log::error!(target: "dpdk", "{what}: {cause}");
    }
}
