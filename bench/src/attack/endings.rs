//! Connections end, oldest first, whose replies all carry the same key: one client port to many ports of a service by
//! mark, with one server. As usual each has a reply key of its own.

use bytemuck::Zeroable;
use dataplane::conn::{Conn, ConnMemory, ConnTable, HashKey};

use super::measured;

const CONNECTIONS: u16 = 20_000;

pub(super) fn run(attacked: bool) -> u64 {
    let mut table = ConnTable::new(ConnMemory::new(CONNECTIONS.into(), false), HashKey([3, 5]));
    let connection = |at: u16| Conn {
        client: 0xac10_0001,
        vip: 0x0a00_0064,
        server: 0x0a01_000b,
        client_port: if attacked { 4000 } else { at },
        vip_port: at,
        server_port: 80,
        protocol: 6,
        ..Conn::zeroed()
    };
    let entries: Vec<u32> = (0..CONNECTIONS).filter_map(|at| table.insert(connection(at))).collect();
    measured(&mut || entries.iter().for_each(|entry| table.remove(*entry)));
    assert!(table.is_empty());
    entries.len() as u64
}
