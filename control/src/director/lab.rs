//! Directors for the tests of this room: of a file's text, over ports in memory, turned by hand.

use dataplane::clock::Nanos;
use dataplane::mailbox::Command;
use dataplane::seeds::Seeds;
use dataplane::tables::Tables;

use super::{Director, Facts, WorkerSeat};
use crate::config;

pub(super) const SECOND: u64 = 1_000_000_000;

/// A director that has just started, and what its workers get.
pub(super) fn start(file: &str, now: Nanos) -> (Director, Vec<WorkerSeat>) {
    let config = config::parse(file, "t.toml").unwrap_or_else(|errors| panic!("{errors}"));
    let facts = Facts::in_memory(&config);
    Director::new(config, facts, now).expect("a possible configuration")
}

/// A director that has just started, at the first second; its workers are let go.
pub(super) fn fresh(file: &str) -> Director {
    start(file, Nanos(SECOND)).0
}

/// One that has said all that it says at the start, at the fifth second.
pub(super) fn quiet(file: &str) -> Director {
    let mut director = fresh(file);
    (1..=5).for_each(|second| _ = director.turn(Nanos(second * SECOND)));
    sent(&director);
    director
}

/// Tables with nothing in them.
pub(super) fn tables() -> Tables {
    Tables::new(Seeds::new([7; Seeds::WORDS]).maps)
}

/// The frames that the first worker was told to send since the last look, with their ports.
pub(super) fn sent(director: &Director) -> Vec<(u16, Vec<u8>)> {
    let commands = std::iter::from_fn(|| director.crew.next_command(0));
    commands.filter_map(|c| if let Command::Send { port, frame } = c { Some((port, frame)) } else { None }).collect()
}
