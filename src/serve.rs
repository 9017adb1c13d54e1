//! The control thread: signals, requests from the socket, the director's own turns, and what the service manager is told.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use control::api::{self, ApiError, Request};
use control::config::Config;
use control::director::{Director, Host};
use control::socket::{self, Ask, ServeError};
use crossbeam::channel::{Receiver, RecvTimeoutError, bounded};
use dataplane::clock::Nanos;
use log::{info, warn};
use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::clock;
use crate::panics::Panics;
use crate::reloads::{Reload, Reloads};

/// Mode of the control socket: who is in its group may steer the director.
const SOCKET_MODE: u32 = 0o660;
/// Requests that wait.
const QUEUE: usize = 64;
/// How long the control thread sleeps when nobody asks; what workers hand over waits at most this long.
const PERIOD: Duration = Duration::from_millis(1);
/// How long workers may take to begin: their memory may be large.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long a worker may take to see new tables.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

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
    panics: &Panics,
    mut reloads: Reloads,
) -> Result<(), ApiError> {
    let mut watchdog = Watchdog::new(sd_notify::watchdog_enabled());
    director.tell_time(clock::now(), clock::since_midnight());
    let mut waiting = Waiting::new(START_PATIENCE, &mut watchdog);
    // Nobody is served before it is up, and no watchdog fed.
    director.wait_for_workers(&mut || !panics.stopped() && waiting.wait())?;
    info!("sluiced {} is up", env!("CARGO_PKG_VERSION"));
    tell(&[NotifyState::Ready]);
    while !signals.stop.load(Ordering::Relaxed) && !panics.stopped() {
        if signals.reload.swap(false, Ordering::Relaxed) {
            reloads.ask(Reload::signalled());
        }
        match socket.asks.recv_timeout(PERIOD) {
            Ok(Ask { request: Request::Reload(api::Reload { prune }), requester, reply }) => {
                reloads.ask(Reload { prune, requester, reply: Some(reply) });
            }
            Ok(Ask { request, requester, reply }) => {
                director.requested_by(&requester);
                let answer = director.handle(request, clock::now(), &mut Waiting::new(PATIENCE, &mut watchdog));
                // Who asked may have gone.
                _ = reply.send(answer);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => thread::sleep(PERIOD),
        }
        reloads.go_on(&mut director, &mut watchdog);
        director.turn(clock::now());
        director.tell_time(clock::now(), clock::since_midnight());
        watchdog.feed(director.workers_turn());
    }
    tell(&[NotifyState::Stopping]);
    if let Some(lost) = director.lost_by_a_stop() {
        warn!("stopping; {lost}");
    }
    Ok(())
}

/// Tells the service manager, if one listens (`NOTIFY_SOCKET`).
pub(crate) fn tell(state: &[NotifyState<'_>]) {
    sd_notify::notify(state).unwrap_or_else(|error| warn!("cannot notify the service manager: {error}"));
}

/// When the service manager's watchdog is to be fed: at half its patience, and only while every worker turns.
#[derive(Debug)]
pub(crate) struct Watchdog {
    every: Option<Duration>,
    next: Option<Instant>,
}

impl Watchdog {
    /// One of that patience; without any there is nothing to feed.
    fn new(patience: Option<Duration>) -> Self {
        Self { every: patience.filter(|patience| !patience.is_zero()).map(|patience| patience / 2), next: None }
    }

    /// Whether it is to be fed now.
    fn due(&mut self, workers_turn: bool, now: Instant) -> bool {
        let Some(every) = self.every else { return false };
        let due = workers_turn && self.next.is_none_or(|next| now >= next);
        if due {
            self.next = Some(now + every);
        }
        due
    }

    /// Feeds it, if it is time to.
    pub(crate) fn feed(&mut self, workers_turn: bool) {
        if self.due(workers_turn, Instant::now()) {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

/// A request that is being carried out: how long it may wait for workers, and when the network is served meanwhile.
pub(crate) struct Waiting<'a> {
    patience: Duration,
    /// What comes before the first waiting is not waiting.
    since: Option<Instant>,
    served: Instant,
    watchdog: &'a mut Watchdog,
}

impl<'a> Waiting<'a> {
    pub(crate) fn new(patience: Duration, watchdog: &'a mut Watchdog) -> Self {
        Self { patience, since: None, served: Instant::now(), watchdog }
    }
}

impl Host for Waiting<'_> {
    fn wait(&mut self) -> bool {
        let since = self.since.get_or_insert_with(Instant::now);
        thread::sleep(Duration::from_micros(20));
        since.elapsed() < self.patience
    }

    fn pause(&mut self) -> Option<Nanos> {
        (self.served.elapsed() >= PERIOD).then(clock::now)
    }

    fn served(&mut self, workers_turn: bool) {
        self.watchdog.feed(workers_turn);
        self.served = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_fed_at_half_its_patience_and_starves_with_a_worker() {
        let mut watchdog = Watchdog::new(Some(Duration::from_secs(2)));
        let start = Instant::now();
        let mut due = |workers_turn, ms| watchdog.due(workers_turn, start + Duration::from_millis(ms));
        assert_eq!([due(true, 0), due(true, 999), due(true, 1000)], [true, false, true]);
        assert_eq!([due(false, 2000), due(false, 9000)], [false, false], "a worker is stalled");
        assert!(due(true, 9001), "it turns again");
    }

    #[test]
    fn patience_begins_with_the_waiting() {
        let mut watchdog = Watchdog::new(None);
        let mut waiting = Waiting::new(Duration::from_millis(50), &mut watchdog);
        thread::sleep(Duration::from_millis(60));
        assert!(waiting.wait());
        thread::sleep(Duration::from_millis(60));
        assert!(!waiting.wait());
    }

    #[test]
    fn nobody_feeds_a_watchdog_that_is_not_there() {
        for patience in [None, Some(Duration::ZERO)] {
            assert!(!Watchdog::new(patience).due(true, Instant::now()));
        }
    }
}
