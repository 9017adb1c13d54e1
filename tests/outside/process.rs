//! Programs that run and end, and programs that run beside the test.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Exit code; 124 if it was ended because it took too long.
    pub(crate) code: Option<i32>,
    /// What it wrote.
    pub(crate) out: String,
    /// What it complained.
    pub(crate) err: String,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Ran {
    /// Runs it to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        let start = Instant::now();
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr), took: start.elapsed() }
    }

    /// Itself, if it succeeded.
    #[track_caller]
    pub(crate) fn good(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

/// A program beside the test; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it; what it says goes to `log`. `command` should end with the thread that starts it (`setpriv --pdeathsig`).
    pub(crate) fn start(command: &mut Command, log: PathBuf) -> Self {
        let file = File::create(&log).expect("a log file");
        command.stdout(file.try_clone().expect("a second handle")).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, log }
    }

    /// What it said so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is a child of ours")
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id();
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status();
        assert!(status.expect("sh runs").success(), "kill -{name} {id}");
    }

    /// Asks it to end by a signal, and waits, so long at most. Fails at nothing: also a failed test cleans up.
    pub(crate) fn ask_to_end(&mut self, signal: &str, most: Duration) {
        if self.ended().is_none() {
            _ = Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.id())]).status();
            _ = until(most, || self.ended());
        }
    }

    /// Ends it now, if it has not ended.
    pub(crate) fn end(&mut self) {
        if self.ended().is_none() {
            _ = self.child.kill();
            _ = self.child.wait();
        }
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self, most: Duration) -> ExitStatus {
        let ended = until(most, || self.ended());
        ended.unwrap_or_else(|| panic!("still running after {most:?}; it said: {}", self.said()))
    }

    /// Waits for its end and wants success.
    #[track_caller]
    pub(crate) fn wait_good(&mut self, most: Duration) -> String {
        let status = self.wait(most);
        assert!(status.success(), "{status}: {}", self.said());
        self.said()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Asks until there is an answer, for so long at most.
pub(crate) fn until<T>(most: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let answer = ask();
        if answer.is_some() || start.elapsed() > most {
            return answer;
        }
        thread::sleep(Duration::from_millis(20));
    }
}
