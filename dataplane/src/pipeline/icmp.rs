//! ICMP errors about packets of connections: they go where the connection's packets go, as its NAT makes them look. After
//! `ip_vs_in_icmp`, `ip_vs_out_icmp` and their twins of IPv6, `handle_response_icmp` and `ip_vs_icmp_xmit`.
//!
//! An error quotes the packet that it is about. Turned round, the quote is a packet of the other direction:
//!
//! ```text
//! quotes  server -> client, as the client saw it   turned round: a request     to the server, by the connection's method
//! quotes  client -> server, as the server saw it   turned round: a reply       to the client, in the VIP's name (NAT)
//! quotes  client -> VIP, sent on by DR             as it is: a request         routed; counts as the server's
//! quotes  director -> server, with a tunnel in it  see `icmp_tunnel.rs`
//! ```
//!
//! No error changes a connection's state or how long it lives. With `schedule_icmp`, one to a service may begin it; then
//! one that quotes no ports goes nowhere.

use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;

use super::classify::{self, Class};
use super::{Context, icmp_tunnel, local, options, schedule, track, way};
use crate::conn::{Conn, ConnTable, Found, NONE};
use crate::flow::{Direction, Family, ForwardMethod, Protocol, Tuple};
use crate::packet::{Arrival, Kind, Meta, Step};
use crate::proto;
use crate::shard::Shard;
use crate::steering::Landing;
use crate::verdict::{Drop, Forward};
use crate::wire::checksum::Sum;
use crate::wire::quoted::Quote;
use crate::wire::tcp::SYN;
use crate::wire::{icmpv4, icmpv6, ipsec};

/// Addresses, ports and protocol of a quoted packet, in one of its directions.
#[derive(Clone, Copy)]
pub(super) struct Flow {
    pub(super) ends: [IpAddr; 2],
    pub(super) tuple: Tuple,
}

impl Flow {
    /// As the packet was, if its ports are quoted, or it needs none.
    pub(super) fn of(quote: &Quote, table: &ConnTable) -> Option<Self> {
        let is_ipsec = matches!(quote.protocol, ipsec::AH | ipsec::ESP);
        let [sport, dport] = if is_ipsec { [0; 2] } else { quote.ports? };
        let bits = |address| match address {
            IpAddr::V4(address) => address.to_bits(),
            IpAddr::V6(address) => table.digest(&address.octets()),
        };
        let ([src, dst], family) = (quote.ends.map(bits), Family::of(quote.ends[0]));
        let protocol = if family == Family::Ipv6 { Tuple::marked(quote.protocol) } else { quote.protocol };
        let tuple = Tuple { dst, src, dport, sport, protocol };
        let tuple = if is_ipsec { proto::ipsec::key(tuple, family) } else { tuple };
        Some(Self { ends: quote.ends, tuple })
    }

    /// As one that answers it would be.
    fn turned(quote: &Quote, table: &ConnTable) -> Option<Self> {
        let Self { ends: [src, dst], tuple } = Self::of(quote, table)?;
        let Tuple { src: was_src, dst: was_dst, sport, dport, protocol } = tuple;
        let tuple = Tuple { dst: was_src, src: was_dst, dport: sport, sport: dport, protocol };
        Some(Self { ends: [dst, src], tuple })
    }

    fn six(&self) -> Option<[[u8; 16]; 2]> {
        match self.ends {
            [IpAddr::V6(src), IpAddr::V6(dst)] => Some([src.octets(), dst.octets()]),
            _ => None,
        }
    }

    /// The connection that a packet of it would belong to.
    pub(super) fn find<B>(&self, shard: &mut Shard<B>) -> Option<Found> {
        let hash = shard.table.hash(&self.tuple);
        shard.table.settle_for(hash);
        match self.six() {
            None => shard.table.find(hash, &self.tuple),
            Some([src, dst]) => shard.table.find6(hash, &self.tuple, [&src, &dst]),
        }
    }

    /// Where such a packet would land.
    fn lands(&self, landing: &Landing) -> u16 {
        let six = self.six();
        landing.worker(&self.tuple, six.as_ref().map(|[src, dst]| [src, dst]))
    }

    fn is_reply_of(&self, conn: u32, table: &ConnTable) -> bool {
        let between = |[src, dst]: [[u8; 16]; 2]| table[conn].is_between(Direction::Reply, [&src, &dst]);
        table.is_reply_of(conn, &self.tuple) && self.six().is_none_or(between)
    }
}

/// Whether a whole packet is of ICMP.
fn is_icmp(meta: &Meta) -> bool {
    matches!((meta.kind, meta.protocol()), (Kind::Other4, icmpv4::PROTOCOL) | (Kind::Other6, icmpv6::PROTOCOL))
}

/// The bytes of an ICMP error that may be about a connection.
fn error<'a>(frame: &'a [u8], meta: &Meta) -> Option<&'a [u8]> {
    let message = frame.get(usize::from(meta.l4)..meta.end as usize)?;
    let kind = *message.first()?;
    let about = if meta.kind.is_v6() { icmpv6::is_error(kind) } else { icmpv4::is_about_a_flow(kind) };
    (is_icmp(meta) && about).then_some(message)
}

/// The packet that an error quotes.
pub(super) fn quote(message: &[u8], meta: &Meta) -> Option<Quote> {
    if meta.kind.is_v6() { Quote::parse6(message, icmpv6::HEADER) } else { Quote::parse4(message, icmpv4::HEADER) }
}

/// The worker that an error belongs to, if it is about a packet that belongs to any.
#[cold]
pub(super) fn home<B>(
    frame: &[u8],
    meta: &Meta,
    landing: &Landing,
    shard: &Shard<B>,
    context: Context<'_>,
) -> Option<u16> {
    let message = error(frame, meta)?;
    let ours = || meta.ends(frame).is_some_and(|[_, destination]| context.tables.locals.has(destination));
    if let Some(tunnel) = icmp_tunnel::quoted(message).filter(|_| !meta.kind.is_v6() && ours()) {
        let request = &tunnel.inner;
        let flow = if landing.is_for_replies() { Flow::turned } else { Flow::of };
        return Some(flow(request, &shard.table)?.lands(landing));
    }
    Some(Flow::turned(&quote(message, meta)?, &shard.table)?.lands(landing))
}

/// What becomes of a packet that is an error about a connection. `ends` are its own source and destination, `class` is
/// what it would be without. What a router refuses, it refuses before anybody asks for its connection.
#[cold]
pub(super) fn run<B>(
    frame: &[u8],
    meta: &mut Meta,
    ends: [IpAddr; 2],
    class: &Class<'_>,
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> Option<Step> {
    let local = match class {
        Class::Host(Step::Drop(Drop::Icmp)) => true,
        Class::Forward => false,
        Class::Host(_) | Class::Other(_) | Class::Service(_) => return None,
    };
    if !is_icmp(meta) || !local && routed(meta, ends, context).is_none() {
        return None;
    }
    let hooked = !context.tables.unhooked.passes(meta.kind);
    if hooked && classify::is_cut(meta) {
        return Some(Step::Drop(Drop::Transport));
    }
    let message = error(frame, meta)?;
    if local && let Some(step) = icmp_tunnel::run(frame, meta, message, hooked, shard, context) {
        return Some(step);
    }
    if !hooked {
        return None;
    }
    let quote = quote(message, meta)?;
    let Some(turned) = Flow::turned(&quote, &shard.table) else { return without_ports(&quote, context) };
    match find(&turned, meta.arrival, shard) {
        Some(Found::Conn(index, Direction::Reply)) => to_client(frame, meta, index, ends, local, shard, context),
        Some(Found::Conn(index, Direction::Request)) => Some(to_server(frame, meta, index, shard, context)),
        Some(Found::Away { home, conn }) => Some(Step::Handoff { worker: home, conn }),
        None => match request_past_us(&quote, shard) {
            Some(index) => {
                count(&shard.table[index], Direction::Reply, meta.ip_len(), context);
                if local { None } else { routed(meta, ends, context) }
            }
            None => unknown(frame, meta, ends, (&quote, &turned), shard, context),
        },
    }
}

/// The step of an error that is for others, if a router sends it on.
fn routed(meta: &mut Meta, [_, destination]: [IpAddr; 2], context: Context<'_>) -> Option<Step> {
    let way = context.tables.net.path(destination);
    let step = way::send(meta, NONE, Forward::Routed, way, context);
    matches!(step, Step::Send { .. }).then_some(step)
}

/// Whether a quoted packet is one that connections are made of.
fn is_balanced(quote: &Quote) -> bool {
    Protocol::from_number(quote.protocol).is_some() && !quote.later
}

/// A quote that ends before its ports is about nobody. With `schedule_icmp` that is no reason to let it pass: nothing can
/// begin by it (`tcp_conn_schedule` and its like).
fn without_ports(quote: &Quote, context: Context<'_>) -> Option<Step> {
    (is_balanced(quote) && context.tables.sysctls.schedule_icmp != 0).then_some(Step::Drop(Drop::Transport))
}

fn find<B>(turned: &Flow, arrival: Arrival, shard: &mut Shard<B>) -> Option<Found> {
    match arrival {
        Arrival::Signed { conn } => {
            turned.is_reply_of(conn, &shard.table).then_some(Found::Conn(conn, Direction::Reply))
        }
        Arrival::Device | Arrival::Landed => turned.find(shard),
    }
}

/// The connection of a quoted packet that DR or a bypass sent on. An error about such a one counts as the server's, and
/// is for its receiver like any.
fn request_past_us<B>(quote: &Quote, shard: &mut Shard<B>) -> Option<u32> {
    match Flow::of(quote, &shard.table)?.find(shard)? {
        Found::Conn(index, Direction::Request) => (shard.table[index].method() != ForwardMethod::Nat).then_some(index),
        _ => None,
    }
}

/// About nothing that is known here. Another worker may know it: the one where the quote, turned round, lands, or, since
/// what DR sent on is quoted as a request, the one where requests land. Only the first may begin a connection.
fn unknown<B>(
    frame: &[u8],
    meta: &mut Meta,
    ends: [IpAddr; 2],
    (quote, turned): (&Quote, &Flow),
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> Option<Step> {
    if !meta.arrival.is_by_tuple() {
        return None;
    }
    if shard.station.is_alone() {
        return begin(frame, meta, ends, (quote, turned), shard, context);
    }
    let (me, landing) = (shard.station.me(), shard.station.landing(meta.lan.port())?);
    let (first, by_both) = (home(frame, meta, landing, shard, context)?, landing.is_by_both());
    let second = Flow::of(quote, &shard.table)?.lands(landing);
    let hand_over = |worker| Some(Step::Handoff { worker, conn: NONE });
    if first != me {
        return if meta.arrival == Arrival::Device { hand_over(first) } else { None };
    }
    let begun = begin(frame, meta, ends, (quote, turned), shard, context);
    if begun.is_none() && by_both && second != me { hand_over(second) } else { begun }
}

/// Totals of a connection's server.
pub(super) fn count(conn: &Conn, direction: Direction, len: usize, context: Context<'_>) {
    let server = context.servers.get(conn.server_slot);
    if server.is_some_and(|server| server.available.load(Relaxed))
        && let Some(totals) = context.link.totals.get(conn.server_slot)
    {
        totals.packet(direction, len);
    }
}

/// Whether an error's checksum is right: what is rewritten gets a new one, which must not make good what was bad.
pub(super) fn is_right(frame: &[u8], meta: &Meta) -> bool {
    let message = frame.get(usize::from(meta.l4)..meta.end as usize).unwrap_or_default();
    let pseudo = match meta.six(frame) {
        Some([src, dst]) => Sum::default().pseudo(src, dst, icmpv6::PROTOCOL, message.len()),
        None => Sum::default(),
    };
    pseudo.bytes(message).fold() == 0xffff
}

/// Whether NAT changes an error. The kernel's sums up its IP header, too, whose checksum is stale where options have been
/// filled in.
fn is_changed_by_nat(frame: &[u8], meta: &Meta, context: Context<'_>) -> bool {
    let stale = || meta.has_options() && options::would_change(frame, meta, context);
    is_right(frame, meta) && !(context.tables.options.strict_parity && stale())
}

const BAD: Step = Step::Drop(Drop::TransportChecksum);

/// About a packet to the server.
fn to_client<B>(
    frame: &[u8],
    meta: &mut Meta,
    index: u32,
    [_, destination]: [IpAddr; 2],
    local: bool,
    shard: &Shard<B>,
    context: Context<'_>,
) -> Option<Step> {
    if !is_changed_by_nat(frame, meta, context) {
        return Some(BAD);
    }
    count(&shard.table[index], Direction::Reply, meta.ip_len(), context);
    if local {
        return None;
    }
    let way = context.tables.net.path(destination);
    Some(way::send(meta, index, Forward::IcmpReply, way, context))
}

/// About a packet to the client.
pub(super) fn to_server<B>(
    frame: &[u8],
    meta: &mut Meta,
    index: u32,
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> Step {
    let conn = &mut shard.table[index];
    let method = conn.method();
    if method == ForwardMethod::Nat && !is_changed_by_nat(frame, meta, context) {
        return BAD;
    }
    count(conn, Direction::Request, meta.ip_len(), context);
    if method != ForwardMethod::Nat {
        conn.in_packets = conn.in_packets.wrapping_add(1);
    }
    let server = conn.server_address();
    if server.is_loopback() && method == ForwardMethod::Nat {
        return Step::Drop(Drop::Martian);
    }
    if local::is_here(server, context) && method != ForwardMethod::Bypass {
        return Step::Drop(Drop::Icmp);
    }
    let reason = match method {
        ForwardMethod::Tun => return way::look_up(meta, index, conn, Direction::Request, context),
        ForwardMethod::Nat => Forward::IcmpRequest,
        ForwardMethod::Dr | ForwardMethod::Bypass => track::reason(conn, Direction::Request),
    };
    // IPVS has what it sends on fragmented whatever it says, for nobody would be told.
    meta.df &= meta.kind.is_v6();
    let way = way::of(conn, reason, context);
    way::send(meta, index, reason, way, context)
}

/// With `schedule_icmp`, an error to a service begins the connection that it would be about. Such a one is no first segment:
/// the connection lives for its first seconds only, unless its client comes.
fn begin<B>(
    frame: &[u8],
    meta: &mut Meta,
    ends: [IpAddr; 2],
    (quote, turned): (&Quote, &Flow),
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> Option<Step> {
    if context.tables.sysctls.schedule_icmp == 0 || !is_balanced(quote) {
        return None;
    }
    let kind = match turned.tuple.transport() {
        Some((Protocol::Sctp, _)) => Kind::Sctp4,
        _ => Kind::Transport4,
    };
    let mut first = Meta {
        tuple: turned.tuple,
        hash: shard.table.hash(&turned.tuple),
        kind: if meta.kind.is_v6() { kind.with_v6() } else { kind },
        tcp_flags: SYN,
        ..*meta
    };
    let mark = classify::mark(frame, meta, ends, context);
    let service = classify::service(&first, turned.ends[1], mark.number, context)?;
    if shard.defence.drops_packet() {
        return Some(Step::Drop(Drop::Defence));
    }
    match schedule::run_for(&[], &mut first, turned.ends, service, Some((frame, meta)), shard, context) {
        schedule::NO_SERVER if classify::is_data_of_ftp(&first, service) => None,
        step => Some(step),
    }
}
