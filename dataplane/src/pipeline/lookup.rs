//! Lookup: every bucket is asked for as soon as a tuple is known, then every candidate's line, so that the misses of a
//! burst overlap. Keys are compared when the packet is decided, because a packet before it may have changed the table.

use crate::conn::ConnTable;
use crate::packet::{Arrival, Burst, Candidate, Kind, Meta, Step};

/// Hashes a tuple, and asks for what it leads to.
#[inline(always)]
pub(super) fn ask(meta: &mut Meta, table: &ConnTable) {
    meta.hash = table.hash(&meta.tuple);
    if let Arrival::Signed { conn } = meta.arrival {
        table.prefetch_conn(conn);
    } else {
        table.prefetch_bucket(meta.hash);
    }
}

/// The candidates of a burst.
pub(super) fn run<B>(burst: &mut Burst<B>, table: &ConnTable) {
    burst.changes = table.changes();
    for meta in &mut burst.meta[..burst.packets.len()] {
        let wanted = meta.kind == Kind::Transport4 && meta.step == Step::Undecided && meta.arrival.is_by_tuple();
        meta.candidate = if wanted { table.candidate(meta.hash) } else { Candidate::default() };
    }
}
