//! Connections are made: entered in the table, counted with their server, known by both their keys. After `ip_vs_conn_new`.

use std::net::{IpAddr, SocketAddr};

use super::choose::Assignment;
use super::local;
use crate::conn::{Helper, Mode, NONE, New, flag};
use crate::counters;
use crate::flow::{Family, Protocol, Tuple};
use crate::forward::{nat, nat6};
use crate::method::ForwardMethod;
use crate::packet::Meta;
use crate::pipeline::desk::Desk;
use crate::pipeline::find::known;
use crate::pipeline::scene::Context;
use crate::proto::{ftp, udp};
use crate::service::{RealServer, ServerTotals};
use crate::shard::Shard;
use crate::tables::Path;
use crate::verdict::Drop;

/// The next hop towards a server, if it is resolved. The worker remembers it beside the server's totals. For tunnels,
/// servers that share a route and those that are here, more is asked when their packet is sent.
fn hop(server: &RealServer, totals: Option<&ServerTotals>, context: Context<'_>) -> u32 {
    if server.forward.row().request.is_wrapped() || context.tables.options.strict_parity {
        return NONE;
    }
    let net = &context.tables.net;
    if let Some(hop) = totals.and_then(|totals| totals.hop(server.generation, net.version)) {
        return hop;
    }
    if local::is_here(server.address, context) {
        return NONE;
    }
    let Path::Hop(hop) = net.path(server.address) else { return NONE };
    if let Some(totals) = totals {
        totals.remember_hop(server.generation, net.version, hop);
    }
    hop
}

/// Makes a connection and counts it; its state is still the protocol's first.
pub(super) fn run<B>(
    meta: &Meta,
    ends: [IpAddr; 2],
    place: &Assignment<'_>,
    one_packet: bool,
    desk: &mut Desk<'_, B>,
) -> Result<u32, Drop> {
    let (server, table, context) = (&place.bound.server, &desk.shard.table, desk.context);
    let inside = Tuple { dst: known::word(server.address, table), dport: place.port, ..meta.tuple };
    let reply_hash = table.hash(&inside.reversed());
    table.prefetch_bucket(reply_hash);
    // While that line comes.
    let totals = context.link.totals.get(server.slot);
    let hop = hop(server, totals, context);
    let mut new = begins(meta, inside, server.forward, context);
    new.set_hop(hop, context.tables.net.version);
    if meta.kind.is_v6() || server.address.is_ipv6() {
        set_addresses6(&mut new, ends, server.address);
    } else {
        set_changes4(&mut new, &meta.tuple, &inside);
    }
    new.set_server(server.slot, server.generation);
    new.set_controller(place.controller);
    if meta.tuple.dport == ftp::CONTROL {
        help(&mut new, desk)?;
    }
    let index = enter(&mut new, one_packet, [meta.hash, reply_hash], desk).inspect_err(|_| {
        desk.shard.end_help(new.helper(), desk.context.expected);
    })?;
    if let Some(totals) = totals {
        totals.connection();
    }
    Ok(index)
}

/// Has a control connection of FTP looked into (`tcp_app_conn_bind`): its server's addresses are not its client's.
#[cold]
fn help<B>(new: &mut New, desk: &mut Desk<'_, B>) -> Result<(), Drop> {
    if new.line().method().row().rewrites_ends() && new.line().is_tcp() {
        new.set_helper(desk.shard.helpers.take(Helper::Ftp(Mode::default())).ok_or(Drop::FtpFull)?);
        desk.context.expected.helps(true);
    }
    Ok(())
}

/// A connection that begins now with a client's packet.
#[inline(always)]
fn begins(meta: &Meta, inside: Tuple, method: ForwardMethod, context: Context<'_>) -> New {
    New::of4(meta.tuple, inside, method).living(context.now, context.tables.timeouts.initial, 0)
}

/// A connection past all servers, to where its client's packet was sent.
pub(super) fn past_servers(meta: &Meta, ends: [IpAddr; 2], context: Context<'_>) -> New {
    let mut new = begins(meta, meta.tuple, ForwardMethod::Bypass, context);
    new.set_hop(NONE, context.tables.net.version);
    if meta.kind.is_v6() {
        set_addresses6(&mut new, ends, ends[1]);
    }
    new
}

/// The addresses of a connection of which some are IPv6, and what NAT of the client's packets does to their checksums.
#[cold]
fn set_addresses6(new: &mut New, [client, vip]: [IpAddr; 2], server: IpAddr) {
    let octets = |address| if let IpAddr::V6(address) = address { address.octets() } else { [0; 16] };
    let [client6, vip6, server6] = [client, vip, server].map(octets);
    let [outside, inside] = [new.line().request_key(), new.line().reply_key().reversed()];
    let change = nat6::change(([&client6, &vip6], outside.ports()), ([&client6, &server6], inside.ports()));
    new.set_changes(0, change.number());
    new.set_addresses6([vip6, client6, client6, server6], [Family::of(client), Family::of(server)]);
}

/// What NAT of the client's packets does to the checksums of one that is all IPv4.
#[inline(always)]
fn set_changes4(new: &mut New, outside: &Tuple, inside: &Tuple) {
    let (header, transport) = nat::changes(outside, inside);
    new.set_changes(header.number(), transport.number());
}

/// Takes a new connection in: for this packet alone, or until it times out.
pub(super) fn enter<B>(new: &mut New, one_packet: bool, hashes: [u64; 2], desk: &mut Desk<'_, B>) -> Result<u32, Drop> {
    let index = match one_packet {
        true => {
            let index = desk.shard.table.pass(desk.shard.passing.len(), new);
            desk.shard.passing.push(index);
            index
        }
        false => {
            let context = desk.context;
            desk.shard.make_room(context.now, context.chance, context.shared(), context.link);
            insert(new, hashes, desk.shard)?
        }
    };
    counters::add(&desk.context.link.counters.connections_made, 1);
    Ok(index)
}

/// Makes it findable by both its keys: replies that land on another worker need a signpost there.
#[inline]
fn insert<B>(new: &mut New, hashes: [u64; 2], shard: &mut Shard<B>) -> Result<u32, Drop> {
    let has_replies = new.line().method().row().has_replies();
    let away = if has_replies { shard.signpost_for(new).map_err(|_| Drop::SignpostFull)? } else { None };
    if away.is_some() {
        new.set_reply_away();
    }
    let index = shard.table.insert_hashed(new, hashes).ok_or(Drop::ConnectionsFull)?;
    if let Some(worker) = away {
        shard.put_signpost(worker, index);
    }
    Ok(index)
}

/// A connection has begun. Where its replies do not pass here, its client's next datagram makes a stream of it; a template
/// is to notice that datagram, which takes the long way for it.
#[inline]
pub(super) fn begun<B>(index: u32, shard: &mut Shard<B>) {
    let conn = &mut shard.table[index];
    if conn.protocol_number() == Protocol::Udp.number() {
        if conn.has(flag::CONTROLLED) {
            conn.forget_hop();
        }
        if !conn.method().row().has_replies() {
            shard.table.restate(index, udp::State::Stream as u8);
        }
    }
    shard.watch(index);
}

/// A connection by NAT whose first packet its server may send. `None` where the virtual address, the client and the server
/// are of different families.
pub(super) fn between<B>(protocol: Protocol, ends: [SocketAddr; 3], desk: &Desk<'_, B>) -> Option<New> {
    let [vip, client, server] = ends;
    let family = Family::of(vip.ip());
    if ends.iter().any(|end| Family::of(end.ip()) != family) {
        return None;
    }
    let protocol = if family == Family::Ipv4 { protocol.number() } else { Tuple::marked(protocol.number()) };
    let [dst, src, inner] = ends.map(|end| known::word(end.ip(), &desk.shard.table));
    let outside = Tuple { dst, src, dport: vip.port(), sport: client.port(), protocol };
    let inside = Tuple { dst: inner, dport: server.port(), ..outside };
    let mut new = New::of4(outside, inside, ForwardMethod::Nat);
    match family {
        Family::Ipv4 => set_changes4(&mut new, &outside, &inside),
        Family::Ipv6 => set_addresses6(&mut new, [client.ip(), vip.ip()], server.ip()),
    }
    new.set_hop(NONE, desk.context.tables.net.version);
    Some(new)
}
