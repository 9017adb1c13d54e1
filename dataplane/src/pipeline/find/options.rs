//! Options of IP headers where a packet has arrived, where it is delivered to the director itself, and where it is quoted.
//! What they mean is in [`options4`] and [`options6`]; when a packet leaves, see `leave/options.rs`.
//!
//! ```text
//! arrived    IPv4: all are checked; a source route is refused, or followed if `accept_source_route` says so
//!            IPv6: hop-by-hop options are checked
//! delivered  IPv6: destination options and routing headers are checked
//! leaves     IPv4: record route and timestamp are filled in
//! ```
//!
//! A packet is only checked when it arrives, and changed when it leaves: one that crosses to another worker is checked
//! again, and changed once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::martian::martian;
use crate::packet::{Meta, Step};
use crate::pipeline::scene::Context;
use crate::route::Action;
use crate::tables::Tables;
use crate::verdict::{Answer, Drop};
use crate::wire::options4::{self, Found, Here, Onward};
use crate::wire::options6::{self, Refusal, Start};
use crate::wire::{be32, ipv4, ipv6, ndisc};

/// The longest IPv4 header.
const LONGEST: usize = ipv4::HEADER + options4::MOST;

/// The pointer of a parameter problem about the destination of an IPv4 header.
const DESTINATION: u8 = 16;

/// Where the destination of an IPv6 header stands.
const DESTINATION6: usize = 24;

/// What the options of an IPv4 header that has some end its packet in, if they do. The packet of an accepted source route
/// is for the next station on it from here on.
#[cold]
pub(crate) fn arrived4(header: &[u8], meta: &mut Meta, tables: &Tables) -> Result<(), Step> {
    let ends = [meta.tuple.src, meta.tuple.dst].map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
    if let Some(drop) = martian(ends, tables) {
        return Err(Step::Drop(drop));
    }
    if tables.locals.v4.get(&meta.tuple.dst) == Some(&false) {
        return Err(Step::Drop(Drop::Group));
    }
    let mut copy = [0; LONGEST];
    let copy = &mut copy[..header.len().min(LONGEST)];
    copy.copy_from_slice(&header[..copy.len()]);
    let is_ours = |address| is_ours(address, tables);
    let found = options4::fill(copy, &Here { route: 0, stamp: 0, time: 0, is_ours: &is_ours });
    match (found.problem, found.source_route) {
        (Some(at), _) => Err(problem4(at)),
        (None, Some(at)) if tables.options.accept_source_route => source_route(header, at, meta, tables),
        (None, Some(_)) => Err(Step::Drop(Drop::SourceRoute)),
        (None, None) => Ok(()),
    }
}

const fn problem4(at: u8) -> Step {
    Step::Problem { kind: Answer::ParameterProblem, at: at as u16 }
}

/// An accepted source route (`ip_options_rcv_srr`): whoever it names as its station here sends the packet on; between two
/// stations of a strict one there is nobody else.
fn source_route(header: &[u8], at: usize, meta: &mut Meta, tables: &Tables) -> Result<(), Step> {
    let strict = options4::is_strict(header, at);
    match tables.locals.v4.contains_key(&meta.tuple.dst) {
        true => {}
        false if strict => return Err(problem4(DESTINATION)),
        false => return Ok(()),
    }
    match options4::onward(header, at) {
        Onward::Nowhere => Ok(()),
        Onward::Problem(at) => Err(problem4(at)),
        Onward::To(next) if is_ours(next, tables) => Err(Step::Drop(Drop::SourceRoute)),
        Onward::To(next) => {
            meta.tuple.dst = next;
            let way = tables.net.routes.lookup(IpAddr::V4(Ipv4Addr::from_bits(next)));
            let refused = strict && matches!(way, Some(Action::Via { .. }));
            if refused { Err(Step::Answer(Answer::SourceRouteFailed)) } else { Ok(()) }
        }
    }
}

/// Whether an address is the director's, or of no single station: `inet_addr_type` other than "unicast".
pub(crate) fn is_ours(address: u32, tables: &Tables) -> bool {
    let is = Ipv4Addr::from_bits(address);
    let nobody = is.octets()[0] == 0 || is.is_broadcast() || is.is_multicast() || is.is_loopback();
    nobody || tables.locals.v4.contains_key(&address)
}

/// The address by which the director is known to a packet (`fib_compute_spec_dst`): the one that it was sent to, or what
/// the director says its own to the source in the name of.
pub(crate) fn known_as(header: &[u8], to_us: bool, context: Context<'_>) -> u32 {
    let Some(h) = header.first_chunk::<{ ipv4::HEADER }>() else { return 0 };
    let [src, dst] = [12, 16].map(|at| be32(h, at));
    if to_us || context.tables.locals.v4.get(&dst) == Some(&true) {
        return dst;
    }
    match context.tables.net.source_towards(IpAddr::V4(Ipv4Addr::from_bits(src))) {
        Some(IpAddr::V4(source)) => source.to_bits(),
        _ => 0,
    }
}

/// Whether a station that fills in the options of a packet changes any of its bytes.
pub(crate) fn would_change(frame: &[u8], meta: &Meta, context: Context<'_>) -> bool {
    let header = frame.get(usize::from(meta.l3)..usize::from(meta.l4)).unwrap_or_default();
    let mut filled = header.to_vec();
    quote4(&mut filled, &Meta::default(), context);
    filled != header
}

/// Fills in the options of an IPv4 packet that is answered. Whoever finds fault with a packet quotes it as it found it, and
/// nobody has computed its header's checksum again then, unless it was put together of fragments.
pub(crate) fn quote4(header: &mut [u8], meta: &Meta, context: Context<'_>) -> Found {
    let here = known_as(header, false, context);
    let is_ours = |address| is_ours(address, context.tables);
    let here = Here { route: here, stamp: here, time: context.time_of_day(), is_ours: &is_ours };
    let found = options4::fill(header, &here);
    if meta.largest != 0 {
        ipv4::seal(header);
    }
    found
}

/// What the hop-by-hop options of a packet end it in, if they do. `to_group`: its frame was sent to a group's MAC.
#[cold]
pub(crate) fn arrived6(packet: &[u8], header: &ipv6::Header, to_group: bool, tables: &Tables) -> Result<(), Step> {
    let ends = [header.src, header.dst].map(|octets| IpAddr::V6(Ipv6Addr::from(octets)));
    if martian(ends, tables) == Some(Drop::Martian) {
        return Err(Step::Drop(Drop::Martian));
    }
    let to_group = to_group || ends[1].is_multicast();
    options6::hop_by_hop(packet).map_err(|refusal| refused(refusal, to_group))
}

/// Whether the director listens to a group: every station does to that of all nodes, routers to that of all routers.
pub(crate) fn listens_to(group: IpAddr, tables: &Tables) -> bool {
    const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
    group == IpAddr::V6(ndisc::ALL_NODES) || group == IpAddr::V6(ALL_ROUTERS) && tables.options.ip_forward
}

/// What the extension headers of an IPv6 packet end it in when it is delivered to the director itself, if they do.
#[cold]
pub(crate) fn delivered6(frame: &[u8], meta: &Meta) -> Option<Step> {
    let packet = frame.get(usize::from(meta.l3)..meta.end as usize)?;
    let from = if meta.all_fragmented { Start::FIRST } else { Start::arrived(packet) };
    let to_group = packet.get(DESTINATION6) == Some(&0xff);
    options6::delivered(packet, from).err().map(|refusal| refused(refusal, to_group))
}

fn refused(refusal: Refusal, to_group: bool) -> Step {
    let (kind, at) = match refusal {
        Refusal::Malformed => return Step::Drop(Drop::BadOption),
        Refusal::Routing => return Step::Drop(Drop::RoutingHeader),
        Refusal::Discard => return Step::Drop(Drop::UnknownOption),
        Refusal::Option { of_groups: false, .. } if to_group => return Step::Drop(Drop::UnknownOption),
        Refusal::Field { .. } | Refusal::Header { .. } if to_group => return Step::Drop(Drop::BadOption),
        Refusal::Field { at } => (Answer::ParameterProblem, at),
        Refusal::Header { at } => (Answer::UnknownHeader, at),
        Refusal::Option { at, .. } => (Answer::UnknownOption, at),
    };
    Step::Problem { kind, at: at as u16 }
}
