//! Connections are made: entered in the table, counted with their server, known by both their keys. After `ip_vs_conn_new`.

use std::net::{IpAddr, SocketAddr};

use super::choose::Place;
use super::local;
use crate::conn::{NONE, New, flag};
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

/// The hash of the reply key that a connection will have; its bucket is asked for.
fn ask_for_reply<B>(new: &New, shard: &Shard<B>) -> u64 {
    let hash = shard.table.hash(&new.reply_key());
    shard.table.prefetch_bucket(hash);
    hash
}

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
    place: &Place<'_>,
    one_packet: bool,
    desk: &mut Desk<'_, B>,
) -> Result<u32, Drop> {
    let server = &place.bound.server;
    let mut new = begins(meta, ends, server.forward, desk.context);
    new.inside = Tuple { dst: known::word(server.address, &desk.shard.table), dport: place.port, ..meta.tuple };
    let reply_hash = ask_for_reply(&new, desk.shard);
    // While that line comes.
    let totals = desk.context.link.totals.get(server.slot);
    new.hop_request = hop(server, totals, desk.context);
    set_server(&mut new, server.address);
    (new.server_slot, new.server_generation) = (server.slot, server.generation);
    new.controller = place.controller;
    if meta.tuple.dport == ftp::CONTROL {
        help(&mut new, desk)?;
    }
    let index = enter(&mut new, one_packet, [meta.hash, reply_hash], desk).inspect_err(|_| {
        desk.shard.end_help(new.helper, &desk.context.tables.templates.expected);
    })?;
    if let Some(totals) = totals {
        totals.connection();
    }
    Ok(index)
}

/// Has a control connection of FTP looked into (`tcp_app_conn_bind`): its server's addresses are not its client's.
#[cold]
fn help<B>(new: &mut New, desk: &mut Desk<'_, B>) -> Result<(), Drop> {
    if new.method.row().rewrites_ends() && matches!(new.outside.transport(), Some((Protocol::Tcp, _))) {
        new.helper = desk.shard.helpers.take().ok_or(Drop::FtpFull)?;
        new.hop_request = NONE;
        desk.context.tables.templates.expected.helps(true);
    }
    Ok(())
}

/// A connection that begins now with a client's packet, and leads where that was sent.
#[inline(always)]
fn begins(meta: &Meta, ends: [IpAddr; 2], method: ForwardMethod, context: Context<'_>) -> New {
    let mut new = New {
        now: context.now,
        timeout: context.tables.timeouts.initial,
        net_version: context.tables.net.version,
        ..New::of4(meta.tuple, meta.tuple, method)
    };
    if let [IpAddr::V6(client), IpAddr::V6(vip)] = ends {
        new.families = [Family::Ipv6; 2];
        new.addresses6 = [vip, client, client, vip].map(|address| address.octets());
    }
    new
}

/// A connection past all servers.
pub(super) fn past_servers(meta: &Meta, ends: [IpAddr; 2], context: Context<'_>) -> New {
    begins(meta, ends, ForwardMethod::Bypass, context)
}

/// The server's address, whose word stands in `inside` already, and what that does to the checksums of NAT.
#[inline(always)]
fn set_server(new: &mut New, address: IpAddr) {
    let [vip, .., server] = &mut new.addresses6;
    let (outside, inside) = (new.outside, new.inside);
    match address {
        IpAddr::V4(_) => {
            new.families[1] = Family::Ipv4;
            let (header, transport) = nat::changes((outside.dst, outside.dport), (inside.dst, inside.dport));
            new.changes = (header.number(), transport.number());
        }
        IpAddr::V6(address) => {
            (new.families[1], *server) = (Family::Ipv6, address.octets());
            new.changes = (0, nat6::change((vip, outside.dport), (server, inside.dport)).number());
        }
    }
}

/// Takes a new connection in: for this packet alone, or until its time is over.
pub(super) fn enter<B>(new: &mut New, one_packet: bool, hashes: [u64; 2], desk: &mut Desk<'_, B>) -> Result<u32, Drop> {
    let index = match one_packet {
        true => {
            let index = desk.shard.table.pass(desk.shard.passing.len(), new);
            desk.shard.passing.push(index);
            index
        }
        false => {
            desk.shard.make_room(
                desk.context.now,
                desk.context.chance,
                desk.context.servers,
                &desk.context.tables.templates,
                desk.context.link,
            );
            insert(new, hashes, desk.shard)?
        }
    };
    counters::add(&desk.context.link.counters.connections_made, 1);
    Ok(index)
}

/// Makes it findable by both its keys: replies that land on another worker need a signpost there.
fn insert<B>(new: &mut New, hashes: [u64; 2], shard: &mut Shard<B>) -> Result<u32, Drop> {
    let has_replies = new.method.row().has_replies();
    let away = if has_replies { shard.signpost_for(new).map_err(|_| Drop::SignpostFull)? } else { None };
    new.reply_away = away.is_some();
    let index = shard.table.insert_hashed(new, hashes).ok_or(Drop::ConnectionsFull)?;
    if let Some(worker) = away {
        shard.put_signpost(worker, index);
    }
    Ok(index)
}

/// A connection has begun. Where its replies do not pass here, its client's next datagram makes a stream of it; a template
/// is to notice that datagram, which takes the long way for it.
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
pub(super) fn between(protocol: Protocol, ends: [SocketAddr; 3], desk: &Desk<'_, impl Sized>) -> Option<New> {
    let ([vip, client, server], protocol) = (ends, protocol.number());
    let six = match ends.map(|end| end.ip()) {
        [IpAddr::V4(_), IpAddr::V4(_), IpAddr::V4(_)] => None,
        [IpAddr::V6(vip), IpAddr::V6(client), IpAddr::V6(server)] => Some([vip, client, client, server]),
        _ => return None,
    };
    let protocol = if six.is_some() { Tuple::marked(protocol) } else { protocol };
    let [dst, src, inner] = ends.map(|end| known::word(end.ip(), &desk.shard.table));
    let outside = Tuple { dst, src, dport: vip.port(), sport: client.port(), protocol };
    let inside = Tuple { dst: inner, dport: server.port(), ..outside };
    let mut new = New::of4(outside, inside, ForwardMethod::Nat);
    if let Some(six) = six {
        new.families = [Family::Ipv6; 2];
        new.addresses6 = six.map(|address| address.octets());
    }
    set_server(&mut new, server.ip());
    new.net_version = desk.context.tables.net.version;
    Some(new)
}
