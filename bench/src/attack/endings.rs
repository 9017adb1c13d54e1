//! Connections end, oldest first, whose replies all carry the same key: one client port to many ports of a service by
//! mark, with one server. As usual each has a reply key of its own.

use dataplane::conn::{ConnMemory, ConnTable, HashKey, New};
use dataplane::flow::Tuple;
use dataplane::method::ForwardMethod;

use super::measured;

const CONNECTIONS: u16 = 20_000;

pub(super) fn run(attacked: bool) -> u64 {
    let mut table = ConnTable::new(ConnMemory::new(CONNECTIONS.into(), false), HashKey([3, 5]));
    let connection = |at: u16| {
        let sport = if attacked { 4000 } else { at };
        let outside = Tuple { src: 0xac10_0001, dst: 0x0a00_0064, sport, dport: at, protocol: 6 };
        New::of4(outside, Tuple { dst: 0x0a01_000b, dport: 80, ..outside }, ForwardMethod::Nat)
    };
    let entries: Vec<u32> = (0..CONNECTIONS).filter_map(|at| table.insert(&connection(at))).collect();
    measured(&mut || entries.iter().for_each(|entry| table.end(*entry, None)));
    assert!(table.is_empty());
    entries.len() as u64
}
