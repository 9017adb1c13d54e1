//! Lookup: all hashes and bucket prefetches first, then all candidates, so that the misses of a burst overlap.
//! Keys are compared when the packet is decided, because a packet before it may have changed the table.

use crate::conn::ConnTable;
use crate::packet::{Arrival, Burst, Kind, Step};

pub(super) fn run<B>(burst: &mut Burst<B>, table: &ConnTable) {
    burst.changes = table.changes();
    let meta = &mut burst.meta[..burst.packets.len()];
    for meta in meta.iter_mut().filter(|m| m.kind == Kind::Transport4 && m.step == Step::Undecided) {
        meta.hash = table.hash(&meta.tuple);
        match meta.arrival {
            Arrival::Signed { conn } => table.prefetch_conn(conn),
            Arrival::Device | Arrival::Landed => table.prefetch_bucket(meta.hash),
        }
    }
    for meta in meta.iter_mut().filter(|m| m.kind == Kind::Transport4 && m.step == Step::Undecided) {
        meta.candidate = table.candidate(meta.hash);
    }
}
