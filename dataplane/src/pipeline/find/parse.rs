//! Parse: the only stage that may find a packet malformed. What it learns travels with the packet.

use std::ops::Range;

use super::ip::{TCP, UDP, header6, inside6, packet4, packet6};
use super::{discovery, lookup, options, unwrap};
use crate::conn::ConnTable;
use crate::flow::Tuple;
use crate::packet::{Burst, Kind, Meta, Step};
use crate::port::PacketBuf;
use crate::tables::Tables;
use crate::verdict::{Drop, Punt};
use crate::wire::ethernet::{self, MacAddr};
use crate::wire::vlan::{Lan, Tagging};
use crate::wire::{be16, ipv4, ipv6, tcp, udp, vlan};

/// Packets of one port. What each tuple leads to in the table is asked for at once.
pub(crate) fn run<B: PacketBuf>(
    burst: &mut Burst<B>,
    which: Range<usize>,
    port: u16,
    tables: &Tables,
    table: &ConnTable,
) {
    let lan = Lan::untagged(port);
    let mac = mac_at(lan, tables);
    let ours = begins(mac);
    let Burst { packets, meta, six, cuts_at, .. } = burst;
    for (packet, meta) in packets[which.clone()].iter_mut().zip(&mut meta[which]) {
        meta.lan = lan;
        meta.step = Step::Undecided;
        let bytes = packet.data();
        let arrived = bytes.len();
        if !usual(bytes, ours, meta) && !usual6(bytes, ours, meta, table, six) {
            (meta.l3, meta.plain) = (ethernet::HEADER as u16, false);
            if let Err(step) = unusual(packet, mac, meta, tables, table) {
                let cut = step == Step::Drop(Drop::Malformed)
                    && arrived >= *cuts_at
                    && is_longer(packet.data(), usize::from(meta.l3));
                meta.step = if cut { Step::Drop(Drop::CutByDevice) } else { step };
                continue;
            }
            *six |= meta.kind == Kind::Transport6;
        }
        lookup::ask(meta, table);
        if arrived > meta.end as usize {
            packet.set_len(meta.end as usize); // padding of short frames is not part of the packet
        }
    }
}

/// A packet that was put together of fragments, each of which has been here. What is a fragment again was made to be one.
pub(crate) fn whole<P: PacketBuf>(
    datagram: &mut P,
    meta: &mut Meta,
    table: &ConnTable,
    tables: &Tables,
) -> Result<(), Step> {
    let packet = datagram.data().get(usize::from(meta.l3)..).unwrap_or_default();
    match packet.first().map(|byte| byte >> 4) {
        Some(6) => inside6(packet, &header6(packet)?, meta, table)?,
        _ => packet4(packet, meta, tables)?,
    }
    unwrap::run(datagram, meta, tables)?;
    meta.hash = table.hash(&meta.tuple);
    if matches!(meta.kind, Kind::Fragment4 | Kind::Fragment6) { Err(Step::Drop(Drop::Malformed)) } else { Ok(()) }
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
    meta.end = end as u32;
    meta.ttl = h[22];
    meta.df = h[20] & (ipv4::DF >> 8) as u8 != 0;
    meta.kind = Kind::Transport4;
    let addresses = u64::from_be_bytes([h[26], h[27], h[28], h[29], h[30], h[31], h[32], h[33]]);
    meta.tuple = Tuple::of(addresses, u32::from_be_bytes(word(34)), protocol);
    meta.plain = protocol == TCP;
    meta.tcp_flags = if meta.plain { bytes.get(47).copied().unwrap_or_default() } else { 0 };
    true
}

const IPV6: u32 = u32::from_ne_bytes([0x86, 0xdd, 0x60, 0]);
const IPV6_MASK: u32 = u32::from_ne_bytes([0xff, 0xff, 0xf0, 0]);

/// The usual packet in IPv6 without extension headers, in one look.
#[inline(always)]
fn usual6(bytes: &[u8], ours: u64, meta: &mut Meta, table: &ConnTable, six: &mut bool) -> bool {
    const L4: usize = ethernet::HEADER + ipv6::HEADER;
    let Some(h) = bytes.first_chunk::<{ L4 + udp::HEADER }>() else { return false };
    let half = |at: usize| [h[at], h[at + 1]];
    let word = |at: usize| [h[at], h[at + 1], h[at + 2], h[at + 3]];
    let first = u64::from_ne_bytes([h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]]);
    let differs = (first ^ ours) & MAC_MASK | u64::from((u32::from_ne_bytes(word(12)) ^ IPV6) & IPV6_MASK);
    let (end, protocol) = (L4 + usize::from(u16::from_be_bytes(half(18))), h[20]);
    let transport = match protocol {
        TCP => tcp::HEADER,
        UDP => udp::HEADER,
        _ => return false,
    };
    if differs != 0 || end < L4 + transport || end > bytes.len().min(usize::from(u16::MAX)) {
        return false;
    }
    let (Some(src), Some(dst)) = (h[22..].first_chunk(), h[38..].first_chunk()) else { return false };
    (meta.l3, meta.l4, meta.end) = (ethernet::HEADER as u16, L4 as u16, end as u32);
    (meta.ttl, meta.df, meta.kind) = (h[21], true, Kind::Transport6);
    let addresses = u64::from(table.digest(src)) << 32 | u64::from(table.digest(dst));
    meta.tuple = Tuple::of(addresses, u32::from_be_bytes(word(L4)), Tuple::marked(protocol));
    meta.plain = protocol == TCP;
    meta.tcp_flags = if meta.plain { bytes.get(L4 + 13).copied().unwrap_or_default() } else { 0 };
    *six = true;
    true
}

/// Whether an IP packet says that it is longer than what there is of it.
#[cold]
fn is_longer(frame: &[u8], l3: usize) -> bool {
    let packet = frame.get(l3..).unwrap_or_default();
    let said = match packet.first().map(|byte| byte >> 4) {
        Some(4) if packet.len() >= ipv4::HEADER => usize::from(be16(packet, 2)),
        Some(6) if packet.len() >= ipv6::HEADER => ipv6::HEADER + usize::from(be16(packet, 4)),
        _ => 0,
    };
    said > packet.len()
}

/// The MAC of the interface that is there.
#[inline(never)]
fn mac_at(lan: Lan, tables: &Tables) -> MacAddr {
    tables.net.interfaces.at(lan).map_or(MacAddr::default(), |(_, interface)| interface.mac)
}

/// Any other frame: one with a tag too, and what is wrapped. `mac` is that of what is untagged here.
#[inline(never)]
fn unusual<B: PacketBuf>(
    packet: &mut B,
    mac: MacAddr,
    meta: &mut Meta,
    tables: &Tables,
    table: &ConnTable,
) -> Result<(), Step> {
    let bytes = packet.data();
    let mac = match Tagging::of(bytes) {
        Tagging::Untagged => mac,
        Tagging::Tagged(vlan) => tagged(vlan, mac, meta, tables)?,
        Tagging::Stacked => return Err(Step::Drop(Drop::StackedTags)),
    };
    discovery::taken(bytes, meta, mac, tables).map_or_else(|| frame(bytes, mac, meta, table, tables), Err)?;
    unwrap::run(packet, meta, tables)
}

/// Steps over a tag. Returns the MAC of its interface.
fn tagged(vlan: u16, mac: MacAddr, meta: &mut Meta, tables: &Tables) -> Result<MacAddr, Step> {
    meta.l3 += vlan::LEN as u16;
    if vlan == 0 {
        return Ok(mac);
    }
    meta.lan = Lan::new(meta.lan.port(), vlan);
    let (_, interface) = tables.net.interfaces.at(meta.lan).ok_or(Step::Drop(Drop::UnknownVlan))?;
    Ok(interface.mac)
}

fn frame(bytes: &[u8], mac: MacAddr, meta: &mut Meta, table: &ConnTable, tables: &Tables) -> Result<(), Step> {
    let header = ethernet::Header::parse(bytes).ok_or(Step::Drop(Drop::Runt))?;
    let l3 = usize::from(meta.l3);
    let packet = bytes.get(l3..).ok_or(Step::Drop(Drop::Runt))?;
    let ethertype = be16(bytes, l3 - 2);
    if header.dst == mac && ethertype == ethernet::IPV4 {
        return packet4(packet, meta, tables);
    }
    let ours = header.dst == mac;
    if !ours && !header.dst.is_group() {
        return Err(Step::Drop(Drop::OtherMac));
    }
    match ethertype {
        ethernet::ARP => Err(Step::Punt(Punt::Arp)),
        ethernet::IPV6 if ours => packet6(packet, meta, table, tables),
        ethernet::IPV6 => Err(to_group(packet, tables)),
        ethernet::IPV4 => Err(Step::Drop(Drop::Group)),
        _ => Err(Step::Drop(Drop::EtherType)),
    }
}

/// A packet to a group's MAC is for nobody here; but every station looks at hop-by-hop options, and may have to tell.
fn to_group(bytes: &[u8], tables: &Tables) -> Step {
    let header = ipv6::Header::parse(bytes).ok().filter(|header| header.next == ipv6::HOP_BY_HOP);
    let looked = header.map(|header| options::arrived6(&bytes[..header.total], &header, true, tables));
    let refused = looked.and_then(Result::err).filter(|step| *step != Step::Drop(Drop::Martian));
    refused.unwrap_or(Step::Drop(Drop::Group))
}
