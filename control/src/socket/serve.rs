//! The director's end of the socket.

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
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;

use super::envelope::{answer_line, parse_line, too_long};
use super::lines::{Line, Lines};
use super::listen::{ServeError, SocketFile, listen};
use super::seats::Seats;
use super::{Ask, Id};
use crate::api::{Answer, ApiError, Code, MAX_REQUEST, Request};
use crate::director::Requester;

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
    seats: Mutex<Seats>,
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
    let shared = Arc::new(Shared { closing: AtomicBool::new(false), seats: Mutex::default() });
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
        // Not under the lock: they take it at their end.
        let threads = self.shared.lock().close();
        for thread in threads {
            _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Gives a connection its thread, if there is room, or one that idles goes.
    fn admit(self: &Arc<Self>, stream: UnixStream, desk: &Desk) {
        let Peer { uid, requester } = Peer::of(&stream);
        let mut seats = self.lock();
        let gone = match seats.room_for(uid) {
            Ok(gone) => gone,
            Err(text) => return turn_away(stream, text),
        };
        if let Some(idle) = gone {
            turn_away(
                idle,
                "closed: it was idle for the longest time, and another connection needed its place".to_owned(),
            );
        }
        let Ok(kept) = stream.try_clone() else {
            return turn_away(stream, "the director is out of file descriptors".to_owned());
        };
        let number = seats.number();
        let (state, desk) = (Arc::clone(self), desk.clone());
        // The lock is held until the thread has its seat, so it cannot look for itself too early.
        let thread = thread::Builder::new().name(format!("control-{number}")).spawn(move || {
            let seated = Seated { number, stream, shared: state };
            let guest = Guest { number, requester, desk: &desk, shared: &seated.shared };
            if let Err(error) = guest.converse(&seated.stream) {
                log::debug!("control connection {number}: {error}");
            }
        });
        match thread {
            Ok(thread) => seats.take(number, kept, thread, uid),
            Err(error) => log::warn!("control socket: no thread for a connection: {error}"),
        }
    }
}

/// Who is at the other end.
struct Peer {
    uid: u32,
    requester: Requester,
}

impl Peer {
    fn of(stream: &UnixStream) -> Self {
        let Ok(found) = getsockopt(stream, PeerCredentials) else {
            return Self { uid: u32::MAX, requester: Requester::named("unknown process") };
        };
        // Of another PID namespace: 0.
        let (uid, pid) = (found.uid(), found.pid());
        let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Self { uid, requester: Requester::process(&program, uid, pid) }
    }
}

/// Says why, and closes.
fn turn_away(mut stream: UnixStream, text: String) {
    let error = ApiError { code: Code::Full, place: String::new(), text };
    _ = stream.set_nonblocking(true);
    _ = stream.write_all(&answer_line(&None, &Err(error)));
    _ = stream.shutdown(Shutdown::Both);
}

/// A seat that is taken; given back when this is dropped, also by a panic.
struct Seated {
    number: u64,
    stream: UnixStream,
    shared: Arc<Shared>,
}

impl Drop for Seated {
    fn drop(&mut self) {
        _ = self.stream.shutdown(Shutdown::Both);
        self.shared.lock().leave(self.number);
    }
}

/// A connection, as its thread has it.
struct Guest<'a> {
    number: u64,
    requester: Requester,
    desk: &'a Desk,
    shared: &'a Shared,
}

impl Guest<'_> {
    /// Answers line by line until the client has enough.
    fn converse(&self, stream: &UnixStream) -> io::Result<()> {
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        let mut lines = Lines::new(BufReader::new(stream), MAX_REQUEST);
        let mut writer = stream;
        while let Some(line) = lines.next()? {
            if !self.shared.lock().idles(self.number, false) {
                // It has been told that it is closed: what it asks for is not done.
                return Ok(());
            }
            let (id, answer) = match line {
                Line::TooLong => (None, Err(too_long())),
                Line::Whole(line) => self.answer(&line),
            };
            writer.write_all(&answer_line(&id, &answer))?;
            self.shared.lock().idles(self.number, true);
        }
        Ok(())
    }

    fn answer(&self, line: &[u8]) -> (Id, Result<Answer, ApiError>) {
        match parse_line(line) {
            Ok((id, request)) => (id, self.desk.ask(request, self.requester.clone())),
            Err((id, error)) => (id, Err(error)),
        }
    }
}

impl Desk {
    /// Waits for the control thread, unless the socket closes.
    fn ask(&self, request: Request, requester: Requester) -> Result<Answer, ApiError> {
        let (reply, answer) = channel::bounded(1);
        let ask = Ask { request, requester, reply };
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
    let text = format!("no answer after {} seconds; the request may still be carried out", ANSWER_TIMEOUT.as_secs());
    ApiError { code: Code::Timeout, place: String::new(), text }
}

fn going_down() -> ApiError {
    ApiError { code: Code::Internal, place: String::new(), text: "the director is stopping".to_owned() }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_connection_whose_thread_panics_gives_its_seat_back() {
        let shared = Arc::new(Shared { closing: AtomicBool::new(false), seats: Mutex::default() });
        let (stream, mut client) = UnixStream::pair().expect("two ends");
        let kept = stream.try_clone().expect("a second handle");
        let number = shared.lock().number();
        let seated = Seated { number, stream, shared: Arc::clone(&shared) };
        let (begin, begun) = channel::bounded::<()>(0);
        let thread = thread::spawn(move || {
            let _seated = seated;
            _ = begun.recv();
            panic!("on purpose");
        });
        shared.lock().take(number, kept, thread, 0);
        drop(begin);
        assert_eq!(client.read(&mut [0]).expect("its end"), 0, "the client is told");
        // It is shut before the seat is given back.
        while !shared.lock().is_empty() {
            thread::yield_now();
        }
    }
}
