//! Multicast listener discovery (RFC 3810, and RFC 2710 before it): what routers and switches ask about groups, and what a
//! listener reports. Read by the rules of RFC 3810 6.2 as `igmp6_event_query` does, written as `mld_newpack` and
//! `igmp6_send` do (`net/ipv6/mcast.c`).
//!
//! ```text
//! IPv6, hop limit 1 | hop by hop: router alert | 130  code  checksum  delay  reserved  group  (version 2: more, sources)
//!                                              | 143  0     checksum  0  count | record: change  0  0  group | ...
//! ```

use std::net::Ipv6Addr;

use super::checksum::Sum;
use super::ethernet::{self, MacAddr};
use super::ndisc::group_mac;
use super::{be16, icmpv6, ipv6};

/// A query.
pub const QUERY: u8 = 130;
const REPORT: u8 = 143;
const OLD_REPORT: u8 = 131;
const OLD_DONE: u8 = 132;

/// Who listens to reports.
pub const ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
/// Who listens to a listener of version 1 that goes.
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// The header of every message between IPv6 and ICMPv6: a router is to look at it (RFC 2711), and padding.
const ALERT: [u8; 8] = [icmpv6::PROTOCOL, 0, ROUTER_ALERT, 2, 0, 0, PAD_N, 0];
const PAD_1: u8 = 0;
const PAD_N: u8 = 1;
const ROUTER_ALERT: u8 = 5;
/// What the alert is about.
const ABOUT_LISTENERS: [u8; 2] = [0, 0];

/// Bytes of a query of version 1.
const OLD_QUERY: usize = 24;
/// Bytes of a query of version 2 before its sources.
const NEW_QUERY: usize = 28;
const SOURCE: usize = 16;
/// Bytes of a record without sources.
const RECORD: usize = 20;
/// Most groups of one report: it fits every link (RFC 8200 5).
pub const GROUPS_MAX: usize = (ipv6::LEAST_MTU as usize - ipv6::HEADER - ALERT.len() - icmpv6::HEADER) / RECORD;

/// A router or a switch asks which groups somebody listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// The group in question; `None` = all.
    pub group: Option<Ipv6Addr>,
    /// The answer may take so many milliseconds.
    pub delay: u32,
    /// Who asks speaks version 1 only.
    pub old: bool,
}

/// What is said of a group, whoever sends to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordChange {
    /// Asked: it is listened to (`MODE_IS_EXCLUDE`, no sources).
    Listens = 2,
    /// It is no longer listened to (`CHANGE_TO_INCLUDE_MODE`).
    Leaves = 3,
    /// It is listened to from now on (`CHANGE_TO_EXCLUDE_MODE`).
    Joins = 4,
}

/// The message in an IPv6 packet whose first extension header is of hop-by-hop options, the last before ICMPv6.
#[must_use]
pub fn body(packet: &[u8]) -> Option<&[u8]> {
    let fixed = packet.first_chunk::<{ ipv6::HEADER }>()?;
    let extension = packet[ipv6::HEADER..].first_chunk::<8>()?;
    if fixed[ipv6::NEXT_HEADER] != ipv6::HOP_BY_HOP || extension[0] != icmpv6::PROTOCOL {
        return None;
    }
    packet.get(ipv6::HEADER + options_end(extension[1])..)
}

/// Bytes of a header of options.
const fn options_end(units: u8) -> usize {
    8 + units as usize * 8
}

impl Query {
    /// Reads an IPv6 packet; `None` where it is no query, or one that a listener drops.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let header = ipv6::Header::parse(packet).ok()?;
        let packet = &packet[..header.total];
        let body = body(packet)?;
        let options = &packet[ipv6::HEADER + 2..packet.len() - body.len()];
        let fixed = body.first_chunk::<OLD_QUERY>()?;
        let source = Ipv6Addr::from(header.src);
        let sum = Sum::default().pseudo(&header.src, &header.dst, icmpv6::PROTOCOL, body.len()).bytes(body);
        let near = source.is_unicast_link_local() && header.hop_limit == 1;
        if fixed[0] != QUERY || !near || !alerts(options) || sum.fold() != 0xffff {
            return None;
        }
        let old = body.len() == OLD_QUERY;
        if !old && body.get(NEW_QUERY..)?.len() < usize::from(be16(body, NEW_QUERY - 2)) * SOURCE {
            return None;
        }
        let group = Ipv6Addr::from(*fixed[8..].first_chunk::<16>()?);
        let group = (!group.is_unspecified()).then_some(group);
        let code = be16(fixed, 4);
        let delay = if old { u32::from(code) } else { decoded(code) };
        group.is_none_or(|group| group.is_multicast()).then_some(Self { group, delay, old })
    }
}

/// Milliseconds (RFC 3810 5.1.3): the upper half of the codes are an exponent of three bits and a mantissa of twelve.
fn decoded(code: u16) -> u32 {
    let (exponent, mantissa) = (u32::from(code >> 12 & 7), u32::from(code & 0xfff));
    if code < 0x8000 { u32::from(code) } else { (mantissa | 0x1000) << (exponent + 3) }
}

/// Whether options tell routers of listener discovery.
fn alerts(mut options: &[u8]) -> bool {
    while let [kind, rest @ ..] = options {
        if *kind == PAD_1 {
            options = rest;
            continue;
        }
        let Some((length, rest)) = rest.split_first() else { return false };
        let Some((value, rest)) = rest.split_at_checked(usize::from(*length)) else { return false };
        if *kind == ROUTER_ALERT {
            return value == ABOUT_LISTENERS;
        }
        options = rest;
    }
    false
}

/// The frame that reports groups, [`GROUPS_MAX`] at most.
#[must_use]
pub fn report(source: Ipv6Addr, from: MacAddr, change: RecordChange, groups: &[Ipv6Addr]) -> Vec<u8> {
    let mut body = vec![REPORT, 0, 0, 0, 0, 0];
    body.extend((groups.len() as u16).to_be_bytes());
    for group in groups {
        body.extend([change as u8, 0, 0, 0]);
        body.extend(group.octets());
    }
    frame(source, ROUTERS, from, body)
}

/// A report about one group, for routers that speak version 1 only.
#[must_use]
pub fn old_report(source: Ipv6Addr, from: MacAddr, change: RecordChange, group: Ipv6Addr) -> Vec<u8> {
    let (kind, to) = match change {
        RecordChange::Leaves => (OLD_DONE, ALL_ROUTERS),
        RecordChange::Listens | RecordChange::Joins => (OLD_REPORT, group),
    };
    frame(source, to, from, [&[kind, 0, 0, 0, 0, 0, 0, 0][..], &group.octets()].concat())
}

fn frame(source: Ipv6Addr, to: Ipv6Addr, from: MacAddr, mut body: Vec<u8>) -> Vec<u8> {
    let (src, dst) = (source.octets(), to.octets());
    icmpv6::seal(&mut body, &src, &dst);
    let length = (ALERT.len() + body.len()) as u16;
    let [high, low] = length.to_be_bytes();
    let ether = ethernet::Header { dst: group_mac(to), src: from, ethertype: ethernet::IPV6 };
    let header = [0x60, 0, 0, 0, high, low, ipv6::HOP_BY_HOP, 1];
    [&ether.bytes()[..], &header, &src, &dst, &ALERT, &body].concat()
}

#[cfg(test)]
#[path = "mld_tests.rs"]
mod tests;
