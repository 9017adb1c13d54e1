//! One line in the log for every change of the running state: who asked for it, what, old value -> new value.

use std::fmt;
use std::sync::Arc;

use dataplane::words::counted;
use log::info;

/// Lines of one request, or of batches that belong together. What is beyond is counted.
const MOST_LINES: usize = 5000;

/// Who asks for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requester(Arc<str>);

impl Requester {
    /// Somebody by a name: a signal, a test.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self(name.into())
    }

    /// A process at the other end of a socket (`SO_PEERCRED`), with the name of its program.
    #[must_use]
    pub fn process(program: &str, uid: u32, pid: i32) -> Self {
        let plain = |character: &char| character.is_ascii_graphic();
        let program: String = program.chars().filter(plain).take(16).collect();
        Self(format!("{} (uid {uid}, pid {pid})", if program.is_empty() { "?" } else { &program }).into())
    }
}

impl fmt::Display for Requester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the log is told of the present request.
#[derive(Debug)]
pub(super) struct Audit {
    requester: Requester,
    told: usize,
    untold: usize,
}

impl Default for Audit {
    fn default() -> Self {
        Self { requester: Requester::named("sluiced"), told: 0, untold: 0 }
    }
}

impl Audit {
    /// Somebody else asks, or asks again.
    pub(super) fn begin(&mut self, requester: &Requester) {
        if self.requester != *requester {
            self.end();
            self.requester = requester.clone();
        }
    }

    /// Something changed.
    pub(super) fn note(&mut self, line: impl fmt::Display) {
        if self.told < MOST_LINES {
            self.told += 1;
            info!("{}: {line}", self.requester);
        } else {
            self.untold += 1;
        }
    }

    /// The request is done.
    pub(super) fn end(&mut self) {
        if self.untold > 0 {
            info!("{}: and {}", self.requester, count(self.untold, "more change"));
        }
        (self.told, self.untold) = (0, 0);
    }
}

/// A number of things.
pub(super) fn count(number: usize, thing: &str) -> String {
    counted(number as u64, thing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requester_is_one_line_whatever_a_program_calls_itself() {
        assert_eq!(Requester::process("ipvsadm", 0, 4711).to_string(), "ipvsadm (uid 0, pid 4711)");
        assert_eq!(Requester::process("a\nINFO fake\u{1b}[1m", 5, 1).to_string(), "aINFOfake[1m (uid 5, pid 1)");
        assert_eq!(Requester::process("\n", 5, 1).to_string(), "? (uid 5, pid 1)");
    }

    #[test]
    fn a_storm_of_changes_is_counted() {
        let mut audit = Audit::default();
        (0..MOST_LINES + 7).for_each(|change| audit.note(change));
        assert_eq!((audit.told, audit.untold), (MOST_LINES, 7));
        audit.end();
        assert_eq!((audit.told, audit.untold), (0, 0));
    }
}
