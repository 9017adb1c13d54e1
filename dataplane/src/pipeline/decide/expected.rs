//! The first packet of a connection that was announced: the connection is made as announced, on the worker where its
//! client's packets land. After `ip_vs_conn_in_get`, `ip_vs_conn_out_get` and `ip_vs_conn_fill_cport` (`ip_vs_conn.c`).

use std::net::SocketAddr;

use super::{connect, track};
use crate::clock::Tick;
use crate::conn::{NONE, New};
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
    let all = desk.context.expected;
    let in_direction = |direction| all.find(ends, direction).map(|found| (found, direction));
    let (found, direction) = in_direction(Direction::Request).or_else(|| in_direction(Direction::Reply))?;
    let mut new = connection(&found, meta.tuple.sport, direction, desk)?;
    if direction == Direction::Reply
        && let Some(worker) = desk.shard.station.home_of(&new)
    {
        return Some(Step::Handoff { worker, conn: NONE });
    }
    if !all.take(&found) {
        return None;
    }
    let hashes = [new.line().request_key(), new.line().reply_key()].map(|key| desk.shard.table.hash(&key));
    match connect::enter(&mut new, false, hashes, desk) {
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

/// As it was announced; what the client begins has the port that its packet comes from. `None` where its ends are of
/// different families.
fn connection<B>(expected: &Expected, sport: u16, direction: Direction, desk: &Desk<'_, B>) -> Option<New> {
    let Expected { mut client, vip, server, .. } = *expected;
    if direction == Direction::Request {
        client.set_port(sport);
    }
    let new = connect::between(Protocol::Tcp, [vip, client, server], desk)?;
    let mut new = new.living(Tick(expected.last_used), expected.timeout, State::Listen as u8);
    new.set_server(expected.slot, expected.generation.into());
    new.set_controller(expected.controller);
    Some(new)
}
