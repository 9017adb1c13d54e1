//! Both keys lead to a connection, through churn and collisions.

use proptest::prelude::*;

use super::super::cold::Cold;
use super::super::{Changes, MOST_CHANGES, Moved, New};
use super::*;
use crate::clock::Tick;
use crate::flow::Family;
use crate::method::ForwardMethod;

fn conn(client_port: u16, vip: u32, server: u32) -> New {
    let outside = Tuple { src: 0xac10_0001, dst: vip, sport: client_port, dport: 80, protocol: 6 };
    New::of4(outside, Tuple { dst: server, dport: 8080, ..outside }, ForwardMethod::Nat)
}

/// Whether no key stands in a table, and nothing in a chain.
fn is_clean(table: &ConnTable) -> bool {
    let unchained = |cold: &Cold| Cold { wheel_next: NONE, controller: NONE, helper: NONE, ..*cold } == Cold::NONE;
    table.memory.buckets.iter().all(|bucket| bucket.head.tags.iter().all(|tag| *tag == 0))
        && table.memory.cold.iter().all(unchained)
}

fn table(capacity: u32) -> ConnTable {
    ConnTable::new(ConnMemory::new(capacity, true), HashKey([7, 9]))
}

fn found(table: &ConnTable, tuple: Tuple) -> Option<Found> {
    table.find(table.hash(&tuple), &tuple)
}

/// As a burst inserts: the reply key waits.
fn insert_in_burst(table: &mut ConnTable, new: &New) -> Option<u32> {
    let hashes = [table.hash(&new.line.request_key()), table.hash(&new.line.reply_key())];
    table.insert_hashed(new, hashes)
}

fn find(table: &ConnTable, tuple: Tuple) -> Option<(u32, Direction)> {
    match found(table, tuple)? {
        Found::Conn(index, direction) => Some((index, direction)),
        Found::Away { .. } => None,
    }
}

#[test]
fn colliding_replies_newest_wins_and_the_older_returns() {
    let mut table = table(8);
    let a = table.insert(&conn(4000, 1, 9)).unwrap();
    let b = table.insert(&conn(4000, 2, 9)).unwrap();
    let c = table.insert(&conn(4000, 3, 9)).unwrap();
    let reply = table[a].reply_key();
    assert_eq!(find(&table, reply), Some((c, Direction::Reply)));
    table.end(b, None);
    assert_eq!(find(&table, reply), Some((c, Direction::Reply)));
    table.end(c, None);
    assert_eq!(find(&table, reply), Some((a, Direction::Reply)));
    table.end(a, None);
    assert_eq!(find(&table, reply), None);
    assert!(table.is_empty());
}

/// Two addresses that stand for each other in this table's tuples.
fn twins(table: &ConnTable) -> [[u8; 16]; 2] {
    let mut seen = std::collections::HashMap::new();
    (0u64..)
        .find_map(|n| {
            let address = (u128::from(n) | 0xfd << 120).to_be_bytes();
            seen.insert(table.digest(&address), address).map(|other| [other, address])
        })
        .expect("digests are of 32 bits")
}

/// A connection of an IPv6 client.
fn conn6(table: &ConnTable, client: [u8; 16]) -> New {
    let (vip, server) = ([1; 16], [2; 16]);
    let (src, protocol) = (table.digest(&client), Tuple::marked(6));
    let outside = Tuple { src, dst: table.digest(&vip), sport: 4000, dport: 80, protocol };
    let mut new = New::of4(outside, Tuple { dst: table.digest(&server), dport: 8080, ..outside }, ForwardMethod::Nat);
    new.set_addresses6([vip, client, client, server], [Family::Ipv6; 2]);
    new
}

#[test]
fn addresses_of_one_digest_are_told_apart() {
    let mut table = table(8);
    let clients = twins(&table);
    let [a, b] = clients.map(|client| {
        let new = conn6(&table, client);
        table.insert(&new).expect("room")
    });
    assert_eq!(table[a].request_key(), table[b].request_key());
    let find6 = |table: &ConnTable, key: Tuple, ends: [&[u8; 16]; 2]| table.find6(table.hash(&key), &key, ends);
    let ask = |table: &ConnTable, index: u32, client: &[u8; 16]| {
        let (vip, server) = (table.addresses(index).vip, table.addresses(index).server);
        let request = find6(table, table[index].request_key(), [client, &vip]);
        (request, find6(table, table[index].reply_key(), [&server, client]))
    };
    let both = |index| (Some(Found::Conn(index, Direction::Request)), Some(Found::Conn(index, Direction::Reply)));
    assert_eq!([ask(&table, a, &clients[0]), ask(&table, b, &clients[1])], [both(a), both(b)]);
    assert_eq!(ask(&table, a, &[9; 16]), (None, None), "of neither");
    table.end(a, None);
    assert_eq!([ask(&table, b, &clients[0]), ask(&table, b, &clients[1])], [(None, None), both(b)]);
    table.end(b, None);
    assert!(is_clean(&table), "no key is left");
}

#[test]
fn signposts_and_connections_collide_by_the_same_rule() {
    let mut table = table(8);
    let mine = table.insert(&conn(4000, 1, 9)).unwrap();
    let key = table[mine].reply_key();
    assert!(table.put_signpost(&key, 3, 77) && table.put_signpost(&key, 2, 5));
    assert_eq!(found(&table, key), Some(Found::Away { home: 2, conn: 5 }));
    let newer = table.insert(&conn(4000, 2, 9)).unwrap();
    assert_eq!(find(&table, key), Some((newer, Direction::Reply)));
    table.take_signpost(2, 77);
    table.take_signpost(3, 77);
    assert_eq!(table.signposts(), 1, "no other than the one that was named");
    table.end(newer, None);
    assert_eq!(found(&table, key), Some(Found::Away { home: 2, conn: 5 }));
    table.take_signpost(2, 5);
    assert_eq!((find(&table, key), table.signposts()), (Some((mine, Direction::Reply)), 0));
    assert_eq!(found(&table, table[mine].request_key()), Some(Found::Conn(mine, Direction::Request)));
}

#[test]
fn a_connection_whose_replies_land_elsewhere_has_no_reply_key_here() {
    let mut table = table(8);
    let mut new = conn(4000, 1, 9);
    new.set_reply_away();
    let away = table.insert(&new).unwrap();
    let reply = table[away].reply_key();
    assert_eq!(found(&table, reply), None);
    assert!(table.is_reply_of(away, &reply) && !table.is_reply_of(away + 1, &reply));
    table.unlink(away);
    assert!(!table.is_reply_of(away, &reply));
}

#[test]
fn full_is_none_and_room_comes_back() {
    let mut table = table(4);
    let first: Vec<u32> = (0..4).map(|i| table.insert(&conn(i, 1, 9)).unwrap()).collect();
    assert_eq!(table.insert(&conn(9, 1, 9)), None);
    table.end(first[2], None);
    assert_eq!(table.insert(&conn(9, 1, 9)), Some(first[2]));
}

/// What stands in a table, in order of arrival: of those with the same key the last counts.
#[derive(Default)]
struct Model(Vec<Found>);

impl Model {
    fn request(&self, table: &ConnTable, key: Tuple) -> Option<Found> {
        let has_key = |found: &&Found| matches!(found, Found::Conn(index, _) if table[*index].request_key() == key);
        self.0.iter().rfind(has_key).copied()
    }

    /// A signpost `conn` stands for the reply key that `signposts` names by its number.
    fn reply(&self, table: &ConnTable, signposts: &[Tuple], key: Tuple) -> Option<Found> {
        let key_of = |found: &Found| match *found {
            Found::Conn(index, _) => table[index].reply_key(),
            Found::Away { conn, .. } => signposts[conn as usize],
        };
        let newest = self.0.iter().rfind(|found| key_of(found) == key)?;
        Some(if let Found::Conn(index, _) = *newest { Found::Conn(index, Direction::Reply) } else { *newest })
    }

    /// Ends one of those, whichever `chance` names.
    fn end_one(&mut self, table: &mut ConnTable, chance: usize) {
        if !self.0.is_empty() {
            match self.0.remove(chance % self.0.len()) {
                Found::Conn(index, _) => table.end(index, None),
                Found::Away { home, conn } => table.take_signpost(home, conn),
            }
        }
    }
}

proptest! {
    /// Few keys of either kind, so that most of them collide.
    #[test]
    fn both_keys_agree_through_churn(
        ops in proptest::collection::vec((0u8..4, any::<usize>(), 0u16..3, 0u32..3, 0u32..2), 1..400),
    ) {
        let (mut table, mut model, mut signposts) = (table(64), Model::default(), Vec::new());
        for (what, chance, port, vip, server) in ops {
            let new = conn(port, vip, server);
            match what {
                0 => model.0.extend(table.insert(&new).map(|index| Found::Conn(index, Direction::Request))),
                1 => {
                    let (home, conn) = (vip as u16, signposts.len() as u32);
                    signposts.push(new.line.reply_key());
                    if table.put_signpost(&new.line.reply_key(), home, conn) {
                        model.0.push(Found::Away { home, conn });
                    }
                }
                _ => model.end_one(&mut table, chance),
            }
            prop_assert_eq!((table.len() + table.signposts()) as usize, model.0.len());
            for (port, vip, server) in (0..18).map(|n| (n as u16 / 6, n / 2 % 3, n % 2)) {
                let asked = conn(port, vip, server);
                let (request, reply) = (asked.line.request_key(), asked.line.reply_key());
                prop_assert_eq!(found(&table, request), model.request(&table, request));
                prop_assert_eq!(found(&table, reply), model.reply(&table, &signposts, reply));
            }
        }
        while !model.0.is_empty() {
            model.end_one(&mut table, 0);
        }
        prop_assert!(is_clean(&table), "no key is left");
    }

    #[test]
    fn replies_that_wait_are_found_like_those_that_do_not(
        ops in proptest::collection::vec((0u8..4, 0u16..6, 0u32..4, 0u32..2), 1..200),
    ) {
        let (mut now, mut later) = (table(64), table(64));
        let mut live: Vec<(u32, New)> = Vec::new();
        for (what, port, vip, server) in ops {
            let new = conn(port, vip, server);
            let known = live.iter().position(|(_, c)| c.line.request_key() == new.line.request_key());
            match (what, known) {
                (0 | 1, None) => {
                    let index = now.insert(&new);
                    prop_assert_eq!(insert_in_burst(&mut later, &new), index);
                    live.extend(index.map(|index| (index, new)));
                }
                (2, Some(at)) => {
                    let (index, _) = live.remove(at);
                    now.end(index, None);
                    later.end(index, None);
                }
                (3, _) => later.settle(),
                _ => {}
            }
            for key in [new.line.request_key(), new.line.reply_key()] {
                let hash = later.hash(&key);
                later.settle_for(hash);
                prop_assert_eq!(found(&later, key), found(&now, key));
            }
        }
    }
}

/// What the journal tells.
fn told(table: &mut ConnTable) -> (Vec<u32>, Changes) {
    let mut told = Vec::new();
    let changes = table.drain_journal(|index| told.push(index));
    (told, changes)
}

#[test]
fn the_journal_tells_of_each_connection_once() {
    let mut table = table(8);
    let before = table.insert(&conn(1, 1, 9)).unwrap();
    table.open_journal();
    assert_eq!(told(&mut table), (vec![], Changes::Told), "it was closed");
    let made = table.insert(&conn(2, 1, 9)).unwrap();
    table[before].refresh_by_client(Tick(7));
    let to = Moved { state: 3, active: true, timeout: 60 };
    table.advance(made, to, None);
    table.advance(before, to, None);
    assert_eq!(told(&mut table), (vec![made, before], Changes::Told));
    assert!(table.advance(before, Moved { timeout: 50, ..to }, None), "a shorter life");
    assert_eq!(told(&mut table), (vec![], Changes::Told), "in the same state");
    table.unlink(made);
    table.end(made, None);
    assert_eq!(table.insert(&conn(3, 1, 9)), Some(made), "another one in its place");
    assert_eq!(told(&mut table), (vec![made], Changes::Told));
    table.end(before, None);
    assert_eq!(told(&mut table), (vec![before], Changes::Told));
}

#[test]
fn a_full_journal_says_that_any_may_have_changed() {
    let most = MOST_CHANGES as u16;
    let mut table = table(u32::from(most) + 1);
    table.open_journal();
    let all: Vec<u32> = (0..=most).map(|port| table.insert(&conn(port, 1, 9)).unwrap()).collect();
    assert_eq!(told(&mut table), (vec![], Changes::Any));
    assert_eq!(told(&mut table), (vec![], Changes::Told));
    all[..MOST_CHANGES].iter().for_each(|index| table.end(*index, None));
    assert_eq!(told(&mut table), (all[..MOST_CHANGES].to_vec(), Changes::Told), "as many as it holds");
}

#[test]
fn a_connection_of_one_packet_is_not_noted() {
    let mut table = table(8);
    table.open_journal();
    let passing = table.pass(0, &conn(1, 1, 9));
    table.advance(passing, Moved { state: 1, active: false, timeout: 60 }, None);
    assert_eq!(told(&mut table), (vec![], Changes::Told));
}

#[test]
fn shifts_are_there_when_asked_for_and_gone_with_the_connection() {
    let mut table = table(8);
    let index = table.insert(&conn(1, 1, 9)).unwrap();
    assert_eq!(table.shifts(index), None);
    table.shifts_mut(index).reply.grow(100, 5);
    assert_eq!(table.shifts(index).map(|shifts| shifts.reply.forth(200)), Some(205));
    table.end(index, None);
    assert_eq!(table.insert(&conn(2, 1, 9)), Some(index));
    assert_eq!(table.shifts(index), None);
    assert!(table.shifts_mut(index).reply.is_none());
}
