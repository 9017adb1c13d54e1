//! Answers over IPv6: ICMPv6 errors (RFC 4443), echo replies, resets.

use std::net::{IpAddr, Ipv6Addr};

use super::made::{Body, ECT_0, Made, TTL};
use crate::flow::Protocol;
use crate::packet::Meta;
use crate::pipeline::scene::Context;
use crate::tables::Interface;
use crate::verdict::{Answer, Sent};
use crate::wire::checksum::Sum;
use crate::wire::{icmpv6, ipv6, put, sctp, tcp, udp};

/// Next header: there is nothing behind (RFC 8200 4.7).
const NOTHING: u8 = 59;
/// Bits of the traffic class that are not about congestion.
const NOT_CONGESTION: u8 = !3;

/// A packet that may be answered.
pub(super) struct About<'a> {
    packet: &'a [u8],
    header: ipv6::Header,
    /// What follows its extension headers, if they end.
    upper: Option<ipv6::Upper>,
    /// It is addressed to the director.
    ours: bool,
}

impl<'a> About<'a> {
    /// Reads a packet; `None` where it is answered by nobody, or not by us.
    pub(super) fn read(packet: &'a [u8], kind: Answer, context: Context<'_>) -> Option<Self> {
        let header = ipv6::Header::parse(packet).ok()?;
        if context.tables.locals.has(Ipv6Addr::from(header.src).into()) {
            // Of the director's own addresses, in IPv6, packets may pass; but it tells itself nothing.
            return None;
        }
        let packet = &packet[..header.total];
        let upper = ipv6::upper(packet, header.next).ok();
        let ours = context.tables.locals.has(Ipv6Addr::from(header.dst).into());
        let silent = match kind {
            Answer::Echo | Answer::TcpReset | Answer::Sctp => false,
            _ => upper.is_some_and(|upper| may_not_be_told(packet, &upper)),
        };
        let speaks_for_another = kind.speaks_for_destination() && !ours;
        (!silent && !speaks_for_another).then_some(Self { packet, header, upper, ours })
    }

    /// Whom the answer is for.
    pub(super) fn to(&self) -> IpAddr {
        Ipv6Addr::from(self.header.src).into()
    }

    /// What the packet is answered with, if with anything.
    pub(super) fn answer(&self, meta: &Meta, kind: Answer, context: Context<'_>) -> Option<Made> {
        let (packet, header, upper) = (self.packet, &self.header, self.upper.as_ref());
        let error = match kind {
            Answer::Echo => return Some(echo(packet, header, upper?)),
            Answer::TcpReset => return reset(packet, header, upper?),
            Answer::Sctp => return sctp_unexpected(packet, header, upper?),
            Answer::PortUnreachable | Answer::NoServer | Answer::NoConnection => icmpv6::Error::PortUnreachable,
            Answer::ProtocolUnreachable => match upper? {
                ipv6::Upper { protocol: NOTHING, .. } => return None,
                upper => icmpv6::Error::NextHeader { at: upper.named_at as u16 },
            },
            Answer::TtlExceeded => icmpv6::Error::TimeExceeded,
            Answer::NetUnreachable => icmpv6::Error::NoRoute,
            Answer::HostUnreachable => icmpv6::Error::AddressUnreachable,
            Answer::TooBig => icmpv6::Error::TooBig { mtu: meta.mtu },
            Answer::ReassemblyTime => icmpv6::Error::ReassemblyTime,
            Answer::ParameterProblem => icmpv6::Error::Field { at: meta.pointer() },
            Answer::UnknownHeader => icmpv6::Error::NextHeader { at: meta.pointer() },
            Answer::UnknownOption => icmpv6::Error::Option { at: meta.pointer() },
            // IPVS tells nobody of errors about IPv6 tunnels, and source routes that are followed are of IPv4.
            Answer::TunnelError | Answer::SourceRouteFailed => return None,
        };
        let src = if self.ours { header.dst } else { source(header, meta, context)? };
        let seen = if kind == Answer::PortUnreachable { delivered(packet, upper?)? } else { packet.len() };
        let quoted = seen.min(icmpv6::ERROR_MAX - ipv6::HEADER - icmpv6::HEADER);
        let mut message = vec![0; icmpv6::HEADER];
        message.extend_from_slice(&packet[..quoted]);
        let under_way = kind == Answer::NoConnection && src != header.dst;
        if under_way || kind == Answer::TooBig && meta.ttl_lowered {
            let hop_limit = &mut message[icmpv6::HEADER + ipv6::HOP_LIMIT];
            *hop_limit = hop_limit.saturating_sub(1);
        }
        error.write(&mut message, &src, &header.src);
        let body = Body { protocol: icmpv6::PROTOCOL, class: 0, bytes: &message, sent: Sent::IcmpError };
        Some(made(&body, &src, header))
    }
}

/// No error is about an ICMPv6 error (RFC 4443 2.4 e), as far as it is known to be one: a later fragment is not.
fn may_not_be_told(packet: &[u8], upper: &ipv6::Upper) -> bool {
    let error = || packet.get(upper.at).map_or(!upper.piece, |kind| icmpv6::is_error(*kind));
    !upper.later && upper.protocol == icmpv6::PROTOCOL && error()
}

/// How much of a packet its transport has looked at: UDP says itself how long it is, and looks at nothing that is wrong.
fn delivered(packet: &[u8], upper: &ipv6::Upper) -> Option<usize> {
    let datagram = || udp::length(&packet[upper.at..], true).map(|length| upper.at + length);
    if upper.protocol == udp::PROTOCOL { datagram() } else { Some(packet.len()) }
}

/// In whose name an error about a packet for others is. The kernel chooses among all addresses of the link that it came by
/// (RFC 6724 5), and prefers virtual ones: they are younger.
fn source(header: &ipv6::Header, meta: &Meta, context: Context<'_>) -> Option<[u8; 16]> {
    let net = &context.tables.net;
    if context.tables.options.strict_parity
        && !Ipv6Addr::from(header.src).is_unicast_link_local()
        && let Some((_, Interface { virtual6: Some(address), .. })) = net.interfaces.at(meta.lan)
    {
        return Some(address.octets());
    }
    match net.source_towards(Ipv6Addr::from(header.src).into())? {
        IpAddr::V6(source) => Some(source.octets()),
        IpAddr::V4(_) => None,
    }
}

fn made(body: &Body<'_>, src: &[u8; 16], about: &ipv6::Header) -> Made {
    let &Body { protocol, class, bytes, sent } = body;
    let mut header = ipv6::build(bytes.len(), protocol, TTL, src, &about.src);
    header[0] |= class >> 4;
    header[1] |= class << 4;
    Made { packet: [&header[..], bytes].concat(), to: Ipv6Addr::from(about.src).into(), sent }
}

fn echo(packet: &[u8], header: &ipv6::Header, upper: &ipv6::Upper) -> Made {
    let mut message = packet[upper.at..].to_vec();
    put(&mut message, 0, &[icmpv6::ECHO_REPLY]);
    icmpv6::seal(&mut message, &header.dst, &header.src);
    let body = Body { protocol: icmpv6::PROTOCOL, class: header.class, bytes: &message, sent: Sent::EchoReply };
    made(&body, &header.dst, header)
}

fn reset(packet: &[u8], header: &ipv6::Header, upper: &ipv6::Upper) -> Option<Made> {
    let segment = tcp::Header::parse(&packet[upper.at..])?;
    let mut reset = tcp::reset_for(&segment, packet.len() - upper.at - segment.len);
    let protocol = Protocol::Tcp.number();
    let sum = Sum::default().pseudo(&header.dst, &header.src, protocol, reset.len()).bytes(&reset).finish();
    put(&mut reset, tcp::CHECKSUM, &sum.to_be_bytes());
    let body = Body { protocol, class: header.class & NOT_CONGESTION, bytes: &reset, sent: Sent::TcpReset };
    Some(made(&body, &header.dst, header))
}

fn sctp_unexpected(packet: &[u8], header: &ipv6::Header, upper: &ipv6::Upper) -> Option<Made> {
    let answer = sctp::out_of_the_blue(&packet[upper.at..])?;
    let body = Body { protocol: sctp::PROTOCOL, class: ECT_0, bytes: &answer, sent: Sent::Sctp };
    Some(made(&body, &header.dst, header))
}
