//! Connections are made: entered in the table, counted with their server, known by both their keys. After `ip_vs_conn_new`.

use std::net::{IpAddr, SocketAddr};

use bytemuck::Zeroable;

use super::choose::Place;
use super::local;
use crate::conn::{Conn, ConnTable, NONE, flag};
use crate::counters;
use crate::flow::{Protocol, Tuple};
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
use crate::wire::checksum::Change;

/// The hash of the reply key that a connection will have; its bucket is asked for.
fn ask_for_reply<B>(meta: &Meta, (src, sport): (u32, u16), shard: &Shard<B>) -> u64 {
    let Tuple { src: dst, sport: dport, protocol, .. } = meta.tuple;
    let hash = shard.table.hash(&Tuple { dst, src, dport, sport, protocol });
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
    let (address, six) = match server.address {
        IpAddr::V4(address) => (address.to_bits(), None),
        IpAddr::V6(address) => (desk.shard.table.digest(&address.octets()), Some(address.octets())),
    };
    let server_side = (address, place.port);
    let reply_hash = ask_for_reply(meta, server_side, desk.shard);
    // While that line comes.
    let totals = desk.context.link.totals.get(server.slot);
    let hop_request = hop(server, totals, desk.context);
    let mut new = to_destination(meta, ends, desk.context);
    let (header, transport) = changes(meta, &new, server_side, six);
    (new.server, new.server_port) = server_side;
    (new.header_change, new.transport_change) = (header.number(), transport.number());
    new.set(flag::NO_OUTPUT, !server.forward.row().has_replies());
    new.set(flag::SERVER_V6, six.is_some());
    new.addresses6[2] = six.unwrap_or_default();
    new.forward = server.forward as u8;
    (new.server_slot, new.server_generation) = (server.slot, server.generation as u8);
    (new.hop_request, new.controller) = (hop_request, place.controller);
    if meta.tuple.dport == ftp::CONTROL {
        help(&mut new, desk)?;
    }
    let side = new.side;
    let index = enter(new, one_packet, [meta.hash, reply_hash], desk).inspect_err(|_| {
        desk.shard.end_help(side, &desk.context.tables.templates.expected);
    })?;
    if let Some(totals) = totals {
        totals.connection();
    }
    Ok(index)
}

/// Has a control connection of FTP looked into (`tcp_app_conn_bind`): its server's addresses are not its client's.
#[cold]
fn help<B>(new: &mut Conn, desk: &mut Desk<'_, B>) -> Result<(), Drop> {
    if new.method().row().rewrites_ends() && new.is_tcp() {
        new.side = desk.shard.sides.take().ok_or(Drop::FtpFull)?;
        new.hop_request = NONE;
        desk.context.tables.templates.expected.helps(true);
    }
    Ok(())
}

/// What NAT of the client's packets will do to their checksums.
fn changes(meta: &Meta, new: &Conn, server_side: (u32, u16), six: Option<[u8; 16]>) -> (Change, Change) {
    let Some(server) = six else { return nat::changes((meta.tuple.dst, meta.tuple.dport), server_side) };
    let [vip, ..] = &new.addresses6;
    (Change::from_number(0), nat6::change((vip, meta.tuple.dport), (&server, server_side.1)))
}

/// A connection that leads where the client sent its packet, without a server.
pub(super) fn to_destination(meta: &Meta, ends: [IpAddr; 2], context: Context<'_>) -> Conn {
    let (six, addresses6) = match ends {
        [IpAddr::V6(client), IpAddr::V6(vip)] => {
            (flag::CLIENT_V6 | flag::SERVER_V6, [vip, client, vip].map(|address| address.octets()))
        }
        _ => (0, [[0; 16]; 3]),
    };
    Conn {
        client: meta.tuple.src,
        vip: meta.tuple.dst,
        server: meta.tuple.dst,
        client_port: meta.tuple.sport,
        vip_port: meta.tuple.dport,
        server_port: meta.tuple.dport,
        protocol: meta.tuple.protocol,
        flags: flag::INACTIVE | flag::NO_OUTPUT | six,
        addresses6,
        forward: ForwardMethod::Bypass as u8,
        last_seen: context.now.0,
        timeout: context.tables.timeouts.initial,
        server_slot: NONE,
        net_version: context.tables.net.version,
        hop_request: NONE,
        hop_reply: NONE,
        side: NONE,
        controller: NONE,
        ..Conn::zeroed()
    }
}

/// Takes a new connection in: for this packet alone, or until its time is over.
pub(super) fn enter<B>(new: Conn, one_packet: bool, hashes: [u64; 2], desk: &mut Desk<'_, B>) -> Result<u32, Drop> {
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
fn insert<B>(mut conn: Conn, hashes: [u64; 2], shard: &mut Shard<B>) -> Result<u32, Drop> {
    let has_replies = conn.method().row().has_replies();
    let away = if has_replies { shard.signpost_for(&conn).map_err(|_| Drop::SignpostFull)? } else { None };
    conn.set(flag::REPLY_AWAY, away.is_some());
    let index = shard.table.insert_hashed(conn, hashes).ok_or(Drop::ConnectionsFull)?;
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
        if !conn.method().row().has_replies() {
            conn.state = udp::State::Stream as u8;
        }
        if conn.controller != NONE {
            conn.hop_request = NONE;
        }
    }
    shard.watch(index);
}

/// A connection by NAT whose first packet its server may send. `None` where the virtual address, the client and the server
/// are of different families.
pub(super) fn between(protocol: Protocol, ends: [SocketAddr; 3], table: &ConnTable) -> Option<Conn> {
    let [vip, client, server] = ends;
    let (six, addresses6, changes) = match ends.map(|end| end.ip()) {
        [IpAddr::V4(vip_ip), IpAddr::V4(_), IpAddr::V4(server_ip)] => {
            let changes = nat::changes((vip_ip.to_bits(), vip.port()), (server_ip.to_bits(), server.port()));
            (0, [[0; 16]; 3], changes)
        }
        [IpAddr::V6(vip_ip), IpAddr::V6(client_ip), IpAddr::V6(server_ip)] => {
            let octets = [vip_ip, client_ip, server_ip].map(|address| address.octets());
            let transport = nat6::change((&octets[0], vip.port()), (&octets[2], server.port()));
            (flag::CLIENT_V6 | flag::SERVER_V6, octets, (Change::from_number(0), transport))
        }
        _ => return None,
    };
    let protocol = protocol.number();
    Some(Conn {
        vip: known::word(vip.ip(), table),
        client: known::word(client.ip(), table),
        server: known::word(server.ip(), table),
        vip_port: vip.port(),
        client_port: client.port(),
        server_port: server.port(),
        protocol: if six == 0 { protocol } else { Tuple::marked(protocol) },
        flags: flag::INACTIVE | six,
        forward: ForwardMethod::Nat as u8,
        hop_request: NONE,
        hop_reply: NONE,
        header_change: changes.0.number(),
        transport_change: changes.1.number(),
        side: NONE,
        addresses6,
        controller: NONE,
        ..Conn::zeroed()
    })
}
