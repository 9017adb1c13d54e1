//! Schedule: the first packet of a connection gets a server. After `ip_vs_schedule`, `ip_vs_conn_new` and, where there is
//! no server, `ip_vs_leave`.

use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;

use bytemuck::Zeroable;

use super::{Context, track};
use crate::conn::{Conn, NONE, flag};
use crate::flow::{ForwardMethod, ServiceKey};
use crate::forward::nat;
use crate::packet::{Kind, Meta, Step};
use crate::service::{RealServer, Server, VirtualService};
use crate::shard::Shard;
use crate::verdict::{Answer, Drop};

pub(super) fn run<B>(meta: &mut Meta, service: &VirtualService, shard: &mut Shard<B>, context: Context<'_>) -> Step {
    let Some((server, state)) = choose(service, context) else { return leave(meta, service, shard, context) };
    let index = match connect(meta, server, shard, context) {
        Ok(index) => index,
        Err(reason) => {
            state.give_back();
            return Step::Drop(reason);
        }
    };
    debug_assert_eq!(state.generation.load(Relaxed), server.generation, "a slot outlives its references");
    begin(meta, index, shard, context)
}

/// The scheduler's choice, with a place taken. Where another worker took the last one meanwhile, that server is out and
/// the scheduler is asked again.
fn choose<'a>(service: &'a VirtualService, context: Context<'a>) -> Option<(&'a RealServer, &'a Server)> {
    for _ in 0..=service.servers.len() {
        let server = &service.servers[service.scheduler.pick(service, context.servers)?];
        let state = context.servers.get(server.slot)?;
        if state.bind() {
            return Some((server, state));
        }
    }
    None
}

/// Makes the connection and counts it; its state is still the protocol's first.
fn connect<B>(meta: &Meta, server: &RealServer, shard: &mut Shard<B>, context: Context<'_>) -> Result<u32, Drop> {
    let IpAddr::V4(address) = server.address else { return Err(Drop::Ipv6) };
    let server_port = if server.port == 0 { meta.tuple.dport } else { server.port };
    let (header, transport) = nat::changes((meta.tuple.dst, meta.tuple.dport), (address.to_bits(), server_port));
    let new = Conn {
        server: address.to_bits(),
        server_port,
        header_change: header.number(),
        transport_change: transport.number(),
        flags: flag::INACTIVE | if server.forward.has_replies() { 0 } else { flag::NO_OUTPUT },
        forward: server.forward as u8,
        server_slot: server.slot,
        server_generation: server.generation as u8,
        ..bypass(meta, context)
    };
    let index = insert(new, shard, context)?;
    if let Some(totals) = context.link.totals.get(server.slot) {
        totals.connection();
    }
    Ok(index)
}

/// A connection to whom the client addressed it, without a server.
fn bypass(meta: &Meta, context: Context<'_>) -> Conn {
    Conn {
        client: meta.tuple.src,
        vip: meta.tuple.dst,
        server: meta.tuple.dst,
        client_port: meta.tuple.sport,
        vip_port: meta.tuple.dport,
        server_port: meta.tuple.dport,
        protocol: meta.tuple.protocol,
        flags: flag::INACTIVE,
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

/// Without a usable server: past the servers, where a mark led here and `cache_bypass` says so; else it is refused.
fn leave<B>(meta: &mut Meta, service: &VirtualService, shard: &mut Shard<B>, context: Context<'_>) -> Step {
    let marked = matches!(service.key, ServiceKey::Mark { .. }) && meta.kind == Kind::Transport4;
    let tables = context.tables;
    if !marked || tables.sysctls.cache_bypass == 0 || tables.locals.v4.contains_key(&meta.tuple.dst) {
        return Step::Answer(Answer::NoServer);
    }
    match insert(bypass(meta, context), shard, context) {
        Ok(index) => begin(meta, index, shard, context),
        Err(reason) => Step::Drop(reason),
    }
}

/// The first packet of a connection.
fn begin<B>(meta: &mut Meta, index: u32, shard: &mut Shard<B>, context: Context<'_>) -> Step {
    let step = track::request(meta, index, shard, context);
    shard.watch(index);
    step
}

/// Makes it findable by both its keys: replies that land on another worker need a signpost there.
fn insert<B>(mut conn: Conn, shard: &mut Shard<B>, context: Context<'_>) -> Result<u32, Drop> {
    let has_replies = conn.method().has_replies();
    let away = if has_replies { shard.signpost_for(&conn.reply_key()).map_err(|_| Drop::SignpostFull)? } else { None };
    conn.set(flag::REPLY_AWAY, away.is_some());
    let index = shard.table.insert(conn).ok_or(Drop::ConnectionsFull)?;
    if let Some(worker) = away {
        shard.put_signpost(worker, index);
    }
    crate::counters::add(&context.link.counters.connections_made, 1);
    Ok(index)
}
