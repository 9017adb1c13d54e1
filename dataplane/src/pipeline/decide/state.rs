//! States: how a packet moves its connection on (`set_tcp_state`, `udp_state_transition`, `set_sctp_state`). A packet that
//! belongs to a connection without being of its protocol (AH, ESP) moves none.

use crate::conn::{Conn, ConnTable, Moved, flag};
use crate::packet::{Kind, Meta};
use crate::pipeline::scene::Context;
use crate::proto::sctp::{self, Event};
use crate::proto::tcp::Seen;
use crate::proto::{tcp, udp};
use crate::service::Server;
use crate::wire::tcp::RST;

/// Whether a packet of TCP or UDP leaves state and timeout of its connection as they are, as most do.
#[inline(always)]
pub(super) fn is_settled(meta: &Meta, conn: &Conn, seen: Seen, context: Context<'_>) -> bool {
    let (state, timeouts) = (conn.state(), &context.tables.timeouts);
    if conn.is_tcp() {
        let next = context.tcp.next(seen, state, meta.tcp_flags);
        next as u8 == state && timeouts.tcp[next as usize] == conn.timeout()
    } else {
        let answered = state == udp::State::Stream as u8 && !waits_for_assurance(conn);
        (seen != Seen::Output || answered) && timeouts.udp.0[usize::from(state)] == conn.timeout()
    }
}

/// Moves a connection on by a packet. Returns whether its life got shorter, which is the wheel's business.
#[inline(always)]
pub(super) fn advance(
    meta: &Meta,
    index: u32,
    (seen, server): (Seen, Option<&Server>),
    table: &mut ConnTable,
    context: Context<'_>,
) -> bool {
    let conn = &table[index];
    if meta.kind.is_transport() && conn.is_tcp() {
        let next = context.tcp.next(seen, conn.state(), meta.tcp_flags);
        return connect(next, index, server, table, context);
    }
    advance_other(meta, index, (seen, server), table, context)
}

/// Moves a connection on by a packet that is not of TCP, or has options.
#[inline(never)]
fn advance_other(
    meta: &Meta,
    index: u32,
    (seen, server): (Seen, Option<&Server>),
    table: &mut ConnTable,
    context: Context<'_>,
) -> bool {
    let conn = &table[index];
    match meta.kind {
        Kind::Sctp4 | Kind::Sctp6 => {
            let next = sctp::next(seen, conn.state(), meta.tcp_flags);
            next.is_some_and(|next| associate(next, index, server, table, context))
        }
        kind if kind.is_ipsec() => false,
        _ if conn.is_tcp() => {
            let next = context.tcp.next(seen, conn.state(), meta.tcp_flags);
            connect(next, index, server, table, context)
        }
        _ => {
            if seen == Seen::Output {
                assure(index, table, context);
            }
            let state = if seen == Seen::Output { udp::State::Stream as u8 } else { table[index].state() };
            let timeout = context.tables.timeouts.udp.0[usize::from(state)];
            table.advance(index, Moved { state, active: false, timeout }, server)
        }
    }
}

/// The next state of TCP.
#[inline(always)]
fn connect(next: tcp::State, index: u32, server: Option<&Server>, table: &mut ConnTable, context: Context<'_>) -> bool {
    let timeout = context.tables.timeouts.tcp[next as usize];
    if next == tcp::State::Established && table[index].state() != next as u8 {
        assure(index, table, context);
    }
    table.advance(index, Moved { state: next as u8, active: next.is_active(), timeout }, server)
}

/// The next state of SCTP.
fn associate(
    next: sctp::State,
    index: u32,
    server: Option<&Server>,
    table: &mut ConnTable,
    context: Context<'_>,
) -> bool {
    let timeout = context.tables.timeouts.sctp[next as usize];
    if next == sctp::State::Established && table[index].state() != next as u8 {
        assure(index, table, context);
    }
    table.advance(index, Moved { state: next as u8, active: next.is_active(), timeout }, server)
}

/// A connection sees the reset of TCP, or the ABORT of SCTP, that the director itself answers for its server.
pub(super) fn refused(index: u32, table: &mut ConnTable, context: Context<'_>) {
    let conn = &table[index];
    let server = context.servers.get(conn.server_slot());
    if conn.is_tcp() {
        let next = context.tcp.next(Seen::Output, conn.state(), RST);
        connect(next, index, server, table, context);
    } else if let Some(next) = sctp::after(Seen::Output, conn.state(), Event::Abort) {
        associate(next, index, server, table, context);
    }
}

/// Whether a new INIT may take the tuple of an SCTP connection.
pub(super) fn is_over(conn: &Conn) -> bool {
    sctp::State::from_number(conn.state()) == Some(sctp::State::Closed)
}

/// Whether a connection's template is still to learn that it was established, or answered.
#[inline(always)]
const fn waits_for_assurance(conn: &Conn) -> bool {
    conn.flags() & (flag::CONTROLLED | flag::ASSURED) == flag::CONTROLLED
}

/// The template of a connection that was established, or answered, is no longer dropped with it.
#[inline(never)]
fn assure(index: u32, table: &mut ConnTable, context: Context<'_>) {
    if waits_for_assurance(&table[index]) {
        table[index].set::<{ flag::ASSURED }>(true);
        context.templates.assure(table.controller(index));
    }
}

/// What a packet of the client is to the states. Replies to a bypass do not come here either, but the kernel does not say
/// so of it.
#[inline(always)]
pub(super) fn seen_of(conn: &Conn) -> Seen {
    if conn.has(flag::NO_OUTPUT) { Seen::InputOnly } else { Seen::Input }
}
