//! Work that nobody waits for, out of the control thread's way.

use std::any::Any;
use std::thread;

use crossbeam::channel::unbounded;
use log::warn;
use rustix::process::setpriority_process;
use rustix::thread::gettid;

/// How much behind the control thread (nice value): both may share a CPU.
const NICE: i32 = 10;

/// Has the calling thread yield to the control thread, which may share its CPU.
pub(crate) fn step_back() {
    // On Linux the priority is the thread's (setpriority(2)).
    if let Err(error) = setpriority_process(Some(gettid()), NICE) {
        warn!("a thread in the background keeps its priority: {error}");
    }
}

/// Takes what may be large and lets go of it: freeing a table of a hundred thousand services takes tens of milliseconds.
pub(crate) fn discard() -> Box<dyn FnMut(Box<dyn Any + Send>) + Send> {
    let (sender, garbage) = unbounded::<Box<dyn Any + Send>>();
    let body = move || {
        step_back();
        garbage.iter().for_each(drop);
    };
    match thread::Builder::new().name("discard".to_owned()).spawn(body) {
        // Without the thread it is dropped here.
        Ok(_) => Box::new(move |thing| drop(sender.send(thing))),
        Err(error) => {
            warn!("no thread that frees memory: {error}");
            Box::new(drop)
        }
    }
}
