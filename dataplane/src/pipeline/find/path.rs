//! The path of a packet: towards whom it is routed.

use super::shared_route;
use crate::conn::{ConnTable, NONE};
use crate::method::{Rewrite, Towards, Treatment};
use crate::packet::Meta;
use crate::pipeline::desk::Desk;
use crate::pipeline::scene::Context;
use crate::tables::Path;

/// Where packets of a connection go: towards its client or its server, whatever they are addressed to.
pub(crate) fn of(table: &ConnTable, index: u32, towards: Towards, context: Context<'_>) -> Path {
    let net = &context.tables.net;
    match towards {
        Towards::Client => net.path(table.client_address(index)),
        _ if context.tables.options.strict_parity => shared_route::path(table, index, context),
        _ => net.path(table.server_address(index)),
    }
}

/// Where a packet goes, and the slot of the server that it goes to.
pub(crate) fn whither<B>(
    frame: &[u8],
    meta: &Meta,
    conn: u32,
    treatment: Treatment,
    desk: &Desk<'_, B>,
) -> (Path, u32) {
    let Desk { shard, context, .. } = desk;
    if conn == NONE || treatment.rewrite == Rewrite::ErrorToClient {
        let to = meta.ends(frame).map(|[_, destination]| destination);
        return (to.map_or(Path::Unreachable, |to| context.tables.net.path(to)), NONE);
    }
    let slot = if treatment.towards == Towards::Client { NONE } else { shard.table[conn].server_slot() };
    (of(&shard.table, conn, treatment.towards, context), slot)
}
