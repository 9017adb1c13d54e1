//! Both keys lead to a connection, through churn and collisions.

use bytemuck::Zeroable;
use proptest::prelude::*;

use super::super::memory::Links;
use super::*;

fn conn(client_port: u16, vip: u32, server: u32) -> Conn {
    Conn {
        client: 0xac10_0001,
        vip,
        server,
        client_port,
        vip_port: 80,
        server_port: 8080,
        protocol: 6,
        ..Conn::zeroed()
    }
}

fn table(capacity: u32) -> ConnTable {
    ConnTable::new(ConnMemory::new(capacity, true), HashKey([7, 9]))
}

fn found(table: &ConnTable, tuple: Tuple) -> Option<Found> {
    table.find(table.hash(&tuple), &tuple)
}

/// As a burst inserts: the reply key waits.
fn insert_in_burst(table: &mut ConnTable, conn: Conn) -> Option<u32> {
    let hashes = [table.hash(&conn.request_key()), table.hash(&conn.reply_key())];
    table.insert_hashed(conn, hashes)
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
    let a = table.insert(conn(4000, 1, 9)).unwrap();
    let b = table.insert(conn(4000, 2, 9)).unwrap();
    let c = table.insert(conn(4000, 3, 9)).unwrap();
    let reply = table[a].reply_key();
    assert_eq!(find(&table, reply), Some((c, Direction::Reply)));
    table.remove(b);
    assert_eq!(find(&table, reply), Some((c, Direction::Reply)));
    table.remove(c);
    assert_eq!(find(&table, reply), Some((a, Direction::Reply)));
    table.remove(a);
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
fn conn6(table: &ConnTable, client: [u8; 16]) -> Conn {
    let (vip, server) = ([1; 16], [2; 16]);
    Conn {
        client: table.digest(&client),
        flags: flag::CLIENT_V6 | flag::SERVER_V6,
        protocol: Tuple::marked(6),
        addresses6: [vip, client, server],
        ..conn(4000, table.digest(&vip), table.digest(&server))
    }
}

#[test]
fn addresses_of_one_digest_are_told_apart() {
    let mut table = table(8);
    let clients = twins(&table);
    let [a, b] = clients.map(|client| {
        let conn = conn6(&table, client);
        table.insert(conn).expect("room")
    });
    assert_eq!(table[a].request_key(), table[b].request_key());
    let find6 = |table: &ConnTable, key: Tuple, ends: [&[u8; 16]; 2]| table.find6(table.hash(&key), &key, ends);
    let ask = |table: &ConnTable, index: u32, client: &[u8; 16]| {
        let Conn { addresses6: [vip, _, server], .. } = table[index];
        let request = find6(table, table[index].request_key(), [client, &vip]);
        (request, find6(table, table[index].reply_key(), [&server, client]))
    };
    let both = |index| (Some(Found::Conn(index, Direction::Request)), Some(Found::Conn(index, Direction::Reply)));
    assert_eq!([ask(&table, a, &clients[0]), ask(&table, b, &clients[1])], [both(a), both(b)]);
    assert_eq!(ask(&table, a, &[9; 16]), (None, None), "of neither");
    table.remove(a);
    assert_eq!([ask(&table, b, &clients[0]), ask(&table, b, &clients[1])], [(None, None), both(b)]);
    table.remove(b);
    assert!(table.memory.buckets.iter().all(|bucket| bucket.tags.iter().all(|tag| *tag == 0)), "no key is left");
}

#[test]
fn signposts_and_connections_collide_by_the_same_rule() {
    let mut table = table(8);
    let mine = table.insert(conn(4000, 1, 9)).unwrap();
    let key = table[mine].reply_key();
    assert!(table.put_signpost(&key, 3, 77) && table.put_signpost(&key, 2, 5));
    assert_eq!(found(&table, key), Some(Found::Away { home: 2, conn: 5 }));
    let newer = table.insert(conn(4000, 2, 9)).unwrap();
    assert_eq!(find(&table, key), Some((newer, Direction::Reply)));
    table.take_signpost(2, 77);
    table.take_signpost(3, 77);
    assert_eq!(table.signposts(), 1, "no other than the one that was named");
    table.remove(newer);
    assert_eq!(found(&table, key), Some(Found::Away { home: 2, conn: 5 }));
    table.take_signpost(2, 5);
    assert_eq!((find(&table, key), table.signposts()), (Some((mine, Direction::Reply)), 0));
    assert_eq!(found(&table, table[mine].request_key()), Some(Found::Conn(mine, Direction::Request)));
}

#[test]
fn a_connection_whose_replies_land_elsewhere_has_no_reply_key_here() {
    let mut table = table(8);
    let away = table.insert(Conn { flags: flag::REPLY_AWAY, ..conn(4000, 1, 9) }).unwrap();
    let reply = table[away].reply_key();
    assert_eq!(found(&table, reply), None);
    assert!(table.is_reply_of(away, &reply) && !table.is_reply_of(away + 1, &reply));
    table.unlink(away);
    assert!(!table.is_reply_of(away, &reply));
}

#[test]
fn full_is_none_and_room_comes_back() {
    let mut table = table(4);
    let first: Vec<u32> = (0..4).map(|i| table.insert(conn(i, 1, 9)).unwrap()).collect();
    assert_eq!(table.insert(conn(9, 1, 9)), None);
    table.remove(first[2]);
    assert_eq!(table.insert(conn(9, 1, 9)), Some(first[2]));
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
                Found::Conn(index, _) => table.remove(index),
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
                0 => model.0.extend(table.insert(new).map(|index| Found::Conn(index, Direction::Request))),
                1 => {
                    let (home, conn) = (vip as u16, signposts.len() as u32);
                    signposts.push(new.reply_key());
                    if table.put_signpost(&new.reply_key(), home, conn) {
                        model.0.push(Found::Away { home, conn });
                    }
                }
                _ => model.end_one(&mut table, chance),
            }
            prop_assert_eq!((table.len() + table.signposts()) as usize, model.0.len());
            for (port, vip, server) in (0..18).map(|n| (n as u16 / 6, n / 2 % 3, n % 2)) {
                let asked = conn(port, vip, server);
                let (request, reply) = (asked.request_key(), asked.reply_key());
                prop_assert_eq!(found(&table, request), model.request(&table, request));
                prop_assert_eq!(found(&table, reply), model.reply(&table, &signposts, reply));
            }
        }
        while !model.0.is_empty() {
            model.end_one(&mut table, 0);
        }
        prop_assert!(table.memory.buckets.iter().all(|bucket| bucket.tags.iter().all(|tag| *tag == 0)), "no key is left");
        prop_assert!(table.memory.links.iter().all(|links| *links == Links::NONE), "nothing stands in a chain");
    }

    #[test]
    fn replies_that_wait_are_found_like_those_that_do_not(
        ops in proptest::collection::vec((0u8..4, 0u16..6, 0u32..4, 0u32..2), 1..200),
    ) {
        let (mut now, mut later) = (table(64), table(64));
        let mut live: Vec<(u32, Conn)> = Vec::new();
        for (what, port, vip, server) in ops {
            let new = conn(port, vip, server);
            let known = live.iter().position(|(_, c)| c.request_key() == new.request_key());
            match (what, known) {
                (0 | 1, None) => {
                    let index = now.insert(new);
                    prop_assert_eq!(insert_in_burst(&mut later, new), index);
                    live.extend(index.map(|index| (index, new)));
                }
                (2, Some(at)) => {
                    let (index, _) = live.remove(at);
                    now.remove(index);
                    later.remove(index);
                }
                (3, _) => later.settle(),
                _ => {}
            }
            for key in [new.request_key(), new.reply_key()] {
                let hash = later.hash(&key);
                later.settle_for(hash);
                prop_assert_eq!(found(&later, key), found(&now, key));
            }
        }
    }
}
