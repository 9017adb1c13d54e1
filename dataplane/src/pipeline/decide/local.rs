//! A server that is the director itself (the kernel's LocalNode). No program listens here, so the director answers as a
//! host that nobody listens on, in the name of the virtual address; the connection sees the answer like any reply.

use std::net::IpAddr;

use crate::conn::ConnTable;
use crate::flow::Protocol;
use crate::packet::{Meta, Step};
use crate::pipeline::scene::Context;
use crate::verdict::{Answer, Drop};
use crate::wire::tcp::RST;

/// Whether a server is the director itself.
pub(super) fn is_here(server: IpAddr, context: Context<'_>) -> bool {
    server.is_loopback() || context.tables.locals.has(server)
}

/// What becomes of a client's packet, if its server is here.
pub(super) fn step(meta: &Meta, table: &ConnTable, index: u32, context: Context<'_>) -> Option<Step> {
    let (conn, server) = (&table[index], table.server_address(index));
    // A loopback address is that of the server's own host, and no packet brings one from outside: `ip_vs_nat_xmit`.
    if server.is_loopback() && conn.method().row().rewrites_ends() {
        return Some(Step::Drop(Drop::Martian));
    }
    is_here(server, context).then(|| match Protocol::from_number(conn.protocol_number()) {
        Some(Protocol::Tcp) if meta.tcp_flags & RST != 0 => Step::Drop(Drop::StrayReset),
        Some(Protocol::Tcp) => Step::Answer(Answer::TcpReset),
        Some(Protocol::Sctp) if meta.tcp_flags & RST != 0 => Step::Drop(Drop::StrayReset),
        Some(Protocol::Sctp) => Step::Answer(Answer::Sctp),
        Some(Protocol::Udp) if meta.kind.has_ports() => Step::Answer(Answer::PortUnreachable),
        _ => Step::Answer(Answer::ProtocolUnreachable),
    })
}
