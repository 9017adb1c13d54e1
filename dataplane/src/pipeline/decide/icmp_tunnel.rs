//! ICMP errors about packets in tunnels. A router or a server complains to the director, which sent the outer packet. After
//! the tunnel's part of `ip_vs_in_icmp` (`ip_vs_core.c`) and, for what that leaves alone, `udp_err`, `gre_err`
//! (`net/ipv4`) and `udpv6_err` (`net/ipv6`).
//!
//! ```text
//! message: ICMP header | outer IP | nothing, UDP and GUE, or GRE | inner IP, client -> VIP
//! "too big": the path to the server takes no more
//! IPv4 around IPv4, and the client's ports are quoted: the client is told of its own packet; of "too big", what is left
//!            for that, and only if it must not be fragmented
//! ```

use std::net::IpAddr;

use crate::conn::{Conn, Found};
use crate::flow::{Direction, Encapsulation, Family};
use crate::packet::{Meta, Step};
use crate::pipeline::desk::Desk;
use crate::pipeline::find::quote::{Flow, is_right, quote};
use crate::pipeline::find::quoted_tunnel::{self, GRE, IPIP, Tunnelled, UDP};
use crate::pipeline::scene::Context;
use crate::service::Learned;
use crate::tables::Path;
use crate::verdict::{Answer, Drop};
use crate::wire::{be16, be32, icmpv4, icmpv6, ipv4};

const IPV6: u8 = 41;
/// Bits of GRE's first word that say of what only other versions have, or routing (RFC 1701).
const GRE_OTHER: u16 = 0x4007;
/// Bytes behind an IP header that every error quotes (RFC 792).
const QUOTED: usize = 8;

/// What becomes of an error to the director about a packet in a tunnel. What is about no connection teaches, and is then
/// like any other; so is all of a family without a service, but the other family's packets may be in its tunnels.
pub(super) fn run<B>(
    frame: &[u8],
    meta: &mut Meta,
    message: &[u8],
    hooked: bool,
    desk: &mut Desk<'_, B>,
) -> Option<Step> {
    if hooked
        && !meta.kind.is_v6()
        && let Some(step) = about_a_request(frame, meta, message, desk)
    {
        return Some(step);
    }
    let mtu = too_big(message, meta)?;
    let server = server_of(message, meta, desk.context)?;
    if is_right(frame, meta)
        && mtu <= link(server, desk.context)
        && let Some(path) = desk.context.tables.paths.get(&server)
    {
        path.learn(mtu, Family::of(server), desk.context.now, desk.context.servers);
    }
    None
}

/// What becomes of an error about a tunnel that quotes the client's ports.
fn about_a_request<B>(frame: &[u8], meta: &mut Meta, message: &[u8], desk: &mut Desk<'_, B>) -> Option<Step> {
    let tunnel = quoted_tunnel::read(message)?;
    let Found::Conn(index, Direction::Request) = Flow::of(&tunnel.inner, &desk.shard.table)?.find(desk.shard)? else {
        return None;
    };
    let conn = &desk.shard.table[index];
    let server = desk.shard.table.server_address(index);
    if !goes_through(conn, server, &tunnel, desk.context) {
        return None;
    }
    if !is_right(frame, meta) {
        return Some(Step::Drop(Drop::TransportChecksum));
    }
    let told = too_big(message, meta);
    meta.mtu = 0;
    if let Some(mtu) = told {
        let link = link(server, desk.context);
        let learned = learn(conn, server, mtu, link, desk.context)?;
        if tunnel.inner.fragment & ipv4::DF == 0 {
            return Some(Step::Drop(Drop::Icmp));
        }
        meta.mtu = left_for_the_client(learned, link, &tunnel, desk.context);
    }
    desk.context.count(conn, Direction::Reply, message.len() - tunnel.inner.at);
    Some(Step::Answer(Answer::TunnelError))
}

/// What a router says the path takes, if it says that.
fn too_big(message: &[u8], meta: &Meta) -> Option<u16> {
    let [kind, code, ..] = *message.first_chunk::<{ icmpv4::HEADER }>()?;
    if meta.kind.is_v6() {
        let most = || be32(message, icmpv6::MTU).min(u16::MAX.into()) as u16;
        return (kind == icmpv6::TOO_BIG).then(most);
    }
    ([kind, code] == [icmpv4::UNREACHABLE, icmpv4::FRAGMENTATION_NEEDED]).then(|| be16(message, icmpv4::MTU))
}

/// To whom the director sent a packet that may be one of a tunnel: all that a short quote tells. The kernel of a host
/// without tunnels of its own learns of those protocols only that it knows for itself.
fn server_of(message: &[u8], meta: &Meta, context: Context<'_>) -> Option<IpAddr> {
    let outer = quote(message, meta).filter(|outer| !outer.later)?;
    let behind = message.get(outer.l4..).filter(|behind| behind.len() >= QUOTED)?;
    let of_itself = match outer.protocol {
        UDP => true,
        GRE if be16(behind, 0) & GRE_OTHER == 0 => !meta.kind.is_v6(),
        IPIP | IPV6 => false,
        _ => return None,
    };
    let [source, server] = outer.ends;
    let ours = context.tables.locals.has(source) && (of_itself || !context.tables.options.strict_parity);
    ours.then_some(server)
}

/// Whether a connection's packets are wrapped like that, by us.
fn goes_through(conn: &Conn, address: IpAddr, tunnel: &Tunnelled, context: Context<'_>) -> bool {
    let Some(server) = context.servers.get(conn.server_slot()).filter(|server| server.is_tunnel()) else {
        return false;
    };
    let same = match (server.encapsulation(), tunnel.encapsulation) {
        (Encapsulation::Gue { port, .. }, Encapsulation::Gue { port: quoted, .. }) => port == quoted,
        (ours, quoted) => std::mem::discriminant(&ours) == std::mem::discriminant(&quoted),
    };
    let available = server.available.load(std::sync::atomic::Ordering::Relaxed);
    let ends = context.tables.locals.has(tunnel.ends[0]) && address == tunnel.ends[1];
    same && available && ends && conn.treatment(Direction::Request).is_wrapped()
}

/// Bytes of the largest packet that the link to a server takes, if it is known: a path that takes more is none to learn of.
fn link(server: IpAddr, context: Context<'_>) -> u16 {
    let net = &context.tables.net;
    match net.path(server) {
        Path::Hop(hop) => net.hops.get(hop).map_or(u16::MAX, |hop| hop.mtu),
        _ => u16::MAX,
    }
}

/// Teaches a connection's server, and those at the same address.
fn learn(conn: &Conn, address: IpAddr, mtu: u16, link: u16, context: Context<'_>) -> Option<Learned> {
    let server = context.servers.get(conn.server_slot())?;
    if mtu > link {
        return Some(Learned { mtu: server.path.get(context.now), known: true });
    }
    let learned = server.path.learn(mtu, Family::Ipv4, context.now);
    if let Some(path) = context.tables.paths.get(&address) {
        path.learn(mtu, Family::Ipv4, context.now, context.servers);
    }
    Some(learned)
}

/// What the path takes without the headers. The kernel knows what the first error taught it with the next packet only;
/// under `strict_parity` so do we.
fn left_for_the_client(learned: Learned, link: u16, tunnel: &Tunnelled, context: Context<'_>) -> u16 {
    let link = if link == u16::MAX { learned.mtu } else { link };
    let strict = context.tables.options.strict_parity;
    let path = if strict && !learned.known { link } else { learned.mtu.min(link) };
    let headers = (tunnel.inner.at - icmpv4::HEADER) as u16;
    if path > ipv4::LEAST_MTU + headers { path - headers } else { path }
}
