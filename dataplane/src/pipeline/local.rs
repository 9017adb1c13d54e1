//! A server that is the director itself (the kernel's LocalNode). No program listens here, so the director answers as a
//! host that nobody listens on, in the name of the virtual address; the connection sees the answer like any reply.

use std::net::Ipv4Addr;

use super::Context;
use crate::conn::Conn;
use crate::flow::{ForwardMethod, Protocol};
use crate::packet::{Kind, Meta, Step};
use crate::verdict::{Answer, Drop};
use crate::wire::tcp::RST;

/// Whether a server is the director itself.
pub(super) fn is_here(server: Ipv4Addr, context: Context<'_>) -> bool {
    server.is_loopback() || context.tables.locals.v4.get(&server.to_bits()) == Some(&true)
}

/// What becomes of a client's packet, if its server is here.
pub(super) fn step(meta: &Meta, conn: &Conn, context: Context<'_>) -> Option<Step> {
    let server = Ipv4Addr::from_bits(conn.server);
    // A loopback address is that of the server's own host, and no packet brings one from outside: `ip_vs_nat_xmit`.
    if server.is_loopback() && conn.method() == ForwardMethod::Nat {
        return Some(Step::Drop(Drop::Martian));
    }
    is_here(server, context).then(|| match Protocol::from_number(conn.protocol) {
        Some(Protocol::Tcp) if meta.tcp_flags & RST != 0 => Step::Drop(Drop::StrayReset),
        Some(Protocol::Tcp) => Step::Answer(Answer::TcpReset),
        Some(Protocol::Sctp) if meta.tcp_flags & RST != 0 => Step::Drop(Drop::StrayReset),
        Some(Protocol::Sctp) => Step::Answer(Answer::Sctp),
        Some(Protocol::Udp) if meta.kind != Kind::Ipsec4 => Step::Answer(Answer::PortUnreachable),
        _ => Step::Answer(Answer::ProtocolUnreachable),
    })
}
