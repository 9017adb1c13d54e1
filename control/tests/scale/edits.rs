//! The cost of an edit does not grow with the table, counted in allocations and in the bytes of them.

use control::api::{Batch, Edit};

use crate::allocations::{self, Allocations};
use crate::lab::{Lab, MS, add_server, add_service, address, key, server};

/// Rounds of edits that are counted.
const ROUNDS: u32 = 200;

/// What a round of all kinds of edits allocates, on average: one service more, one server more, another weight, both
/// gone again, each published and seen; and a turn of control after them.
fn round(lab: &mut Lab, services: u32) -> Allocations {
    let (_, counted) = allocations::of(|| {
        for round in 0..ROUNDS {
            let there = round * 7919 % services;
            lab.done(add_service(services + round));
            lab.done(add_server(there, 100));
            lab.done(Edit::EditServer { key: key(there), server: server(100, 7) });
            lab.done(Edit::DeleteServer { key: key(there), address: address(100) });
            lab.done(Edit::DeleteService { key: key(services + round) });
            lab.now.0 += MS;
            lab.turn();
        }
    });
    let rounds = u64::from(ROUNDS);
    Allocations {
        calls: counted.calls / rounds,
        bytes: counted.bytes / rounds,
        frees: counted.frees / rounds,
        freed: counted.freed / rounds,
    }
}

/// The published map is a tree of 32 branches a node, of which an edit copies one path: a hundred times the services
/// are one or two levels more.
#[test]
fn an_edit_costs_the_same_at_a_hundred_times_the_size() {
    let (small, large) = (1000, 100_000);
    let [few, many] = [small, large].map(|services| {
        let mut lab = Lab::filled(services, 2);
        round(&mut lab, services);
        round(&mut lab, services)
    });
    println!("at {small} services {few:?}, at {large} {many:?}");
    assert!(few.calls > 0 && many.calls <= few.calls * 3 / 2, "{few:?} {many:?}");
    assert!(many.bytes <= few.bytes * 2, "{few:?} {many:?}");
}

/// Removed servers with connections stay in the trash; a commit does not look at all of them.
#[test]
fn a_full_trash_frees_its_slots_a_piece_at_a_time() {
    use std::sync::atomic::Ordering::Relaxed;

    let (services, servers) = (2000, 10);
    let mut lab = Lab::filled(services, servers);
    let all = services * servers;
    let state = |lab: &Lab, slot: u32| lab.seat.servers.get(slot).map(|state| state.references.load(Relaxed));
    // A connection to every second server.
    (0..all).step_by(2).for_each(|slot| _ = lab.seat.servers.get(slot).map(|s| s.references.fetch_add(1, Relaxed)));
    lab.done(Edit::Flush);
    let free = |lab: &Lab| (0..all).filter(|slot| state(lab, *slot) == Some(0)).count() as u32;
    let after_flush = free(&lab);
    assert!(after_flush > 0 && after_flush <= 64, "{after_flush}");
    for _ in 0..3 {
        lab.now.0 += 100 * MS;
        lab.turn();
    }
    assert_eq!(free(&lab), all / 2, "those without connections");
    (0..all).step_by(2).for_each(|slot| _ = lab.seat.servers.get(slot).map(|s| s.references.fetch_sub(1, Relaxed)));
    for _ in 0..3 {
        lab.now.0 += 100 * MS;
        lab.turn();
    }
    assert_eq!(free(&lab), all);
    // Slots are taken again, none twice.
    let mut lab = refilled(lab, services, servers);
    let taken = (0..all).filter(|slot| state(&lab, *slot) == Some(1)).count() as u32;
    assert_eq!(taken, all);
    lab.turn();
}

fn refilled(mut lab: Lab, services: u32, servers: u32) -> Lab {
    for service in 0..services {
        let added = (0..servers).map(|server| add_server(service, server));
        let requests = std::iter::once(add_service(service)).chain(added).collect();
        lab.done(Batch { requests, more: true });
    }
    lab.done(Batch { requests: Vec::new(), more: false });
    lab
}

/// A server that comes back while its connections live keeps its slot, however often.
#[test]
fn the_trash_does_not_grow_with_comings_and_goings() {
    use std::sync::atomic::Ordering::Relaxed;

    let mut lab = Lab::filled(1, 1);
    let state = |lab: &Lab| lab.seat.servers.get(0).map(|state| state.references.load(Relaxed)).unwrap_or_default();
    lab.seat.servers.get(0).map(|state| state.references.fetch_add(1, Relaxed)).expect("a slot");
    let again = |lab: &mut Lab| {
        lab.done(Edit::DeleteServer { key: key(0), address: address(0) });
        lab.done(add_server(0, 0));
    };
    (0..100).for_each(|_| again(&mut lab));
    let (_, first) = allocations::of(|| (0..1000).for_each(|_| again(&mut lab)));
    let (_, second) = allocations::of(|| (0..1000).for_each(|_| again(&mut lab)));
    assert_eq!(state(&lab), 2, "the configuration and the connection name it");
    assert!(second.bytes <= first.bytes, "{first:?} {second:?}");
}
