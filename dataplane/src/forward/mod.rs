//! How packets reach a real server. One file a method.

pub mod dr;
pub mod grow;
pub mod icmp;
pub mod nat;
pub mod nat6;
mod nat_sctp;
pub mod seq;
pub mod tun;

use std::net::IpAddr;

use crate::conn::{Conn, ConnTable, NONE, Six, flag};
use crate::flow::Direction;
use crate::method::Rewrite;
use crate::packet::Meta;

/// What changes in a packet that is sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: it is the director's own.
    Nothing,
    /// The time to live.
    Ttl,
    /// The time to live, and the ends.
    Nat(nat::NewEnds),
    /// The hop limit and the ends of an IPv6 packet.
    Nat6(nat6::NewEnds),
    /// The time to live, the ends and the numbers of a TCP segment.
    Shifted(nat::NewEnds, seq::Shifting),
    /// The hop limit, the ends and the numbers of a TCP segment in IPv6.
    Shifted6(nat6::NewEnds, seq::Shifting),
    /// The time to live and one end of an ICMP error, and one of the packet that it quotes.
    Icmp(icmp::NewEnd),
    /// The time to live; then it is wrapped, when it is known where it leaves ([`tun::wrap`]).
    Tun {
        /// For this server.
        server: IpAddr,
    },
}

/// Changes the usual packet of a connection of either family that goes through no tunnel: what [`Change::in_table`] says,
/// without its description in between, which costs IPv6 one instruction in fifteen there.
#[inline(always)]
pub fn change(frame: &mut [u8], meta: &Meta, (conn, six): (&Conn, Six<'_>), rewrite: Rewrite) {
    let is_six = conn.has(flag::CLIENT_V6);
    let end = |direction| nat6::NewEnds::of(conn, six.addresses(), direction);
    match rewrite {
        Rewrite::ToServer if is_six => nat6::rewrite(frame, meta, &end(Direction::Request)),
        Rewrite::ToClient if is_six => nat6::rewrite(frame, meta, &end(Direction::Reply)),
        Rewrite::ToServer | Rewrite::ToClient => change4(frame, meta, conn, rewrite),
        _ => dr::rewrite(frame, meta),
    }
}

/// Changes the usual IPv4 packet of a connection that goes through no tunnel.
#[inline(always)]
pub fn change4(frame: &mut [u8], meta: &Meta, conn: &Conn, rewrite: Rewrite) {
    match rewrite {
        Rewrite::ToServer => nat::rewrite(frame, meta, &nat::NewEnds::of(conn, Direction::Request)),
        Rewrite::ToClient => nat::rewrite(frame, meta, &nat::NewEnds::of(conn, Direction::Reply)),
        _ => dr::rewrite4(frame, meta),
    }
}

impl Change {
    /// What changes in an IPv4 packet of a connection that goes through no tunnel, and is no error.
    fn of4(conn: &Conn, rewrite: Rewrite) -> Self {
        match rewrite {
            Rewrite::ToServer => Self::Nat(nat::NewEnds::of(conn, Direction::Request)),
            Rewrite::ToClient => Self::Nat(nat::NewEnds::of(conn, Direction::Reply)),
            _ => Self::Ttl,
        }
    }

    /// What changes in a packet of a connection, or of none.
    #[must_use]
    pub fn in_table(table: &ConnTable, index: u32, rewrite: Rewrite) -> Self {
        if index == NONE {
            return Self::Ttl;
        }
        let ends = Self::of_ends(table, index, rewrite);
        let Some(shifts) = table.shifts(index) else { return ends };
        let direction = if rewrite == Rewrite::ToClient { Direction::Reply } else { Direction::Request };
        match ends {
            Self::Nat(new) => Self::Shifted(new, seq::Shifting::of(shifts, direction)),
            Self::Nat6(new) => Self::Shifted6(new, seq::Shifting::of(shifts, direction)),
            _ => ends,
        }
    }

    /// What changes in a packet of a connection, but for its sequence numbers.
    fn of_ends(table: &ConnTable, index: u32, rewrite: Rewrite) -> Self {
        let conn = &table[index];
        let is_six = conn.has(flag::CLIENT_V6);
        let end6 = |direction| Self::Nat6(nat6::NewEnds::of(conn, table.addresses(index), direction));
        match rewrite {
            Rewrite::ToServer if is_six => end6(Direction::Request),
            Rewrite::ToClient if is_six => end6(Direction::Reply),
            Rewrite::Wrapped => Self::Tun { server: table.server_address(index) },
            Rewrite::ErrorToServer => Self::Icmp(icmp::NewEnd::of(table, index, Direction::Request)),
            Rewrite::ErrorToClient => Self::Icmp(icmp::NewEnd::of(table, index, Direction::Reply)),
            Rewrite::ToServer | Rewrite::ToClient | Rewrite::Nothing => Self::of4(conn, rewrite),
        }
    }

    /// Changes a packet.
    pub fn apply(self, frame: &mut [u8], meta: &Meta) {
        match self {
            Self::Nothing => {}
            Self::Ttl | Self::Tun { .. } => dr::rewrite(frame, meta),
            Self::Nat(new) => nat::rewrite(frame, meta, &new),
            Self::Nat6(new) => nat6::rewrite(frame, meta, &new),
            Self::Shifted(new, shifting) => {
                nat::rewrite(frame, meta, &new);
                shifting.apply(frame, meta);
            }
            Self::Shifted6(new, shifting) => {
                nat6::rewrite(frame, meta, &new);
                shifting.apply(frame, meta);
            }
            Self::Icmp(new) => icmp::rewrite(frame, meta, &new),
        }
    }
}
