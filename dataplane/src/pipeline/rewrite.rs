//! Rewrite: the bytes of every packet that is sent on, by the method of its connection.

use crate::conn::{ConnTable, NONE};
use crate::forward::{dr, nat};
use crate::packet::{Burst, Meta, Step};
use crate::port::PacketBuf;
use crate::verdict::Forward;

/// What changes in a packet that is sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: it is the director's own.
    Nothing,
    /// The time to live.
    Ttl,
    /// The time to live, and one end.
    Nat {
        /// Which end.
        side: nat::Side,
        /// Its address.
        address: u32,
        /// Its port.
        port: u16,
    },
}

impl Change {
    /// What changes in a packet of a connection, or of none.
    #[inline]
    pub(super) fn of(table: &ConnTable, conn: u32, reason: Forward) -> Self {
        match reason {
            Forward::NatRequest if conn != NONE => {
                let conn = &table[conn];
                Self::Nat { side: nat::Side::Destination, address: conn.server, port: conn.server_port }
            }
            Forward::NatReply if conn != NONE => {
                let conn = &table[conn];
                Self::Nat { side: nat::Side::Source, address: conn.vip, port: conn.vip_port }
            }
            _ => Self::Ttl,
        }
    }

    /// Changes a packet.
    #[inline]
    pub(super) fn apply(self, frame: &mut [u8], meta: &Meta) {
        match self {
            Self::Nothing => {}
            Self::Ttl => dr::rewrite(frame, meta),
            Self::Nat { side, address, port } => nat::rewrite(frame, meta, side, address, port),
        }
    }
}

/// Packets that must wait for their neighbour stay as they came: should nobody answer, their senders are told of what
/// they sent.
pub(super) fn run<B: PacketBuf>(burst: &mut Burst<B>, table: &ConnTable) {
    for (packet, meta) in burst.packets.iter_mut().zip(&burst.meta) {
        if let Step::Send { conn, reason, hop } = meta.step
            && hop != NONE
        {
            Change::of(table, conn, reason).apply(packet.data_mut(), meta);
        }
    }
}
