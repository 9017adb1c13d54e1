//! Real time, passed on. A real kernel takes its time, the more the busier its machine; timers and shown expiries follow it.
//! So the recorder notes when each request to the kernel began, and when the same requests go to our director, its clock
//! is first moved on to the same moment.

use std::cell::RefCell;
use std::rc::Rc;

use crate::product::PER_COMMAND;
use crate::runner::director::{Director, Leg};

/// When each request began, in nanoseconds from the first step on.
pub(crate) type Pace = Rc<RefCell<Vec<u64>>>;

/// A director whose time passes as it did for the kernel.
pub(crate) struct Paced {
    director: Box<dyn Director>,
    /// Of the requests that are still to come.
    times: std::vec::IntoIter<u64>,
    now: u64,
}

impl Paced {
    /// A director, and when the kernel began with each request.
    pub(crate) fn new(director: Box<dyn Director>, times: Vec<u64>) -> Self {
        Self { director, times: times.into_iter(), now: 0 }
    }

    /// The director at the time of its next request.
    fn next(&mut self) -> &mut dyn Director {
        let behind = self.times.next().unwrap_or(0).saturating_sub(self.now);
        if behind > 0 {
            self.director.advance(behind);
            self.now += behind;
        }
        self.director.as_mut()
    }
}

impl Director for Paced {
    fn inject(&mut self, leg: Leg, frame: &[u8]) {
        self.next().inject(leg, frame);
    }

    fn drain(&mut self) -> Vec<(Leg, Vec<u8>)> {
        self.next().drain()
    }

    fn ipvsadm(&mut self, args: &str, stdin: Option<&str>) -> (i32, String, String) {
        let answer = self.next().ipvsadm(args, stdin);
        self.now += PER_COMMAND;
        answer
    }

    fn advance(&mut self, nanoseconds: u64) {
        self.next().advance(nanoseconds);
        self.now += nanoseconds;
    }

    fn proc(&mut self, name: &str) -> Result<String, String> {
        self.next().proc(name)
    }

    fn sysctl(&mut self, name: &str, value: Option<&str>) -> Result<String, String> {
        self.next().sysctl(name, value)
    }

    fn sh(&mut self, command: &str) -> Option<(i32, String, String)> {
        self.next().sh(command)
    }
}
