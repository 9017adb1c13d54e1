//! Lookup: every bucket is asked for as soon as a tuple is known, then every candidate's line, so that the misses of a
//! burst overlap. Keys are compared when the packet is decided, because a packet before it may have changed the table.

use crate::conn::{Confirmed, ConnTable};
use crate::flow::Direction;
use crate::packet::{Arrival, Burst, Candidate, Kind, Meta, Step};
use crate::tables::Unhooked;

/// Hashes a tuple, and asks for what it leads to.
#[inline(always)]
pub(crate) fn ask(meta: &mut Meta, table: &ConnTable) {
    meta.hash = table.hash(&meta.tuple);
    if let Arrival::Signed { conn } = meta.arrival {
        table.prefetch_conn(conn);
    } else {
        table.prefetch_bucket(meta.hash);
    }
}

/// The candidates of a burst.
pub(crate) fn run<B>(burst: &mut Burst<B>, table: &ConnTable, unhooked: Unhooked) {
    burst.changes = table.changes();
    let all = &mut burst.meta[..burst.packets.len()];
    for meta in &mut *all {
        let wanted = meta.kind.is_transport() && meta.step == Step::Undecided && meta.arrival.is_by_tuple();
        meta.candidate = if wanted { table.candidate(meta.hash) } else { Candidate::default() };
    }
    if burst.six {
        all.iter().filter(|meta| meta.kind == Kind::Transport6).for_each(|m| table.prefetch_addresses(m.candidate));
    }
    if unhooked != Unhooked::default() {
        forget(all, unhooked);
    }
}

/// Packets of a family without a service are of no connection.
#[cold]
fn forget(all: &mut [Meta], unhooked: Unhooked) {
    for meta in all.iter_mut().filter(|meta| unhooked.passes(meta.kind)) {
        meta.candidate = Candidate::default();
    }
}

/// What remains of a candidate whose key fits when the addresses of the IPv6 packet are compared, too.
#[inline(always)]
pub(crate) fn confirm_addresses(confirmed: Confirmed, frame: &[u8], meta: &Meta, table: &ConnTable) -> Confirmed {
    let (index, direction) = match confirmed {
        Confirmed::Reply(index) => (index, Direction::Reply),
        Confirmed::Request(index) => (index, Direction::Request),
        Confirmed::Unknown => return confirmed,
    };
    let same = meta.ends6(frame).is_some_and(|ends| table.is_between(index, direction, ends));
    if same { confirmed } else { Confirmed::Unknown }
}
