//! Classify: what a packet without a connection is for: a service, the director itself (which answers as a host
//! would, RFC 1122), or others.

use std::net::IpAddr;

use crate::flow::{Family, Protocol, ServiceKey};
use crate::mark::{self, Mark};
use crate::packet::{Kind, Meta, Step};
use crate::pipeline::find::martian::martian;
use crate::pipeline::find::options;
use crate::pipeline::scene::Context;
use crate::proto::ftp;
use crate::service::{Listener, VirtualService};
use crate::tables::is_link_local;
use crate::verdict::{Answer, Drop};
use crate::wire::tcp::{self, RST, SYN};
use crate::wire::{be16, checksum::Sum, ethernet, icmpv4, icmpv6, ipv4, ipv6, sctp, udp};

/// IPv4 and IPv6 in either: one without a whole header inside is nobody's.
const IPIP: u8 = 4;
const IPV6: u8 = 41;
/// Port of active FTP data: as a source it never starts a connection.
const FTP_DATA: u16 = 20;
/// Ports from here on, and that of active data, may be those of FTP's data connections: `ip_unprivileged_port_start` of the
/// kernel.
const FIRST_UNPRIVILEGED: u16 = 1024;

pub(crate) enum Class<'a> {
    /// The first packet of a connection to a service.
    Service(&'a VirtualService),
    /// For others.
    Forward,
    /// For the director itself, as a host.
    Host(Step),
    /// Anything else.
    Other(Step),
}

/// `ends` are source and destination.
pub(crate) fn run<'a>(frame: &[u8], meta: &Meta, ends: [IpAddr; 2], context: Context<'a>) -> Class<'a> {
    if let Some(drop) = martian(ends, context.tables) {
        let here = drop == Drop::Group && options::listens_to(ends[1], context.tables);
        return if here { Class::Host(Step::Drop(drop)) } else { Class::Other(Step::Drop(drop)) };
    }
    let mark = mark(frame, meta, ends, context);
    let [_, destination] = ends;
    let ours = match destination {
        IpAddr::V4(address) => context.tables.locals.v4.get(&address.to_bits()).copied(),
        IpAddr::V6(address) => context.tables.locals.v6.contains_key(&address.to_bits()).then_some(true),
    };
    if ours.unwrap_or(mark.local) {
        return local(frame, meta, ends, mark.number, context);
    }
    match ours {
        Some(false) => Class::Other(Step::Drop(Drop::Group)),
        // No router passes these on to another link (RFC 4291 2.5.6).
        None if ends.into_iter().any(is_link_local) => Class::Other(Step::Drop(Drop::Martian)),
        _ if !context.tables.options.ip_forward => Class::Other(Step::Drop(Drop::ForwardingOff)),
        _ => Class::Forward,
    }
}

/// What the rules make of a packet.
#[inline]
pub(super) fn mark(frame: &[u8], meta: &Meta, [source, destination]: [IpAddr; 2], context: Context<'_>) -> Mark {
    let marks = &context.tables.marks;
    if marks.is_empty() {
        return Mark::default();
    }
    let Some(header) = ethernet::Header::parse(frame) else { return Mark::default() };
    let ports = meta.kind.has_ports().then_some((meta.tuple.sport, meta.tuple.dport));
    marks.of(&mark::Seen {
        interface: context.tables.net.interfaces.at(meta.lan).map(|(index, _)| index),
        sender: header.src,
        source,
        destination,
        protocol: meta.protocol(),
        ports,
    })
}

#[inline(always)]
fn local<'a>(frame: &[u8], meta: &Meta, ends: [IpAddr; 2], mark: u32, context: Context<'a>) -> Class<'a> {
    let [source, destination] = ends;
    match meta.kind {
        Kind::Fragment4 | Kind::Fragment6 => Class::Host(Step::Gather),
        kind if kind.has_ports() && is_orphan(meta, source, context) => {
            Class::Other(Step::Answer(Answer::NoConnection))
        }
        kind if kind.has_ports() => {
            service(meta, destination, mark, context).map_or_else(|| Class::Host(host(frame, meta)), Class::Service)
        }
        _ => Class::Host(host(frame, meta)),
    }
}

/// The service whose connection this packet may start (`ip_vs_service_find`): that of its mark, of its address and port,
/// of FTP on its address for a port that may be one of data, of every port of its address.
#[inline(always)]
pub(super) fn service<'a>(meta: &Meta, address: IpAddr, mark: u32, context: Context<'a>) -> Option<&'a VirtualService> {
    let protocol = Protocol::from_number(meta.protocol())?;
    let sloppy = match protocol {
        Protocol::Tcp => context.tables.sysctls.sloppy_tcp != 0,
        Protocol::Sctp => context.tables.sysctls.sloppy_sctp != 0,
        Protocol::Udp => true,
    };
    let opens = meta.tcp_flags & RST == 0 && (sloppy || meta.tcp_flags & SYN != 0);
    if !opens || meta.tuple.sport == FTP_DATA {
        return None;
    }
    let find = |key| context.tables.services.get(&key).map(|service| &**service);
    let of_port = |port| find(ServiceKey::Address { protocol, address, port });
    let of_mark = || find(ServiceKey::Mark { fwmark: mark, family: Family::of(address) });
    let marked = if mark == 0 { None } else { of_mark() };
    if let Some(service) = marked.or_else(|| of_port(meta.tuple.dport)) {
        return Some(service);
    }
    // It may be a data connection. Without persistence nobody can tell of which server, and it is nobody's.
    if protocol == Protocol::Tcp
        && (meta.tuple.dport == FTP_DATA || meta.tuple.dport >= FIRST_UNPRIVILEGED)
        && let Some(ftp) = of_port(ftp::CONTROL)
    {
        return ftp.manner.persistent.is_some().then_some(ftp);
    }
    of_port(0)
}

/// Whether a packet is for a service of FTP only because there is no other.
pub(super) fn is_data_of_ftp(meta: &Meta, service: &VirtualService) -> bool {
    let of_ftp = matches!(service.key, ServiceKey::Address { protocol: Protocol::Tcp, port: ftp::CONTROL, .. });
    of_ftp && meta.tuple.dport != ftp::CONTROL
}

/// Whether a packet without a connection comes from where a server of ours listens, and its sender is to be told so: as
/// `ip_vs_out_hook` with `nat_icmp_send`. Nobody answers a reset.
pub(super) fn is_orphan(meta: &Meta, source: IpAddr, context: Context<'_>) -> bool {
    let tables = context.tables;
    let asked = tables.sysctls.nat_icmp_send != 0 && !tables.unhooked.passes(meta.kind) && meta.kind.has_ports();
    asked && listens(meta, source, context)
}

fn listens(meta: &Meta, address: IpAddr, context: Context<'_>) -> bool {
    let Some(protocol) = Protocol::from_number(meta.protocol()) else { return false };
    let port = meta.tuple.sport;
    let known = |protocol| context.tables.listeners.contains_key(&Listener { address, port, protocol });
    let reset = meta.tcp_flags & RST != 0;
    !reset && (known(Some(protocol)) || known(None))
}

/// Whether a packet ends before the header does of what it carries.
pub(super) fn is_cut(meta: &Meta) -> bool {
    let least = match meta.protocol() {
        IPIP => ipv4::HEADER,
        IPV6 => ipv6::HEADER,
        icmpv4::PROTOCOL if !meta.kind.is_v6() => icmpv4::HEADER,
        icmpv6::PROTOCOL if meta.kind.is_v6() => icmpv6::HEADER,
        sctp::PROTOCOL => sctp::HEADER,
        protocol => match Protocol::from_number(protocol) {
            Some(Protocol::Tcp) => tcp::HEADER,
            Some(Protocol::Udp) => udp::HEADER,
            _ => 0,
        },
    };
    (meta.end as usize).saturating_sub(usize::from(meta.l4)) < least
}

/// As a host answers what nobody listens for.
pub(super) fn host(frame: &[u8], meta: &Meta) -> Step {
    if is_cut(meta) {
        return Step::Drop(Drop::Transport);
    }
    let transport = frame.get(usize::from(meta.l4)..meta.end as usize).unwrap_or_default();
    let protocol = meta.protocol();
    match (Protocol::from_number(protocol), protocol) {
        (Some(Protocol::Tcp), _) if meta.tcp_flags & RST != 0 => Step::Drop(Drop::StrayReset),
        (Some(Protocol::Tcp), _) if tcp::Header::parse(transport).is_none() => Step::Drop(Drop::Transport),
        (Some(Protocol::Tcp), _) => checked(pseudo(frame, meta, transport.len()), transport, Answer::TcpReset),
        (Some(Protocol::Udp), _) => datagram(frame, meta, transport),
        (Some(Protocol::Sctp), _) => sctp_unexpected(transport),
        (_, icmpv4::PROTOCOL) if !meta.kind.is_v6() => echo(Sum::default(), transport, icmpv4::ECHO),
        (_, icmpv6::PROTOCOL) if meta.kind.is_v6() => {
            echo(pseudo(frame, meta, transport.len()), transport, icmpv6::ECHO)
        }
        // A tunnel that does not end here (`tunnel4_rcv` and its like).
        (_, IPIP | IPV6) => Step::Answer(Answer::PortUnreachable),
        _ => Step::Answer(Answer::ProtocolUnreachable),
    }
}

/// What a transport checksum covers of the IP header.
fn pseudo(frame: &[u8], meta: &Meta, length: usize) -> Sum {
    match meta.six(frame) {
        Some([src, dst]) => Sum::default().pseudo(src, dst, meta.protocol(), length),
        None => {
            let (src, dst) = (meta.tuple.src.to_be_bytes(), meta.tuple.dst.to_be_bytes());
            Sum::default().pseudo(&src, &dst, meta.protocol(), length)
        }
    }
}

/// A datagram is as long as it says, and what is behind it is no part of it. In IPv6 it has a checksum (RFC 8200 8.1).
fn datagram(frame: &[u8], meta: &Meta, transport: &[u8]) -> Step {
    let Some(length) = udp::length(transport, meta.kind.is_v6()) else { return Step::Drop(Drop::Transport) };
    match (be16(transport, udp::CHECKSUM), meta.kind.is_v6()) {
        (0, false) => Step::Answer(Answer::PortUnreachable),
        (0, true) => Step::Drop(Drop::TransportChecksum),
        _ => checked(pseudo(frame, meta, length), &transport[..length], Answer::PortUnreachable),
    }
}

fn sctp_unexpected(packet: &[u8]) -> Step {
    if packet.len() < sctp::HEADER + sctp::CHUNK {
        return Step::Drop(Drop::Transport);
    }
    if !sctp::is_right(packet) {
        return Step::Drop(Drop::TransportChecksum);
    }
    sctp::out_of_the_blue(packet).map_or(Step::Drop(Drop::StrayReset), |_| Step::Answer(Answer::Sctp))
}

fn echo(pseudo: Sum, message: &[u8], request: u8) -> Step {
    if message.first() == Some(&request) { checked(pseudo, message, Answer::Echo) } else { Step::Drop(Drop::Icmp) }
}

/// The answer, if the transport checksum is right.
fn checked(pseudo: Sum, transport: &[u8], answer: Answer) -> Step {
    let right = pseudo.bytes(transport).fold() == 0xffff;
    if right { Step::Answer(answer) } else { Step::Drop(Drop::TransportChecksum) }
}
