//! Way: where a packet leaves, and whether the way takes it: time to live, the link's MTU, room for a tunnel's headers. After
//! `__ip_vs_get_out_rt` and `ensure_mtu_is_adequate` (`ip_vs_xmit.c`).

use crate::conn::{Conn, ConnTable, NONE, flag};
use crate::flow::{Direction, Encapsulation, Family};
use crate::method::Treatment;
use crate::neighbor::NextHop;
use crate::packet::{Meta, Step};
use crate::pipeline::find::path;
use crate::pipeline::scene::Context;
use crate::service::Server;
use crate::tables::Path;
use crate::verdict::{Answer, Drop};
use crate::wire::{ipv4, ipv6};

/// Looks the next hop of a connection up, and remembers it.
#[inline(always)]
pub(crate) fn look_up(
    meta: &mut Meta,
    index: u32,
    direction: Direction,
    table: &mut ConnTable,
    context: Context<'_>,
) -> Step {
    let treatment = table[index].treatment(direction);
    if treatment.is_wrapped() {
        wrapping(meta, &table[index], context);
    }
    let step = send(meta, index, treatment, path::of(table, index, treatment.towards, context), context);
    if let Step::Send { hop, .. } = step
        && !table[index].has(flag::HELPED)
    {
        table[index].remember(direction, hop, context.tables.net.version);
    }
    step
}

/// Sends a packet on a way, if the next link and the time to live allow it.
#[inline(never)]
pub(crate) fn send(meta: &mut Meta, conn: u32, treatment: Treatment, way: Path, context: Context<'_>) -> Step {
    if meta.ttl <= 1 {
        return Step::Answer(Answer::TtlExceeded);
    }
    match way {
        Path::Hop(hop) => {
            let refused = context.tables.net.hops.get(hop).and_then(|next| refusal(meta, treatment, next, context));
            refused.unwrap_or(Step::Send { conn, treatment, hop })
        }
        Path::Unresolved { .. } => Step::Send { conn, treatment, hop: NONE },
        // The client knows the virtual address as one host, and that is what cannot be reached.
        Path::Unreachable if conn != NONE => Step::Answer(Answer::HostUnreachable),
        Path::Unreachable => Step::Answer(Answer::NetUnreachable),
        Path::Blackhole => Step::Drop(Drop::Blackhole),
    }
}

/// Why the way to a next hop does not take a packet, if it does not.
pub(crate) fn refusal(meta: &mut Meta, treatment: Treatment, hop: &NextHop, context: Context<'_>) -> Option<Step> {
    if treatment.is_wrapped() {
        return tunnel_refusal(meta, hop, context);
    }
    (meta.df && measure(meta) > usize::from(hop.mtu)).then(|| too_large(meta, treatment.as_host, hop.mtu))
}

/// What a link's room is compared with: of an IPv6 packet that came in fragments, which leave as they came, the largest one.
fn measure(meta: &Meta) -> usize {
    if meta.kind.is_v6() && meta.largest != 0 { meta.largest.into() } else { meta.ip_len() }
}

/// A tunnel needs room for its headers, on the link and on the path, which stands in the packet's `mtu`, and an address
/// that it comes from. Without path MTU discovery the outer packet may be fragmented, whatever the inner one says. A
/// tunnel takes what every link must take (RFC 791, RFC 8200 5), or nothing.
fn tunnel_refusal(meta: &mut Meta, hop: &NextHop, context: Context<'_>) -> Option<Step> {
    if hop.source4 == 0 && hop.source6 == 0 {
        return Some(Step::Answer(Answer::HostUnreachable));
    }
    let outer = if hop.source4 != 0 { Family::Ipv4 } else { Family::Ipv6 };
    let mtu = hop.mtu.min(meta.mtu).saturating_sub(meta.encapsulation.overhead(outer));
    if mtu < least_mtu(outer) {
        return Some(Step::Drop(Drop::TunnelTooNarrow));
    }
    let tell = meta.kind.is_v6() || meta.df && context.tables.sysctls.pmtu_disc != 0;
    (tell && measure(meta) > usize::from(mtu)).then(|| too_large(meta, true, mtu))
}

/// What must be left of a link inside a tunnel for it to be used at all: `__ip_vs_get_out_rt`, `__ip_vs_get_out_rt_v6`.
const fn least_mtu(outer: Family) -> u16 {
    match outer {
        Family::Ipv4 => ipv4::LEAST_MTU,
        Family::Ipv6 => ipv6::LEAST_MTU,
    }
}

#[cold]
fn too_large(meta: &mut Meta, as_host: bool, mtu: u16) -> Step {
    // IPVS measures a client's packet when its time to live is already lower; a router measures first.
    (meta.mtu, meta.ttl_lowered) = (mtu, as_host);
    Step::Answer(Answer::TooBig)
}

/// How a packet is wrapped, and what its path takes.
fn wrapping(meta: &mut Meta, conn: &Conn, context: Context<'_>) {
    (meta.encapsulation, meta.mtu) = match context.servers.get(conn.server_slot()) {
        Some(server) => (server.encapsulation(), server.path.measure(context.now)),
        None => (Encapsulation::Ipip, u16::MAX),
    };
}

/// How a packet is wrapped, and why it is not.
#[inline(never)]
pub(crate) fn into_tunnel(meta: &mut Meta, conn: &Conn, hop: &NextHop, context: Context<'_>) -> Option<Step> {
    wrapping(meta, conn, context);
    tunnel_refusal(meta, hop, context)
}

/// Whether a packet is usual to a tunnel, too: IPv4 around it and nothing else, and all the way takes it.
#[inline(always)]
pub(crate) fn is_usual_to_tunnel(meta: &Meta, server: Option<&Server>, hop: &NextHop) -> bool {
    meta.ip_len() <= usize::from(hop.inside4) && server.is_some_and(Server::has_plain_tunnel)
}
