//! ipvsadm 1.31: its grammar, its texts, its exit codes, over a director's requests.
//!
//! ```text
//! words ─> options ─> line ─> task ─> request ─> director ─> answer ─> text
//! words.rs options.rs parse.rs command.rs        api         list.rs stats.rs conns.rs save.rs
//!                     check.rs                               sort.rs names.rs errors.rs
//! ```
//!
//! Where the real tool and this one differ on purpose:
//!
//! - `--fullnat` beside `-m`, `-g` and `-i`, for a method that the kernel does not have; listings show `FullNat`.
//! - `-S` leaves nothing out that `-R` needs to make the same table: the real tool loses thresholds, the third flag of sh
//!   and mh, and the meaning of marks from 2^31 on, which it writes with a sign. So does this one in strict parity.
//! - `-L` without `-n` looks names up in `/etc/hosts` and `/etc/services` and nowhere else.
//! - Refusals that the kernel does not know (a feature that is not there, a full table) are told in
//!   the director's own words, with exit code 255.

use std::io::BufRead;

use dataplane::flow::ServiceKey;

use crate::api::{Answer, ApiError, Client, Code, PageError, Query, Request, ServiceInfo, every_service};
use command::Task;
use errors::{Stop, no_such_service, not_listed, refused};
use names::Names;
use options::Given;

mod check;
mod command;
mod conns;
mod errors;
mod help;
mod list;
pub mod names;
mod options;
mod parse;
mod restore;
pub mod rules;
mod save;
pub mod scripts;
mod sort;
mod stats;
#[cfg(test)]
mod tests;
mod values;
mod words;

/// How a call of ipvsadm ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs ipvsadm. `args` begin after the program's name; only `-R` reads `stdin`.
pub fn run(args: &[String], stdin: &mut dyn BufRead, client: &mut dyn Client) -> Outcome {
    run_with(args, stdin, client, &Names::system())
}

/// Runs ipvsadm with given names of hosts and ports instead of this machine's.
pub fn run_with(args: &[String], stdin: &mut dyn BufRead, client: &mut dyn Client, names: &Names) -> Outcome {
    let mut session = Session { client, names, out: String::new(), err: String::new(), late: false };
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let task =
        if words.is_empty() { Ok(Task::Services(None, Given::default())) } else { Task::read(&words, session.names) };
    let end = task.and_then(|task| session.perform(task, Some(stdin)));
    let code = end.unwrap_or_else(|stop| session.end(&stop));
    let code = if code == 0 && session.late { errors::LATE } else { code };
    Outcome { code, out: session.out, err: session.err }
}

/// A call of ipvsadm while it runs.
struct Session<'a> {
    client: &'a mut dyn Client,
    names: &'a Names,
    out: String,
    err: String,
    /// A worker did not answer in time; the text is told.
    late: bool,
}

impl Session<'_> {
    /// Does what a line asks for. Without `stdin` there is nothing to restore from.
    fn perform(&mut self, task: Task, stdin: Option<&mut dyn BufRead>) -> Result<i32, Stop> {
        match task {
            Task::Change(deed, edit) => {
                self.change(edit).map_err(|error| refused(deed, &error))?;
            }
            Task::Services(key, given) => {
                let (table_size, services) = self.services(key)?;
                if key.is_some() && services.is_empty() {
                    return Err(no_such_service());
                }
                let table_size = key.is_none().then_some(table_size);
                self.out += &list::services(services, table_size, given, self.names);
            }
            Task::Connections(given) => self.connections(given)?,
            Task::Timeouts => match self.fetch(Query::Timeouts)? {
                Answer::Timeouts { tcp, tcp_fin, udp } => self.out += &conns::timeouts(tcp, tcp_fin, udp),
                _ => return Err(confused()),
            },
            Task::Daemons => match self.fetch(Query::Daemons)? {
                Answer::Daemons { daemons } => self.out += &conns::daemons(&daemons),
                _ => return Err(confused()),
            },
            Task::Save(given) => {
                let Answer::Status(status) = self.fetch(Query::Status)? else { return Err(confused()) };
                let (_, services) = self.services(None)?;
                self.out += &save::table(services, given, self.names, status.strict_parity);
            }
            Task::Restore => return restore::run(stdin.ok_or_else(Stop::hint)?, self),
        }
        Ok(0)
    }

    fn services(&mut self, key: Option<ServiceKey>) -> Result<(u32, Vec<ServiceInfo>), Stop> {
        let mut services = Vec::new();
        let table_size = every_service(self.client, key, |service| {
            services.push(service);
            Ok::<_, Stop>(())
        })?;
        Ok((table_size, services))
    }

    /// Page after page.
    fn connections(&mut self, given: Given) -> Result<(), Stop> {
        let mut cursor = None;
        let mut out = conns::title(given);
        loop {
            let answer = self.fetch(Query::Connections { cursor, limit: None })?;
            let Answer::Connections { connections, next, late } = answer else { return Err(confused()) };
            late.iter().for_each(|text| self.is_late(text));
            connections.iter().for_each(|conn| out += &conns::connection(conn, given, self.names));
            // A director that does not move on would keep us for ever.
            if next.is_none() || next == cursor {
                self.out += &out;
                return Ok(());
            }
            cursor = next;
        }
    }

    /// Asks for a change. One that a worker has not taken over yet is done.
    fn change(&mut self, request: impl Into<Request>) -> Result<(), ApiError> {
        match self.client.ask(request.into()) {
            Err(error) if error.code == Code::Late => self.is_late(&error.text),
            answer => drop(answer?),
        }
        Ok(())
    }

    fn is_late(&mut self, text: &str) {
        self.late = true;
        self.complain(text);
    }

    fn fetch(&mut self, query: Query) -> Result<Answer, Stop> {
        self.client.ask(query.into()).map_err(|error| not_listed(&error))
    }

    /// A line of standard error.
    fn complain(&mut self, text: &str) {
        self.err += text;
        self.err.push('\n');
    }

    /// The last words, and the exit code.
    fn end(&mut self, stop: &Stop) -> i32 {
        match stop {
            Stop::Line(text) => {
                self.complain(text);
                errors::REFUSED
            }
            Stop::Exit { code, out, err } => {
                self.out += out;
                if !err.is_empty() {
                    self.complain(err);
                }
                *code
            }
        }
    }
}

impl From<PageError> for Stop {
    fn from(error: PageError) -> Self {
        match error {
            PageError::Refused(error) => not_listed(&error),
            PageError::Strange => confused(),
        }
    }
}

/// The director answered another question.
fn confused() -> Stop {
    let text = "the answer does not match the request: tool and director have different versions".to_owned();
    not_listed(&ApiError { code: Code::Internal, place: "director".to_owned(), text })
}
