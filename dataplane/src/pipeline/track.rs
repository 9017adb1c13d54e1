//! Track: every packet of a connection moves its state and stores "last seen". After `ip_vs_in`, `handle_response`
//! and `set_tcp_state`.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::Ordering::Relaxed;

use super::{Context, Next};
use crate::conn::{Conn, NONE, flag};
use crate::flow::{Direction, ForwardMethod, Protocol};
use crate::packet::{Meta, Step};
use crate::proto::{tcp, udp};
use crate::service::Server;
use crate::shard::Shard;
use crate::tables::Path;
use crate::verdict::{Answer, Drop, Forward};
use crate::wire::tcp::SYN;

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
    if nodest && server.is_none_or(|server| !server.available.load(Relaxed)) {
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
        tcp::State::TimeWait | tcp::State::Close => true,
        tcp::State::FinWait => mode & 2 != 0 && conn.has(flag::NO_OUTPUT),
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
    match packet(meta, conn, direction, shard, &context) {
        Next::Leave(hop, _) => Step::Send { conn, reason: reason(&shard.table[conn], direction), hop },
        Next::Step(step) => step,
    }
}

/// A packet of a connection: its totals, its state, its next hop. `ip_vs_in` looks at the server first: what goes to one
/// that was removed is dropped in silence. A reply is routed, and a router looks at the time to live before anything
/// else.
#[inline(always)]
pub(super) fn packet<'a, B>(
    meta: &mut Meta,
    index: u32,
    direction: Direction,
    shard: &mut Shard<B>,
    context: &Context<'a>,
) -> Next<'a> {
    let reply = direction == Direction::Reply;
    let len = meta.ip_len();
    if reply && meta.ttl <= 1 {
        return Next::Step(Step::Answer(Answer::TtlExceeded));
    }
    let conn = &mut shard.table[index];
    let Some(server) = context.servers.get(conn.server_slot) else { return GONE };
    let available = server.available.load(Relaxed);
    if !available && !reply {
        return GONE;
    }
    if available && let Some(totals) = context.link.totals.get(conn.server_slot) {
        totals.packet(direction, len);
    }
    if !reply {
        conn.in_packets = conn.in_packets.wrapping_add(1);
    }
    let seen = match direction {
        Direction::Reply => tcp::Seen::Output,
        Direction::Request if conn.has(flag::NO_OUTPUT) => tcp::Seen::InputOnly,
        Direction::Request => tcp::Seen::Input,
    };
    conn.last_seen = context.now.0;
    let shorter = advance(meta, conn, seen, server, context);
    let next = towards(meta, len, index, conn, direction, context);
    if shorter {
        shard.shortened(index);
    }
    next
}

const GONE: Next<'_> = Next::Step(Step::Drop(Drop::ServerGone));

/// Why a packet of a connection is sent on.
#[inline(always)]
pub(super) fn reason(conn: &Conn, direction: Direction) -> Forward {
    match (direction, conn.method()) {
        (Direction::Reply, _) => Forward::NatReply,
        (Direction::Request, _) if !conn.has(flag::NO_OUTPUT) => Forward::NatRequest,
        (Direction::Request, ForwardMethod::Nat) => Forward::NatRequest,
        (Direction::Request, ForwardMethod::Dr) => Forward::Dr,
    }
}

/// The state after this packet, and the counts that follow it. Returns whether the connection's life got shorter.
#[inline(always)]
fn advance(meta: &Meta, conn: &mut Conn, seen: tcp::Seen, server: &Server, context: &Context<'_>) -> bool {
    let timeouts = &context.tables.timeouts;
    let timeout = if conn.protocol == Protocol::Tcp.number() {
        let next = context.tcp.next(seen, conn.state, meta.tcp_flags);
        if next as u8 != conn.state {
            change_state(conn, next, server, *context);
        }
        timeouts.tcp[next as usize]
    } else {
        if seen == tcp::Seen::Output {
            assure(conn, *context);
        }
        conn.state = udp::NORMAL;
        timeouts.udp
    };
    let before = std::mem::replace(&mut conn.timeout, timeout);
    timeout < before
}

#[inline(never)]
fn change_state(conn: &mut Conn, next: tcp::State, server: &Server, context: Context<'_>) {
    conn.state = next as u8;
    if next == tcp::State::Established {
        assure(conn, context);
    }
    let inactive = !next.is_active();
    if conn.has(flag::INACTIVE) != inactive {
        conn.set(flag::INACTIVE, inactive);
        server.shift(inactive);
    }
}

/// The template of a connection that was established, or answered, is no longer dropped with it.
fn assure(conn: &mut Conn, context: Context<'_>) {
    if conn.controller != NONE && !conn.has(flag::ASSURED) {
        conn.set(flag::ASSURED, true);
        context.tables.templates.assure(conn.controller);
    }
}

/// To the next hop that the connection remembers, if the tables are still those and its link takes the packet.
#[inline(always)]
fn towards<'a>(
    meta: &mut Meta,
    len: usize,
    index: u32,
    conn: &mut Conn,
    direction: Direction,
    context: &Context<'a>,
) -> Next<'a> {
    let cached = match direction {
        Direction::Request => conn.hop_request,
        Direction::Reply => conn.hop_reply,
    };
    let net = &context.tables.net;
    if conn.net_version == net.version
        && meta.ttl > 1
        && let Some(to) = net.hops.get(cached)
        && len <= usize::from(to.mtu)
    {
        return Next::Leave(cached, to);
    }
    Next::Step(send_anew(meta, index, conn, direction, *context))
}

/// Looks the next hop up, and remembers it.
#[inline(never)]
fn send_anew(meta: &mut Meta, index: u32, conn: &mut Conn, direction: Direction, context: Context<'_>) -> Step {
    let target = match direction {
        Direction::Request => conn.server,
        Direction::Reply => conn.client,
    };
    let reason = reason(conn, direction);
    let step = send(meta, index, reason, Ipv4Addr::from_bits(target).into(), context);
    if let Step::Send { hop, .. } = step {
        remember(conn, direction, hop, context.tables.net.version);
    }
    step
}

/// Keeps a next hop with the version of the tables that gave it; those of older tables are forgotten.
fn remember(conn: &mut Conn, direction: Direction, hop: u32, version: u32) {
    if conn.net_version != version {
        (conn.net_version, conn.hop_request, conn.hop_reply) = (version, NONE, NONE);
    }
    match direction {
        Direction::Request => conn.hop_request = hop,
        Direction::Reply => conn.hop_reply = hop,
    }
}

/// Sends a packet towards `target`.
#[inline(never)]
pub(super) fn send(meta: &mut Meta, conn: u32, reason: Forward, target: IpAddr, context: Context<'_>) -> Step {
    if meta.ttl <= 1 {
        return Step::Answer(Answer::TtlExceeded);
    }
    match context.tables.net.path(target) {
        Path::Hop(hop) => limits(meta, conn, reason, hop, context),
        Path::Unresolved { .. } => Step::Send { conn, reason, hop: NONE },
        // The client knows the virtual address as one host, and that is what cannot be reached.
        Path::Unreachable if conn != NONE => Step::Answer(Answer::HostUnreachable),
        Path::Unreachable => Step::Answer(Answer::NetUnreachable),
        Path::Blackhole => Step::Drop(Drop::Blackhole),
    }
}

/// What the next link and the time to live allow.
fn limits(meta: &mut Meta, conn: u32, reason: Forward, hop: u32, context: Context<'_>) -> Step {
    if meta.ttl <= 1 {
        return Step::Answer(Answer::TtlExceeded);
    }
    let mtu = context.tables.net.hops.get(hop).map_or(u16::MAX, |hop| hop.mtu);
    if meta.ip_len() <= usize::from(mtu) {
        return Step::Send { conn, reason, hop };
    }
    meta.mtu = mtu;
    if meta.df { Step::Answer(Answer::TooBig) } else { Step::Drop(Drop::NeedsFragmenting) }
}
