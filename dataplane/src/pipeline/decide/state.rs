//! States: how a packet moves its connection on (`set_tcp_state`, `udp_state_transition`, `set_sctp_state`), and the counts
//! that follow. A packet that belongs to a connection without being of its protocol (AH, ESP) changes none.

use crate::conn::{Conn, NONE, flag};
use crate::packet::{Kind, Meta};
use crate::pipeline::scene::Context;
use crate::proto::sctp::{self, Event};
use crate::proto::tcp::Seen;
use crate::proto::{tcp, udp};
use crate::service::Server;
use crate::wire::tcp::RST;

/// The state after a packet, and the counts that follow it. Returns whether the connection's life got shorter.
pub(super) fn advance(meta: &Meta, conn: &mut Conn, seen: Seen, server: Option<&Server>, context: Context<'_>) -> bool {
    match meta.kind {
        Kind::Sctp4 | Kind::Sctp6 => associate(sctp::next(seen, conn.state, meta.tcp_flags), conn, server, context),
        kind if kind.is_ipsec() => false,
        _ => advance_usual(meta, conn, seen, server, context),
    }
}

fn associate(next: Option<sctp::State>, conn: &mut Conn, server: Option<&Server>, context: Context<'_>) -> bool {
    let Some(next) = next else { return false };
    if next as u8 != conn.state {
        conn.state = next as u8;
        count_as(conn, !next.is_active(), server);
        if next == sctp::State::Established {
            assure(conn, context);
        }
    }
    let timeout = context.tables.timeouts.sctp[next as usize];
    timeout < std::mem::replace(&mut conn.timeout, timeout)
}

/// A connection of SCTP sees the ABORT that the director itself answers for its server.
pub(super) fn aborted(conn: &mut Conn, context: Context<'_>) {
    let next = sctp::after(Seen::Output, conn.state, Event::Abort);
    associate(next, conn, context.servers.get(conn.server_slot), context);
}

/// Whether a new INIT may take the tuple of an SCTP connection.
pub(super) fn is_over(conn: &Conn) -> bool {
    sctp::State::from_number(conn.state) == sctp::State::Closed
}

/// The state of TCP or UDP after this packet, and the counts that follow it. Returns whether the connection's life got
/// shorter.
#[inline(always)]
pub(crate) fn advance_usual(
    meta: &Meta,
    conn: &mut Conn,
    seen: Seen,
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
        if seen == Seen::Output {
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

/// What a packet of the client is to the states. Replies to a bypass do not come here either, but the kernel does not say
/// so of it.
#[inline(always)]
pub(super) fn seen_of(conn: &Conn) -> Seen {
    if conn.has(flag::NO_OUTPUT) && conn.method().row().has_server { Seen::InputOnly } else { Seen::Input }
}

/// A connection of TCP sees the reset that the director itself answers for its server.
pub(super) fn refused(conn: &mut Conn, context: Context<'_>) {
    let next = context.tcp.next(Seen::Output, conn.state, RST);
    change_state(conn, next, context.servers.get(conn.server_slot), context);
    conn.timeout = context.tables.timeouts.tcp[next as usize];
}
