//! The path of a packet: towards whom it is routed.

use super::shared_route;
use crate::conn::{Conn, NONE};
use crate::method::{Rewrite, Towards, Treatment};
use crate::packet::Meta;
use crate::pipeline::desk::Desk;
use crate::pipeline::scene::Context;
use crate::tables::Path;

/// Where packets of a connection go: towards its client or its server, whatever they are addressed to.
pub(crate) fn of(conn: &Conn, towards: Towards, context: Context<'_>) -> Path {
    let net = &context.tables.net;
    match towards {
        Towards::Client => net.path(conn.client_address()),
        _ if context.tables.options.strict_parity => shared_route::path(conn, context),
        _ => net.path(conn.server_address()),
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
    let conn = &shard.table[conn];
    (of(conn, treatment.towards, context), if treatment.towards == Towards::Client { NONE } else { conn.server_slot })
}
