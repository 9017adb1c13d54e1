//! What a frame says of itself, read leniently: a watch also wants to see what the pipeline finds malformed, so lengths
//! are checked and nothing else is. Not for decisions about packets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::flow::Protocol;
use crate::wire::{arp, be16, be32, ethernet, icmpv4, icmpv6, ipv4, ipv6, sctp};

/// EtherType of a VLAN tag (IEEE 802.1Q) and of a service tag before it (802.1ad).
const TAGS: [u16; 2] = [0x8100, 0x88a8];
/// VLAN tags, and IPv6 extension headers, that are stepped over.
const MOST_STEPS: usize = 8;
/// IPv6 extension headers of one form (RFC 8200 4): hop-by-hop, routing, destination options.
const EXTENSIONS: [u8; 3] = [0, 43, 60];
/// In place of a chunk's type.
pub const NO_CHUNK: u16 = u16::MAX;
/// The IPv6 fragment header.
const FRAGMENT: u8 = 44;

/// Addresses, protocol and ports of a frame, as far as it has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// EtherType, behind VLAN tags; 0 where the frame is shorter.
    pub ethertype: u16,
    /// Protocol of the IP packet.
    pub protocol: Option<u8>,
    /// Source and destination: of the IP packet, or sender and target of ARP.
    pub ends: Option<(IpAddr, IpAddr)>,
    /// Source and destination port.
    pub ports: Option<(u16, u16)>,
    /// TCP flags; type and code of ICMP: the high and the low byte; type of SCTP's first chunk, [`NO_CHUNK`] = none.
    pub detail: u16,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// A fragment of an IP packet.
    pub fragment: bool,
}

impl Outline {
    /// Reads a frame.
    #[must_use]
    pub fn of(frame: &[u8]) -> Self {
        let mut at = ethernet::HEADER - 2;
        for _ in 0..MOST_STEPS {
            if !TAGS.contains(&be16(frame, at)) {
                break;
            }
            at += 4;
        }
        let ethertype = be16(frame, at);
        let packet = frame.get(at + 2..).unwrap_or_default();
        let read = match ethertype {
            ethernet::IPV4 => packet4(packet),
            ethernet::IPV6 => packet6(packet),
            ethernet::ARP => arp_ends(packet),
            _ => None,
        };
        Self { ethertype, ..read.unwrap_or_default() }
    }
}

fn arp_ends(packet: &[u8]) -> Option<Outline> {
    let packet = packet.first_chunk::<{ arp::LEN }>()?;
    let address = |at| IpAddr::V4(Ipv4Addr::from_bits(be32(packet, at)));
    Some(Outline { ends: Some((address(14), address(24))), detail: be16(packet, 6), ..Outline::default() })
}

fn packet4(packet: &[u8]) -> Option<Outline> {
    let header = packet.first_chunk::<{ ipv4::HEADER }>()?;
    let address = |at| IpAddr::V4(Ipv4Addr::from_bits(be32(header, at)));
    let fragment = be16(header, 6);
    let outline = Outline {
        protocol: Some(header[9]),
        ends: Some((address(12), address(16))),
        ttl: header[8],
        fragment: fragment & ipv4::FRAGMENT_MASK != 0,
        ..Outline::default()
    };
    let first = fragment & ipv4::OFFSET_MASK == 0;
    let transport = packet.get(usize::from(header[0] & 15) * 4..).filter(|_| first);
    Some(with_transport(outline, header[9], transport.unwrap_or_default()))
}

fn packet6(packet: &[u8]) -> Option<Outline> {
    let header = packet.first_chunk::<{ ipv6::HEADER }>()?;
    let address = |at: usize| header[at..].first_chunk::<16>().map(|bytes| IpAddr::V6(Ipv6Addr::from(*bytes)));
    let (mut next, mut at, mut fragment, mut first) = (header[6], ipv6::HEADER, false, true);
    for _ in 0..MOST_STEPS {
        let Some(extension) = packet.get(at..).and_then(|rest| rest.first_chunk::<8>()) else { break };
        if EXTENSIONS.contains(&next) {
            at += (usize::from(extension[1]) + 1) * 8;
        } else if next == FRAGMENT {
            (at, fragment, first) = (at + 8, true, first && be16(extension, 2) & 0xfff8 == 0);
        } else {
            break;
        }
        next = extension[0];
    }
    let ends = Some((address(8)?, address(24)?));
    let outline = Outline { protocol: Some(next), ends, ttl: header[7], fragment, ..Outline::default() };
    Some(with_transport(outline, next, packet.get(at..).filter(|_| first).unwrap_or_default()))
}

fn with_transport(outline: Outline, protocol: u8, transport: &[u8]) -> Outline {
    let Some(&[s0, s1, d0, d1]) = transport.first_chunk() else { return outline };
    let ports = Some((u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])));
    match (Protocol::from_number(protocol), protocol) {
        (Some(Protocol::Tcp), _) => {
            Outline { ports, detail: transport.get(13).copied().unwrap_or_default().into(), ..outline }
        }
        (Some(Protocol::Sctp), _) => {
            let detail = sctp::Chunk::first(transport).map_or(NO_CHUNK, |first| first.kind.into());
            Outline { ports, detail, ..outline }
        }
        (Some(Protocol::Udp), _) => Outline { ports, ..outline },
        (None, icmpv4::PROTOCOL | icmpv6::PROTOCOL) => Outline { detail: u16::from_be_bytes([s0, s1]), ..outline },
        (None, _) => outline,
    }
}
