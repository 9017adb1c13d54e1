//! Schedule: the first packet of a connection gets a server. After `ip_vs_schedule` and `ip_vs_conn_new`.

use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;

use bytemuck::Zeroable;

use super::{Context, track};
use crate::conn::{Conn, NONE, flag};
use crate::forward::nat;
use crate::packet::{Meta, Step};
use crate::service::{RealServer, VirtualService};
use crate::shard::Shard;
use crate::verdict::{Answer, Drop};

pub(super) fn run<B>(meta: &mut Meta, service: &VirtualService, shard: &mut Shard<B>, context: Context<'_>) -> Step {
    let Some(choice) = service.scheduler.pick(service, context.servers) else {
        return Step::Answer(Answer::NoServer);
    };
    let Some(index) = connect(meta, &service.servers[choice], shard, context) else {
        return Step::Drop(Drop::ConnectionsFull);
    };
    let step = track::request(meta, index, shard, context);
    shard.watch(index);
    step
}

/// Makes the connection and counts it; its state is still the protocol's first.
fn connect<B>(meta: &Meta, server: &RealServer, shard: &mut Shard<B>, context: Context<'_>) -> Option<u32> {
    let IpAddr::V4(address) = server.address else { return None };
    let state = context.servers.get(server.slot)?;
    let server_port = if server.port == 0 { meta.tuple.dport } else { server.port };
    let (header, transport) = nat::changes((meta.tuple.dst, meta.tuple.dport), (address.to_bits(), server_port));
    let index = shard.table.insert(Conn {
        client: meta.tuple.src,
        vip: meta.tuple.dst,
        server: address.to_bits(),
        client_port: meta.tuple.sport,
        vip_port: meta.tuple.dport,
        server_port,
        header_change: header.number(),
        transport_change: transport.number(),
        protocol: meta.tuple.protocol,
        flags: flag::INACTIVE | if server.forward.has_replies() { 0 } else { flag::NO_OUTPUT },
        forward: server.forward as u8,
        last_seen: context.now.0,
        timeout: context.tables.timeouts.initial,
        server_slot: server.slot,
        server_generation: server.generation as u8,
        net_version: context.tables.net.version,
        hop_request: NONE,
        hop_reply: NONE,
        side: NONE,
        controller: NONE,
        ..Conn::zeroed()
    })?;
    state.bind();
    if let Some(totals) = context.link.totals.get(server.slot) {
        totals.connection();
    }
    crate::counters::add(&context.link.counters.connections_made, 1);
    debug_assert_eq!(state.generation.load(Relaxed), server.generation, "a slot outlives its references");
    Some(index)
}
