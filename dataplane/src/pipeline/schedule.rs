//! Schedule: the first packet of a connection gets a server. After `ip_vs_schedule`, `ip_vs_sched_persist` and
//! `ip_vs_conn_new`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;

use bytemuck::Zeroable;

use super::{Context, track};
use crate::clock::ticks;
use crate::conn::{Conn, NONE, flag};
use crate::flow::{Direction, Protocol, ServiceKey};
use crate::forward::nat;
use crate::packet::{Meta, Step};
use crate::sched::Asked;
use crate::service::{Persistent, RealServer, Server, VirtualService};
use crate::shard::Shard;
use crate::template::{Choice, Enlisted, Template, TemplateKey};
use crate::verdict::{Answer, Drop};

/// FTP's data connections come to any port: its templates name none.
const FTP: u16 = 21;

/// A server that a connection has a place at.
struct Place<'a> {
    server: &'a RealServer,
    state: &'a Server,
    /// The server's port, as far as the service says.
    port: u16,
    /// The template that led there.
    controller: u32,
}

pub(super) fn run<B>(meta: &mut Meta, service: &VirtualService, shard: &mut Shard<B>, context: Context<'_>) -> Step {
    let place = match service.manner.persistent {
        Some(persistent) => place_by_template(meta, service, persistent, context),
        None => choose(meta, service, context).ok_or(Step::Answer(Answer::NoServer)).map(|(server, state)| Place {
            server,
            state,
            port: if server.port == 0 { meta.tuple.dport } else { server.port },
            controller: NONE,
        }),
    };
    let place = match place {
        Ok(place) => place,
        Err(step) => return step,
    };
    let one_packet = service.manner.one_packet && meta.tuple.protocol == Protocol::Udp.number();
    let index = match connect(meta, &place, one_packet, shard, context) {
        Ok(index) => index,
        Err(reason) => {
            place.state.give_back();
            context.tables.templates.release(place.controller, false);
            return Step::Drop(reason);
        }
    };
    debug_assert_eq!(place.state.generation.load(Relaxed), place.server.generation, "a slot outlives its references");
    let step = track::step(meta, index, Direction::Request, shard, context);
    if one_packet {
        // Whoever comes next finds the counts as they were.
        place.state.unbind(shard.table[index].has(flag::INACTIVE));
    } else {
        shard.watch(index);
    }
    step
}

/// The scheduler's choice, with a place taken. Where another worker took the last one meanwhile, that server is out and
/// the scheduler is asked again.
fn choose<'a>(meta: &Meta, service: &'a VirtualService, context: Context<'a>) -> Option<(&'a RealServer, &'a Server)> {
    let asked = Asked {
        service,
        servers: context.servers,
        client: SocketAddr::new(Ipv4Addr::from_bits(meta.tuple.src).into(), meta.tuple.sport),
        vip: Ipv4Addr::from_bits(meta.tuple.dst).into(),
        now: context.now,
        lblcr_expiration: ticks(context.tables.sysctls.lblcr_expiration.max(0).cast_unsigned()),
        chance: context.chance,
    };
    for _ in 0..=service.servers.len() {
        let server = &service.servers[service.scheduler.pick(&asked)?];
        let state = context.servers.get(server.slot)?;
        if service.scheduler.passes_thresholds() {
            state.bind_anyway();
            return Some((server, state));
        }
        if state.bind() {
            return Some((server, state));
        }
    }
    None
}

/// The server that the client's other connections go to, whatever its thresholds; else the scheduler's choice, which
/// becomes theirs.
fn place_by_template<'a>(
    meta: &Meta,
    service: &'a VirtualService,
    persistent: Persistent,
    context: Context<'a>,
) -> Result<Place<'a>, Step> {
    let own_port = service_port(service);
    let (key, names_port) = template_key(meta, service, persistent);
    let quiescent_too = context.tables.sysctls.expire_quiescent_template == 0;
    let find = |slot: u32| {
        let server = service.servers.iter().find(|server| server.slot == slot)?;
        context.servers.get(slot).filter(|state| state.available.load(Relaxed)).map(|state| (server, state))
    };
    let usable =
        |template: &Template| find(template.server).is_some_and(|(server, _)| quiescent_too || server.weight > 0);
    let mut chosen = None;
    let new = || {
        let (server, state) = choose(meta, service, context)?;
        state.hold_template();
        chosen = Some((server, state));
        let destination = (server.address, if names_port { server.port } else { 0 });
        Some(Choice { server: server.slot, destination, timeout: persistent.timeout })
    };
    let no_server = Step::Answer(Answer::NoServer);
    let ((server, state), controller) = match context.tables.templates.enlist(key, context.now, usable, new) {
        Enlisted::Found(handle, slot) => {
            let found = find(slot).ok_or(no_server)?;
            found.1.bind_anyway();
            (found, handle)
        }
        Enlisted::Made(handle) => (chosen.ok_or(no_server)?, handle),
        Enlisted::NoServer => return Err(no_server),
        Enlisted::Full => return Err(Step::Drop(Drop::ConnectionsFull)),
    };
    let port = if meta.tuple.dport == own_port && server.port != 0 { server.port } else { meta.tuple.dport };
    Ok(Place { server, state, port, controller })
}

fn service_port(service: &VirtualService) -> u16 {
    match service.key {
        ServiceKey::Address { port, .. } => port,
        ServiceKey::Mark { .. } => 0,
    }
}

/// What names the template of a packet, and whether it names the server's port, too.
fn template_key(meta: &Meta, service: &VirtualService, persistent: Persistent) -> (TemplateKey, bool) {
    let client = Ipv4Addr::from_bits(meta.tuple.src & persistent.mask4).into();
    let own_port = service_port(service);
    let names_port = meta.tuple.dport == own_port && own_port != FTP;
    let (protocol, vip) = match service.key {
        ServiceKey::Address { .. } => (meta.tuple.protocol, Ipv4Addr::from_bits(meta.tuple.dst)),
        ServiceKey::Mark { fwmark, .. } => (0, Ipv4Addr::from_bits(fwmark)),
    };
    (TemplateKey { protocol, client, vip: vip.into(), port: if names_port { own_port } else { 0 } }, names_port)
}

/// Makes the connection and counts it; its state is still the protocol's first.
fn connect<B>(
    meta: &Meta,
    place: &Place<'_>,
    one_packet: bool,
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> Result<u32, Drop> {
    let server = place.server;
    let IpAddr::V4(address) = server.address else { return Err(Drop::Ipv6) };
    let (header, transport) = nat::changes((meta.tuple.dst, meta.tuple.dport), (address.to_bits(), place.port));
    let new = Conn {
        client: meta.tuple.src,
        vip: meta.tuple.dst,
        server: address.to_bits(),
        client_port: meta.tuple.sport,
        vip_port: meta.tuple.dport,
        server_port: place.port,
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
        controller: place.controller,
        ..Conn::zeroed()
    };
    let index = match one_packet {
        true => {
            let index = shard.table.pass(shard.passing.len(), new);
            shard.passing.push(index);
            index
        }
        false => insert(new, shard)?,
    };
    if let Some(totals) = context.link.totals.get(server.slot) {
        totals.connection();
    }
    crate::counters::add(&context.link.counters.connections_made, 1);
    Ok(index)
}

/// Makes it findable by both its keys: replies that land on another worker need a signpost there.
fn insert<B>(mut conn: Conn, shard: &mut Shard<B>) -> Result<u32, Drop> {
    let has_replies = conn.method().has_replies();
    let away = if has_replies { shard.signpost_for(&conn.reply_key()).map_err(|_| Drop::SignpostFull)? } else { None };
    conn.set(flag::REPLY_AWAY, away.is_some());
    let index = shard.table.insert(conn).ok_or(Drop::ConnectionsFull)?;
    if let Some(worker) = away {
        shard.put_signpost(worker, index);
    }
    Ok(index)
}
