//! Schedule: the first packet of a connection gets a server. After `ip_vs_schedule`, `ip_vs_sched_persist`,
//! `ip_vs_conn_new` and, where there is no server, `ip_vs_leave`. A connection is made here; what becomes of the packet is
//! its caller's business.

use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;

use super::choose::{Assignment, Bound, NO_SERVER, choose};
use super::{connect, persist};
use crate::conn::NONE;
use crate::flow::{Protocol, ServiceKey};
use crate::packet::{Meta, Step};
use crate::pipeline::desk::Desk;
use crate::pipeline::scene::Context;
use crate::service::{Server, VirtualService};
use crate::shard::Shard;

/// A connection that was made. [`Begun::keep`] it when its first packet has been tracked.
#[must_use]
pub(super) struct Begun<'a> {
    /// Its index.
    pub(super) index: u32,
    pub(super) one_packet: bool,
    /// Absent where there is none.
    pub(super) server: Option<&'a Server>,
}

impl Begun<'_> {
    /// Has the connection live on behind its first packet, unless it is of one packet only.
    #[inline]
    pub(super) fn keep<B>(self, shard: &mut Shard<B>) {
        let Self { index, one_packet, server } = self;
        match server {
            // Whoever comes next finds the counts as they were.
            Some(_) if one_packet => shard.table.leave(index, server),
            None if one_packet => {}
            _ => connect::begun(index, shard),
        }
    }
}

/// The connection that a packet to a service begins; `ends` are the packet's source and destination. Where there is no
/// server, it may go past the service.
pub(super) fn run<'a, B>(
    frame: &[u8],
    meta: &Meta,
    ends: [IpAddr; 2],
    service: &'a VirtualService,
    desk: &mut Desk<'a, B>,
) -> Result<Begun<'a>, Step> {
    match at_server(frame, meta, ends, service, desk) {
        Err(NO_SERVER) if may_pass_by(meta, ends, service, desk.context) => pass_by(meta, ends, service, desk),
        other => other,
    }
}

/// The connection to a server of the service.
#[inline(always)]
pub(super) fn at_server<'a, B>(
    frame: &[u8],
    meta: &Meta,
    ends: [IpAddr; 2],
    service: &'a VirtualService,
    desk: &mut Desk<'a, B>,
) -> Result<Begun<'a>, Step> {
    let one_packet = is_of_one_packet(meta, service);
    let place = match persist::place(frame, meta, ends, service, desk.context) {
        Some(place) => place?,
        None => choose(meta, ends, service, desk.context).ok_or(NO_SERVER).map(|bound| Assignment {
            bound,
            port: if bound.server.port == 0 { meta.tuple.dport } else { bound.server.port },
            controller: NONE,
            guest: false,
        })?,
    };
    let index = match connect::run(meta, ends, &place, one_packet, desk) {
        Ok(index) => index,
        Err(reason) => return Err(place.give_back(reason, desk.context)),
    };
    let Bound { server, state, .. } = place.bound;
    debug_assert_eq!(state.generation.load(Relaxed), server.generation, "a slot outlives its references");
    if place.guest {
        service.state.elsewhere.fetch_add(1, Relaxed);
        desk.context.link.totals.get(server.slot).inspect(|totals| totals.guest());
    }
    Ok(Begun { index, one_packet, server: Some(state) })
}

fn is_of_one_packet(meta: &Meta, service: &VirtualService) -> bool {
    service.manner.one_packet && meta.protocol() == Protocol::Udp.number()
}

/// Whether a packet that finds no server goes on to whom it was sent: a mark led it here, `cache_bypass` says so, and
/// that is somebody else.
fn may_pass_by(meta: &Meta, [_, vip]: [IpAddr; 2], service: &VirtualService, context: Context<'_>) -> bool {
    matches!(service.key, ServiceKey::Mark { .. })
        && meta.kind.has_ports()
        && context.tables.sysctls.cache_bypass != 0
        && !context.tables.locals.has(vip)
}

fn pass_by<'a, B>(
    meta: &Meta,
    ends: [IpAddr; 2],
    service: &VirtualService,
    desk: &mut Desk<'a, B>,
) -> Result<Begun<'a>, Step> {
    let one_packet = is_of_one_packet(meta, service);
    let mut new = connect::past_servers(meta, ends, desk.context);
    let index = connect::enter(&mut new, one_packet, [meta.hash, 0], desk).map_err(Step::Drop)?;
    Ok(Begun { index, one_packet, server: None })
}
