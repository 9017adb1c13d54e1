//! Schedule: the first packet of a connection gets a server. After `ip_vs_schedule`, `ip_vs_sched_persist`,
//! `ip_vs_conn_new` and, where there is no server, `ip_vs_leave`.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;

use bytemuck::Zeroable;

use super::{Context, icmp, local, persist, track};
use crate::clock::ticks;
use crate::conn::{Conn, NONE, flag};
use crate::flow::{Direction, ForwardMethod, Protocol, ServiceKey, Tuple};
use crate::forward::{nat, nat6};
use crate::packet::{Meta, Step};
use crate::proto::{ftp, udp};
use crate::sched::Asked;
use crate::service::{RealServer, Server, ServerTotals, VirtualService};
use crate::shard::{Shard, let_go};
use crate::tables::Path;
use crate::template::{Ended, Template};
use crate::verdict::{Answer, Drop};
use crate::wire::checksum::Change;

pub(super) const NO_SERVER: Step = Step::Answer(Answer::NoServer);

/// A server that was chosen, and has taken the connection.
#[derive(Clone, Copy)]
pub(super) struct Bound<'a> {
    pub(super) server: RealServer,
    pub(super) state: &'a Server,
    /// Whether it was open to any before.
    pub(super) was_open: bool,
}

/// A server that a connection has a place at.
pub(super) struct Place<'a> {
    pub(super) bound: Bound<'a>,
    /// The server's port, as far as the service says.
    pub(super) port: u16,
    /// The template that led there.
    pub(super) controller: u32,
    /// Whether that template was made for another service, whose server this is.
    pub(super) guest: bool,
}

impl Place<'_> {
    /// There is no room for the connection.
    pub(super) fn give_back(&self, reason: Drop, context: Context<'_>) -> Step {
        self.bound.state.give_back(self.bound.was_open);
        let gone = |template: &Template| let_go(template, context.servers);
        context.tables.templates.release(self.controller, Ended::Refused, gone);
        Step::Drop(reason)
    }

    /// The connection has begun.
    pub(super) fn keep<B>(&self, index: u32, one_packet: bool, shard: &mut Shard<B>) {
        if one_packet {
            // Whoever comes next finds the counts as they were.
            self.bound.state.unbind(shard.table[index].has(flag::INACTIVE));
        } else {
            begun(index, shard);
            self.wait_for_more(index, shard);
        }
    }

    /// A datagram's second packet is to be noticed by the template: it goes the long way.
    fn wait_for_more<B>(&self, index: u32, shard: &mut Shard<B>) {
        let conn = &mut shard.table[index];
        if self.controller != NONE && conn.protocol_number() == Protocol::Udp.number() {
            conn.hop_request = NONE;
        }
    }
}

/// A connection has begun. Where its replies do not pass here, its client's next datagram makes a stream of it.
fn begun<B>(index: u32, shard: &mut Shard<B>) {
    let conn = &mut shard.table[index];
    if conn.protocol_number() == Protocol::Udp.number() && !conn.method().has_replies() {
        conn.state = udp::State::Stream as u8;
    }
    shard.watch(index);
}

/// `ends` are the packet's source and destination.
pub(super) fn run<B>(
    frame: &[u8],
    meta: &mut Meta,
    ends: [IpAddr; 2],
    service: &VirtualService,
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> Step {
    run_for(frame, meta, ends, service, None, shard, context)
}

/// The same where the packet that the connection begins with is not there, but an ICMP error about it.
pub(super) fn run_for<B>(
    frame: &[u8],
    meta: &mut Meta,
    ends: [IpAddr; 2],
    service: &VirtualService,
    error: Option<(&[u8], &mut Meta)>,
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> Step {
    let one_packet = service.manner.one_packet && meta.protocol() == Protocol::Udp.number();
    let place = match service.manner.persistent {
        Some(persistent) => persist::place(frame, meta, ends, service, persistent, context),
        None => choose(meta, ends, service, context).ok_or(NO_SERVER).map(|bound| Place {
            bound,
            port: if bound.server.port == 0 { meta.tuple.dport } else { bound.server.port },
            controller: NONE,
            guest: false,
        }),
    };
    let place = match place {
        Ok(place) => place,
        Err(NO_SERVER) if error.is_none() && may_pass_by(meta, ends, service, context) => {
            return pass_by(meta, ends, one_packet, shard, context);
        }
        Err(step) => return step,
    };
    let index = match connect(meta, ends, &place, one_packet, shard, context) {
        Ok(index) => index,
        Err(reason) => return place.give_back(reason, context),
    };
    let Bound { server, state, .. } = place.bound;
    debug_assert_eq!(state.generation.load(Relaxed), server.generation, "a slot outlives its references");
    if place.guest {
        service.state.elsewhere.fetch_add(1, Relaxed);
        context.link.totals.get(server.slot).inspect(|totals| totals.guest());
    }
    let step = first(meta, index, error, shard, context);
    place.keep(index, one_packet, shard);
    step
}

/// What becomes of the packet that begins a connection, or of the error about it.
#[inline(always)]
fn first<B>(
    meta: &mut Meta,
    index: u32,
    error: Option<(&[u8], &mut Meta)>,
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> Step {
    match error {
        None => track::step(meta, index, Direction::Request, shard, context),
        Some((frame, error)) => icmp::to_server(frame, error, index, shard, context),
    }
}

/// The scheduler's choice, with a place taken. Where another worker took the last one meanwhile, that server is out and
/// the scheduler is asked again.
pub(super) fn choose<'a>(
    meta: &Meta,
    [client, vip]: [IpAddr; 2],
    service: &'a VirtualService,
    context: Context<'a>,
) -> Option<Bound<'a>> {
    let asked = Asked {
        service,
        servers: context.servers,
        client: SocketAddr::new(client, meta.tuple.sport),
        vip,
        now: context.now,
        lblcr_expiration: ticks(context.tables.sysctls.lblcr_expiration.max(0).cast_unsigned()),
        chance: context.chance,
    };
    for _ in 0..=service.servers.len() {
        let server = service.servers[service.scheduler.pick(&asked)?];
        let state = context.servers.get(server.slot)?;
        if service.scheduler.passes_thresholds() {
            return Some(Bound { server, state, was_open: state.bind_anyway() });
        }
        if state.bind() {
            return Some(Bound { server, state, was_open: true });
        }
    }
    None
}

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
    if server.forward == ForwardMethod::Tun || context.tables.options.strict_parity {
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

/// Makes the connection and counts it; its state is still the protocol's first.
fn connect<B>(
    meta: &Meta,
    ends: [IpAddr; 2],
    place: &Place<'_>,
    one_packet: bool,
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> Result<u32, Drop> {
    let server = &place.bound.server;
    let (address, six) = match server.address {
        IpAddr::V4(address) => (address.to_bits(), None),
        IpAddr::V6(address) => (shard.table.digest(&address.octets()), Some(address.octets())),
    };
    let server_side = (address, place.port);
    let reply_hash = ask_for_reply(meta, server_side, shard);
    // While that line comes.
    let totals = context.link.totals.get(server.slot);
    let hop_request = hop(server, totals, context);
    let mut new = to_destination(meta, ends, context);
    let (header, transport) = changes(meta, &new, server_side, six);
    (new.server, new.server_port) = server_side;
    (new.header_change, new.transport_change) = (header.number(), transport.number());
    new.set(flag::NO_OUTPUT, !server.forward.has_replies());
    new.set(flag::SERVER_V6, six.is_some());
    new.addresses6[2] = six.unwrap_or_default();
    new.forward = server.forward as u8;
    (new.server_slot, new.server_generation) = (server.slot, server.generation as u8);
    (new.hop_request, new.controller) = (hop_request, place.controller);
    if meta.tuple.dport == ftp::CONTROL {
        help(&mut new, shard, context)?;
    }
    let side = new.side;
    let index = enter(new, one_packet, [meta.hash, reply_hash], shard, context).inspect_err(|_| {
        shard.end_help(side, &context.tables.templates.expected);
    })?;
    if let Some(totals) = totals {
        totals.connection();
    }
    Ok(index)
}

/// Has a control connection of FTP looked into (`tcp_app_conn_bind`): its server's addresses are not its client's.
#[cold]
fn help<B>(new: &mut Conn, shard: &mut Shard<B>, context: Context<'_>) -> Result<(), Drop> {
    if new.method() == ForwardMethod::Nat && new.is_tcp() {
        new.side = shard.sides.take().ok_or(Drop::FtpFull)?;
        new.hop_request = NONE;
        context.tables.templates.expected.helps(true);
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
fn to_destination(meta: &Meta, ends: [IpAddr; 2], context: Context<'_>) -> Conn {
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

/// Whether a packet that finds no server goes on to whom it was sent: a mark led it here, `cache_bypass` says so, and
/// that is somebody else. An error about a packet does not.
fn may_pass_by(meta: &Meta, [_, vip]: [IpAddr; 2], service: &VirtualService, context: Context<'_>) -> bool {
    matches!(service.key, ServiceKey::Mark { .. })
        && meta.kind.has_ports()
        && context.tables.sysctls.cache_bypass != 0
        && !context.tables.locals.has(vip)
}

fn pass_by<B>(
    meta: &mut Meta,
    ends: [IpAddr; 2],
    one_packet: bool,
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> Step {
    let new = to_destination(meta, ends, context);
    let hashes = [meta.hash, shard.table.hash(&new.reply_key())];
    let index = match enter(new, one_packet, hashes, shard, context) {
        Ok(index) => index,
        Err(reason) => return Step::Drop(reason),
    };
    let step = track::step(meta, index, Direction::Request, shard, context);
    if !one_packet {
        begun(index, shard);
    }
    step
}

/// Takes a new connection in: for this packet alone, or until its time is over.
pub(super) fn enter<B>(
    new: Conn,
    one_packet: bool,
    hashes: [u64; 2],
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> Result<u32, Drop> {
    let index = match one_packet {
        true => {
            let index = shard.table.pass(shard.passing.len(), new);
            shard.passing.push(index);
            index
        }
        false => {
            shard.make_room(context.now, context.chance, context.servers, &context.tables.templates, context.link);
            insert(new, hashes, shard)?
        }
    };
    crate::counters::add(&context.link.counters.connections_made, 1);
    Ok(index)
}

/// Makes it findable by both its keys: replies that land on another worker need a signpost there.
fn insert<B>(mut conn: Conn, hashes: [u64; 2], shard: &mut Shard<B>) -> Result<u32, Drop> {
    let has_replies = conn.method().has_replies();
    let away = if has_replies { shard.signpost_for(&conn).map_err(|_| Drop::SignpostFull)? } else { None };
    conn.set(flag::REPLY_AWAY, away.is_some());
    let index = shard.table.insert_hashed(conn, hashes).ok_or(Drop::ConnectionsFull)?;
    if let Some(worker) = away {
        shard.put_signpost(worker, index);
    }
    Ok(index)
}
