//! Work that nobody waits for, out of the control thread's way.

use std::any::Any;
use std::{io, thread};

use crossbeam::channel::{Sender, unbounded};
use log::warn;
use rustix::process::setpriority_process;
use rustix::thread::gettid;

use crate::dpdk::heap;

/// How much behind the control thread (nice value): both may share a CPU.
const NICE: i32 = 5;

/// Has the calling thread yield to the control thread, which may share its CPU.
pub(crate) fn step_back() {
    // On Linux the priority is the thread's (setpriority(2)).
    if let Err(error) = setpriority_process(Some(gettid()), NICE) {
        warn!("a thread in the background keeps its priority: {error}");
    }
}

/// A thread that lets go of what may be large: freeing a table of a hundred thousand services takes tens of milliseconds.
#[derive(Clone)]
pub(crate) struct Background(Sender<Job>);

/// What it does, in order.
enum Job {
    Free(Box<dyn Any + Send>),
    Trim,
}

impl Background {
    /// Starts it.
    pub(crate) fn start() -> io::Result<Self> {
        let (sender, jobs) = unbounded();
        let body = move || {
            step_back();
            for job in jobs {
                match job {
                    Job::Free(thing) => drop(thing),
                    Job::Trim => heap::trim(),
                }
            }
        };
        thread::Builder::new().name("background".to_owned()).spawn(body)?;
        Ok(Self(sender))
    }

    /// Frees something.
    pub(crate) fn free(&self, thing: Box<dyn Any + Send>) {
        // Without the thread it is dropped here.
        _ = self.0.send(Job::Free(thing));
    }

    /// Gives free memory back to the system, once all that was to be freed before is.
    pub(crate) fn trim(&self) {
        _ = self.0.send(Job::Trim);
    }
}
