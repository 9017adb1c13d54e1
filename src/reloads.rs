//! Reloads: the file is read and checked by a thread of its own, which costs the control thread nothing; then the director
//! converges to it in slices.
//!
//! ```text
//! asked for -> thread: read, check -> control: converge, publish -> answered -> background: memory goes back to the system
//! ```
//!
//! One at a time. Who asks meanwhile waits for another reading: the file may have changed again.

use std::collections::VecDeque;
use std::thread;

use control::api::{Answer, ApiError, Code};
use control::director::{Director, Prepared, Requester};
use crossbeam::channel::{Receiver, Sender, TryRecvError, bounded};
use log::{error, warn};
use sd_notify::NotifyState;

use crate::background::{self, Background};
use crate::serve::{PATIENCE, Waiting, Watchdog, tell};

/// A reload that somebody wants.
pub(crate) struct Reload {
    /// Also undo what was made at run time.
    pub(crate) prune: bool,
    /// Who wants it.
    pub(crate) requester: Requester,
    /// Takes the answer; a signal wants none.
    pub(crate) reply: Option<Sender<Result<Answer, ApiError>>>,
}

impl Reload {
    /// By SIGHUP.
    pub(crate) fn signalled() -> Self {
        Self { prune: false, requester: Requester::named("SIGHUP"), reply: None }
    }

    fn answer(self, answer: &Result<Answer, ApiError>) {
        if let Err(error) = answer {
            let unchanged = if error.code == Code::Config { "nothing changed: " } else { "" };
            error!("{}: reload: {unchanged}{error}", self.requester);
        }
        if let Ok(Answer::Reloaded { late: Some(late), .. }) = answer {
            warn!("{}: reload: {late}", self.requester);
        }
        // Who asked may have gone.
        self.reply.map(|reply| reply.send(answer.clone()));
    }
}

/// Those that are wanted, in order.
pub(crate) struct Reloads {
    waiting: VecDeque<Reload>,
    reading: Option<Reading>,
    background: Background,
}

/// A file that is being read.
struct Reading {
    /// Who asked before, the first one first.
    reloads: Vec<Reload>,
    prepared: Receiver<Result<Prepared, ApiError>>,
}

impl Reloads {
    /// None yet.
    pub(crate) fn new(background: Background) -> Self {
        Self { waiting: VecDeque::new(), reading: None, background }
    }

    /// Asks for one. Each connection waits for its answer, so they are few.
    pub(crate) fn ask(&mut self, reload: Reload) {
        let again = reload.reply.is_none() && self.waiting.iter().any(|waiting| waiting.reply.is_none());
        if !again {
            self.waiting.push_back(reload);
        }
    }

    /// Has the director converge to a file that has been read; begins to read the next.
    pub(crate) fn go_on(&mut self, director: &mut Director, watchdog: &mut Watchdog) {
        if let Some(reading) = self.reading.take() {
            match reading.prepared.try_recv() {
                Err(TryRecvError::Empty) => self.reading = Some(reading),
                Ok(prepared) => {
                    reading.reloads.first().inspect(|first| director.requested_by(&first.requester));
                    let prune = reading.reloads.iter().any(|reload| reload.prune);
                    let converge = |prepared| director.reload(prepared, prune, &mut Waiting::new(PATIENCE, watchdog));
                    let answer = prepared.and_then(converge);
                    answer_all(reading.reloads, &answer);
                    self.background.trim();
                    tell(&[NotifyState::Ready]);
                }
                Err(TryRecvError::Disconnected) => {
                    answer_all(reading.reloads, &Err(failed("the thread that reads the file has failed")));
                    tell(&[NotifyState::Ready]);
                }
            }
        }
        if self.reading.is_none()
            && let Some(prune) = self.waiting.front().map(|reload| reload.prune)
        {
            // One reading serves all that wait for the same: those that nobody waits for any more do not pile up.
            let (reloads, others): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(|reload| reload.prune == prune);
            self.waiting = others.into();
            match NotifyState::monotonic_usec_now() {
                Ok(now) => tell(&[NotifyState::Reloading, now]),
                Err(error) => warn!("cannot notify the service manager of the reload: {error}"),
            }
            self.begin(director, reloads);
        }
    }

    fn begin(&mut self, director: &Director, reloads: Vec<Reload>) {
        let (prepared, receiver) = bounded(1);
        let file = director.file();
        let body = move || {
            background::step_back();
            // The control thread may be gone.
            _ = prepared.send(file.and_then(|file| Prepared::read(&file)));
        };
        match thread::Builder::new().name("reload".to_owned()).spawn(body) {
            Ok(_) => self.reading = Some(Reading { reloads, prepared: receiver }),
            Err(error) => {
                answer_all(reloads, &Err(failed(&format!("no thread to read the file: {error}"))));
                tell(&[NotifyState::Ready]);
            }
        }
    }
}

fn answer_all(reloads: Vec<Reload>, answer: &Result<Answer, ApiError>) {
    reloads.into_iter().for_each(|reload| reload.answer(answer));
}

fn failed(text: &str) -> ApiError {
    ApiError { code: Code::Internal, place: String::new(), text: text.to_owned() }
}
