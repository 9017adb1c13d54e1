//! What lblc and lblcr remember. The sequences of servers were recorded from the kernel (6.12 and 6.1): connections are
//! SYNs of one client to destinations 10.3.0.n, by a service that takes them all.

use std::sync::atomic::Ordering::Relaxed;

use dataplane::sched::Scheduler;

use crate::table::Table;

const FIRST: [u8; 4] = [10, 3, 0, 1];
const SECOND: [u8; 4] = [10, 3, 0, 2];
/// Entries above which unused ones are collected early, and above which none are made.
const MANY: usize = 16_384;
const MOST: usize = 65_536;

/// `-s lblc`, servers 11 and 12 of weight 1, one connection to the first destination.
fn lblc(expiration: u32) -> Table {
    let mut table = Table::new(Scheduler::Lblc, &[(11, 1), (12, 1)]);
    table.expiration = expiration;
    table.collect();
    assert_eq!(table.open(FIRST), Some(12));
    table
}

#[test]
fn lblc_forgets_after_a_day_without_use() {
    let mut table = lblc(86_400);
    table.pass(600);
    table.close_all();
    table.add(13, 1);
    assert_eq!((table.open(FIRST), table.open(SECOND)), (Some(12), Some(13)));
    table.pass(90_000);
    table.close_all();
    assert_eq!(table.open(FIRST), Some(13), "a fresh choice");
}

/// Entries that are due stay until control looks for them, every half hour. Recorded after 20 to 1000 and after 1700 s.
#[test]
fn an_expiration_of_seconds_waits_for_the_half_hour() {
    for seconds in [20, 40, 400, 1000, 1700] {
        let mut table = lblc(30);
        table.add(13, 1);
        table.pass(seconds);
        table.close_all();
        assert_eq!((table.open(FIRST), table.open(SECOND)), (Some(12), Some(13)), "after {seconds} s");
    }
    let mut table = lblc(30);
    table.add(13, 1);
    table.pass(1700);
    table.close_all();
    assert_eq!(table.open(FIRST), Some(12));
    table.pass(200);
    table.close_all();
    assert_eq!(table.open_many(2, FIRST), [13, 13]);
}

/// Two servers of weight 1: the third connection finds the first overburdened and the other idle; after that nobody
/// is idle enough.
#[test]
fn lblc_leaves_an_overburdened_server_only_for_one_with_room() {
    let table = Table::new(Scheduler::Lblc, &[(11, 1), (12, 1)]);
    assert_eq!(table.open_many(6, FIRST), [12, 12, 11, 11, 11, 11]);
}

#[test]
fn lblc_passes_a_threshold_where_it_went_before_and_not_where_it_chooses() {
    let table = Table::new(Scheduler::Lblc, &[(11, 9), (12, 9)]);
    table.state(12).upper.store(2, Relaxed);
    assert_eq!(table.open_many(4, FIRST), [12; 4]);
    assert!(table.state(12).is_overloaded());
    assert_eq!(table.open(SECOND), Some(11));
}

/// A server that was removed and is back has its destination back; what went elsewhere meanwhile stays there.
#[test]
fn destinations_outlive_a_removal() {
    let mut table = Table::new(Scheduler::Lblc, &[(11, 100), (12, 100)]);
    assert_eq!(table.open_many(5, FIRST), [12; 5]);
    table.remove(12);
    table.add(12, 100);
    assert_eq!(table.open_many(3, FIRST), [12; 3]);
    assert_eq!(table.open_many(2, SECOND), [11; 2]);
    table.remove(12);
    assert_eq!(table.open(FIRST), Some(11));
    table.add(12, 100);
    assert_eq!(table.open_many(2, FIRST), [11; 2]);
}

/// Weights 2, lblcr_expiration 10 s. A SYN's connection lives for a minute.
#[test]
fn lblcr_adds_servers_under_load_and_takes_the_busiest_away_with_time() {
    let mut table = Table::new(Scheduler::Lblcr, &[(11, 2), (12, 2), (13, 2)]);
    table.expiration = 10;
    assert_eq!(table.open_many(15, FIRST), [13, 13, 13, 12, 12, 12, 11, 11, 11, 11, 12, 13, 11, 12, 13]);
    table.pass(12);
    assert_eq!(table.open_many(8, FIRST), [11, 12, 13, 12, 13, 12, 13, 12]);
    table.pass(70);
    table.close_all();
    assert_eq!(table.open_many(10, FIRST), [12, 13, 13, 13, 11, 11, 11, 11, 13, 11]);
    table.pass(12);
    assert_eq!(table.open_many(6, FIRST), [13; 6]);
}

/// Weights 1, lblcr_expiration 10 s; 12 leaves and comes back with weight 3.
#[test]
fn lblcr_keeps_a_removed_server_in_its_set() {
    let mut table = Table::new(Scheduler::Lblcr, &[(11, 1), (12, 1), (13, 1)]);
    table.expiration = 10;
    assert_eq!(table.open_many(9, FIRST), [13, 13, 12, 12, 11, 11, 11, 12, 13]);
    table.remove(12);
    assert_eq!(table.open_many(4, FIRST), [11, 13, 11, 13]);
    table.pass(12);
    assert_eq!(table.open_many(6, FIRST), [11, 13, 13, 13, 13, 13]);
    table.pass(12);
    assert_eq!(table.open_many(6, FIRST), [13, 11, 11, 11, 11, 11]);
    table.add(12, 3);
    assert_eq!(table.open_many(6, FIRST), [12; 6]);
    table.pass(12);
    assert_eq!(table.open_many(6, FIRST), [12; 6]);
}

fn learn(table: &Table, destinations: std::ops::Range<usize>) {
    for n in destinations {
        let [.., a, b, c] = (n as u32).to_be_bytes();
        table.pick(crate::table::client(1), [20, a, b, c].into()).expect("a server");
    }
}

#[test]
fn above_a_number_what_is_unused_for_six_minutes_is_collected_every_minute() {
    let mut table = Table::new(Scheduler::Lblc, &[(11, 1), (12, 1)]);
    table.collect();
    learn(&table, 0..20_000);
    table.pass(5 * 60);
    learn(&table, 0..1000);
    assert_eq!(table.cache().len(), 20_000, "not yet");
    table.pass(2 * 60);
    let left = table.cache().len();
    // 4/3 of the surplus, and the rest of one bucket.
    let goal = 20_000 - (20_000 - MANY) * 4 / 3;
    assert!(left <= goal && left + 40 > goal, "{left}, not {goal}");
    table.pass(60 * 60);
    assert_eq!(table.cache().len(), left, "not above the number any more");
}

#[test]
fn destinations_learned_are_bounded_and_servers_found_all_the_same() {
    let table = Table::new(Scheduler::Lblcr, &[(11, 1), (12, 1)]);
    learn(&table, 0..MOST + 1000);
    assert_eq!((table.cache().len(), table.cache().refused()), (MOST, 1000));
    assert_eq!(table.cache().named().values().sum::<u32>() as usize, MOST);
}

/// A set holds on to servers that left, but not to any number.
#[test]
fn a_set_forgets_servers_that_are_gone_when_there_are_many() {
    let mut table = Table::new(Scheduler::Lblcr, &[(1, 1)]);
    for n in 2..200 {
        table.open(FIRST).expect("a server");
        table.remove(n - 1);
        table.add(n, 1);
    }
    let named = table.cache().named().len();
    assert!((2..=66).contains(&named), "{named}");
    table.cache().retire(&table.servers);
    for n in 1..200 {
        let listed = u32::from(n == 199);
        assert_eq!(table.state(n).names(), listed + table.state(n).connections(), "server {n}");
    }
}
