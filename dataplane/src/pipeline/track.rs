//! Track: every packet of a connection moves its state and stores "last seen". After `ip_vs_in`, `handle_response`
//! and `set_tcp_state`.

use std::sync::atomic::Ordering::Relaxed;

use super::{Context, Next, local, states, way};
use crate::conn::{Conn, NONE, flag};
use crate::flow::{Direction, ForwardMethod, Protocol};
use crate::neighbor::NextHop;
use crate::packet::{Meta, Step};
use crate::proto::{tcp, udp};
use crate::service::Server;
use crate::shard::Shard;
use crate::verdict::{Answer, Drop, Forward};
use crate::wire::tcp::{RST, SYN};

/// Whether a connection ends because of this packet of its client, which is then looked at as if there were none: a new
/// SYN may take its tuple, or its server is gone and `expire_nodest_conn` says so.
#[inline]
pub(super) fn ends(meta: &Meta, conn: &Conn, context: Context<'_>) -> bool {
    let nodest = ends_without_server(context);
    (nodest || may_take_the_tuple(meta)) && ends_by(meta, conn, nodest, context)
}

/// Whether a packet for a server that is gone ends its connection.
pub(super) fn ends_without_server(context: Context<'_>) -> bool {
    context.tables.sysctls.expire_nodest_conn != 0
}

/// Whether a packet can be a new SYN that takes the tuple of a connection that is over.
#[inline(always)]
pub(super) fn may_take_the_tuple(meta: &Meta) -> bool {
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
        _ if conn.protocol_number() == Protocol::Sctp.number() => states::is_over(conn),
        tcp::State::TimeWait | tcp::State::Close => true,
        tcp::State::FinWait => mode & 2 != 0 && seen_of(conn) == tcp::Seen::InputOnly,
        _ => false,
    };
    mode != 0 && over && conn.controller == NONE
}

/// The step of a packet of a connection.
#[inline(never)]
pub(super) fn step<B>(
    meta: &mut Meta,
    conn: u32,
    direction: Direction,
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> Step {
    let entry = &mut shard.table[conn];
    let (next, shorter) = packet(meta, conn, entry, direction, context, states::advance);
    let step = match next {
        Next::Leave(next, _) => leave(meta, conn, entry, direction, next, context),
        Next::Step(step) => step,
    };
    if shorter {
        shard.shortened(conn);
    }
    step
}

/// The step of a packet whose next hop is known.
#[inline(always)]
pub(super) fn leave(
    meta: &mut Meta,
    index: u32,
    conn: &Conn,
    direction: Direction,
    next: &NextHop,
    context: Context<'_>,
) -> Step {
    let reason = reason(conn, direction);
    if reason == Forward::Tun
        && let Some(refused) = way::into_tunnel(meta, conn, next, context)
    {
        return refused;
    }
    Step::Send { conn: index, reason, hop: conn.hop(direction) }
}

/// A packet of a connection: its totals, its state, its next hop. `ip_vs_in` looks at the server first: what goes to one
/// that was removed is dropped in silence. A reply is routed, and what a router refuses (time to live, size, route) is
/// not counted and prolongs nothing. Tells, too, whether the connection's life got shorter, which is the wheel's business.
/// `advance` moves the state.
#[inline(always)]
pub(super) fn packet<'a>(
    meta: &mut Meta,
    index: u32,
    conn: &mut Conn,
    direction: Direction,
    context: Context<'a>,
    advance: impl FnOnce(&Meta, &mut Conn, tcp::Seen, Option<&Server>, Context<'_>) -> bool,
) -> (Next<'a>, bool) {
    let len = meta.ip_len();
    if direction == Direction::Reply {
        let Some(to) = remembered(meta, len, conn, direction, context) else {
            return reply_anew(meta, index, conn, context);
        };
        let server = server_of(conn, context);
        let shorter = account(meta, len, conn, direction, server, context, advance);
        // Nothing that is asked of a server is about replies.
        return (Next::Leave(to, None), shorter);
    }
    let (server, available) = server_of(conn, context);
    if !available {
        return (GONE, false);
    }
    let shorter = account(meta, len, conn, direction, (server, available), context, advance);
    let next = match remembered(meta, len, conn, direction, context) {
        Some(to) => Next::Leave(to, server),
        None => Next::Step(send_anew(meta, index, conn, context)),
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
fn reply_anew<'a>(meta: &mut Meta, index: u32, conn: &mut Conn, context: Context<'a>) -> (Next<'a>, bool) {
    let (len, direction, server) = (meta.ip_len(), Direction::Reply, server_of(conn, context));
    let step = way::look_up(meta, index, conn, direction, context);
    let sent = matches!(step, Step::Send { .. });
    let shorter = sent && account(meta, len, conn, direction, server, context, states::advance);
    (Next::Step(step), shorter)
}

/// What a packet of so many bytes changes: its server's totals, when it was last seen, the state.
#[inline(always)]
fn account(
    meta: &Meta,
    len: usize,
    conn: &mut Conn,
    direction: Direction,
    (server, available): (Option<&Server>, bool),
    context: Context<'_>,
    advance: impl FnOnce(&Meta, &mut Conn, tcp::Seen, Option<&Server>, Context<'_>) -> bool,
) -> bool {
    if available && let Some(totals) = context.link.totals.get(conn.server_slot) {
        totals.packet(direction, len);
    }
    let seen = match direction {
        Direction::Reply => tcp::Seen::Output,
        Direction::Request => {
            conn.in_packets = conn.in_packets.wrapping_add(1);
            seen_of(conn)
        }
    };
    conn.last_seen = context.now.0;
    advance(meta, conn, seen, server, context)
}

/// A reply that passes here, though it need not: totals and state are those of any reply.
pub(super) fn pass_by<B>(meta: &Meta, index: u32, shard: &mut Shard<B>, context: Context<'_>) {
    let conn = &mut shard.table[index];
    let server = context.servers.get(conn.server_slot);
    let available = server.is_some_and(|server| server.available.load(Relaxed));
    if available && let Some(totals) = context.link.totals.get(conn.server_slot) {
        totals.packet(Direction::Reply, meta.ip_len());
    }
    conn.set(flag::NO_OUTPUT, false);
    conn.last_seen = context.now.0;
    if states::advance(meta, conn, tcp::Seen::Output, server, context) {
        shard.shortened(index);
    }
}

const GONE: Next<'_> = Next::Step(Step::Drop(Drop::ServerGone));

/// What a packet of the client is to the states. Replies to a bypass do not come here either, but the kernel does not say
/// so of it.
#[inline(always)]
fn seen_of(conn: &Conn) -> tcp::Seen {
    if conn.has(flag::NO_OUTPUT) && conn.method() != ForwardMethod::Bypass {
        tcp::Seen::InputOnly
    } else {
        tcp::Seen::Input
    }
}

/// Why a packet of a connection is sent on.
#[inline(always)]
pub(super) fn reason(conn: &Conn, direction: Direction) -> Forward {
    match (direction, conn.method()) {
        (Direction::Reply, _) => Forward::NatReply,
        (Direction::Request, ForwardMethod::Nat) => Forward::NatRequest,
        (Direction::Request, ForwardMethod::Dr) => Forward::Dr,
        (Direction::Request, ForwardMethod::Bypass) => Forward::Bypass,
        (Direction::Request, ForwardMethod::Tun) => Forward::Tun,
    }
}

/// The state of TCP or UDP after this packet, and the counts that follow it. Returns whether the connection's life got
/// shorter.
#[inline(always)]
pub(super) fn advance(
    meta: &Meta,
    conn: &mut Conn,
    seen: tcp::Seen,
    server: Option<&Server>,
    context: Context<'_>,
) -> bool {
    let timeouts = &context.tables.timeouts;
    let timeout = if conn.is_tcp() {
        let next = context.tcp.next(seen, conn.state, meta.tcp_flags);
        if next as u8 != conn.state {
            change_state(conn, next, server, context);
        }
        timeouts.tcp[next as usize]
    } else {
        if seen == tcp::Seen::Output {
            assure(conn, context);
            conn.state = udp::State::Stream as u8;
        }
        timeouts.udp.0[usize::from(conn.state)]
    };
    let before = std::mem::replace(&mut conn.timeout, timeout);
    timeout < before
}

#[inline(never)]
fn change_state(conn: &mut Conn, next: tcp::State, server: Option<&Server>, context: Context<'_>) {
    conn.state = next as u8;
    if next == tcp::State::Established {
        assure(conn, context);
    }
    count_as(conn, !next.is_active(), server);
}

/// Moves a connection between its server's counts.
pub(super) fn count_as(conn: &mut Conn, inactive: bool, server: Option<&Server>) {
    if conn.has(flag::INACTIVE) != inactive {
        conn.set(flag::INACTIVE, inactive);
        if let Some(server) = server {
            server.shift(inactive);
        }
    }
}

/// The template of a connection that was established, or answered, is no longer dropped with it.
pub(super) fn assure(conn: &mut Conn, context: Context<'_>) {
    if conn.controller != NONE && !conn.has(flag::ASSURED) {
        conn.set(flag::ASSURED, true);
        context.tables.templates.assure(conn.controller);
    }
}

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
fn remembered<'a>(
    meta: &Meta,
    len: usize,
    conn: &Conn,
    direction: Direction,
    context: Context<'a>,
) -> Option<&'a NextHop> {
    let cached = conn.hop(direction);
    let net = &context.tables.net;
    if conn.net_version == net.version
        && meta.ttl > 1
        && let Some(to) = net.hops.get(cached)
        && len <= usize::from(to.mtu)
    {
        return Some(to);
    }
    None
}

/// Looks the next hop of a client's packet up, unless the director itself is the server.
#[inline(never)]
fn send_anew(meta: &mut Meta, index: u32, conn: &mut Conn, context: Context<'_>) -> Step {
    hear_again(conn, context);
    if let Some(step) = local::step(meta, conn, context) {
        match step {
            Step::Answer(Answer::TcpReset) => refused(conn, context),
            Step::Answer(Answer::Sctp) => states::aborted(conn, context),
            _ => {}
        }
        return step;
    }
    way::look_up(meta, index, conn, Direction::Request, context)
}

/// A connection sees the reset that the director itself answers for its server.
fn refused(conn: &mut Conn, context: Context<'_>) {
    let next = context.tcp.next(tcp::Seen::Output, conn.state, RST);
    change_state(conn, next, context.servers.get(conn.server_slot), context);
    conn.timeout = context.tables.timeouts.tcp[next as usize];
}
