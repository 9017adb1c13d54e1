//! Parse: the only stage that may find a packet malformed. What it learns travels with the packet.

use std::ops::Range;

use crate::flow::{Protocol, Tuple};
use crate::packet::{Burst, Kind, Meta, Step};
use crate::port::PacketBuf;
use crate::proto;
use crate::tables::Tables;
use crate::verdict::{Drop, Punt};
use crate::wire::ethernet::{self, MacAddr};
use crate::wire::{be16, icmpv4, ipv4, ipv6, sctp, tcp, udp};

/// Packets of one port. Tells of each tuple at once.
pub(super) fn run<B: PacketBuf>(
    burst: &mut Burst<B>,
    which: Range<usize>,
    port: u16,
    tables: &Tables,
    known: impl Fn(&mut Meta),
) {
    let mac = tables.net.interface_of_port(port).map_or(MacAddr::default(), |(_, interface)| interface.mac);
    let ours = begins(mac);
    for (packet, meta) in burst.packets[which.clone()].iter_mut().zip(&mut burst.meta[which]) {
        meta.port = port;
        meta.step = Step::Undecided;
        let bytes = packet.data();
        let arrived = bytes.len();
        if !usual(bytes, ours, meta) {
            (meta.l3, meta.plain) = (ethernet::HEADER as u16, false);
            if let Err(step) = frame(bytes, mac, meta) {
                meta.step = step;
                continue;
            }
        }
        known(meta);
        if arrived > usize::from(meta.end) {
            packet.set_len(usize::from(meta.end)); // padding of short frames is not part of the packet
        }
    }
}

/// Ethernet, IPv4 and ports, the least of what most packets begin with.
const USUAL: usize = ethernet::HEADER + ipv4::HEADER + udp::HEADER;

/// A destination as the word of a frame that it begins, as the machine loads it.
fn begins(mac: MacAddr) -> u64 {
    let [a, b, c, d, e, f] = mac.0;
    u64::from_ne_bytes([a, b, c, d, e, f, 0, 0])
}

/// A destination's bytes of that word.
const MAC_MASK: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]);
/// EtherType IPv4, a header of version 4 without options, and any type of service.
const IPV4: u32 = u32::from_ne_bytes([8, 0, 0x45, 0]);
const IPV4_MASK: u32 = u32::from_ne_bytes([0xff, 0xff, 0xff, 0]);
const FRAGMENT_MASK: u16 = ipv4::FRAGMENT_MASK.to_be();

/// The usual packet, whole TCP or UDP in IPv4 without options, in one look. `false` = not usual: look closer.
#[inline(always)]
fn usual(bytes: &[u8], ours: u64, meta: &mut Meta) -> bool {
    let Some(h) = bytes.first_chunk::<USUAL>() else { return false };
    let Some(header) = h[ethernet::HEADER..].first_chunk() else { return false };
    let half = |at: usize| [h[at], h[at + 1]];
    let word = |at: usize| [h[at], h[at + 1], h[at + 2], h[at + 3]];
    let first = u64::from_ne_bytes([h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]]);
    let differs = (first ^ ours) & MAC_MASK
        | u64::from((u32::from_ne_bytes(word(12)) ^ IPV4) & IPV4_MASK)
        | u64::from(u16::from_ne_bytes(half(20)) & FRAGMENT_MASK);
    let (end, protocol) = (ethernet::HEADER + usize::from(u16::from_be_bytes(half(16))), h[23]);
    let transport = match protocol {
        TCP => tcp::HEADER,
        UDP => udp::HEADER,
        _ => return false,
    };
    let fits = end >= ethernet::HEADER + ipv4::HEADER + transport && end <= bytes.len();
    if differs != 0 || !fits || !ipv4::is_right(header) {
        return false;
    }
    (meta.l3, meta.l4) = (ethernet::HEADER as u16, (ethernet::HEADER + ipv4::HEADER) as u16);
    meta.end = end as u16;
    meta.ttl = h[22];
    meta.df = h[20] & (ipv4::DF >> 8) as u8 != 0;
    meta.kind = Kind::Transport4;
    let addresses = u64::from_be_bytes([h[26], h[27], h[28], h[29], h[30], h[31], h[32], h[33]]);
    meta.tuple = Tuple::of(addresses, u32::from_be_bytes(word(34)), protocol);
    meta.plain = protocol == TCP;
    meta.tcp_flags = if meta.plain { bytes.get(47).copied().unwrap_or_default() } else { 0 };
    true
}

#[inline(never)]
fn frame(bytes: &[u8], mac: MacAddr, meta: &mut Meta) -> Result<(), Step> {
    let header = ethernet::Header::parse(bytes).ok_or(Step::Drop(Drop::Runt))?;
    let packet = &bytes[ethernet::HEADER..];
    if header.dst == mac && header.ethertype == ethernet::IPV4 {
        return packet4(packet, meta);
    }
    let ours = header.dst == mac;
    if !ours && !header.dst.is_group() {
        return Err(Step::Drop(Drop::OtherMac));
    }
    match header.ethertype {
        ethernet::ARP => Err(Step::Punt(Punt::Arp)),
        ethernet::IPV6 if ours => packet6(packet, meta),
        ethernet::IPV4 | ethernet::IPV6 => Err(Step::Drop(Drop::Group)),
        _ => Err(Step::Drop(Drop::EtherType)),
    }
}

#[inline]
fn packet4(bytes: &[u8], meta: &mut Meta) -> Result<(), Step> {
    let header = match ipv4::Header::parse(bytes) {
        Ok(header) => header,
        Err(ipv4::Malformed::Checksum) => return Err(Step::Drop(Drop::HeaderChecksum)),
        Err(_) => return Err(Step::Drop(Drop::Malformed)),
    };
    meta.l4 = meta.l3 + header.len as u16;
    meta.end = u16::try_from(ethernet::HEADER + header.total).map_err(|_| Step::Drop(Drop::Malformed))?;
    meta.ttl = header.ttl;
    meta.df = header.fragment & ipv4::DF != 0;
    meta.tuple = Tuple { src: header.src, dst: header.dst, protocol: header.protocol, ..Tuple::default() };
    if header.is_fragment() {
        meta.kind = Kind::Fragment4;
        return Ok(());
    }
    meta.kind = transport(&bytes[header.len..header.total], header.protocol, meta)?;
    if meta.kind == Kind::Ipsec4 {
        meta.tuple = proto::ipsec::key(meta.tuple);
    }
    Ok(())
}

const TCP: u8 = Protocol::Tcp.number();
const UDP: u8 = Protocol::Udp.number();

/// Ports and flags; packets of other protocols have none. The kind is that of IPv4.
#[inline]
fn transport(bytes: &[u8], protocol: u8, meta: &mut Meta) -> Result<Kind, Step> {
    let short = Step::Drop(Drop::Transport);
    meta.tcp_flags = match protocol {
        TCP => bytes.first_chunk::<{ tcp::HEADER }>().ok_or(short)?[13],
        UDP if bytes.len() >= udp::HEADER => 0,
        sctp::PROTOCOL if bytes.len() >= sctp::HEADER => proto::sctp::said(bytes),
        proto::ipsec::AH | proto::ipsec::ESP => {
            meta.tcp_flags = proto::ipsec::said(protocol);
            return Ok(Kind::Ipsec4);
        }
        icmpv4::PROTOCOL if bytes.len() >= icmpv4::HEADER => return Ok(Kind::Other4),
        UDP | sctp::PROTOCOL | icmpv4::PROTOCOL => return Err(short),
        _ => return Ok(Kind::Other4),
    };
    meta.tuple.sport = be16(bytes, 0);
    meta.tuple.dport = be16(bytes, 2);
    Ok(if protocol == sctp::PROTOCOL { Kind::Sctp4 } else { Kind::Transport4 })
}

fn packet6(bytes: &[u8], meta: &mut Meta) -> Result<(), Step> {
    let header = ipv6::Header::parse(bytes).map_err(|_| Step::Drop(Drop::Malformed))?;
    meta.kind = Kind::Ipv6;
    meta.l4 = meta.l3 + ipv6::HEADER as u16;
    meta.end = u16::try_from(ethernet::HEADER + header.total).map_err(|_| Step::Drop(Drop::Malformed))?;
    meta.ttl = header.hop_limit;
    meta.tuple.protocol = header.next;
    transport(&bytes[ipv6::HEADER..header.total], header.next, meta).map(|_| ())
}
