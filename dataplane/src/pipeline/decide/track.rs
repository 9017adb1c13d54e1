//! Track: every packet of a connection moves its state and stores "last seen". After `ip_vs_in`, `handle_response`
//! and `set_tcp_state`.

use std::sync::atomic::Ordering::Relaxed;

use super::{local, state, way};
use crate::conn::{Conn, ConnTable, flag};
use crate::flow::{Direction, Protocol};
use crate::neighbor::NextHop;
use crate::packet::{Meta, Step};
use crate::pipeline::desk::Desk;
use crate::pipeline::scene::Context;
use crate::proto::tcp;
use crate::service::Server;
use crate::verdict::{Answer, Drop};
use crate::wire::tcp::SYN;

/// Whether a connection ends because of this packet of its client, which is then looked at as if there were none: a new
/// SYN may take its tuple, or its server is gone and `expire_nodest_conn` says so.
#[inline]
pub(crate) fn ends(meta: &Meta, conn: &Conn, context: Context<'_>) -> bool {
    let nodest = ends_without_server(context);
    (nodest || may_take_the_tuple(meta)) && ends_by(meta, conn, nodest, context)
}

/// Whether a packet for a server that is gone ends its connection.
pub(crate) fn ends_without_server(context: Context<'_>) -> bool {
    context.tables.sysctls.expire_nodest_conn != 0
}

/// Whether a packet can be a new SYN that takes the tuple of a connection that is over.
#[inline(always)]
pub(crate) fn may_take_the_tuple(meta: &Meta) -> bool {
    meta.tcp_flags & SYN != 0
}

/// `is_new_conn_expected` and what stands around its call in `ip_vs_in_hook`.
#[cold]
fn ends_by(meta: &Meta, conn: &Conn, nodest: bool, context: Context<'_>) -> bool {
    let server = context.servers.get(conn.server_slot());
    if nodest && server.is_some_and(|server| !server.available.load(Relaxed)) {
        return true;
    }
    if meta.tcp_flags & SYN == 0 {
        return false;
    }
    if nodest && server.is_some_and(|server| server.weight.load(Relaxed) == 0) {
        return true;
    }
    let mode = context.tables.sysctls.conn_reuse_mode;
    let over = match tcp::State::from_number(conn.state()) {
        _ if conn.protocol_number() == Protocol::Sctp.number() => state::is_over(conn),
        Some(tcp::State::TimeWait | tcp::State::Close) => true,
        Some(tcp::State::FinWait) => mode & 2 != 0 && state::seen_of(conn) == tcp::Seen::InputOnly,
        _ => false,
    };
    mode != 0 && over && !conn.has(flag::CONTROLLED)
}

/// The usual packet: of TCP or UDP, its server there, its next hop known, in a state that stays. Counts it, and says by which
/// hop it leaves, and to which server, where it goes there. `None`, and nothing has changed, where it is another: for [`step`].
#[inline(always)]
pub(crate) fn usual<'a>(
    meta: &Meta,
    conn: &mut Conn,
    direction: Direction,
    context: Context<'a>,
) -> Option<(&'a NextHop, Option<&'a Server>)> {
    let len = meta.ip_len();
    let (server, available) = server_of(conn, context);
    if !available || !state::is_settled(meta, conn, seen(conn, direction), context) {
        return None;
    }
    let hop = remembered(meta, len, conn, direction, context)?;
    account(len, conn, direction, true, context);
    // Nothing that is asked of a server is about replies.
    Some((hop, if direction == Direction::Request { server } else { None }))
}

/// The step of a packet of a connection: its totals, its state, its next hop. `ip_vs_in` looks at the server first: what
/// goes to one that was removed is dropped in silence. A reply is routed, and what a router refuses (time to live, size,
/// route) is not counted and prolongs nothing.
#[inline(never)]
pub(crate) fn step<B>(meta: &mut Meta, index: u32, direction: Direction, desk: &mut Desk<'_, B>) -> Step {
    let (table, context) = (&mut desk.shard.table, desk.context);
    let conn = &mut table[index];
    let (server, available) = server_of(conn, context);
    if direction == Direction::Request && !available {
        return Step::Drop(Drop::ServerGone);
    }
    let len = meta.ip_len();
    let Some(hop) = remembered(meta, len, conn, direction, context) else {
        return anew(meta, index, direction, (server, available), desk);
    };
    account(len, conn, direction, available, context);
    let seen = seen(conn, direction);
    let step = leave(meta, (index, conn), direction, hop, context);
    if state::advance(meta, index, (seen, server), table, context) {
        desk.shard.shortened(index);
    }
    step
}

/// The step of a packet whose next hop is not known, or whose link does not take it.
#[inline(never)]
fn anew<B>(
    meta: &mut Meta,
    index: u32,
    direction: Direction,
    (server, available): (Option<&Server>, bool),
    desk: &mut Desk<'_, B>,
) -> Step {
    let (table, context) = (&mut desk.shard.table, desk.context);
    let routed = match direction {
        Direction::Request => None,
        Direction::Reply => match way::look_up(meta, index, direction, table, context) {
            step @ Step::Send { .. } => Some(step),
            refused => return refused,
        },
    };
    let conn = &mut table[index];
    account(meta.ip_len(), conn, direction, available, context);
    let seen = seen(conn, direction);
    let shorter = state::advance(meta, index, (seen, server), table, context);
    let step = routed.unwrap_or_else(|| send_anew(meta, index, table, context));
    if shorter {
        desk.shard.shortened(index);
    }
    step
}

/// The step of a packet whose next hop is known.
#[inline(always)]
pub(crate) fn leave(
    meta: &mut Meta,
    (index, conn): (u32, &Conn),
    direction: Direction,
    next: &NextHop,
    context: Context<'_>,
) -> Step {
    let treatment = conn.treatment(direction);
    if treatment.is_wrapped()
        && let Some(refused) = way::into_tunnel(meta, conn, next, context)
    {
        return refused;
    }
    Step::Send { conn: index, treatment, hop: conn.hop(direction) }
}

/// A connection's server, and whether it may be counted for: what goes past the servers has none.
#[inline(always)]
fn server_of<'a>(conn: &Conn, context: Context<'a>) -> (Option<&'a Server>, bool) {
    let server = context.servers.get(conn.server_slot());
    (server, server.is_none_or(|server| server.available.load(Relaxed)))
}

/// Counts a packet of so many bytes with its server, and notes that its connection was seen.
#[inline(always)]
fn account(len: usize, conn: &mut Conn, direction: Direction, available: bool, context: Context<'_>) {
    if available && let Some(totals) = context.link.totals.get(conn.server_slot()) {
        totals.packet(direction, len);
    }
    match direction {
        Direction::Request => conn.refresh_by_client(context.now),
        Direction::Reply => conn.refresh(context.now),
    }
}

/// What a packet of a direction is to the states.
#[inline(always)]
fn seen(conn: &Conn, direction: Direction) -> tcp::Seen {
    match direction {
        Direction::Request => state::seen_of(conn),
        Direction::Reply => tcp::Seen::Output,
    }
}

/// A reply that passes here, though it need not: totals and state are those of any reply.
pub(super) fn pass_by<B>(meta: &Meta, index: u32, desk: &mut Desk<'_, B>) {
    let context = desk.context;
    let conn = &mut desk.shard.table[index];
    context.count(conn, Direction::Reply, meta.ip_len());
    conn.set::<{ flag::NO_OUTPUT }>(false);
    conn.refresh(context.now);
    let server = context.servers.get(conn.server_slot());
    if state::advance(meta, index, (tcp::Seen::Output, server), &mut desk.shard.table, context) {
        desk.shard.shortened(index);
    }
}

/// The template of a connection without states learns that its client sent a second packet.
fn hear_again(index: u32, table: &mut ConnTable, context: Context<'_>) {
    let conn = &mut table[index];
    let known = flag::ASSURED | flag::HEARD_AGAIN;
    let again = conn.in_packets() > 1 && conn.protocol_number() == Protocol::Udp.number();
    if again && conn.has(flag::CONTROLLED) && !conn.has(known) {
        conn.set::<{ flag::HEARD_AGAIN }>(true);
        context.templates.hear_again(table.controller(index));
    }
}

/// The next hop that a connection remembers, if the tables are still those and its link takes so many bytes.
#[inline(always)]
fn remembered<'a>(
    meta: &Meta,
    len: usize,
    conn: &Conn,
    direction: Direction,
    context: Context<'a>,
) -> Option<&'a NextHop> {
    let net = &context.tables.net;
    if conn.net_version() == net.version
        && meta.ttl > 1
        && let Some(to) = net.hops.get(conn.hop(direction))
        && len <= usize::from(to.mtu)
    {
        return Some(to);
    }
    None
}

/// Looks the next hop of a client's packet up, unless the director itself is the server.
#[inline(never)]
fn send_anew(meta: &mut Meta, index: u32, table: &mut ConnTable, context: Context<'_>) -> Step {
    hear_again(index, table, context);
    if let Some(step) = local::step(meta, table, index, context) {
        if matches!(step, Step::Answer(Answer::TcpReset | Answer::Sctp)) {
            state::refused(index, table, context);
        }
        return step;
    }
    way::look_up(meta, index, Direction::Request, table, context)
}
