//! The first packet of a connection that was announced: the connection is made as announced, on the worker where its
//! client's packets land. After `ip_vs_conn_in_get`, `ip_vs_conn_out_get` and `ip_vs_conn_fill_cport` (`ip_vs_conn.c`).

use std::net::SocketAddr;

use super::{connect, track};
use crate::conn::{Conn, ConnTable, NONE};
use crate::expected::Expected;
use crate::flow::{Direction, Protocol};
use crate::packet::{Arrival, Meta, Step};
use crate::pipeline::desk::Desk;
use crate::proto::tcp::State;

/// The step of a packet of no connection, if it belongs to one that is expected.
#[cold]
#[inline(never)]
pub(super) fn step<B>(frame: &[u8], meta: &mut Meta, desk: &mut Desk<'_, B>) -> Option<Step> {
    let counts = meta.protocol() == Protocol::Tcp.number()
        && !matches!(meta.arrival, Arrival::Signed { .. })
        && !desk.context.tables.unhooked.passes(meta.kind);
    let [source, destination] = meta.ends(frame).filter(|_| counts)?;
    let ends = [SocketAddr::new(source, meta.tuple.sport), SocketAddr::new(destination, meta.tuple.dport)];
    let all = &desk.context.tables.templates.expected;
    let in_direction = |direction| all.find(ends, direction).map(|found| (found, direction));
    let (found, direction) = in_direction(Direction::Request).or_else(|| in_direction(Direction::Reply))?;
    let mut conn = connection(&found, &desk.shard.table)?;
    match direction {
        Direction::Request => conn.client_port = meta.tuple.sport,
        Direction::Reply => {
            if let Some(worker) = desk.shard.station.home_of(&conn) {
                return Some(Step::Handoff { worker, conn: NONE });
            }
        }
    }
    if !all.take(&found) {
        return None;
    }
    let hashes = [conn.request_key(), conn.reply_key()].map(|key| desk.shard.table.hash(&key));
    match connect::enter(conn, false, hashes, desk) {
        Ok(index) => {
            let step = track::step(meta, index, direction, desk);
            desk.shard.watch(index);
            Some(step)
        }
        Err(reason) => {
            // It may be sent again, and there may be room then.
            all.put_back(Expected { last_used: desk.context.now.0, ..found }, |gone| desk.context.let_go(gone));
            Some(Step::Drop(reason))
        }
    }
}

/// As it was announced. `None` where its ends are of different families.
fn connection(expected: &Expected, table: &ConnTable) -> Option<Conn> {
    let Expected { client, vip, server, .. } = *expected;
    Some(Conn {
        state: State::Listen as u8,
        server_generation: expected.generation,
        last_seen: expected.last_used,
        timeout: expected.timeout,
        server_slot: expected.slot,
        controller: expected.controller,
        ..connect::between(Protocol::Tcp, [vip, client, server], table)?
    })
}
