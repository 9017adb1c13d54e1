//! One route for all connections of a server: an oddity of the kernel, kept under `strict_parity` alone.
//!
//! `__ip_vs_get_out_rt` keeps a route with the server. The first packet after the server was edited makes it, and the
//! packets of all its connections use it, whatever their method:
//!
//! ```text
//! made by DR           the next hop on a link is the server (FLOWI_FLAG_KNOWN_NH)
//! made by NAT or TUN   the next hop on a link is whom the packet is addressed to
//! ```
//!
//! So after an edit from NAT to DR, a packet of an old connection makes the route, and the packets of new ones ask the
//! servers' link for the virtual address, which nobody there may answer.

use crate::conn::ConnTable;
use crate::pipeline::scene::Context;
use crate::route::Action;
use crate::tables::Path;

/// Where the kernel sends a client's packet.
#[cold]
pub(super) fn path(table: &ConnTable, index: u32, context: Context<'_>) -> Path {
    let (conn, server) = (&table[index], table.server_address(index));
    let net = &context.tables.net;
    let direct = conn.method().row().next_hop_is_server;
    let known = context.servers.get(conn.server_slot()).is_none_or(|server| server.shares_direct_route(direct));
    match net.routes.lookup(server) {
        Some(Action::OnLink { interface }) if direct && !known => net.neighbor(interface, table.vip_address(index)),
        _ => net.path(server),
    }
}
