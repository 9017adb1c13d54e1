//! Answers: packets that the director makes itself because of a packet it received: ICMP errors (RFC 1812 4.3), echo
//! replies (RFC 1122 3.2.2.6), resets (RFC 9293 3.5.2), as far as the limiter lets them. They leave through the output queues in the place
//! of the packet that they answer.

use std::net::{IpAddr, Ipv4Addr};

use super::{Context, answer6, cut, decide, icmp, icmp_tunnel, resolve};
use crate::conn::{Found, NONE};
use crate::flow::{Direction, ForwardMethod};
use crate::forward::Change;
use crate::limiter;
use crate::packet::Meta;
use crate::parking::{Class, Ending, Parked};
use crate::port::PacketBuf;
use crate::shard::Shard;
use crate::tables::Path;
use crate::verdict::{Answer, Drop, Sent, Verdict};
use crate::wire::checksum::{self, Sum};
use crate::wire::{ethernet, icmpv4, ipv4, put, sctp, tcp};

/// Time to live of the director's own packets.
pub(super) const TTL: u8 = 64;
/// Precedence of ICMP errors: internetwork control (RFC 1812 4.3.2.5).
const ERROR_TOS: u8 = 0xc0;
/// Type of service of SCTP: as it may be told of congestion (RFC 3168), the kernel says so of every packet.
pub(super) const ECT_0: u8 = 2;
/// Type of service bits that an error keeps of the packet it is about.
const TOS_MASK: u8 = 0x1e;

/// Answers the packet in `frame` and counts the verdict.
pub(super) fn run<B: PacketBuf>(
    frame: &[u8],
    meta: &Meta,
    kind: Answer,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
) {
    let verdict = match answer(frame, meta, kind, shard, context, alloc) {
        Ok(()) => Verdict::Answer(kind),
        Err(reason) => Verdict::Drop(reason),
    };
    context.link.counters.verdict(verdict);
}

/// Nothing is written before it is known that the answer may be given, and that nobody has had too many of its kind.
fn answer<B: PacketBuf>(
    frame: &[u8],
    meta: &Meta,
    kind: Answer,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
) -> Result<(), Drop> {
    let packet = frame.get(usize::from(meta.l3)..).unwrap_or_default();
    let about = About::read(packet, meta, kind, context).ok_or(Drop::Unanswerable)?;
    let limited = limiter::Kind::of(kind, meta.mtu);
    if !shard.limiter.allow(limited, about.to(), &context.tables.options.limits, context.now) {
        return Err(limited.refusal());
    }
    let made = about.answer(meta, kind, shard.ids.next(), context).ok_or(Drop::Unanswerable)?;
    deliver(&made, meta, shard, context, alloc)?;
    if made.sent == Sent::IcmpError {
        count(frame, meta, kind, made.packet.len(), shard, context);
    }
    Ok(())
}

/// An error about a packet that DR, TUN or a bypass would have sent on counts as the server's, whose place it takes: the
/// director's own packets pass IPVS, too (`ip_vs_out_icmp` at LOCAL_OUT), and it knows these by what they quote.
fn count<B>(frame: &[u8], meta: &Meta, kind: Answer, len: usize, shard: &mut Shard<B>, context: Context<'_>) {
    shard.table.settle();
    let found = match kind {
        Answer::TunnelError => icmp_tunnel::connection(frame, meta, shard),
        _ if meta.kind.has_key() => decide::known(frame, meta, shard, context),
        _ => None,
    };
    if let Some(Found::Conn(index, Direction::Request)) = found
        && shard.table[index].method() != ForwardMethod::Nat
    {
        icmp::count(&shard.table[index], Direction::Reply, len, context);
    }
}

/// An answer: a whole IP packet, and where it goes.
pub(super) struct Made {
    pub(super) packet: Vec<u8>,
    pub(super) to: IpAddr,
    pub(super) sent: Sent,
}

/// A packet that may be answered.
enum About<'a> {
    V4(&'a [u8], ipv4::Header),
    V6(answer6::About<'a>),
    /// An error about a tunnel, and the client who is told.
    Tunnel(&'a [u8], IpAddr),
}

impl<'a> About<'a> {
    /// Reads a packet; `None` where it is answered by nobody, or not by us.
    fn read(packet: &'a [u8], meta: &Meta, kind: Answer, context: Context<'_>) -> Option<Self> {
        if packet.first()? >> 4 == 6 {
            return answer6::About::read(packet, kind, context).map(Self::V6);
        }
        if kind == Answer::TunnelError {
            return icmp_tunnel::client(packet, meta).map(|client| Self::Tunnel(packet, client));
        }
        let header = ipv4::Header::parse(packet).ok()?;
        let packet = &packet[..header.total];
        let for_another = || context.tables.locals.v4.get(&header.dst) != Some(&true);
        let silent = match kind {
            Answer::Echo | Answer::TcpReset | Answer::Sctp => false,
            _ => may_not_be_told(packet, &header),
        };
        let silent = silent || kind.speaks_for_destination() && for_another();
        (!silent).then_some(Self::V4(packet, header))
    }

    /// Whom the answer is for.
    fn to(&self) -> IpAddr {
        match self {
            Self::V4(_, header) => Ipv4Addr::from_bits(header.src).into(),
            Self::V6(about) => about.to(),
            Self::Tunnel(_, client) => *client,
        }
    }

    fn answer(&self, meta: &Meta, kind: Answer, id: u16, context: Context<'_>) -> Option<Made> {
        match self {
            Self::V4(packet, header) => make(packet, header, meta, kind, id, context),
            Self::V6(about) => about.answer(meta, kind, context),
            Self::Tunnel(packet, _) => icmp_tunnel::make(packet, meta, id),
        }
    }
}

fn make(
    packet: &[u8],
    header: &ipv4::Header,
    meta: &Meta,
    kind: Answer,
    id: u16,
    context: Context<'_>,
) -> Option<Made> {
    let to = Ipv4Addr::from_bits(header.src);
    let error = match kind {
        Answer::Echo => return echo(packet, header, id, to),
        Answer::TcpReset => return reset(packet, header, to),
        Answer::Sctp => return sctp_unexpected(packet, header, to),
        Answer::PortUnreachable | Answer::NoServer | Answer::NoConnection => icmpv4::Error::PortUnreachable,
        Answer::ProtocolUnreachable => icmpv4::Error::ProtocolUnreachable,
        Answer::TtlExceeded => icmpv4::Error::TimeExceeded,
        Answer::NetUnreachable => icmpv4::Error::NetUnreachable,
        Answer::HostUnreachable => icmpv4::Error::HostUnreachable,
        Answer::TooBig => icmpv4::Error::FragmentationNeeded { mtu: meta.mtu },
        Answer::ReassemblyTime => icmpv4::Error::ReassemblyTime,
        Answer::ParameterProblem | Answer::TunnelError => return None,
    };
    let src = source(header, to, context)?;
    let quoted = packet.len().min(icmpv4::ERROR_MAX - ipv4::HEADER - icmpv4::HEADER);
    let mut message = vec![0; icmpv4::HEADER];
    message.extend_from_slice(&packet[..quoted]);
    let under_way = kind == Answer::NoConnection && src != header.dst;
    if under_way || meta.ttl_lowered && matches!(kind, Answer::TooBig | Answer::ReassemblyTime) {
        lower_ttl(&mut message[icmpv4::HEADER..]);
    }
    error.write(&mut message);
    let packet = error4(header.tos, id, src, header.src, &message);
    Some(Made { packet, to: to.into(), sent: Sent::IcmpError })
}

/// An ICMP error about a packet of this type of service.
pub(super) fn error4(tos: u8, id: u16, src: u32, dst: u32, message: &[u8]) -> Vec<u8> {
    packet4(tos & TOS_MASK | ERROR_TOS, id, false, icmpv4::PROTOCOL, src, dst, message)
}

/// A packet as it was when it was found too large.
fn lower_ttl(packet: &mut [u8]) {
    if let Some(header) = packet.first_chunk_mut() {
        ipv4::decrement_ttl(header);
    }
}

/// No error is about an ICMP error, or about a fragment other than the first (RFC 1122 3.2.2).
fn may_not_be_told(packet: &[u8], header: &ipv4::Header) -> bool {
    let later_fragment = header.fragment & ipv4::OFFSET_MASK != 0;
    let error = || packet.get(header.len).is_none_or(|kind| icmpv4::is_error(*kind));
    later_fragment || header.protocol == icmpv4::PROTOCOL && error()
}

/// The address a packet was sent to, if it is ours, else that of the interface the error leaves by.
fn source(header: &ipv4::Header, to: Ipv4Addr, context: Context<'_>) -> Option<u32> {
    if context.tables.locals.v4.get(&header.dst) == Some(&true) {
        return Some(header.dst);
    }
    match context.tables.net.source_towards(to.into())? {
        IpAddr::V4(source) => Some(source.to_bits()),
        IpAddr::V6(_) => None,
    }
}

fn packet4(tos: u8, id: u16, df: bool, protocol: u8, src: u32, dst: u32, payload: &[u8]) -> Vec<u8> {
    let build = ipv4::Build { tos, payload: payload.len(), id, df, ttl: TTL, protocol, src, dst };
    [&build.bytes(), payload].concat()
}

fn echo(packet: &[u8], header: &ipv4::Header, id: u16, to: Ipv4Addr) -> Option<Made> {
    let mut message = packet[header.len..].to_vec();
    put(&mut message, 0, &[icmpv4::ECHO_REPLY, 0, 0, 0]);
    let sum = checksum::of(&message);
    put(&mut message, 2, &sum.to_be_bytes());
    let packet = packet4(header.tos, id, false, icmpv4::PROTOCOL, header.dst, header.src, &message);
    Some(Made { packet, to: to.into(), sent: Sent::EchoReply })
}

fn reset(packet: &[u8], header: &ipv4::Header, to: Ipv4Addr) -> Option<Made> {
    let segment = tcp::Header::parse(&packet[header.len..])?;
    let payload = packet.len() - header.len - segment.len;
    let mut made = tcp::reset_for(&segment, payload);
    let (src, dst) = (header.dst.to_be_bytes(), header.src.to_be_bytes());
    let sum = Sum::default().pseudo(&src, &dst, header.protocol, made.len()).bytes(&made).finish();
    put(&mut made, tcp::CHECKSUM, &sum.to_be_bytes());
    let packet = packet4(header.tos, 0, true, header.protocol, header.dst, header.src, &made);
    Some(Made { packet, to: to.into(), sent: Sent::TcpReset })
}

fn sctp_unexpected(packet: &[u8], header: &ipv4::Header, to: Ipv4Addr) -> Option<Made> {
    let made = sctp::out_of_the_blue(&packet[header.len..])?;
    let packet = packet4(ECT_0, 0, true, header.protocol, header.dst, header.src, &made);
    Some(Made { packet, to: to.into(), sent: Sent::Sctp })
}

/// Puts an answer on its way.
fn deliver<B: PacketBuf>(
    made: &Made,
    about: &Meta,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
) -> Result<(), Drop> {
    let path = context.tables.net.path_back(about.lan, made.to);
    if matches!(path, Path::Unreachable | Path::Blackhole) {
        return Err(Drop::Unanswerable);
    }
    if let Path::Hop(hop) = path
        && let Some(hop) = context.tables.net.hops.get(hop).filter(|hop| made.packet.len() > usize::from(hop.mtu))
    {
        return cut::own(&made.packet, made.sent, hop, about.mark, shard, context, alloc);
    }
    let mut packet = alloc().ok_or(Drop::NoBuffer)?;
    if !packet.set_len(ethernet::HEADER + made.packet.len()) {
        shard.output.dropped.push(packet);
        return Err(Drop::NoBuffer);
    }
    let ethertype = if made.to.is_ipv4() { ethernet::IPV4 } else { ethernet::IPV6 };
    put(packet.data_mut(), ethernet::HEADER - 2, &ethertype.to_be_bytes());
    put(packet.data_mut(), ethernet::HEADER, &made.packet);
    let meta = Meta { l3: ethernet::HEADER as u16, mark: about.mark, ..Meta::default() };
    let ending = Ending::Own(made.sent);
    match path {
        Path::Unresolved { interface, address } => {
            let (neighbor, class, change) = ((interface, address), Class::Others, Change::Nothing);
            let parked = Parked { packet, neighbor, class, meta, change, ending, server: NONE, since: context.now };
            resolve::park(parked, shard, context);
        }
        Path::Hop(hop) => match context.tables.net.hops.get(hop) {
            Some(hop) => resolve::transmit(packet, &meta, ending, hop, shard, context, alloc),
            None => shard.output.dropped.push(packet),
        },
        Path::Unreachable | Path::Blackhole => shard.output.dropped.push(packet),
    }
    Ok(())
}
