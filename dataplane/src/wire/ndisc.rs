//! Neighbour discovery (RFC 4861): solicitations and advertisements of neighbours, read by the rules of sections 7.1.1
//! and 7.1.2 and written as `ndisc_send_ns` and `ndisc_send_na` do (`net/ipv6/ndisc.c`).
//!
//! ```text
//! type  code  checksum  flags R S O, reserved  target (16 bytes)  options: type, length in units of 8 bytes, ...
//! ```

use std::net::Ipv6Addr;

use super::checksum::Sum;
use super::ethernet::{self, MacAddr};
use super::{icmpv6, ipv6, put};

/// Router solicitation.
pub const ROUTER_SOLICITATION: u8 = 133;
/// Router advertisement.
pub const ROUTER_ADVERTISEMENT: u8 = 134;
/// Neighbour solicitation.
pub const SOLICITATION: u8 = 135;
/// Neighbour advertisement.
pub const ADVERTISEMENT: u8 = 136;
/// Redirect.
pub const REDIRECT: u8 = 137;

/// The hop limit of every message: a router would have lowered it, so the sender is on the link.
pub const HOP_LIMIT: u8 = 255;
/// Every station of a link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Bytes of either message before its options.
const LEN: usize = 24;
const SOURCE_LINK_ADDRESS: u8 = 1;
const TARGET_LINK_ADDRESS: u8 = 2;
/// Bytes of an option with an Ethernet address.
const LINK_OPTION: usize = 8;

const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

/// Who has the target?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Solicitation {
    /// Who asks; unspecified where it looks for others with the address that it wants (RFC 4862).
    pub source: Ipv6Addr,
    /// Whom it asks: the target, or the target's solicited-node group.
    pub destination: Ipv6Addr,
    /// The address in question.
    pub target: Ipv6Addr,
    /// The MAC of who asks.
    pub mac: Option<MacAddr>,
}

/// The target is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advertisement {
    /// Who says so.
    pub source: Ipv6Addr,
    /// To whom: who asked, or every station.
    pub destination: Ipv6Addr,
    /// The address in question.
    pub target: Ipv6Addr,
    /// Its MAC.
    pub mac: Option<MacAddr>,
    /// It is a router.
    pub router: bool,
    /// It was asked.
    pub solicited: bool,
    /// What was known before is wrong if it differs.
    pub overrides: bool,
}

/// Either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// A question.
    Solicitation(Solicitation),
    /// An answer, or news.
    Advertisement(Advertisement),
}

/// The group that is asked for an address.
#[must_use]
pub fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b] = address.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | a & 0xff, b)
}

/// The MAC of a group (RFC 2464 7).
#[must_use]
pub fn group_mac(group: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = group.octets();
    MacAddr([0x33, 0x33, a, b, c, d])
}

/// The link-local address of a station by its MAC (RFC 4291, appendix A).
#[must_use]
pub fn link_local(mac: MacAddr) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    let half = |high, low| u16::from_be_bytes([high, low]);
    Ipv6Addr::new(0xfe80, 0, 0, 0, half(a ^ 2, b), half(c, 0xff), half(0xfe, d), half(e, f))
}

impl Message {
    /// Reads an IPv6 packet that is one of the two; `None` where the RFC calls it invalid, or it is neither.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let header = ipv6::Header::parse(packet).ok()?;
        let body = &packet[ipv6::HEADER..header.total];
        let fixed = body.first_chunk::<LEN>()?;
        let sum = Sum::default().pseudo(&header.src, &header.dst, icmpv6::PROTOCOL, body.len()).bytes(body);
        let [kind, code, ..] = *fixed;
        if header.next != icmpv6::PROTOCOL || header.hop_limit != HOP_LIMIT || code != 0 || sum.fold() != 0xffff {
            return None;
        }
        let [source, destination] = [header.src, header.dst].map(Ipv6Addr::from);
        let target = Ipv6Addr::from(*fixed[8..].first_chunk::<16>()?);
        if source.is_multicast() || target.is_multicast() || target.is_unspecified() || target.is_loopback() {
            return None;
        }
        let [from, to] = link_options(&body[LEN..])?;
        match kind {
            SOLICITATION => Solicitation { source, destination, target, mac: from }.valid().map(Self::Solicitation),
            ADVERTISEMENT => {
                let is = |flag| fixed[4] & flag != 0;
                let (router, solicited, overrides) = (is(ROUTER), is(SOLICITED), is(OVERRIDE));
                let read = Advertisement { source, destination, target, mac: to, router, solicited, overrides };
                read.valid().map(Self::Advertisement)
            }
            _ => None,
        }
    }
}

/// The MACs of the options, that of the sender and that of the target; of several of a kind the first counts. `None`
/// where an option has no length, goes beyond the message, or names no station.
fn link_options(mut options: &[u8]) -> Option<[Option<MacAddr>; 2]> {
    let mut macs = [None; 2];
    while let [kind, units, rest @ ..] = options {
        let length = usize::from(*units) * 8;
        let value = rest.get(..length.checked_sub(2)?)?;
        if let SOURCE_LINK_ADDRESS | TARGET_LINK_ADDRESS = *kind {
            let mac = MacAddr(value.try_into().ok()?);
            if mac.is_group() || mac == MacAddr::default() {
                return None;
            }
            macs[usize::from(*kind - SOURCE_LINK_ADDRESS)].get_or_insert(mac);
        }
        options = &options[length..];
    }
    options.is_empty().then_some(macs)
}

impl Solicitation {
    /// Itself, if who has no address yet asks the group, and names no MAC (7.1.1).
    fn valid(self) -> Option<Self> {
        let group = self.destination == solicited_node(self.target);
        (!self.source.is_unspecified() || group && self.mac.is_none()).then_some(self)
    }

    /// The whole frame, from one MAC to another.
    #[must_use]
    pub fn frame(&self, from: MacAddr, to: MacAddr) -> Vec<u8> {
        let option = self.mac.map(|mac| (SOURCE_LINK_ADDRESS, mac));
        frame([from, to], [self.source, self.destination], [SOLICITATION, 0], self.target, option)
    }
}

impl Advertisement {
    /// Itself, if it comes from somebody and no group is told that it had asked (7.1.2).
    fn valid(self) -> Option<Self> {
        let to_group = self.destination.is_multicast();
        (!(self.source.is_unspecified() || to_group && self.solicited)).then_some(self)
    }

    /// The whole frame, from one MAC to another.
    #[must_use]
    pub fn frame(&self, from: MacAddr, to: MacAddr) -> Vec<u8> {
        let option = self.mac.map(|mac| (TARGET_LINK_ADDRESS, mac));
        let flag = |set, flag| if set { flag } else { 0 };
        let flags = flag(self.router, ROUTER) | flag(self.solicited, SOLICITED) | flag(self.overrides, OVERRIDE);
        frame([from, to], [self.source, self.destination], [ADVERTISEMENT, flags], self.target, option)
    }
}

/// A message in its frame. The kernel labels none as a flow, other than what [`ipv6::build`] makes.
fn frame(
    [from, to]: [MacAddr; 2],
    [src, dst]: [Ipv6Addr; 2],
    [kind, flags]: [u8; 2],
    target: Ipv6Addr,
    link: Option<(u8, MacAddr)>,
) -> Vec<u8> {
    let mut body = vec![kind, 0, 0, 0, flags, 0, 0, 0];
    body.extend(target.octets());
    if let Some((kind, mac)) = link {
        body.extend([kind, (LINK_OPTION / 8) as u8]);
        body.extend(mac.0);
    }
    let (src, dst) = (src.octets(), dst.octets());
    let sum = Sum::default().pseudo(&src, &dst, icmpv6::PROTOCOL, body.len()).bytes(&body).finish();
    put(&mut body, 2, &sum.to_be_bytes());
    let ether = ethernet::Header { dst: to, src: from, ethertype: ethernet::IPV6 };
    let header = [0x60, 0, 0, 0, 0, body.len() as u8, icmpv6::PROTOCOL, HOP_LIMIT];
    [&ether.bytes()[..], &header, &src, &dst, &body].concat()
}

#[cfg(test)]
#[path = "ndisc_tests.rs"]
mod tests;
