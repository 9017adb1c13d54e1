//! Parse: the only stage that may find a packet malformed. What it learns travels with the packet.

use std::ops::Range;

use crate::flow::{Protocol, Tuple};
use crate::packet::{Burst, Kind, Meta, Step};
use crate::port::PacketBuf;
use crate::tables::Tables;
use crate::verdict::{Drop, Punt};
use crate::wire::ethernet::{self, MacAddr};
use crate::wire::{be16, icmpv4, ipv4, ipv6, tcp, udp};

/// Packets of one port.
pub(super) fn run<B: PacketBuf>(burst: &mut Burst<B>, which: Range<usize>, port: u16, tables: &Tables) {
    let mac = tables.net.interface_of_port(port).map_or(MacAddr::default(), |(_, interface)| interface.mac);
    for (packet, meta) in burst.packets[which.clone()].iter_mut().zip(&mut burst.meta[which]) {
        meta.port = port;
        meta.l3 = ethernet::HEADER as u16;
        let bytes = packet.data();
        let arrived = bytes.len();
        meta.step =
            if usual(bytes, mac, meta) { Step::Undecided } else { frame(bytes, mac, meta).err().unwrap_or_default() };
        if meta.step == Step::Undecided && arrived > usize::from(meta.end) {
            packet.set_len(usize::from(meta.end)); // padding of short frames is not part of the packet
        }
    }
}

/// Ethernet, IPv4 and ports, the least of what most packets begin with.
const USUAL: usize = ethernet::HEADER + ipv4::HEADER + udp::HEADER;

/// The usual packet, whole TCP or UDP in IPv4 without options, in one look. `false` = not usual: look closer.
#[inline]
fn usual(bytes: &[u8], mac: MacAddr, meta: &mut Meta) -> bool {
    let Some(h) = bytes.first_chunk::<USUAL>() else { return false };
    let word = |at: usize| u32::from_be_bytes([h[at], h[at + 1], h[at + 2], h[at + 3]]);
    let (total, protocol) = (usize::from(u16::from_be_bytes([h[16], h[17]])), h[23]);
    let header = [word(14), word(18), word(22), word(26), word(30)];
    let end = ethernet::HEADER + total;
    let least = match protocol {
        TCP => ethernet::HEADER + ipv4::HEADER + tcp::HEADER,
        UDP => USUAL,
        _ => return false,
    };
    let fits = h[..6] == mac.0 && h[12..15] == [8, 0, 0x45] && end >= least && end <= bytes.len();
    let whole = header[1] & u32::from(ipv4::FRAGMENT_MASK) == 0;
    if !fits || !whole || ipv4::sum_of_words(header) != 0xffff {
        return false;
    }
    meta.l4 = (ethernet::HEADER + ipv4::HEADER) as u16;
    meta.end = end as u16;
    meta.ttl = h[22];
    meta.df = header[1] & u32::from(ipv4::DF) != 0;
    meta.kind = Kind::Transport4;
    let ports = word(34);
    meta.tuple = Tuple { src: header[3], dst: header[4], sport: (ports >> 16) as u16, dport: ports as u16, protocol };
    meta.tcp_flags = if protocol == TCP { bytes[47] } else { 0 };
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
    Ok(())
}

const TCP: u8 = Protocol::Tcp.number();
const UDP: u8 = Protocol::Udp.number();

/// Ports and flags; packets of other protocols have none.
#[inline]
fn transport(bytes: &[u8], protocol: u8, meta: &mut Meta) -> Result<Kind, Step> {
    let short = Step::Drop(Drop::Transport);
    meta.tcp_flags = match protocol {
        TCP => bytes.first_chunk::<{ tcp::HEADER }>().ok_or(short)?[13],
        UDP if bytes.len() >= udp::HEADER => 0,
        icmpv4::PROTOCOL if bytes.len() >= icmpv4::HEADER => return Ok(Kind::Other4),
        UDP | icmpv4::PROTOCOL => return Err(short),
        _ => return Ok(Kind::Other4),
    };
    meta.tuple.sport = be16(bytes, 0);
    meta.tuple.dport = be16(bytes, 2);
    Ok(Kind::Transport4)
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
