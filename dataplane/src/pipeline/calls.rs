//! Calls: a server of a service with a persistence engine sends a datagram to a client that it has no connection with, from
//! the port that it serves at. That begins one, as if the client had sent it: what the client answers comes back to that
//! server. After `__ip_vs_rs_conn_out`, `ip_vs_new_conn_out` (`ip_vs_core.c`) and `ip_vs_sip_conn_out` (`ip_vs_pe_sip.c`).

use std::net::{IpAddr, SocketAddr};

use super::{Context, expected, persist, schedule, track};
use crate::conn::{Conn, NONE};
use crate::flow::{Direction, ForwardMethod, Protocol, ServiceKey};
use crate::packet::{Arrival, Meta, Step};
use crate::service::{Caller, Listener};
use crate::shard::Shard;

/// The step of a packet for others that begins a connection.
#[inline]
pub(super) fn step<B>(
    frame: &[u8],
    meta: &mut Meta,
    ends: [IpAddr; 2],
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> Option<Step> {
    let may = !context.tables.callers.is_empty()
        && meta.protocol() == Protocol::Udp.number()
        && meta.kind.has_ports()
        && !matches!(meta.arrival, Arrival::Signed { .. })
        && !context.tables.unhooked.passes(meta.kind);
    if may { call(frame, meta, ends, shard, context) } else { None }
}

#[cold]
fn call<B>(
    frame: &[u8],
    meta: &mut Meta,
    [source, destination]: [IpAddr; 2],
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> Option<Step> {
    let [from, client] = [(source, meta.tuple.sport), (destination, meta.tuple.dport)].map(SocketAddr::from);
    let listener = Listener { address: source, port: from.port(), protocol: Some(Protocol::Udp) };
    let Caller { service, slot } = *context.tables.callers.get(&listener)?;
    let ServiceKey::Address { protocol, address, port } = service else { return None };
    let service = context.tables.services.get(&service)?;
    let server = context.servers.get(slot)?.as_configured(slot, source)?;
    let server = Some(server).filter(|server| server.socket() == from && server.forward == ForwardMethod::Nat)?;
    let data = persist::call_id(frame, meta)?;
    let conn = expected::between(protocol, [SocketAddr::new(address, port), client, from], &shard.table)?;
    if let Some(worker) = shard.station.home_of(&conn) {
        return Some(Step::Handoff { worker, conn: NONE });
    }
    let place = match persist::place_of_caller(destination, service, server, Some(data), context) {
        Ok(place) => place,
        Err(step) => return Some(step),
    };
    let conn = Conn {
        server_slot: server.slot,
        server_generation: server.generation as u8,
        last_seen: context.now.0,
        timeout: context.tables.timeouts.initial,
        net_version: context.tables.net.version,
        controller: place.controller,
        ..conn
    };
    let one_packet = service.manner.one_packet;
    let hashes = [conn.request_key(), conn.reply_key()].map(|key| shard.table.hash(&key));
    let index = match schedule::enter(conn, one_packet, hashes, shard, context) {
        Ok(index) => index,
        Err(reason) => return Some(place.give_back(reason, context)),
    };
    if let Some(totals) = context.link.totals.get(server.slot) {
        totals.connection();
    }
    let step = track::step(meta, index, Direction::Reply, shard, context);
    place.keep(index, one_packet, shard);
    Some(step)
}
