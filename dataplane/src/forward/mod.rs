//! How packets reach a real server. One file a method.

pub mod dr;
pub mod nat;
pub mod tun;

use crate::conn::{ConnTable, NONE};
use crate::packet::Meta;
use crate::port::PacketBuf;
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
    /// The time to live, and it is wrapped.
    Tun {
        /// For this server.
        server: u32,
    },
}

/// What a tunnel's outer header takes from where the packet leaves, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The director's address there.
    pub source: u32,
    /// Whether the path's MTU is discovered.
    pub pmtu_disc: bool,
    /// The next identification.
    pub id: u16,
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
            Forward::Tun if conn != NONE => Self::Tun { server: table[conn].server },
            _ => Self::Ttl,
        }
    }

    /// Changes a packet; `exit` is asked where a tunnel begins. `false` where its buffer has no room for that.
    #[inline]
    pub fn apply<B: PacketBuf>(self, packet: &mut B, meta: &Meta, exit: impl FnOnce() -> Exit) -> bool {
        match self {
            Self::Nothing => {}
            Self::Ttl => dr::rewrite(packet.data_mut(), meta),
            Self::Nat(new) => nat::rewrite(packet.data_mut(), meta, &new),
            Self::Tun { server } => {
                dr::rewrite(packet.data_mut(), meta);
                let Exit { source, pmtu_disc, id } = exit();
                let df = meta.df && pmtu_disc;
                return tun::wrap(packet, meta, &tun::Outer { source, server, df, id: if df { 0 } else { id } });
            }
        }
        true
    }
}
