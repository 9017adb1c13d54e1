//! Helpers: who looks into the packets of some connections, one file each. Such a connection remembers no next hop, so that
//! its packets take the long way through the stages and come here, and others are not asked whether they do.

mod ftp;

use crate::conn::Helper;
use crate::method::Treatment;
use crate::packet::Meta;
use crate::pipeline::desk::Desk;
use crate::port::PacketBuf;
use crate::verdict::Drop;

/// A packet of a connection with a helper that is about to be sent on: before one of its ends and its numbers are changed.
#[cold]
#[inline(never)]
pub(super) fn run<B: PacketBuf>(
    packet: &mut B,
    meta: &mut Meta,
    (index, treatment): (u32, Treatment),
    desk: &mut Desk<'_, B>,
) -> Result<(), Drop> {
    let conn = desk.shard.table.snapshot(index);
    let Some(mut helped) = desk.shard.helpers.get(conn.helper()).copied() else { return Ok(()) };
    let result = match &mut helped.by {
        Helper::Ftp(mode) => {
            let control = ftp::Control { conn: &conn, index, mode, controller: &mut helped.controller };
            ftp::run(packet, meta, control, treatment, desk)
        }
    };
    if let Some(place) = desk.shard.helpers.get_mut(conn.helper()) {
        *place = helped;
    }
    result
}
