//! Signposts come down, oldest first, whose reply keys are all the same: one client's port to many ports of a service by
//! mark, whose replies land on another worker. As usual each has a reply key of its own.

use dataplane::conn::{ConnMemory, ConnTable, HashKey};
use dataplane::flow::Tuple;

use super::measured;

const SIGNPOSTS: u32 = 20_000;
/// The worker whose connections they lead to.
const HOME: u16 = 1;

pub(super) fn run(attacked: bool) -> u64 {
    let mut table = ConnTable::new(ConnMemory::new(SIGNPOSTS, true), HashKey([3, 5]));
    for conn in 0..SIGNPOSTS {
        let client_port = if attacked { 4000 } else { conn as u16 };
        let key = Tuple { src: 0x0a01_000b, dst: 0xac10_0001, sport: 80, dport: client_port, protocol: 6 };
        assert!(table.put_signpost(&key, HOME, conn));
    }
    measured(&mut || (0..SIGNPOSTS).for_each(|conn| table.take_signpost(HOME, conn)));
    assert_eq!(table.signposts(), 0);
    SIGNPOSTS.into()
}
