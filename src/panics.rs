//! Threads that panic. Without a worker, the control thread or the control socket's acceptor the director is none any
//! more: the process stops, with an exit code of its own, and a supervisor starts it anew. What a connection to the
//! control socket breaks is broken for that connection alone.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use log::error;
use signal_hook::low_level;

use crate::logging;

/// The exit code of a director whose thread panicked, `EX_SOFTWARE` of sysexits.
pub(crate) const EXIT: u8 = 70;

/// How long devices and threads may take to stop after a panic. What it left half done may hold them for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the process is to stop, and which panic made it.
#[derive(Clone, Debug)]
pub(crate) struct Panics {
    stop: Arc<AtomicBool>,
    first: Arc<OnceLock<String>>,
    /// Of the workers, in their order.
    cpus: Arc<[usize]>,
}

impl Panics {
    /// Watches every thread of the process, the workers on these CPUs among them, from now on.
    pub(crate) fn watch(cpus: &[usize]) -> Self {
        #[cfg(debug_assertions)]
        rehearsal::prepare();
        let panics = Self { stop: Arc::default(), first: Arc::default(), cpus: cpus.into() };
        let hook = panics.clone();
        panic::set_hook(Box::new(move |info| hook.hear(info)));
        panics
    }

    /// Has every thread stop.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Whether the calling thread is to stop.
    pub(crate) fn stopped(&self) -> bool {
        let stopped = self.stop.load(Ordering::Relaxed);
        #[cfg(debug_assertions)]
        rehearsal::play(stopped);
        stopped
    }

    /// What is said of the panic that ends the process.
    pub(crate) fn said(&self) -> Option<&str> {
        self.first.get().map(String::as_str)
    }

    /// A thread panics; this is it.
    fn hear(&self, info: &PanicHookInfo<'_>) {
        let thread = thread::current();
        let name = thread.name().unwrap_or("without a name");
        let text = info.payload_as_str().unwrap_or("it says nothing");
        let place = info.location().map_or(String::new(), |place| format!(" at {}:{}", place.file(), place.line()));
        let line = format!("{} panicked{place}: {text}", who(name, &self.cpus));
        match is_vital(name) {
            true => error!("{line}; sluiced stops, all connections are lost"),
            false => error!("{line}"),
        }
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            error!("{backtrace}");
        }
        if is_vital(name) && self.first.set(line).is_ok() {
            self.stop();
            end_in_time();
        }
    }
}

/// Sees to it that the process ends, whatever hangs.
fn end_in_time() {
    let end = || {
        thread::sleep(PATIENCE);
        error!("devices and threads do not stop within {} s: sluiced ends without them", PATIENCE.as_secs());
        logging::finish();
        low_level::exit(EXIT.into())
    };
    if thread::Builder::new().name("end".to_owned()).spawn(end).is_err() {
        low_level::exit(EXIT.into());
    }
}

/// Whether nothing goes on without a thread.
fn is_vital(name: &str) -> bool {
    ["main", "control-accept"].contains(&name) || name.starts_with("worker-")
}

/// What an operator calls a thread.
fn who(name: &str, cpus: &[usize]) -> String {
    let number = |kind: &str| name.strip_prefix(kind)?.parse::<usize>().ok();
    match name {
        "main" => return "the control thread".to_owned(),
        "control-accept" => return "the control socket's acceptor".to_owned(),
        _ => {}
    }
    if let Some((worker, cpu)) = number("worker-").and_then(|worker| Some((worker, cpus.get(worker)?))) {
        return format!("worker {worker} (CPU {cpu})");
    }
    number("control-").map_or_else(|| format!("thread {name}"), |number| format!("control connection {number}"))
}

/// A panic on purpose, for the tests of debug builds; release builds have none of it.
#[cfg(debug_assertions)]
mod rehearsal {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, OnceLock};
    use std::{env, thread};

    use signal_hook::{consts::SIGUSR2, flag};

    /// Who panics at SIGUSR2, and who does not stop then.
    struct Rehearsal {
        now: Arc<AtomicBool>,
        panics: Option<String>,
        hangs: Option<String>,
    }

    static REHEARSAL: OnceLock<Rehearsal> = OnceLock::new();

    /// Looks whether the environment names threads.
    pub(super) fn prepare() {
        let [panics, hangs] = ["SLUICED_TEST_PANIC", "SLUICED_TEST_HANG"].map(|name| env::var(name).ok());
        if panics.is_some() {
            let now = Arc::default();
            flag::register(SIGUSR2, Arc::clone(&now)).expect("SIGUSR2 may be caught");
            _ = REHEARSAL.set(Rehearsal { now, panics, hangs });
        }
    }

    /// Plays the calling thread's part.
    pub(super) fn play(stopped: bool) {
        let Some(Rehearsal { now, panics, hangs }) = REHEARSAL.get() else { return };
        let is_me = |name: &Option<String>| name.is_some() && thread::current().name() == name.as_deref();
        if now.load(Ordering::Relaxed) && is_me(panics) {
            panic!("rehearsed");
        }
        while stopped && is_me(hangs) {
            thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_have_the_names_that_operators_know() {
        let cpus = [2, 3];
        assert_eq!(who("worker-1", &cpus), "worker 1 (CPU 3)");
        assert_eq!(who("main", &cpus), "the control thread");
        assert_eq!(who("control-accept", &cpus), "the control socket's acceptor");
        assert_eq!(who("control-17", &cpus), "control connection 17");
        assert_eq!([who("worker-9", &cpus), who("other", &cpus)], ["thread worker-9", "thread other"]);
    }

    #[test]
    fn a_control_connection_is_not_vital() {
        assert!(["main", "control-accept", "worker-0"].into_iter().all(is_vital));
        assert!(!["control-0", "control-17", "end", "mains"].into_iter().any(is_vital));
    }
}
