//! Options of an IPv4 packet that leaves (RFC 791 3.1): record route and timestamp are filled in, and an answer carries those
//! of the packet that it is about.

use std::net::IpAddr;

use crate::forward::{Change, icmp};
use crate::method::{Rewrite, Treatment};
use crate::neighbor::NextHop;
use crate::packet::Meta;
use crate::pipeline::find::options::{is_ours, known_as};
use crate::pipeline::scene::Context;
use crate::wire::echoed4::Echoed;
use crate::wire::options4::{self, Found, Here};
use crate::wire::{be32, ipv4};

/// Fills in the options of an IPv4 packet that leaves for a next hop, before it is changed.
#[cold]
pub(super) fn leave4(
    frame: &mut [u8],
    meta: &Meta,
    (treatment, change): (Treatment, Change),
    hop: &NextHop,
    context: Context<'_>,
) {
    let Some(header) = frame.get_mut(usize::from(meta.l3)..usize::from(meta.l4)) else { return };
    let Treatment { rewrite, as_host, .. } = treatment;
    let stamp = known_as(header, as_host && rewrite != Rewrite::ErrorToServer, context);
    let route = match rewrite {
        // What IPVS sends on itself no router forwards, who would write the link's address.
        _ if as_host => stamp,
        // A reply that is routed again is the director's own by then.
        Rewrite::ToClient | Rewrite::ErrorToClient if context.tables.sysctls.snat_reroute != 0 => {
            new_source(change).unwrap_or(hop.source4)
        }
        _ => hop.source4,
    };
    let is_ours = |address| is_ours(address, context.tables);
    let found = options4::fill(header, &Here { route, stamp, time: context.time_of_day(), is_ours: &is_ours });
    if let Some(at) = found.source_route
        && treatment == Treatment::ROUTED
        && context.tables.locals.v4.get(&be32(header, 16)) == Some(&true)
    {
        options4::follow(header, at, hop.source4);
    }
    ipv4::seal(header);
}

/// What a reply's source becomes.
fn new_source(change: Change) -> Option<u32> {
    match change {
        Change::Nat(new) | Change::Shifted(new, _) => Some(new.source()),
        Change::Icmp(icmp::NewEnd { address: IpAddr::V4(address), .. }) => Some(address.to_bits()),
        _ => None,
    }
}

/// What an answer in the name of `source` carries of the options of the packet that it is about.
pub(super) fn echo4(header: &[u8], found: &Found, source: u32, context: Context<'_>) -> Option<Echoed> {
    let is_ours = |address| is_ours(address, context.tables);
    let here = Here { route: source, stamp: source, time: context.time_of_day(), is_ours: &is_ours };
    Echoed::of(header, found, &here)
}
