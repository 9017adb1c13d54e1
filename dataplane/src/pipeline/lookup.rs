//! Lookup: every bucket is asked for as soon as a tuple is known, then every candidate's line, so that the misses of a
//! burst overlap. Keys are compared when the packet is decided, because a packet before it may have changed the table.

use crate::conn::{Confirmed, ConnTable};
use crate::flow::Direction;
use crate::packet::{Arrival, Burst, Candidate, Kind, Meta, Step};
use crate::tables::Unhooked;

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

/// The candidates of a burst. Packets of a family without a service are of no connection.
pub(super) fn run<B>(burst: &mut Burst<B>, table: &ConnTable, unhooked: Unhooked) {
    burst.changes = table.changes();
    let looked_up = |kind: Kind| match kind {
        Kind::Transport4 => !unhooked.v4,
        Kind::Transport6 => !unhooked.v6,
        Kind::Other4 | Kind::Fragment4 | Kind::Other6 | Kind::Fragment6 => false,
    };
    for meta in &mut burst.meta[..burst.packets.len()] {
        let wanted = looked_up(meta.kind) && meta.step == Step::Undecided && meta.arrival.is_by_tuple();
        meta.candidate = if wanted { table.candidate(meta.hash) } else { Candidate::default() };
        if meta.kind == Kind::Transport6 {
            table.prefetch_addresses(meta.candidate);
        }
    }
}

/// What remains of a candidate whose key fits when the addresses of the IPv6 packet are compared, too.
#[inline(never)]
pub(super) fn confirm_addresses(confirmed: Confirmed, frame: &[u8], meta: &Meta, table: &ConnTable) -> Confirmed {
    let (index, direction) = match confirmed {
        Confirmed::Reply(index) => (index, Direction::Reply),
        Confirmed::Request(index) => (index, Direction::Request),
        Confirmed::Unknown => return confirmed,
    };
    let same = meta.ends6(frame).is_some_and(|ends| table[index].is_between(direction, ends));
    if same { confirmed } else { Confirmed::Unknown }
}
