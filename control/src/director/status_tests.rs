//! A stall as the director tells of it: its turns look at the workers' heartbeats.

use std::sync::atomic::Ordering::Relaxed;

use dataplane::clock::Nanos;

use super::{Director, lab};
use crate::api::Answer;

#[test]
fn the_director_tells_and_forgets_a_stall() {
    let at = |ms: u64| Nanos(ms * 1_000_000);
    let text = "schema = 1\n[dataplane]\nworkers = [3]\n[[interface]]\nname = \"wan\"\ndevice = \"tap:wan\"\n\
                addresses = [\"10.0.0.1/24\"]\n";
    let (mut director, seats) = lab::start(text, at(0));
    let worker = |director: &Director| match director.status() {
        Answer::Status(status) => status.workers[0].clone(),
        other => panic!("{other:?}"),
    };
    let turns = &seats[0].link.turns;
    for round in 0..10 {
        turns.store(round + 1, Relaxed);
        director.turn(at(round * 100));
    }
    assert!(director.workers_turn() && worker(&director).stalled_for.is_none());
    (10..30).for_each(|round| _ = director.turn(at(round * 100)));
    let status = worker(&director);
    assert_eq!((director.workers_turn(), status.stalls, status.stalled_for), (false, 1, Some(2)));
    turns.store(11, Relaxed);
    director.turn(at(3000));
    let status = worker(&director);
    assert_eq!((director.workers_turn(), status.stalls, status.stalled_for), (true, 1, None));
}
