//! How packets reach a real server. One file a method.

pub mod dr;
pub mod nat;

use crate::conn::{ConnTable, NONE};
use crate::packet::Meta;
use crate::verdict::Forward;
use crate::wire::checksum;

/// What changes in a packet that is sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: it is the director's own.
    Nothing,
    /// The time to live.
    Ttl,
    /// The time to live, and one end.
    Nat(nat::NewEnd),
}

impl Change {
    /// What changes in a packet of a connection, or of none.
    #[inline]
    #[must_use]
    pub fn of(table: &ConnTable, conn: u32, reason: Forward) -> Self {
        match reason {
            Forward::NatRequest if conn != NONE => {
                let conn = &table[conn];
                Self::Nat(nat::NewEnd {
                    side: nat::Side::Destination,
                    address: conn.server,
                    port: conn.server_port,
                    header: checksum::Change::from_number(conn.header_change),
                    transport: checksum::Change::from_number(conn.transport_change),
                })
            }
            Forward::NatReply if conn != NONE => {
                let conn = &table[conn];
                Self::Nat(nat::NewEnd {
                    side: nat::Side::Source,
                    address: conn.vip,
                    port: conn.vip_port,
                    header: checksum::Change::from_number(conn.header_change).reversed(),
                    transport: checksum::Change::from_number(conn.transport_change).reversed(),
                })
            }
            _ => Self::Ttl,
        }
    }

    /// Changes a packet.
    #[inline]
    pub fn apply(self, frame: &mut [u8], meta: &Meta) {
        match self {
            Self::Nothing => {}
            Self::Ttl => dr::rewrite(frame, meta),
            Self::Nat(new) => nat::rewrite(frame, meta, &new),
        }
    }
}
