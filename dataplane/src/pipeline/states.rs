//! States of what is not usual: SCTP (`set_sctp_state`), and packets that belong to a connection without being of its
//! protocol (AH, ESP), which change none. The usual protocols are in `track.rs`, where a packet costs least.

use super::{Context, track};
use crate::conn::Conn;
use crate::packet::{Kind, Meta};
use crate::proto::sctp::{self, Event, State};
use crate::proto::tcp::Seen;
use crate::service::Server;

/// The state after a packet, and the counts that follow it. Returns whether the connection's life got shorter.
pub(super) fn advance(meta: &Meta, conn: &mut Conn, seen: Seen, server: Option<&Server>, context: Context<'_>) -> bool {
    match meta.kind {
        Kind::Sctp4 | Kind::Sctp6 => associate(sctp::next(seen, conn.state, meta.tcp_flags), conn, server, context),
        kind if kind.is_ipsec() => false,
        _ => track::advance(meta, conn, seen, server, context),
    }
}

fn associate(next: Option<State>, conn: &mut Conn, server: Option<&Server>, context: Context<'_>) -> bool {
    let Some(next) = next else { return false };
    if next as u8 != conn.state {
        conn.state = next as u8;
        track::count_as(conn, !next.is_active(), server);
        if next == State::Established {
            track::assure(conn, context);
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
    State::from_number(conn.state) == State::Closed
}
