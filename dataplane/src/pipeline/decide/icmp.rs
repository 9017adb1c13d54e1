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

use super::choose::NO_SERVER;
use super::classify::{self, Class};
use super::{icmp_tunnel, local, schedule, way};
use crate::conn::{Found, NONE};
use crate::flow::{Direction, Protocol};
use crate::method::Treatment;
use crate::packet::{Arrival, Kind, Meta, Step};
use crate::pipeline::desk::Desk;
use crate::pipeline::find::quote::{self, Flow, is_icmp, is_right};
use crate::pipeline::find::{options, path};
use crate::pipeline::scene::Context;
use crate::shard::Shard;
use crate::verdict::Drop;
use crate::wire::quoted::Quote;
use crate::wire::tcp::SYN;

/// What becomes of a packet that is an error about a connection. `ends` are its own source and destination, `class` is
/// what it would be without. What a router refuses, it refuses before anybody asks for its connection.
#[cold]
pub(super) fn run<B>(
    frame: &[u8],
    meta: &mut Meta,
    ends: [IpAddr; 2],
    class: &Class<'_>,
    desk: &mut Desk<'_, B>,
) -> Option<Step> {
    let local = match class {
        Class::Host(Step::Drop(Drop::Icmp)) => true,
        Class::Forward => false,
        Class::Host(_) | Class::Other(_) | Class::Service(_) => return None,
    };
    if !is_icmp(meta) || !local && routed(meta, ends, desk.context).is_none() {
        return None;
    }
    let hooked = !desk.context.tables.unhooked.passes(meta.kind);
    if hooked && classify::is_cut(meta) {
        return Some(Step::Drop(Drop::Transport));
    }
    let message = quote::error(frame, meta)?;
    if local && let Some(step) = icmp_tunnel::run(frame, meta, message, hooked, desk) {
        return Some(step);
    }
    if !hooked {
        return None;
    }
    let quote = quote::quote(message, meta)?;
    let Some(turned) = Flow::turned(&quote, &desk.shard.table) else { return without_ports(&quote, desk.context) };
    match find(&turned, meta.arrival, desk.shard) {
        Some(Found::Conn(index, Direction::Reply)) => about_request(frame, meta, index, desk).or_else(|| {
            let way = desk.context.tables.net.path(ends[1]);
            (!local).then(|| way::send(meta, index, Treatment::ERROR_TO_CLIENT, way, desk.context))
        }),
        Some(Found::Conn(index, Direction::Request)) => Some(to_server(frame, meta, index, desk)),
        Some(Found::Away { home, conn }) => Some(Step::Handoff { worker: home, conn }),
        None => match request_past_us(&quote, desk.shard) {
            Some(index) => {
                desk.context.count(&desk.shard.table[index], Direction::Reply, meta.ip_len());
                if local { None } else { routed(meta, ends, desk.context) }
            }
            None => unknown(frame, meta, ends, (&quote, &turned), desk),
        },
    }
}

/// The step of an error that is for others, if a router sends it on.
fn routed(meta: &mut Meta, [_, destination]: [IpAddr; 2], context: Context<'_>) -> Option<Step> {
    let way = context.tables.net.path(destination);
    let step = way::send(meta, NONE, Treatment::ROUTED, way, context);
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
        Found::Conn(index, Direction::Request) => (!shard.table[index].method().row().has_replies()).then_some(index),
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
    desk: &mut Desk<'_, B>,
) -> Option<Step> {
    if !meta.arrival.is_by_tuple() {
        return None;
    }
    if desk.shard.station.is_alone() {
        return begin(frame, meta, ends, (quote, turned), desk);
    }
    let (me, landing) = (desk.shard.station.me(), desk.shard.station.landing(meta.lan.port())?);
    let (first, by_both) = (quote::home(frame, meta, landing, desk.shard, desk.context)?, landing.is_by_both());
    let second = Flow::of(quote, &desk.shard.table)?.lands(landing);
    let hand_over = |worker| Some(Step::Handoff { worker, conn: NONE });
    if first != me {
        return if meta.arrival == Arrival::Device { hand_over(first) } else { None };
    }
    let begun = begin(frame, meta, ends, (quote, turned), desk);
    if begun.is_none() && by_both && second != me { hand_over(second) } else { begun }
}

/// Whether NAT changes an error. The kernel's sums up its IP header, too, whose checksum is stale where options have been
/// filled in.
fn is_changed_by_nat(frame: &[u8], meta: &Meta, context: Context<'_>) -> bool {
    let stale = || meta.has_options() && options::would_change(frame, meta, context);
    is_right(frame, meta) && !(context.tables.options.strict_parity && stale())
}

const BAD: Step = Step::Drop(Drop::TransportChecksum);

/// An error about a packet to the server counts as the server's. A step where it goes no further.
fn about_request<B>(frame: &[u8], meta: &Meta, index: u32, desk: &Desk<'_, B>) -> Option<Step> {
    if !is_changed_by_nat(frame, meta, desk.context) {
        return Some(BAD);
    }
    desk.context.count(&desk.shard.table[index], Direction::Reply, meta.ip_len());
    None
}

/// About a packet to the client.
pub(super) fn to_server<B>(frame: &[u8], meta: &mut Meta, index: u32, desk: &mut Desk<'_, B>) -> Step {
    let (table, context) = (&mut desk.shard.table, desk.context);
    let row = table[index].method().row();
    if row.rewrites_ends() && !is_changed_by_nat(frame, meta, context) {
        return BAD;
    }
    context.count(&table[index], Direction::Request, meta.ip_len());
    if !row.rewrites_ends() {
        table[index].count_request();
    }
    let server = table.server_address(index);
    if server.is_loopback() && row.rewrites_ends() {
        return Step::Drop(Drop::Martian);
    }
    if local::is_here(server, context) && row.has_server {
        return Step::Drop(Drop::Icmp);
    }
    if row.error.is_wrapped() {
        return way::look_up(meta, index, Direction::Request, table, context);
    }
    // IPVS has what it sends on fragmented whatever it says, for nobody would be told.
    meta.df &= meta.kind.is_v6();
    let way = path::of(table, index, row.error.towards, context);
    way::send(meta, index, row.error, way, context)
}

/// With `schedule_icmp`, an error to a service begins the connection that it would be about. Such a one is no first segment:
/// the connection lives for its first seconds only, unless its client comes.
fn begin<B>(
    frame: &[u8],
    meta: &mut Meta,
    ends: [IpAddr; 2],
    (quote, turned): (&Quote, &Flow),
    desk: &mut Desk<'_, B>,
) -> Option<Step> {
    if desk.context.tables.sysctls.schedule_icmp == 0 || !is_balanced(quote) {
        return None;
    }
    let kind = match turned.tuple.transport() {
        Some((Protocol::Sctp, _)) => Kind::Sctp4,
        _ => Kind::Transport4,
    };
    let first = Meta {
        tuple: turned.tuple,
        hash: desk.shard.table.hash(&turned.tuple),
        kind: if meta.kind.is_v6() { kind.with_v6() } else { kind },
        tcp_flags: SYN,
        ..*meta
    };
    let mark = classify::mark(frame, meta, ends, desk.context);
    let service = classify::service(&first, turned.ends[1], mark.number, desk.context)?;
    if desk.shard.defence.drops_packet() {
        return Some(Step::Drop(Drop::Defence));
    }
    match schedule::at_server(&[], &first, turned.ends, service, desk) {
        Ok(begun) => {
            let step = to_server(frame, meta, begun.index, desk);
            begun.keep(desk.shard);
            Some(step)
        }
        Err(NO_SERVER) if classify::is_data_of_ftp(&first, service) => None,
        Err(step) => Some(step),
    }
}
