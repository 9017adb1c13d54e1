//! `ipvsadm -R`: a line of standard input is a line of arguments.
//!
//! Words are parted by blanks, tabs and carriage returns; quotes, `#` and `\` are nothing special; the word `ipvsadm`
//! is passed over. A refusal by the director or a word that is no option is reported and the next line follows; any
//! other mistake ends the restore there. The exit code is that of the last line.
//!
//! The changes are not asked for one at a time but in batches, so that a table of any size is published in a few
//! steps; all but the last say that more follows. A batch stops at its first refusal; then the rest follows in smaller
//! ones, which grow again while all is well, so even a table of which every line is refused costs no more than twice its
//! requests.

use std::io::BufRead;

use super::Session;
use super::command::Task;
use super::errors::{Deed, REFUSED, Stop, refused};
use crate::api::{Batch, Edit, MAX_REQUEST};

/// The word that a line may begin with, as in a script.
const PROGRAM: &str = "ipvsadm";
/// Room for the batch around its requests.
const ENVELOPE: usize = 1024;

/// Changes on their way to the director.
#[derive(Debug, Default)]
struct Queue {
    changes: Vec<(Deed, Edit)>,
    bytes: usize,
    /// Exit code of the last line so far.
    code: i32,
}

/// Reads lines to the end.
pub(super) fn run(stdin: &mut dyn BufRead, session: &mut Session<'_>) -> Result<i32, Stop> {
    let mut queue = Queue::default();
    let mut line = Vec::new();
    while stdin.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line);
        let words = words(&text);
        if !words.is_empty() {
            queue.line(&words, session)?;
        }
        line.clear();
    }
    queue.flush(session)?;
    Ok(queue.code)
}

/// The words of a line.
pub(super) fn words(line: &str) -> Vec<&str> {
    line.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty() && *word != PROGRAM).collect()
}

impl Queue {
    fn line(&mut self, words: &[&str], session: &mut Session<'_>) -> Result<(), Stop> {
        match Task::read(words, session.names) {
            Ok(Task::Change(deed, request)) => self.push(deed, request, session),
            Ok(task) => {
                self.flush(session)?;
                self.code = session.perform(task, None)?;
                Ok(())
            }
            Err(stop) => {
                self.flush(session)?;
                self.note(stop, session)
            }
        }
    }

    fn push(&mut self, deed: Deed, edit: Edit, session: &mut Session<'_>) -> Result<(), Stop> {
        let bytes = serde_json::to_vec(&edit).map_or(ENVELOPE, |text| text.len()) + 1;
        if self.bytes + bytes > MAX_REQUEST - ENVELOPE {
            self.send(session, true)?;
        }
        self.bytes += bytes;
        self.changes.push((deed, edit));
        Ok(())
    }

    /// Asks for all that waits, and for it to be published.
    fn flush(&mut self, session: &mut Session<'_>) -> Result<(), Stop> {
        self.send(session, false)
    }

    /// Asks for all that waits; `more` is to be published with it.
    fn send(&mut self, session: &mut Session<'_>, more: bool) -> Result<(), Stop> {
        let changes = std::mem::take(&mut self.changes);
        self.bytes = 0;
        let mut rest = &changes[..];
        let mut size = rest.len();
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(size.min(rest.len()));
            match ask(batch, more || !later.is_empty(), session) {
                Ok(()) => {
                    self.code = 0;
                    rest = later;
                    size = size.saturating_mul(2);
                }
                Err((done, stop)) => {
                    self.note(stop, session)?;
                    rest = &rest[done + 1..];
                    size = 2 * (done + 1);
                }
            }
        }
        Ok(())
    }

    /// Goes on after the failure of a line, if one may.
    fn note(&mut self, stop: Stop, session: &mut Session<'_>) -> Result<(), Stop> {
        let Stop::Line(text) = stop else { return Err(stop) };
        session.complain(&text);
        self.code = REFUSED;
        Ok(())
    }
}

/// Asks for some changes at once. The error says how many were done before it.
fn ask(batch: &[(Deed, Edit)], more: bool, session: &mut Session<'_>) -> Result<(), (usize, Stop)> {
    let [(deed, edit)] = batch else {
        let requests = batch.iter().map(|(_, edit)| edit.clone()).collect();
        let Err(error) = session.change(Batch { requests, more }) else { return Ok(()) };
        return Err(match error.batch_position() {
            Some((position, error)) if position < batch.len() => (position, refused(batch[position].0, &error)),
            // Nobody knows how far it came.
            _ => match refused(Deed::Other, &error) {
                Stop::Line(text) => (0, Stop::fatal(REFUSED, text)),
                stop => (0, stop),
            },
        });
    };
    session.change(edit.clone()).map_err(|error| (0, refused(*deed, &error)))
}
