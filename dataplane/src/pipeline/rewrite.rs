//! Rewrite: the bytes of a packet that is sent on, by the method of its connection.

use crate::conn::{ConnTable, NONE};
use crate::forward::Change;
use crate::packet::{Meta, Step};
use crate::port::PacketBuf;

/// A packet that must wait for its neighbour stays as it came: should nobody answer, its sender is told of what it
/// sent.
pub(super) fn run<B: PacketBuf>(packet: &mut B, meta: &Meta, table: &ConnTable) {
    if let Step::Send { conn, reason, hop } = meta.step
        && hop != NONE
    {
        Change::in_table(table, conn, reason).apply(packet.data_mut(), meta);
    }
}
