//! Lookup: all hashes and bucket prefetches first, then all candidates, so that the misses of a burst overlap.
//! Keys are compared when the packet is decided, because a packet before it may have changed the table.

use crate::conn::ConnTable;
use crate::packet::{Arrival, Burst, Candidate, Kind, Step};

pub(super) fn run<B>(burst: &mut Burst<B>, table: &ConnTable) {
    burst.changes = table.changes();
    let meta = &mut burst.meta[..burst.packets.len()];
    for meta in &mut *meta {
        meta.hash = table.hash(&meta.tuple);
        if let Arrival::Signed { conn } = meta.arrival {
            table.prefetch_conn(conn);
        } else {
            table.prefetch_bucket(meta.hash);
        }
    }
    for meta in meta {
        let wanted = meta.kind == Kind::Transport4 && meta.step == Step::Undecided && meta.arrival.is_by_tuple();
        meta.candidate = if wanted { table.candidate(meta.hash) } else { Candidate::default() };
    }
}
