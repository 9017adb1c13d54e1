//! Track: every packet of a connection moves its state and stores "last seen". After `ip_vs_in`, `handle_response`
//! and `set_tcp_state`.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::Ordering::Relaxed;

use super::Context;
use crate::conn::{Conn, NONE, flag};
use crate::flow::{Direction, Protocol};
use crate::forward::ForwardMethod;
use crate::packet::{Meta, Step};
use crate::proto::{tcp, udp};
use crate::service::Server;
use crate::shard::Shard;
use crate::tables::Path;
use crate::verdict::{Answer, Drop, Forward};
use crate::wire::tcp::SYN;

/// Whether a new SYN may take the tuple of a connection that is over.
pub(super) fn starts_anew(meta: &Meta, conn: &Conn) -> bool {
    conn.protocol == Protocol::Tcp.number()
        && meta.tcp_flags & SYN != 0
        && conn.controller == NONE
        && matches!(tcp::State::from_number(conn.state), tcp::State::TimeWait | tcp::State::Close)
}

/// A packet from the client.
pub(super) fn request<B>(meta: &mut Meta, index: u32, shard: &mut Shard<B>, context: Context<'_>) -> Step {
    let conn = &mut shard.table[index];
    let Some(server) = context.servers.get(conn.server_slot) else { return Step::Drop(Drop::ServerGone) };
    if !server.available.load(Relaxed) {
        return Step::Drop(Drop::ServerGone);
    }
    if let Some(totals) = context.link.totals.get(conn.server_slot) {
        totals.request(meta.ip_len());
    }
    conn.in_packets = conn.in_packets.wrapping_add(1);
    let seen = if conn.has(flag::NO_OUTPUT) { tcp::Seen::InputOnly } else { tcp::Seen::Input };
    advance(meta, index, seen, server, shard, context);
    let conn = &mut shard.table[index];
    let reason = match conn.method() {
        ForwardMethod::Nat => Forward::NatRequest,
        ForwardMethod::Dr => Forward::Dr,
    };
    send_cached(meta, index, conn, Direction::Request, reason, context)
}

/// A packet from the server. A router looks at the time to live before anything else.
pub(super) fn reply<B>(meta: &mut Meta, index: u32, shard: &mut Shard<B>, context: Context<'_>) -> Step {
    if meta.ttl <= 1 {
        return Step::Answer(Answer::TtlExceeded);
    }
    let slot = shard.table[index].server_slot;
    let Some(server) = context.servers.get(slot) else { return Step::Drop(Drop::ServerGone) };
    if let Some(totals) = context.link.totals.get(slot).filter(|_| server.available.load(Relaxed)) {
        totals.reply(meta.ip_len());
    }
    advance(meta, index, tcp::Seen::Output, server, shard, context);
    let conn = &mut shard.table[index];
    send_cached(meta, index, conn, Direction::Reply, Forward::NatReply, context)
}

/// The state after this packet, and the counts that follow it.
fn advance<B>(meta: &Meta, index: u32, seen: tcp::Seen, server: &Server, shard: &mut Shard<B>, context: Context<'_>) {
    let conn = &mut shard.table[index];
    let timeouts = &context.tables.timeouts;
    let before = conn.timeout;
    conn.last_seen = context.now.0;
    if conn.protocol == Protocol::Tcp.number() {
        let next = tcp::next(seen, conn.state, meta.tcp_flags);
        if next as u8 != conn.state {
            conn.state = next as u8;
            let inactive = !next.is_active();
            if conn.has(flag::INACTIVE) != inactive {
                conn.set(flag::INACTIVE, inactive);
                server.shift(inactive);
            }
        }
        conn.timeout = timeouts.tcp[next as usize];
    } else {
        conn.state = udp::NORMAL;
        conn.timeout = timeouts.udp;
    }
    if conn.timeout < before {
        shard.shortened(index);
    }
}

/// Sends a packet of a connection to the next hop that the connection remembers, if the tables are still those.
fn send_cached(
    meta: &mut Meta,
    index: u32,
    conn: &mut Conn,
    direction: Direction,
    reason: Forward,
    context: Context<'_>,
) -> Step {
    let net = &context.tables.net;
    if conn.net_version != net.version {
        conn.net_version = net.version;
        conn.hop_request = NONE;
        conn.hop_reply = NONE;
    }
    let (cached, target) = match direction {
        Direction::Request => (&mut conn.hop_request, conn.server),
        Direction::Reply => (&mut conn.hop_reply, conn.client),
    };
    if *cached == NONE {
        let step = send(meta, index, reason, Ipv4Addr::from_bits(target).into(), context);
        if let Step::Send { hop, .. } = step {
            *cached = hop;
        }
        return step;
    }
    limits(meta, index, reason, *cached, context)
}

/// Sends a packet towards `target`.
pub(super) fn send(meta: &mut Meta, conn: u32, reason: Forward, target: IpAddr, context: Context<'_>) -> Step {
    if meta.ttl <= 1 {
        return Step::Answer(Answer::TtlExceeded);
    }
    match context.tables.net.path(target) {
        Path::Hop(hop) => limits(meta, conn, reason, hop, context),
        Path::Unresolved { .. } => Step::Send { conn, reason, hop: NONE },
        Path::Unreachable => Step::Answer(Answer::NetUnreachable),
        Path::Blackhole => Step::Drop(Drop::Blackhole),
    }
}

/// What the next link and the time to live allow.
#[inline]
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
