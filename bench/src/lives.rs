//! What connections cost beside their established packets: to begin, to live whole, to end.

use dataplane::clock::Nanos;
use dataplane::sched::Scheduler;
use dataplane::wire::tcp::{ACK, FIN, SYN};

use crate::stage::{START, Stage};
use crate::{median, nanos};

/// Connections of a round.
pub(crate) const CONNECTIONS: u32 = 200_000;
const ROUNDS: usize = 5;
/// Later than any timeout.
const LATER: Nanos = Nanos(START.0 + 2_000_000_000_000);

/// One round of new connections, for callgrind.
pub(crate) fn counted() {
    let mut stage = Stage::new(CONNECTIONS, Scheduler::Rr, 1);
    stage.arrive(0, SYN);
    run_syn(&mut stage);
}

/// What is counted of new connections.
#[inline(never)]
fn run_syn(stage: &mut Stage) {
    stage.drain();
}

/// Nanoseconds from SYN to a stored connection.
pub(crate) fn new_connection(scheduler: Scheduler) -> f64 {
    rounds(|| {
        let mut stage = Stage::new(CONNECTIONS, scheduler, 1);
        stage.arrive(0, SYN);
        let spent = nanos(|| run_syn(&mut stage));
        assert_eq!(stage.connections(), CONNECTIONS, "every SYN is a connection");
        spent
    })
}

/// Nanoseconds of a whole TCP connection: SYN, SYN-ACK, ACK, FIN from both, ACK.
pub(crate) fn whole_connection() -> f64 {
    rounds(|| {
        let mut stage = Stage::new(CONNECTIONS, Scheduler::Rr, 1);
        let before = stage.forwarded();
        let packets = [(0, SYN), (1, SYN | ACK), (0, ACK), (0, FIN | ACK), (1, FIN | ACK), (0, ACK)];
        let mut spent = 0.0;
        for (port, flags) in packets {
            stage.arrive(port, flags);
            spent += nanos(|| stage.drain());
        }
        assert_eq!(stage.forwarded() - before, 6 * u64::from(CONNECTIONS), "six packets each");
        spent
    })
}

/// Nanoseconds to end a connection whose time has come.
pub(crate) fn expiry() -> f64 {
    rounds(|| {
        let mut stage = Stage::new(CONNECTIONS, Scheduler::Rr, 1);
        stage.arrive(0, SYN);
        stage.drain();
        nanos(|| {
            while stage.connections() > 0 {
                stage.turn(LATER);
            }
        })
    })
}

fn rounds(round: impl FnMut() -> f64) -> f64 {
    median(std::iter::repeat_with(round).take(ROUNDS).collect()) / f64::from(CONNECTIONS)
}
