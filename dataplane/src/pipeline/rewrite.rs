//! Rewrite: the bytes of every packet that is sent on, by the method of its connection.

use crate::conn::{ConnTable, NONE};
use crate::forward::{dr, nat};
use crate::packet::{Burst, Step};
use crate::port::PacketBuf;
use crate::verdict::Forward;

pub(super) fn run<B: PacketBuf>(burst: &mut Burst<B>, table: &ConnTable) {
    for (packet, meta) in burst.packets.iter_mut().zip(&burst.meta) {
        let Step::Send { conn, reason, .. } = meta.step else { continue };
        let frame = packet.data_mut();
        match reason {
            Forward::NatRequest if conn != NONE => {
                let conn = &table[conn];
                nat::rewrite(frame, meta, nat::Side::Destination, conn.server, conn.server_port);
            }
            Forward::NatReply if conn != NONE => {
                let conn = &table[conn];
                nat::rewrite(frame, meta, nat::Side::Source, conn.vip, conn.vip_port);
            }
            _ => dr::rewrite(frame, meta),
        }
    }
}
