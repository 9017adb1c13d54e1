use std::sync::atomic::Ordering::Relaxed;

use dataplane::clock::Nanos;
use dataplane::verdict::{Drop, Verdict};

use super::grouped;
use crate::api::{Answer, StoreStatus};
use crate::director::lab::{self, SECOND};
use crate::director::{Director, WorkerSeat};

const FILE: &str = "schema = 1\n[dataplane]\nworkers = [1, 2]\nconnections = 1048576\n[[interface]]\nname = \"wan\"\n\
                    device = \"tap:wan\"\naddresses = [\"10.0.0.1/24\"]\n";

fn refuse(seat: &WorkerSeat, reason: Drop, count: u64) {
    seat.link.counters.verdicts(Verdict::Drop(reason), count);
}

fn status(director: &Director) -> Vec<StoreStatus> {
    match director.status() {
        Answer::Status(status) => status.stores,
        other => panic!("{other:?}"),
    }
}

/// What is said of the stores in each second from one on, of which so many pass while more is refused.
fn said(director: &mut Director, from: u64, seconds: u64, mut more: impl FnMut()) -> Vec<(u64, String)> {
    let mut lines = Vec::new();
    for second in from..from + seconds {
        more();
        director.now = Nanos(second * SECOND);
        lines.extend(director.fullness().into_iter().map(|line| (second, line)));
    }
    lines
}

#[test]
fn a_full_table_is_told_of_with_its_number() {
    let (mut director, seats) = lab::start(FILE, Nanos(SECOND));
    assert!(said(&mut director, 1, 5, || ()).is_empty());
    seats[1].link.connections.store(1_048_576, Relaxed);
    let lines = said(&mut director, 6, 11, || refuse(&seats[1], Drop::ConnectionsFull, 3_120));
    let expected = [
        (6, "connections: worker 1 is full (1,048,576 of 1,048,576): 3,120 new connections refused"),
        (16, "connections: worker 1 is full (1,048,576 of 1,048,576): 31,200 new connections refused in the last 10 s"),
    ];
    assert_eq!(lines, expected.map(|(second, line)| (second, line.to_owned())));
    let full = |director: &Director| {
        status(director)
            .into_iter()
            .filter(|store| store.full)
            .map(|store| (store.store, store.worker))
            .collect::<Vec<_>>()
    };
    assert_eq!(full(&director), [("connections".to_owned(), Some(1))]);
    seats[1].link.connections.store(1_000_000, Relaxed);
    let lines = said(&mut director, 17, 30, || ());
    let over =
        "connections: worker 1 is no longer full (1,000,000 of 1,048,576): 34,320 new connections refused in 10 s";
    assert_eq!(lines, [(26, over.to_owned())]);
    assert!(full(&director).is_empty());
}

#[test]
fn every_store_has_a_row_and_those_of_a_crew_only_with_one() {
    let (director, _seats) = lab::start(FILE, Nanos(SECOND));
    let rows = status(&director);
    assert_eq!(rows.iter().filter(|row| row.worker == Some(1)).count(), 14);
    assert!(rows.iter().any(|row| row.store == "neighbours" && row.worker.is_none() && row.capacity == 65_536));
    assert!(rows.iter().all(|row| row.capacity > 0 && (row.used, row.refused, row.displaced) == (0, 0, 0)));
    let (director, _seats) = lab::start(&FILE.replace("[1, 2]", "[1]"), Nanos(SECOND));
    assert_eq!(status(&director).iter().filter(|row| row.worker.is_some()).count(), 11, "none for signposts and rings");
}

#[test]
fn what_one_store_loses_is_not_another_ones() {
    let (mut director, seats) = lab::start(FILE, Nanos(SECOND));
    let reasons = [
        (Drop::ConnectionsFull, "connections", Some(0)),
        (Drop::PuntFull, "messages to control", Some(0)),
        (Drop::FtpFull, "FTP control connections", Some(0)),
        (Drop::SignpostFull, "signposts to another worker", Some(0)),
        (Drop::HandoffFull, "packets to another worker", Some(0)),
        (Drop::TemplatesFull, "persistence templates", None),
    ];
    for (n, (reason, store, worker)) in (1..).zip(reasons) {
        refuse(&seats[0], reason, 1);
        assert_eq!(said(&mut director, 100 * n, 1, || ()).len(), 1, "{store}");
        let rows = status(&director);
        let full: Vec<_> =
            rows.iter().filter(|row| row.full).map(|row| (&*row.store, row.worker, row.refused)).collect();
        assert_eq!(full, [(store, worker, 1)]);
        assert_eq!(said(&mut director, 100 * n + 10, 1, || ()).len(), 1, "{store} is over");
    }
    seats[0].link.gauges.fragments[1].bytes.displaced.store(5, Relaxed);
    let lines = said(&mut director, 1000, 1, || ());
    assert_eq!(lines[0].1, "bytes of IPv6 fragments: worker 0 is full (0 of 4,194,304): 5 fragments displaced");
}

#[test]
fn a_turn_looks_once_a_second() {
    let (mut director, seats) = lab::start(FILE, Nanos(SECOND));
    director.turn(Nanos(SECOND));
    refuse(&seats[0], Drop::ConnectionsFull, 1);
    director.turn(Nanos(SECOND + SECOND / 2));
    assert!(status(&director).iter().all(|row| !row.full));
    director.turn(Nanos(2 * SECOND));
    assert!(status(&director).iter().any(|row| row.full));
}

#[test]
fn numbers_have_their_thousands_apart() {
    assert_eq!([0, 999, 1000, 1_048_576].map(grouped), ["0", "999", "1,000", "1,048,576"]);
}
