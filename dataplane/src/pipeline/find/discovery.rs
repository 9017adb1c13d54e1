//! Neighbour discovery (RFC 4861) and questions about groups (RFC 3810) among the frames of a port: what control must
//! see, and what nobody here needs. The only IPv6 that is taken from a group's MAC.
//!
//! ```text
//! to a MAC of ours, or to that of ff02::1 or of a solicited-node group, and
//! ICMPv6 of types 133 to 137?
//!     about routers, or a redirect        -> dropped: routes are configured
//!     invalid                             -> dropped
//!     a question for an address of others -> dropped
//!     else                                -> to control
//! behind hop-by-hop options, of type 130?
//!     invalid                             -> dropped
//!     else                                -> to control, which knows the groups
//! ```

use std::net::Ipv6Addr;
use std::ops::RangeInclusive;

use crate::packet::{Meta, Step};
use crate::tables::Tables;
use crate::verdict::{Drop, Punt};
use crate::wire::ethernet::{self, MacAddr};
use crate::wire::ndisc::{self, Message};
use crate::wire::{be16, icmpv6, ipv6, mld};

/// IPv6, and the type of the message.
const LEAST: usize = ipv6::HEADER + 1;
/// Where the next header is.
const NEXT: usize = ipv6::NEXT_HEADER;
/// The types of neighbour discovery.
const DISCOVERY: RangeInclusive<u8> = ndisc::ROUTER_SOLICITATION..=ndisc::REDIRECT;

/// What becomes of a frame, if it is neighbour discovery, or a question about groups, for this station. Kept out of the
/// loop over packets.
#[inline(never)]
pub(super) fn taken(frame: &[u8], meta: &Meta, mac: MacAddr, tables: &Tables) -> Option<Step> {
    let l3 = usize::from(meta.l3);
    let h = frame.get(l3..)?.first_chunk::<LEAST>()?;
    let kind = message(&frame[l3..], h)?;
    if be16(frame, l3 - 2) != ethernet::IPV6 {
        return None;
    }
    let destination = Ipv6Addr::from(*h[24..].first_chunk::<16>()?);
    let is_local = |address: Ipv6Addr| tables.locals.v6.contains_key(&address.to_bits());
    let here = if frame[..6] == mac.0 {
        is_group(destination) || is_local(destination)
    } else {
        is_group(destination) && frame[..6] == ndisc::group_mac(destination).0
    };
    here.then(|| {
        if kind == mld::QUERY {
            let valid = mld::Query::parse(&frame[l3..]).is_some();
            return if valid { Step::Punt(Punt::GroupQuery) } else { Step::Drop(Drop::InvalidDiscovery) };
        }
        if !matches!(kind, ndisc::SOLICITATION | ndisc::ADVERTISEMENT) {
            return Step::Drop(Drop::RouterDiscovery);
        }
        match Message::parse(&frame[l3..]) {
            None => Step::Drop(Drop::InvalidDiscovery),
            Some(Message::Solicitation(asked)) if !is_local(asked.target) => Step::Drop(Drop::Group),
            Some(_) => Step::Punt(Punt::Neighbor6),
        }
    })
}

/// The type of a message that is looked at here: as it follows the fixed header, or the options of routers' interest.
fn message(packet: &[u8], h: &[u8; LEAST]) -> Option<u8> {
    match h[NEXT] {
        icmpv6::PROTOCOL => Some(h[LEAST - 1]).filter(|kind| DISCOVERY.contains(kind)),
        ipv6::HOP_BY_HOP => mld::body(packet)?.first().copied().filter(|kind| *kind == mld::QUERY),
        _ => None,
    }
}

/// Every station of the link, or those whose addresses end alike.
fn is_group(address: Ipv6Addr) -> bool {
    address == ndisc::ALL_NODES || address == ndisc::solicited_node(address)
}
