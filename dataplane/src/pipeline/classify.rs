//! Classify: what a packet without a connection is for: a service, the director itself (which answers as a host
//! would, RFC 1122), or others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Context;
use crate::flow::{Family, Protocol, ServiceKey};
use crate::mark::{self, Mark};
use crate::packet::{Kind, Meta, Step};
use crate::service::{Listener, VirtualService};
use crate::verdict::{Answer, Drop};
use crate::wire::tcp::{RST, SYN};
use crate::wire::{checksum::Sum, ethernet, icmpv4, ipv6, sctp, udp};

/// Source port that never starts a connection: active FTP data.
const FTP_DATA: u16 = 20;

pub(super) enum Class<'a> {
    /// The first packet of a connection to a service.
    Service(&'a VirtualService),
    /// For others.
    Forward,
    /// Anything else.
    Other(Step),
}

pub(super) fn run<'a>(frame: &[u8], meta: &Meta, context: Context<'a>) -> Class<'a> {
    if meta.kind == Kind::Ipv6 {
        return packet6(frame, meta, context);
    }
    if let Some(drop) = martian(meta, context) {
        return Class::Other(Step::Drop(drop));
    }
    let [source, destination] = [meta.tuple.src, meta.tuple.dst].map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
    let mark = mark(frame, meta, [source, destination], context);
    match context.tables.locals.v4.get(&meta.tuple.dst) {
        Some(true) => local(frame, meta, destination, mark.number, context),
        None if mark.local => local(frame, meta, destination, mark.number, context),
        Some(false) => Class::Other(Step::Drop(Drop::Group)),
        None if !context.tables.options.ip_forward => Class::Other(Step::Drop(Drop::ForwardingOff)),
        None => Class::Forward,
    }
}

/// Addresses that no router passes on (RFC 1812 5.3.7).
fn martian(meta: &Meta, context: Context<'_>) -> Option<Drop> {
    let (src, dst) = (Ipv4Addr::from_bits(meta.tuple.src), Ipv4Addr::from_bits(meta.tuple.dst));
    let never_source = src.is_multicast() || src.is_broadcast() || src.is_loopback() || src.octets()[0] == 0;
    if never_source || dst.is_loopback() || context.tables.locals.v4.contains_key(&meta.tuple.src) {
        return Some(Drop::Martian);
    }
    (dst.is_multicast() || dst.is_broadcast() || dst.is_unspecified()).then_some(Drop::Group)
}

/// What the rules make of a packet.
fn mark(frame: &[u8], meta: &Meta, [source, destination]: [IpAddr; 2], context: Context<'_>) -> Mark {
    let marks = &context.tables.marks;
    if marks.is_empty() {
        return Mark::default();
    }
    let Some(header) = ethernet::Header::parse(frame) else { return Mark::default() };
    let ports = match (meta.kind, Protocol::from_number(meta.tuple.protocol)) {
        (kind, _) if kind.has_ports() => Some((meta.tuple.sport, meta.tuple.dport)),
        (Kind::Ipv6, Some(_)) => Some((meta.tuple.sport, meta.tuple.dport)),
        _ => None,
    };
    marks.of(&mark::Seen {
        interface: context.tables.net.interface_of_port(meta.port).map(|(index, _)| index),
        sender: header.src,
        source,
        destination,
        protocol: meta.tuple.protocol,
        ports,
    })
}

fn local<'a>(frame: &[u8], meta: &Meta, address: IpAddr, mark: u32, context: Context<'a>) -> Class<'a> {
    match meta.kind {
        Kind::Fragment4 => Class::Other(Step::Drop(Drop::Fragment)),
        Kind::Transport4 | Kind::Sctp4 if is_orphan(meta, context) => Class::Other(Step::Answer(Answer::NoConnection)),
        Kind::Transport4 | Kind::Sctp4 => {
            service(meta, address, mark, context).map_or_else(|| Class::Other(host(frame, meta)), Class::Service)
        }
        Kind::Ipsec4 | Kind::Other4 | Kind::Ipv6 => Class::Other(host(frame, meta)),
    }
}

/// The service whose connection this packet may start (`ip_vs_service_find`): that of its mark, of its address and port,
/// of every port of its address.
fn service<'a>(meta: &Meta, address: IpAddr, mark: u32, context: Context<'a>) -> Option<&'a VirtualService> {
    let protocol = Protocol::from_number(meta.tuple.protocol)?;
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
    marked.or_else(|| of_port(meta.tuple.dport)).or_else(|| of_port(0))
}

/// Whether a packet without a connection comes from where a server of ours listens, and its sender is to be told so: as
/// `ip_vs_out_hook` with `nat_icmp_send`. Nobody answers a reset.
pub(super) fn is_orphan(meta: &Meta, context: Context<'_>) -> bool {
    let tables = context.tables;
    tables.sysctls.nat_icmp_send != 0 && !tables.unhooked.v4 && meta.kind.has_ports() && listens(meta, context)
}

fn listens(meta: &Meta, context: Context<'_>) -> bool {
    let Some(protocol) = Protocol::from_number(meta.tuple.protocol) else { return false };
    let (address, port) = (Ipv4Addr::from_bits(meta.tuple.src).into(), meta.tuple.sport);
    let known = |protocol| context.tables.listeners.contains_key(&Listener { address, port, protocol });
    let reset = meta.tcp_flags & RST != 0;
    !reset && (known(Some(protocol)) || known(None))
}

/// As a host answers what nobody listens for.
fn host(frame: &[u8], meta: &Meta) -> Step {
    let transport = &frame[usize::from(meta.l4)..];
    let (src, dst) = (meta.tuple.src.to_be_bytes(), meta.tuple.dst.to_be_bytes());
    let protocol = meta.tuple.protocol;
    let pseudo = || Sum::default().pseudo(&src, &dst, protocol, transport.len());
    match (Protocol::from_number(protocol), protocol) {
        (Some(Protocol::Tcp), _) if meta.tcp_flags & RST != 0 => Step::Drop(Drop::StrayReset),
        (Some(Protocol::Tcp), _) => checked(pseudo(), transport, Answer::TcpReset),
        (Some(Protocol::Udp), _) if crate::wire::be16(transport, udp::CHECKSUM) == 0 => {
            Step::Answer(Answer::PortUnreachable)
        }
        (Some(Protocol::Udp), _) => checked(pseudo(), transport, Answer::PortUnreachable),
        (Some(Protocol::Sctp), _) => sctp_unexpected(transport),
        (_, icmpv4::PROTOCOL) if transport[0] != icmpv4::ECHO => Step::Drop(Drop::Icmp),
        (_, icmpv4::PROTOCOL) => checked(Sum::default(), transport, Answer::Echo),
        _ => Step::Answer(Answer::ProtocolUnreachable),
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

/// The answer, if the transport checksum is right.
fn checked(pseudo: Sum, transport: &[u8], answer: Answer) -> Step {
    let right = pseudo.bytes(transport).fold() == 0xffff;
    if right { Step::Answer(answer) } else { Step::Drop(Drop::TransportChecksum) }
}

/// IPv6 services exist, their servers do not yet: the first packet of a connection learns so.
fn packet6<'a>(frame: &[u8], meta: &Meta, context: Context<'a>) -> Class<'a> {
    let unsupported = Class::Other(Step::Drop(Drop::Ipv6));
    let Ok(header) = ipv6::Header::parse(&frame[usize::from(meta.l3)..]) else { return unsupported };
    let (source, address) = (Ipv6Addr::from(header.src), Ipv6Addr::from(header.dst));
    if source.is_multicast() || source.is_unspecified() || source.is_loopback() {
        return Class::Other(Step::Drop(Drop::Martian));
    }
    let mark = mark(frame, meta, [source.into(), address.into()], context);
    if !mark.local && !context.tables.locals.v6.contains_key(&address.to_bits()) {
        return unsupported;
    }
    service(meta, address.into(), mark.number, context).map_or(unsupported, Class::Service)
}
