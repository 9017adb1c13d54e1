//! Rewrite: the bytes of every packet that is sent on, by the method of its connection.

use crate::conn::{ConnTable, NONE};
use crate::forward::Change;
use crate::packet::{Burst, Step};
use crate::port::PacketBuf;

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
