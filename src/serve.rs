//! The control thread: signals, requests from the socket, and the director's own turns.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use control::api::{Answer, ApiError, Request};
use control::config::Config;
use control::director::Director;
use control::socket::{self, Ask, ServeError};
use crossbeam::channel::{Receiver, RecvTimeoutError, bounded};
use log::{error, info};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::clock;

/// Mode of the control socket: who is in its group may steer the director.
const SOCKET_MODE: u32 = 0o660;
/// Requests that wait.
const QUEUE: usize = 64;
/// How long the control thread sleeps when nobody asks; what workers hand over waits at most this long.
const PERIOD: Duration = Duration::from_millis(1);
/// How long workers may take to begin: their memory may be large.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long a worker may take to see new tables.
const PATIENCE: Duration = Duration::from_secs(1);

/// Signals that arrived.
#[derive(Debug)]
pub(crate) struct Signals {
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
}

impl Signals {
    /// Catches SIGTERM, SIGINT and SIGHUP from now on.
    pub(crate) fn register() -> io::Result<Self> {
        let (stop, reload) = (Arc::default(), Arc::default());
        for signal in [SIGTERM, SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
        }
        signal_hook::flag::register(SIGHUP, Arc::clone(&reload))?;
        Ok(Self { stop, reload })
    }
}

/// The open control socket and what is asked through it.
pub(crate) struct Socket {
    asks: Receiver<Ask>,
    _server: socket::Server,
}

/// Opens the control socket.
pub(crate) fn open(config: &Config) -> Result<Socket, ServeError> {
    let (sender, asks) = bounded(QUEUE);
    let control = &config.control;
    let server = socket::serve(&control.socket, SOCKET_MODE, control.group.as_deref(), sender)?;
    info!("control socket {}", control.socket.display());
    Ok(Socket { asks, _server: server })
}

/// Runs the director until a signal says stop. Only when every worker turns is it up, and are requests answered.
pub(crate) fn control(
    mut director: Director,
    socket: &Socket,
    signals: &Signals,
    stop: &AtomicBool,
) -> Result<(), ApiError> {
    director.wait_for_workers(&mut patience(START_PATIENCE))?;
    info!("sluiced {} is up", env!("CARGO_PKG_VERSION"));
    while !signals.stop.load(Ordering::Relaxed) && !stop.load(Ordering::Relaxed) {
        if signals.reload.swap(false, Ordering::Relaxed) {
            reload(&mut director);
        }
        match socket.asks.recv_timeout(PERIOD) {
            Ok(ask) => {
                let answer = handle(&mut director, ask.request);
                // Who asked may have gone.
                let _ = ask.reply.send(answer);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => thread::sleep(PERIOD),
        }
        director.turn(clock::now());
    }
    Ok(())
}

fn handle(director: &mut Director, request: Request) -> Result<Answer, ApiError> {
    director.handle(request, clock::now(), &mut patience(PATIENCE))
}

/// Waits a little at every call; `false` when it has waited for so long in all.
fn patience(most: Duration) -> impl FnMut() -> bool {
    let start = Instant::now();
    move || {
        thread::sleep(Duration::from_micros(20));
        start.elapsed() < most
    }
}

fn reload(director: &mut Director) {
    match handle(director, Request::Reload { prune: false }) {
        Ok(Answer::Reloaded { changes }) => changes.iter().for_each(|change| info!("reload: {change}")),
        Ok(_) => {}
        Err(error) => error!("reload: nothing changed: {error}"),
    }
}
