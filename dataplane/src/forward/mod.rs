//! How packets reach a real server. One file a method.

pub mod dr;
pub mod nat;
mod nat_sctp;
pub mod tun;

use crate::conn::{Conn, ConnTable, NONE};
use crate::flow::Direction;
use crate::packet::{Kind, Meta};
use crate::verdict::Forward;

/// What changes in a packet that is sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: it is the director's own.
    Nothing,
    /// The time to live.
    Ttl,
    /// The time to live, and one end.
    Nat(nat::NewEnd),
    /// The same of an SCTP packet.
    NatSctp(nat::NewEnd),
    /// The time to live, and one address: what is behind has no port.
    NatAddress(nat::NewEnd),
    /// The time to live; then it is wrapped, when it is known where it leaves ([`tun::wrap`]).
    Tun {
        /// For this server.
        server: u32,
    },
}

impl Change {
    /// What changes in a packet of a connection.
    #[inline(always)]
    #[must_use]
    pub fn of(conn: &Conn, reason: Forward) -> Self {
        match reason {
            Forward::NatRequest => Self::Nat(nat::NewEnd::of(conn, Direction::Request)),
            Forward::NatReply => Self::Nat(nat::NewEnd::of(conn, Direction::Reply)),
            Forward::Tun => Self::Tun { server: conn.server },
            Forward::Dr | Forward::Bypass | Forward::Routed => Self::Ttl,
        }
    }

    /// What changes in a packet of a connection, or of none.
    #[must_use]
    pub fn in_table(table: &ConnTable, conn: u32, reason: Forward, kind: Kind) -> Self {
        let change = if conn == NONE { Self::Ttl } else { Self::of(&table[conn], reason) };
        match (change, kind) {
            (Self::Nat(new), Kind::Sctp4) => Self::NatSctp(new),
            (Self::Nat(new), Kind::Ipsec4) => Self::NatAddress(new),
            _ => change,
        }
    }

    /// Changes a packet.
    #[inline(always)]
    pub fn apply(self, frame: &mut [u8], meta: &Meta) {
        match self {
            Self::Nothing => {}
            Self::Ttl | Self::Tun { .. } => dr::rewrite(frame, meta),
            Self::Nat(new) => nat::rewrite(frame, meta, &new),
            Self::NatSctp(new) => {
                if let Some(packet) = nat::readdress(frame, meta, &new) {
                    nat_sctp::rewrite(packet, &new);
                }
            }
            Self::NatAddress(new) => {
                nat::readdress(frame, meta, &new);
            }
        }
    }
}
