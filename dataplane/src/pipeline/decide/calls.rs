//! Calls: a server of a service with a persistence engine sends a datagram to a client that it has no connection with, from
//! the port that it serves at. That begins one, as if the client had sent it: what the client answers comes back to that
//! server. After `__ip_vs_rs_conn_out`, `ip_vs_new_conn_out` (`ip_vs_core.c`) and `ip_vs_sip_conn_out` (`ip_vs_pe_sip.c`).

use std::net::{IpAddr, SocketAddr};

use super::schedule::Begun;
use super::{connect, persist, track};
use crate::conn::NONE;
use crate::flow::{Direction, Protocol, ServiceKey};
use crate::packet::{Arrival, Meta, Step};
use crate::pipeline::desk::Desk;
use crate::service::{Caller, Listener};

/// The step of a packet for others that begins a connection.
#[inline]
pub(super) fn step<B>(frame: &[u8], meta: &mut Meta, ends: [IpAddr; 2], desk: &mut Desk<'_, B>) -> Option<Step> {
    let may = !desk.context.tables.callers.is_empty()
        && meta.protocol() == Protocol::Udp.number()
        && meta.kind.has_ports()
        && !matches!(meta.arrival, Arrival::Signed { .. })
        && !desk.context.tables.unhooked.passes(meta.kind);
    if may { call(frame, meta, ends, desk) } else { None }
}

#[cold]
fn call<B>(frame: &[u8], meta: &mut Meta, [source, destination]: [IpAddr; 2], desk: &mut Desk<'_, B>) -> Option<Step> {
    let [from, client] = [(source, meta.tuple.sport), (destination, meta.tuple.dport)].map(SocketAddr::from);
    let listener = Listener { address: source, port: from.port(), protocol: Some(Protocol::Udp) };
    let Caller { service, slot } = *desk.context.tables.callers.get(&listener)?;
    let ServiceKey::Address { protocol, address, port } = service else { return None };
    let service = desk.context.tables.services.get(&service)?;
    let server = desk.context.servers.get(slot)?.as_configured(slot, source)?;
    let server = Some(server).filter(|server| server.socket() == from && server.forward.row().has_replies())?;
    let data = persist::call_id(frame, meta)?;
    let new = connect::between(protocol, [SocketAddr::new(address, port), client, from], desk)?;
    if let Some(worker) = desk.shard.station.home_of(&new) {
        return Some(Step::Handoff { worker, conn: NONE });
    }
    let place = match persist::place_of_caller(destination, service, server, Some(data), desk.context) {
        Ok(place) => place,
        Err(step) => return Some(step),
    };
    let mut new = new.living(desk.context.now, desk.context.tables.timeouts.initial, 0);
    new.set_server(server.slot, server.generation);
    new.set_controller(place.controller);
    let one_packet = service.manner.one_packet;
    let hashes = [new.line().request_key(), new.line().reply_key()].map(|key| desk.shard.table.hash(&key));
    let index = match connect::enter(&mut new, one_packet, hashes, desk) {
        Ok(index) => index,
        Err(reason) => return Some(place.give_back(reason, desk.context)),
    };
    if let Some(totals) = desk.context.link.totals.get(server.slot) {
        totals.connection();
    }
    let step = track::step(meta, index, Direction::Reply, desk);
    Begun { index, one_packet, server: Some(place.bound.state) }.keep(desk.shard);
    Some(step)
}
