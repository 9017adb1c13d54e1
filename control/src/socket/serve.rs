//! The director's end of the socket.

use std::collections::HashMap;
use std::io::{self, BufReader, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam::channel::{self, Receiver, Sender, select};

use super::envelope::{answer_line, parse_line, too_long};
use super::lines::{Line, Lines};
use super::listen::{ServeError, SocketFile, listen};
use super::{Ask, Id};
use crate::api::{Answer, ApiError, Code, MAX_REQUEST, Request};

/// Most connections at a time.
pub const MAX_CONNECTIONS: usize = 64;

/// How long a client may take to read what it asked for.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the control thread may take to answer, so that a connection outlives a request that it forgot.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(55);
/// Rest after the system refused to accept (no file descriptors), lest the thread spin.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// A control socket that is open. Dropping it closes all connections and removes the file.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    listener: Option<OwnedFd>,
    /// Never sent on; that it is gone tells the threads to end.
    open: Option<Sender<()>>,
    acceptor: Option<JoinHandle<()>>,
    _file: SocketFile,
}

#[derive(Debug)]
struct Shared {
    closing: AtomicBool,
    connections: Mutex<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    next: u64,
    open: HashMap<u64, (UnixStream, Option<JoinHandle<()>>)>,
}

/// What a connection needs to have requests answered.
#[derive(Clone)]
struct Desk {
    handler: Sender<Ask>,
    closed: Receiver<()>,
}

/// Opens a control socket at `path`, with this mode and, if given, this group (name or number). Requests go to
/// `handler`, a bounded channel to the control thread. Who holds its other end should hold the server too: a request
/// that nobody takes is given up only after a minute. The directory is made if it is missing.
///
/// # Errors
/// Why there cannot be a socket.
pub fn serve(path: &Path, mode: u32, group: Option<&str>, handler: Sender<Ask>) -> Result<Server, ServeError> {
    let refused = |error| ServeError::Io { doing: "serve", path: path.to_owned(), error };
    let (listener, file) = listen(path, mode, group)?;
    let (open, closed) = channel::bounded(0);
    let shared = Arc::new(Shared { closing: AtomicBool::new(false), connections: Mutex::default() });
    let handle = OwnedFd::from(listener.try_clone().map_err(refused)?);
    let (desk, state) = (Desk { handler, closed }, Arc::clone(&shared));
    let acceptor = thread::Builder::new().name("control-accept".to_owned());
    let acceptor = acceptor.spawn(move || state.accept(&listener, &desk)).map_err(refused)?;
    Ok(Server { shared, listener: Some(handle), open: Some(open), acceptor: Some(acceptor), _file: file })
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
        self.open = None;
        // Shutting a listening socket down wakes who accepts on it; a stream is how the library lets us say so.
        if let Some(listener) = self.listener.take() {
            _ = UnixStream::from(listener).shutdown(Shutdown::Both);
        }
        if let Some(acceptor) = self.acceptor.take() {
            _ = acceptor.join();
        }
        let open: Vec<_> = self.shared.lock().open.drain().map(|(_, connection)| connection).collect();
        for (stream, _) in &open {
            _ = stream.shutdown(Shutdown::Both);
        }
        for thread in open.into_iter().filter_map(|(_, thread)| thread) {
            _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, listener: &UnixListener, desk: &Desk) {
        while !self.closing.load(Ordering::Acquire) {
            match listener.accept() {
                Ok((stream, _)) if !self.closing.load(Ordering::Acquire) => self.admit(stream, desk),
                Ok(_) => {}
                Err(_) if self.closing.load(Ordering::Acquire) => {}
                Err(error) => {
                    log::warn!("control socket: cannot accept: {error}");
                    thread::sleep(ACCEPT_REST);
                }
            }
        }
    }

    /// Gives a connection its thread, if there is room.
    fn admit(self: &Arc<Self>, stream: UnixStream, desk: &Desk) {
        let mut connections = self.lock();
        if connections.open.len() >= MAX_CONNECTIONS {
            drop(connections);
            return turn_away(stream, format!("there are {MAX_CONNECTIONS} connections already; try again later"));
        }
        let Ok(kept) = stream.try_clone() else {
            drop(connections);
            return turn_away(stream, "the director is out of file descriptors".to_owned());
        };
        let number = connections.next;
        connections.next += 1;
        let (state, desk) = (Arc::clone(self), desk.clone());
        // The lock is held until the thread is in the map, so it cannot look for itself too early.
        let thread = thread::Builder::new().name(format!("control-{number}")).spawn(move || {
            if let Err(error) = converse(&stream, &desk) {
                log::debug!("control connection {number}: {error}");
            }
            _ = stream.shutdown(Shutdown::Both);
            state.lock().open.remove(&number);
        });
        match thread {
            Ok(thread) => _ = connections.open.insert(number, (kept, Some(thread))),
            Err(error) => log::warn!("control socket: no thread for a connection: {error}"),
        }
    }
}

/// Says why, and closes.
fn turn_away(mut stream: UnixStream, text: String) {
    let error = ApiError { code: Code::Full, place: String::new(), text };
    _ = stream.set_nonblocking(true);
    _ = stream.write_all(&answer_line(&None, &Err(error)));
    _ = stream.shutdown(Shutdown::Write);
}

/// Answers line by line until the client has enough.
fn converse(stream: &UnixStream, desk: &Desk) -> io::Result<()> {
    stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
    let mut lines = Lines::new(BufReader::new(stream), MAX_REQUEST);
    let mut writer = stream;
    while let Some(line) = lines.next()? {
        let (id, answer) = match line {
            Line::TooLong => (None, Err(too_long())),
            Line::Whole(line) => desk.answer(&line),
        };
        writer.write_all(&answer_line(&id, &answer))?;
    }
    Ok(())
}

impl Desk {
    fn answer(&self, line: &[u8]) -> (Id, Result<Answer, ApiError>) {
        match parse_line(line) {
            Ok((id, request)) => (id, self.ask(request)),
            Err((id, error)) => (id, Err(error)),
        }
    }

    /// Waits for the control thread, unless the socket closes.
    fn ask(&self, request: Request) -> Result<Answer, ApiError> {
        let (reply, answer) = channel::bounded(1);
        let ask = Ask { request, reply };
        select! {
            send(self.handler, ask) -> sent => sent.map_err(|_| going_down())?,
            recv(self.closed) -> _ => return Err(going_down()),
        }
        select! {
            recv(answer) -> answer => answer.unwrap_or_else(|_| Err(going_down())),
            recv(self.closed) -> _ => Err(going_down()),
            default(ANSWER_TIMEOUT) => Err(no_answer()),
        }
    }
}

fn no_answer() -> ApiError {
    let text = format!("no answer after {} seconds; it may still come to pass", ANSWER_TIMEOUT.as_secs());
    ApiError { code: Code::Timeout, place: String::new(), text }
}

fn going_down() -> ApiError {
    ApiError { code: Code::Internal, place: String::new(), text: "the director is going down".to_owned() }
}
