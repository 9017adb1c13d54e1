//! IP packets: headers, extension headers, ports. A packet with options has them checked here, and nowhere else before it
//! leaves or is delivered.

use super::options;
use crate::conn::ConnTable;
use crate::flow::{Family, Protocol, Tuple};
use crate::packet::{Kind, Meta, Step};
use crate::proto;
use crate::tables::Tables;
use crate::verdict::Drop;
use crate::wire::{be16, ipsec, ipv4, ipv6, sctp, tcp, udp};

pub(super) const TCP: u8 = Protocol::Tcp.number();
pub(super) const UDP: u8 = Protocol::Udp.number();

/// Reads an IPv4 packet that starts at `meta.l3`.
#[inline]
pub(super) fn packet4(bytes: &[u8], meta: &mut Meta, tables: &Tables) -> Result<(), Step> {
    let header = match ipv4::Header::parse(bytes) {
        Ok(header) => header,
        Err(ipv4::Malformed::Checksum) => return Err(Step::Drop(Drop::HeaderChecksum)),
        Err(_) => return Err(Step::Drop(Drop::Malformed)),
    };
    meta.l4 = meta.l3 + header.len as u16;
    meta.end = u32::from(meta.l3) + header.total as u32;
    meta.ttl = header.ttl;
    meta.df = header.fragment & ipv4::DF != 0;
    meta.tuple = Tuple { src: header.src, dst: header.dst, protocol: header.protocol, ..Tuple::default() };
    if header.len > ipv4::HEADER {
        options::arrived4(&bytes[..header.len], meta, tables)?;
    }
    if header.is_fragment() {
        meta.kind = Kind::Fragment4;
        return Ok(());
    }
    meta.kind = transport(&bytes[header.len..header.total], header.protocol, meta);
    match meta.kind {
        Kind::Transport4 if header.len > ipv4::HEADER => meta.kind = Kind::Options4,
        kind if kind.is_ipsec() => meta.tuple = proto::ipsec::key(meta.tuple, Family::Ipv4),
        _ => {}
    }
    Ok(())
}

/// Ports and flags; packets of other protocols have none, nor have those that end before their transport's header does.
/// The kind is that of IPv4.
#[inline]
fn transport(bytes: &[u8], protocol: u8, meta: &mut Meta) -> Kind {
    let (kind, flags) = match protocol {
        TCP if bytes.len() >= tcp::HEADER => (Kind::Transport4, bytes[13]),
        UDP if bytes.len() >= udp::HEADER => (Kind::Transport4, 0),
        sctp::PROTOCOL if bytes.len() >= sctp::HEADER => (Kind::Sctp4, proto::sctp::said(bytes)),
        ipsec::ESP => (Kind::Esp4, 0),
        ipsec::AH => (Kind::Ah4, 0),
        _ => (Kind::Other4, 0),
    };
    meta.tcp_flags = flags;
    if kind.has_ports() {
        (meta.tuple.sport, meta.tuple.dport) = (be16(bytes, 0), be16(bytes, 2));
    }
    kind
}

pub(super) fn packet6(bytes: &[u8], meta: &mut Meta, table: &ConnTable, tables: &Tables) -> Result<(), Step> {
    let header = header6(bytes)?;
    if header.next == ipv6::HOP_BY_HOP {
        options::arrived6(&bytes[..header.total], &header, false, tables)?;
    }
    inside6(bytes, &header, meta, table)
}

pub(super) fn header6(bytes: &[u8]) -> Result<ipv6::Header, Step> {
    ipv6::Header::parse(bytes).map_err(|_| Step::Drop(Drop::Malformed))
}

/// Behind the fixed header. Hop-by-hop options have been looked at, if there were any where they belong.
pub(super) fn inside6(bytes: &[u8], header: &ipv6::Header, meta: &mut Meta, table: &ConnTable) -> Result<(), Step> {
    let upper = ipv6::upper(&bytes[..header.total], header.next).map_err(|_| Step::Drop(Drop::Malformed))?;
    meta.l4 = meta.l3 + upper.at as u16;
    meta.end = u32::from(meta.l3) + header.total as u32;
    (meta.ttl, meta.df) = (header.hop_limit, true);
    let (src, dst) = (table.digest(&header.src), table.digest(&header.dst));
    meta.tuple = Tuple { src, dst, protocol: Tuple::marked(upper.protocol), ..Tuple::default() };
    if upper.piece {
        meta.kind = Kind::Fragment6;
        return Ok(());
    }
    meta.kind = transport(&bytes[upper.at..header.total], upper.protocol, meta).with_v6();
    if meta.kind.is_ipsec() {
        meta.tuple = proto::ipsec::key(meta.tuple, Family::Ipv6);
    }
    Ok(())
}
