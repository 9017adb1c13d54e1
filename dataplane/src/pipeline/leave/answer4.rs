//! Answers over IPv4: ICMP errors (RFC 1812 4.3), echo replies (RFC 1122 3.2.2.6), resets (RFC 9293 3.5.2), and what SCTP
//! says. All but the last carry options of the packet that they are about ([`options`]).

use std::net::{IpAddr, Ipv4Addr};

use super::made::{Body, ECT_0, Made, TTL};
use super::options::echo4;
use crate::packet::Meta;
use crate::pipeline::find::options;
use crate::pipeline::scene::Context;
use crate::verdict::{Answer, Sent};
use crate::wire::checksum::Sum;
use crate::wire::echoed4::{self, Echoed};
use crate::wire::options4::Found;
use crate::wire::{icmpv4, ipv4, put, sctp, tcp, udp};

/// Precedence of ICMP errors: internetwork control (RFC 1812 4.3.2.5).
const ERROR_TOS: u8 = 0xc0;
/// Type of service bits that an error keeps of the packet it is about.
const TOS_MASK: u8 = 0x1e;
/// Bits of the type of service that are not about congestion.
const NOT_CONGESTION: u8 = !3;

/// A packet that is answered.
struct Asked<'a> {
    /// With the options that the director has filled in.
    packet: &'a [u8],
    header: ipv4::Header,
    /// Where its options stand, if it has any.
    options: Option<Found>,
    /// Identification of the answer.
    id: u16,
}

/// A packet that may be answered.
pub(super) struct About<'a> {
    packet: &'a [u8],
    header: ipv4::Header,
}

impl<'a> About<'a> {
    /// Reads a packet; `None` where it is answered by nobody, or not by us.
    pub(super) fn read(packet: &'a [u8], kind: Answer, context: Context<'_>) -> Option<Self> {
        let header = ipv4::Header::parse(packet).ok()?;
        let packet = &packet[..header.total];
        let silent = match kind {
            Answer::Echo | Answer::TcpReset | Answer::Sctp => false,
            _ => may_not_be_told(packet, &header),
        };
        let silent = silent || kind.speaks_for_destination() && !is_ours(&header, context);
        (!silent).then_some(Self { packet, header })
    }

    /// Whom the answer is for.
    pub(super) fn to(&self) -> IpAddr {
        Ipv4Addr::from_bits(self.header.src).into()
    }

    /// What the packet is answered with, if with anything.
    pub(super) fn answer(&self, meta: &Meta, kind: Answer, id: u16, context: Context<'_>) -> Option<Made> {
        let &Self { packet, header } = self;
        if header.len == ipv4::HEADER {
            return answer(&Asked { packet, header, options: None, id }, meta, kind, context);
        }
        let mut filled = packet.to_vec();
        let options = Some(options::quote4(&mut filled[..header.len], meta, context));
        answer(&Asked { packet: &filled, header, options, id }, meta, kind, context)
    }
}

fn answer(asked: &Asked<'_>, meta: &Meta, kind: Answer, context: Context<'_>) -> Option<Made> {
    let error = match kind {
        Answer::Echo => return echo(asked, context),
        Answer::TcpReset => return reset(asked, context),
        Answer::Sctp => return sctp_unexpected(asked),
        Answer::PortUnreachable | Answer::NoServer | Answer::NoConnection => icmpv4::Error::PortUnreachable,
        Answer::ProtocolUnreachable => icmpv4::Error::ProtocolUnreachable,
        Answer::TtlExceeded => icmpv4::Error::TimeExceeded,
        Answer::NetUnreachable => icmpv4::Error::NetUnreachable,
        Answer::HostUnreachable => icmpv4::Error::HostUnreachable,
        Answer::TooBig => icmpv4::Error::FragmentationNeeded { mtu: meta.mtu },
        Answer::ReassemblyTime => icmpv4::Error::ReassemblyTime,
        Answer::ParameterProblem => icmpv4::Error::ParameterProblem { at: meta.pointer() as u8 },
        Answer::SourceRouteFailed => icmpv4::Error::SourceRouteFailed,
        Answer::UnknownOption | Answer::UnknownHeader | Answer::TunnelError => return None,
    };
    tell(asked, meta, kind, error, context)
}

/// An error about a packet, in the name of the address that it was sent to, if that is ours, else of that of the interface
/// the error leaves by.
fn tell(asked: &Asked<'_>, meta: &Meta, kind: Answer, error: icmpv4::Error, context: Context<'_>) -> Option<Made> {
    let Asked { packet, header, .. } = asked;
    let first_hop = first_hop(asked, context)?;
    let src = source(header, meta, first_hop, context)?;
    let reply = Reply::to(asked, src, context)?;
    let room = icmpv4::ERROR_MAX - ipv4::HEADER - reply.options().len() - icmpv4::HEADER;
    let seen = if kind == Answer::PortUnreachable { delivered(packet, header)? } else { packet.len() };
    let mut message = vec![0; icmpv4::HEADER];
    message.extend_from_slice(&packet[..seen.min(room)]);
    let under_way = kind == Answer::NoConnection && src != header.dst;
    if under_way || meta.ttl_lowered && matches!(kind, Answer::TooBig | Answer::ReassemblyTime) {
        lower_ttl(&mut message[icmpv4::HEADER..]);
    }
    error.write(&mut message);
    Some(reply.with(
        false,
        &Body { protocol: icmpv4::PROTOCOL, class: error_tos(header.tos), bytes: &message, sent: Sent::IcmpError },
    ))
}

/// An ICMP error without options, about a packet of this type of service.
pub(super) fn error4(tos: u8, id: u16, src: u32, dst: u32, message: &[u8]) -> Vec<u8> {
    let (protocol, payload) = (icmpv4::PROTOCOL, message.len());
    let build = ipv4::Build { tos: error_tos(tos), payload, id, df: false, ttl: TTL, protocol, src, dst };
    [&build.bytes(), message].concat()
}

const fn error_tos(tos: u8) -> u8 {
    tos & TOS_MASK | ERROR_TOS
}

/// A packet as it was when it was found too large.
fn lower_ttl(packet: &mut [u8]) {
    if let Some(header) = packet.first_chunk_mut() {
        ipv4::decrement_ttl(header);
    }
}

/// How much of a packet its transport has looked at: UDP says itself how long it is, and looks at nothing that is wrong.
fn delivered(packet: &[u8], header: &ipv4::Header) -> Option<usize> {
    let datagram = || udp::length(&packet[header.len..], false).map(|length| header.len + length);
    if header.protocol == udp::PROTOCOL { datagram() } else { Some(packet.len()) }
}

/// No error is about an ICMP error, or about a fragment other than the first (RFC 1122 3.2.2).
fn may_not_be_told(packet: &[u8], header: &ipv4::Header) -> bool {
    let later_fragment = header.fragment & ipv4::OFFSET_MASK != 0;
    let error = || packet.get(header.len).is_none_or(|kind| icmpv4::is_error(*kind));
    later_fragment || header.protocol == icmpv4::PROTOCOL && error()
}

fn is_ours(header: &ipv4::Header, context: Context<'_>) -> bool {
    context.tables.locals.v4.get(&header.dst) == Some(&true)
}

/// Where an answer goes first: to who sent the packet, or to the first station of the way back that the packet gave. `None`
/// where nobody is there.
fn first_hop(asked: &Asked<'_>, context: Context<'_>) -> Option<u32> {
    let header = &asked.packet[..asked.header.len];
    match asked.options.as_ref().and_then(|found| echoed4::first_hop(header, found)) {
        None => Some(asked.header.src),
        Some(0) => None,
        Some(station) if station >> 24 == 0 => Some(station),
        Some(station) => (!options::is_ours(station, context.tables)).then_some(station),
    }
}

fn source(header: &ipv4::Header, meta: &Meta, first_hop: u32, context: Context<'_>) -> Option<u32> {
    // Who is on a source route is for its next station, though its header says so later.
    let goes_on = meta.has_options() && meta.tuple.dst != header.dst;
    if is_ours(header, context) && !goes_on {
        return Some(header.dst);
    }
    match context.tables.net.source_towards(Ipv4Addr::from_bits(first_hop).into())? {
        IpAddr::V4(source) => Some(source.to_bits()),
        IpAddr::V6(_) => None,
    }
}

/// Where an answer goes, and the options that it has.
struct Reply {
    id: u16,
    src: u32,
    /// Its destination.
    dst: u32,
    echoed: Option<Echoed>,
}

impl Reply {
    /// `None` where options of the packet cannot be answered.
    fn to(asked: &Asked<'_>, src: u32, context: Context<'_>) -> Option<Self> {
        let header = &asked.packet[..asked.header.len];
        let echoed = match &asked.options {
            Some(found) => Some(echo4(header, found, src, context)?),
            None => None,
        };
        Some(Self { id: asked.id, src, dst: first_hop(asked, context)?, echoed })
    }

    fn options(&self) -> &[u8] {
        self.echoed.as_ref().map_or(&[], Echoed::bytes)
    }

    /// The answer. With DF its identification is 0 (RFC 6864).
    fn with(&self, df: bool, body: &Body<'_>) -> Made {
        let &Body { protocol, class: tos, bytes: message, sent } = body;
        let (options, id) = (self.options(), if df { 0 } else { self.id });
        let payload = options.len() + message.len();
        let build = ipv4::Build { tos, payload, id, df, ttl: TTL, protocol, src: self.src, dst: self.dst };
        let mut packet = [&build.bytes(), options, message].concat();
        if !options.is_empty() {
            packet[0] += options.len() as u8 / 4;
            ipv4::seal(&mut packet[..ipv4::HEADER + options.len()]);
        }
        Made { packet, to: Ipv4Addr::from_bits(self.dst).into(), sent }
    }
}

fn echo(asked: &Asked<'_>, context: Context<'_>) -> Option<Made> {
    let Asked { packet, header, .. } = asked;
    let mut message = packet[header.len..].to_vec();
    put(&mut message, 0, &[icmpv4::ECHO_REPLY]);
    icmpv4::seal(&mut message);
    let reply = Reply::to(asked, header.dst, context)?;
    Some(
        reply.with(
            false,
            &Body { protocol: icmpv4::PROTOCOL, class: header.tos, bytes: &message, sent: Sent::EchoReply },
        ),
    )
}

fn reset(asked: &Asked<'_>, context: Context<'_>) -> Option<Made> {
    let Asked { packet, header, .. } = asked;
    let segment = tcp::Header::parse(&packet[header.len..])?;
    let payload = packet.len() - header.len - segment.len;
    let reply = Reply::to(asked, header.dst, context)?;
    let mut made = tcp::reset_for(&segment, payload);
    // Whoever is on its way, it is for the client.
    let (src, dst) = (header.dst.to_be_bytes(), header.src.to_be_bytes());
    let sum = Sum::default().pseudo(&src, &dst, header.protocol, made.len()).bytes(&made).finish();
    put(&mut made, tcp::CHECKSUM, &sum.to_be_bytes());
    Some(reply.with(
        true,
        &Body { protocol: header.protocol, class: header.tos & NOT_CONGESTION, bytes: &made, sent: Sent::TcpReset },
    ))
}

fn sctp_unexpected(asked: &Asked<'_>) -> Option<Made> {
    let Asked { packet, header, .. } = asked;
    let made = sctp::out_of_the_blue(&packet[header.len..])?;
    let reply = Reply { id: asked.id, src: header.dst, dst: header.src, echoed: None };
    Some(reply.with(true, &Body { protocol: header.protocol, class: ECT_0, bytes: &made, sent: Sent::Sctp }))
}
