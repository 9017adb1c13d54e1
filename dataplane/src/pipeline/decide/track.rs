//! Track: every packet of a connection moves its state and stores "last seen". After `ip_vs_in`, `handle_response`
//! and `set_tcp_state`.

use std::sync::atomic::Ordering::Relaxed;

use super::{local, state, way};
use crate::conn::{Conn, NONE, flag};
use crate::flow::{Direction, Protocol};
use crate::neighbor::NextHop;
use crate::packet::{Meta, Step};
use crate::pipeline::desk::Desk;
use crate::pipeline::scene::Context;
use crate::proto::tcp;
use crate::service::Server;
use crate::verdict::{Answer, Drop};
use crate::wire::tcp::SYN;

/// What happens to a packet of a connection.
pub(crate) enum Next<'a> {
    /// It leaves by a next hop that is known. With the server of its connection, where it goes there.
    Leave(&'a NextHop, Option<&'a Server>),
    /// It takes another step.
    Step(Step),
}

/// The connection of a packet, and which way the packet travels.
pub(crate) struct Match<'a> {
    pub(crate) index: u32,
    pub(crate) conn: &'a mut Conn,
    pub(crate) direction: Direction,
    /// Bytes of the IP packet.
    pub(crate) len: usize,
}

impl Match<'_> {
    /// A copy for a function that is not inlined, so that this one need not stand in memory.
    #[inline(always)]
    fn again(&mut self) -> Match<'_> {
        Match { conn: self.conn, ..*self }
    }
}

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
    let server = context.servers.get(conn.server_slot);
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
    let over = match tcp::State::from_number(conn.state) {
        _ if conn.protocol_number() == Protocol::Sctp.number() => state::is_over(conn),
        tcp::State::TimeWait | tcp::State::Close => true,
        tcp::State::FinWait => mode & 2 != 0 && state::seen_of(conn) == tcp::Seen::InputOnly,
        _ => false,
    };
    mode != 0 && over && conn.controller == NONE
}

/// The step of a packet of a connection.
#[inline(never)]
pub(super) fn step<B>(meta: &mut Meta, index: u32, direction: Direction, desk: &mut Desk<'_, B>) -> Step {
    let mut found = Match { index, conn: &mut desk.shard.table[index], direction, len: meta.ip_len() };
    let (next, shorter) = packet(meta, &mut found, desk.context, state::advance);
    let step = match next {
        Next::Leave(next, _) => leave(meta, &found, next, desk.context),
        Next::Step(step) => step,
    };
    if shorter {
        desk.shard.shortened(index);
    }
    step
}

/// The step of a packet whose next hop is known.
#[inline(always)]
pub(crate) fn leave(meta: &mut Meta, found: &Match<'_>, next: &NextHop, context: Context<'_>) -> Step {
    let Match { index, ref conn, direction, .. } = *found;
    let treatment = conn.treatment(direction);
    if treatment.is_wrapped()
        && let Some(refused) = way::into_tunnel(meta, conn, next, context)
    {
        return refused;
    }
    Step::Send { conn: index, treatment, hop: conn.hop(direction) }
}

/// A packet of a connection: its totals, its state, its next hop. `ip_vs_in` looks at the server first: what goes to one
/// that was removed is dropped in silence. A reply is routed, and what a router refuses (time to live, size, route) is
/// not counted and prolongs nothing. Tells, too, whether the connection's life got shorter, which is the wheel's business.
/// `advance` moves the state.
#[inline(always)]
pub(crate) fn packet<'a>(
    meta: &mut Meta,
    found: &mut Match<'_>,
    context: Context<'a>,
    advance: impl FnOnce(&Meta, &mut Conn, tcp::Seen, Option<&Server>, Context<'_>) -> bool,
) -> (Next<'a>, bool) {
    if found.direction == Direction::Reply {
        let Some(to) = remembered(meta, found, context) else {
            return reply_anew(meta, found.again(), context);
        };
        let server = server_of(found.conn, context);
        let shorter = account(meta, found, server, context, advance);
        // Nothing that is asked of a server is about replies.
        return (Next::Leave(to, None), shorter);
    }
    let (server, available) = server_of(found.conn, context);
    if !available {
        return (GONE, false);
    }
    let shorter = account(meta, found, (server, available), context, advance);
    let next = match remembered(meta, found, context) {
        Some(to) => Next::Leave(to, server),
        None => Next::Step(send_anew(meta, found.again(), context)),
    };
    (next, shorter)
}

/// A connection's server, and whether it may be counted for: what goes past the servers has none.
#[inline(always)]
fn server_of<'a>(conn: &Conn, context: Context<'a>) -> (Option<&'a Server>, bool) {
    let server = context.servers.get(conn.server_slot);
    (server, server.is_none_or(|server| server.available.load(Relaxed)))
}

/// A reply whose next hop is not known, or that its link does not take.
#[inline(never)]
fn reply_anew<'a>(meta: &mut Meta, mut found: Match<'_>, context: Context<'a>) -> (Next<'a>, bool) {
    let server = server_of(found.conn, context);
    let step = way::look_up(meta, (found.index, found.conn), Direction::Reply, context);
    let sent = matches!(step, Step::Send { .. });
    let shorter = sent && account(meta, &mut found, server, context, state::advance);
    (Next::Step(step), shorter)
}

/// What a packet changes: its server's totals, when its connection was last seen, the state.
#[inline(always)]
fn account(
    meta: &Meta,
    found: &mut Match<'_>,
    (server, available): (Option<&Server>, bool),
    context: Context<'_>,
    advance: impl FnOnce(&Meta, &mut Conn, tcp::Seen, Option<&Server>, Context<'_>) -> bool,
) -> bool {
    let Match { conn, direction, len, .. } = found;
    if available && let Some(totals) = context.link.totals.get(conn.server_slot) {
        totals.packet(*direction, *len);
    }
    let seen = match direction {
        Direction::Reply => tcp::Seen::Output,
        Direction::Request => {
            conn.in_packets = conn.in_packets.wrapping_add(1);
            state::seen_of(conn)
        }
    };
    conn.last_seen = context.now.0;
    advance(meta, conn, seen, server, context)
}

/// A reply that passes here, though it need not: totals and state are those of any reply.
pub(super) fn pass_by<B>(meta: &Meta, index: u32, desk: &mut Desk<'_, B>) {
    let conn = &mut desk.shard.table[index];
    let server = desk.context.servers.get(conn.server_slot);
    let available = server.is_some_and(|server| server.available.load(Relaxed));
    if available && let Some(totals) = desk.context.link.totals.get(conn.server_slot) {
        totals.packet(Direction::Reply, meta.ip_len());
    }
    conn.set(flag::NO_OUTPUT, false);
    conn.last_seen = desk.context.now.0;
    if state::advance(meta, conn, tcp::Seen::Output, server, desk.context) {
        desk.shard.shortened(index);
    }
}

const GONE: Next<'_> = Next::Step(Step::Drop(Drop::ServerGone));

/// The template of a connection without states learns that its client sent a second packet.
fn hear_again(conn: &mut Conn, context: Context<'_>) {
    let known = flag::ASSURED | flag::HEARD_AGAIN;
    let again = conn.in_packets > 1 && conn.protocol_number() == Protocol::Udp.number();
    if again && conn.controller != NONE && conn.flags & known == 0 {
        conn.set(flag::HEARD_AGAIN, true);
        context.tables.templates.hear_again(conn.controller);
    }
}

/// The next hop that a connection remembers, if the tables are still those and its link takes so many bytes.
#[inline(always)]
fn remembered<'a>(meta: &Meta, found: &Match<'_>, context: Context<'a>) -> Option<&'a NextHop> {
    let net = &context.tables.net;
    if found.conn.net_version == net.version
        && meta.ttl > 1
        && let Some(to) = net.hops.get(found.conn.hop(found.direction))
        && found.len <= usize::from(to.mtu)
    {
        return Some(to);
    }
    None
}

/// Looks the next hop of a client's packet up, unless the director itself is the server.
#[inline(never)]
fn send_anew(meta: &mut Meta, found: Match<'_>, context: Context<'_>) -> Step {
    let conn = found.conn;
    hear_again(conn, context);
    if let Some(step) = local::step(meta, conn, context) {
        match step {
            Step::Answer(Answer::TcpReset) => state::refused(conn, context),
            Step::Answer(Answer::Sctp) => state::aborted(conn, context),
            _ => {}
        }
        return step;
    }
    way::look_up(meta, (found.index, conn), Direction::Request, context)
}
