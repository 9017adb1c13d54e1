//! TUN: the client's packet travels whole inside another one to the server, which unwraps it and answers the client
//! itself. After `ip_vs_tunnel_xmit` (`ip_vs_xmit.c`).
//!
//! ```text
//! outer IP     TOS of the inner, but that "congestion experienced" becomes ECT(0) (RFC 3168 9.1.1, full functionality)
//!              TTL of the inner, after it was lowered
//!              source: the director's address on the way to the server
//!              IPv4: DF of an inner IPv4 if paths' MTUs are discovered; id 0 with DF, else a number (RFC 6864)
//!              IPv6: no flow label
//! ipip         protocol 4, around IPv6 41
//! gue          protocol 17: UDP, source port by the flow, then 00 04 00 00 (version 0, no extensions, IPv4; 41 IPv6)
//! gre          protocol 47: flags (8000 with checksum), 0800 or 86dd, and with checksum its two words
//! ```

use crate::flow::{Encapsulation, Family};
use crate::packet::Meta;
use crate::port::PacketBuf;
use crate::wire::checksum::Sum;
use crate::wire::{ecn, ethernet, ipv4, ipv6, put};

const IPIP: u8 = 4;
const IPV6: u8 = 41;
const UDP: u8 = 17;
const GRE: u8 = 47;
/// GRE flag: the checksum is there.
const GRE_CHECKSUM: u16 = 0x8000;

/// What the outer header says beyond what the packet gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outer {
    /// IPv4.
    V4 {
        /// The director's address on the way to the server.
        source: u32,
        /// The server.
        server: u32,
        /// Whether it must not be fragmented.
        df: bool,
        /// Its identification.
        id: u16,
    },
    /// IPv6.
    V6 {
        /// The director's address on the way to the server.
        source: [u8; 16],
        /// The server.
        server: [u8; 16],
    },
}

impl Outer {
    const fn family(&self) -> Family {
        match self {
            Self::V4 { .. } => Family::Ipv4,
            Self::V6 { .. } => Family::Ipv6,
        }
    }

    /// The header around `payload` bytes of a protocol.
    fn write(&self, out: &mut [u8], tos: u8, ttl: u8, protocol: u8, payload: usize) {
        match *self {
            Self::V4 { source: src, server: dst, df, id } => {
                put(out, 0, &ipv4::Build { tos, payload, id, df, ttl, protocol, src, dst }.bytes());
            }
            Self::V6 { source, server } => {
                put(out, 0, &ipv6::build(payload, protocol, ttl, &source, &server));
                put(out, 0, &(0x6000_0000 | u32::from(tos) << 20).to_be_bytes());
            }
        }
    }

    /// What a checksum of UDP covers of it.
    fn pseudo(&self, length: usize) -> Sum {
        match self {
            Self::V4 { source, server, .. } => {
                Sum::default().pseudo(&source.to_be_bytes(), &server.to_be_bytes(), UDP, length)
            }
            Self::V6 { source, server } => Sum::default().pseudo(source, server, UDP, length),
        }
    }
}

/// A packet that is wrapped, as the headers around it see it.
struct Inner<'a> {
    bytes: &'a [u8],
    /// Its protocol's number, for IP and GUE.
    protocol: u8,
    /// Its EtherType, for GRE.
    ethertype: u16,
}

/// Wraps a packet whose time to live has been lowered; `false` and unchanged where its buffer has no room in front.
pub fn wrap<B: PacketBuf>(packet: &mut B, meta: &Meta, outer: &Outer) -> bool {
    let (l3, added) = (usize::from(meta.l3), usize::from(meta.encapsulation.overhead(outer.family())));
    if !packet.prepend(added) {
        return false;
    }
    let Some((front, bytes)) = packet.data_mut().split_at_mut_checked(l3 + added) else { return false };
    let (inner, tos, ttl) = match meta.kind.is_v6() {
        false => (Inner { bytes, protocol: IPIP, ethertype: ethernet::IPV4 }, bytes[1], bytes[8]),
        true => (Inner { bytes, protocol: IPV6, ethertype: ethernet::IPV6 }, bytes[0] << 4 | bytes[1] >> 4, bytes[7]),
    };
    let (ethertype, header) = match outer.family() {
        Family::Ipv4 => (ethernet::IPV4, ipv4::HEADER),
        Family::Ipv6 => (ethernet::IPV6, ipv6::HEADER),
    };
    put(front, l3 - 2, &ethertype.to_be_bytes());
    let (outside, between) = front[l3..].split_at_mut(header);
    let protocol = match meta.encapsulation {
        Encapsulation::Ipip => inner.protocol,
        Encapsulation::Gue { .. } => UDP,
        Encapsulation::Gre { .. } => GRE,
    };
    outer.write(outside, ecn::outer(tos), ttl, protocol, between.len() + inner.bytes.len());
    match meta.encapsulation {
        Encapsulation::Ipip => {}
        Encapsulation::Gue { port, checksum } => {
            gue(between, &inner, (source_port(meta.hash), port), checksum.then_some(outer))
        }
        Encapsulation::Gre { checksum } => gre(between, &inner, checksum),
    }
    true
}

/// The usual case in one look: IPv4 in IPv4, nothing between, no tag, addressed at once. Lowers the time to live, too.
/// `false` where the buffer has no room in front; its packet was seen to be whole.
#[inline(always)]
pub fn wrap_usual<B: PacketBuf>(
    packet: &mut B,
    meta: &Meta,
    (src, dst): (u32, u32),
    (df, id): (bool, u16),
    macs: &[u8; ethernet::HEADER - 2],
) -> bool {
    const INNER: usize = ethernet::HEADER + ipv4::HEADER;
    if !packet.prepend(ipv4::HEADER) {
        return false;
    }
    let Some(frame) = packet.data_mut().first_chunk_mut::<{ INNER + ipv4::HEADER }>() else { return false };
    let Some((front, inner)) = frame.split_first_chunk_mut::<INNER>() else { return false };
    let Some(inner) = inner.first_chunk_mut() else { return false };
    ipv4::decrement_ttl(inner);
    let (tos, ttl, payload) = (ecn::outer(inner[1]), inner[8], meta.ip_len());
    front[..ethernet::HEADER - 2].copy_from_slice(macs);
    front[ethernet::HEADER - 2..ethernet::HEADER].copy_from_slice(&ethernet::IPV4.to_be_bytes());
    let outer = ipv4::Build { tos, payload, id, df, ttl, protocol: IPIP, src, dst };
    front[ethernet::HEADER..].copy_from_slice(&outer.bytes());
    true
}

/// A flow keeps its port, so that routers and devices between keep its packets in order (RFC 6335: the upper half).
const fn source_port(hash: u64) -> u16 {
    0x8000 | (hash >> 32) as u16
}

/// UDP and GUE (version, control bit and length 0, no flags) in the bytes `between`; the checksum covers the outer
/// addresses, the headers and the packet.
fn gue(between: &mut [u8], inner: &Inner<'_>, (source, destination): (u16, u16), checksum: Option<&Outer>) {
    let length = between.len() + inner.bytes.len();
    put(between, 0, &source.to_be_bytes());
    put(between, 2, &destination.to_be_bytes());
    put(between, 4, &(length as u16).to_be_bytes());
    put(between, 6, &[0, 0]);
    put(between, 8, &[0, inner.protocol, 0, 0]);
    if let Some(outer) = checksum {
        let sum = outer.pseudo(length).bytes(between).bytes(inner.bytes).finish();
        put(between, 6, &if sum == 0 { 0xffff } else { sum }.to_be_bytes());
    }
}

/// GRE in the bytes `between`; the checksum covers the header and the packet.
fn gre(between: &mut [u8], inner: &Inner<'_>, checksum: bool) {
    put(between, 0, &if checksum { GRE_CHECKSUM } else { 0 }.to_be_bytes());
    put(between, 2, &inner.ethertype.to_be_bytes());
    if checksum {
        put(between, 4, &[0; 4]);
        let sum = Sum::default().bytes(between).bytes(inner.bytes).finish();
        put(between, 4, &sum.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::port::mem::MemBuf;
    use crate::wire::{be16, be32};

    fn kind() -> impl Strategy<Value = Encapsulation> {
        let gue = (1..=u16::MAX, any::<bool>()).prop_map(|(port, checksum)| Encapsulation::Gue { port, checksum });
        prop_oneof![Just(Encapsulation::Ipip), gue, any::<bool>().prop_map(|checksum| Encapsulation::Gre { checksum })]
    }

    /// Whether the checksum behind the outer header is right, or absent as it should be.
    fn sums_right(encapsulation: Encapsulation, outer: &ipv4::Header, packet: &[u8]) -> bool {
        let behind = &packet[outer.len..outer.total];
        let (src, dst) = (outer.src.to_be_bytes(), outer.dst.to_be_bytes());
        match encapsulation {
            Encapsulation::Ipip | Encapsulation::Gre { checksum: false } => true,
            Encapsulation::Gue { checksum: false, .. } => be16(behind, 6) == 0,
            Encapsulation::Gue { .. } => {
                be16(behind, 6) != 0
                    && Sum::default().pseudo(&src, &dst, 17, behind.len()).bytes(behind).fold() == 0xffff
            }
            Encapsulation::Gre { .. } => Sum::default().bytes(behind).fold() == 0xffff,
        }
    }

    proptest! {
        #[test]
        fn what_is_wrapped_is_found_inside(
            encapsulation in kind(),
            (tos, ttl, df) in any::<(u8, u8, bool)>(),
            payload in proptest::collection::vec(any::<u8>(), 8..200),
            l3 in prop::sample::select(vec![14usize, 18]),
            hash in any::<u64>(),
        ) {
            let build = ipv4::Build { tos, payload: payload.len(), id: 9, df, ttl, protocol: 17, src: 1, dst: 2 };
            let inner = [&build.bytes()[..], &payload].concat();
            let mut packet = MemBuf::from_frame(&[vec![0xee; l3], inner.clone()].concat());
            let end = (l3 + inner.len()) as u32;
            let meta = Meta { l3: l3 as u16, end, encapsulation, hash, ..Meta::default() };
            let (source, server) = (0x0a01_0001, 0x0a01_000b);
            let outer = Outer::V4 { source, server, df, id: 7 };
            prop_assert!(wrap(&mut packet, &meta, &outer));
            prop_assert_eq!(be16(packet.data(), l3 - 2), ethernet::IPV4);
            let whole = &packet.data()[l3..];
            let header = ipv4::Header::parse(whole).expect("an outer header");
            let ends = (header.src, header.dst, header.ttl, header.total);
            prop_assert_eq!(ends, (source, server, ttl, whole.len()));
            prop_assert_eq!(&whole[usize::from(encapsulation.overhead(Family::Ipv4))..], &inner[..]);
            prop_assert_eq!((be16(whole, 4), header.fragment), (7, if df { ipv4::DF } else { 0 }));
            prop_assert!(sums_right(encapsulation, &header, whole));
            if let Encapsulation::Gue { port, .. } = encapsulation {
                prop_assert_eq!((be16(whole, 22), be32(whole, 28)), (port, 0x0004_0000));
                prop_assert_eq!(usize::from(be16(whole, 24)), whole.len() - 20);
            }
        }
    }

    proptest! {
        #[test]
        fn the_usual_case_is_a_case(
            (tos, ttl, df, id) in any::<(u8, u8, bool, u16)>(),
            payload in proptest::collection::vec(any::<u8>(), 0..200),
            macs: [u8; 12],
        ) {
            prop_assume!(ttl > 1);
            let build = ipv4::Build { tos, payload: payload.len(), id: 9, df, ttl, protocol: 17, src: 1, dst: 2 };
            let frame = [&[0xee; 12][..], &[8, 0], &build.bytes(), &payload].concat();
            let meta = Meta { l3: 14, end: frame.len() as u32, ..Meta::default() };
            let [mut one, mut other] = [MemBuf::from_frame(&frame), MemBuf::from_frame(&frame)];
            prop_assert!(wrap_usual(&mut one, &meta, (3, 4), (df, id), &macs));
            crate::forward::dr::rewrite(other.data_mut(), &meta);
            let outer = Outer::V4 { source: 3, server: 4, df, id };
            prop_assert!(wrap(&mut other, &meta, &outer));
            put(other.data_mut(), 0, &macs);
            prop_assert_eq!(one.data(), other.data());
        }
    }

    #[test]
    fn without_room_in_front_nothing_changes() {
        let mut packet = MemBuf::empty();
        assert!(packet.prepend(112) && packet.set_len(60));
        let before = packet.clone();
        let meta = Meta { l3: 14, end: 60, ..Meta::default() };
        let outer = Outer::V4 { source: 1, server: 2, df: false, id: 3 };
        assert!(!wrap(&mut packet, &meta, &outer));
        assert_eq!(packet, before);
    }
}
