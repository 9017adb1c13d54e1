//! NAT: the ends of a packet become those of a connection's other side, checksums follow incrementally (RFC 1624). Both ends
//! are written, whether one of them changes or both do: it costs the same.
//!
//! A UDP checksum of zero (not computed by the sender) is filled in, as the kernel does; one that comes out as zero is
//! sent as all ones (RFC 768).

use super::nat_sctp;
use crate::conn::Conn;
use crate::flow::{Direction, Protocol, Tuple};
use crate::packet::{Kind, Meta};
use crate::wire::checksum::{ChecksumChange, Delta, Sum};
use crate::wire::{be16, ethernet, ipv4, put, tcp, udp};

/// What becomes of a packet: its new ends, and what that does to its checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewEnds {
    /// Both addresses in a word, the source's above.
    pub addresses: u64,
    /// Both ports in a word, the source's above.
    pub ports: u32,
    /// Effect on the header's checksum.
    pub header: ChecksumChange,
    /// Effect on the transport checksum.
    pub transport: ChecksumChange,
}

/// What replacing the ends of a packet does to the checksums of header and transport.
#[inline(always)]
#[must_use]
pub fn changes(old: &Tuple, new: &Tuple) -> (ChecksumChange, ChecksumChange) {
    let differs = (old.src, old.sport) != (new.src, new.sport);
    let address = Delta::default().long(old.dst, new.dst);
    let addresses = if differs { address.long(old.src, new.src) } else { address };
    let port = addresses.word(old.dport, new.dport);
    let transport = if differs { port.word(old.sport, new.sport) } else { port };
    (addresses.fold(), transport.fold())
}

impl NewEnds {
    /// What becomes of a packet of a connection: it leaves as a reply to what will arrive from the other side.
    #[inline(always)]
    #[must_use]
    pub fn of(conn: &Conn, direction: Direction) -> Self {
        let (header, transport) = conn.changes();
        let (header, transport) = (ChecksumChange::from_number(header), ChecksumChange::from_number(transport));
        let (key, header, transport) = match direction {
            Direction::Request => (conn.reply_key(), header, transport),
            Direction::Reply => (conn.request_key(), header.reversed(), transport.reversed()),
        };
        Self { addresses: key.addresses().rotate_left(32), ports: key.ports().rotate_left(16), header, transport }
    }

    /// Its new source address.
    #[must_use]
    pub const fn source(&self) -> u32 {
        (self.addresses >> 32) as u32
    }
}

/// Where TCP follows an IPv4 header without options.
const PLAIN: usize = ethernet::HEADER + ipv4::HEADER;

/// Rewrites the ends and lowers the time to live. The caller has seen that it is above 1.
#[inline(always)]
pub fn rewrite(frame: &mut [u8], meta: &Meta, new: &NewEnds) {
    if meta.plain
        && let Some((headers, _)) = frame.split_first_chunk_mut::<{ PLAIN + tcp::HEADER }>()
        && let Some((front, segment)) = headers.split_first_chunk_mut::<PLAIN>()
        && let (Some(header), Some(segment)) = (front.last_chunk_mut(), segment.first_chunk_mut())
    {
        rewrite_header(header, new);
        rewrite_segment(segment, new);
    } else {
        rewrite_any(frame, meta, *new);
    }
}

#[inline(never)]
fn rewrite_any(frame: &mut [u8], meta: &Meta, new: NewEnds) {
    let (l3, l4, end) = (usize::from(meta.l3), usize::from(meta.l4), meta.end as usize);
    let Some((front, transport)) = frame.get_mut(..end).and_then(|frame| frame.split_at_mut_checked(l4)) else {
        return;
    };
    let Some(header) = front.get_mut(l3..).and_then(|h| h.first_chunk_mut()) else { return };
    rewrite_header(header, &new);
    match meta.kind {
        Kind::Esp4 | Kind::Ah4 => {}
        Kind::Sctp4 => nat_sctp::rewrite(transport, new.ports),
        _ if meta.tuple.protocol == Protocol::Tcp.number() => {
            if let Some(segment) = transport.first_chunk_mut() {
                rewrite_segment(segment, &new);
            }
        }
        _ => {
            put(transport, 0, &new.ports.to_be_bytes());
            udp_checksum(transport, new.transport, header[12..].split_at(4));
        }
    }
}

#[inline(always)]
fn rewrite_header(header: &mut [u8; ipv4::HEADER], new: &NewEnds) {
    put(header, 12, &new.addresses.to_be_bytes());
    header[8] = header[8].wrapping_sub(1);
    if let Some(sum) = header[10..].first_chunk_mut() {
        new.header.apply_with_ttl(sum);
    }
}

#[inline(always)]
fn rewrite_segment(segment: &mut [u8; tcp::HEADER], new: &NewEnds) {
    put(segment, 0, &new.ports.to_be_bytes());
    if let Some(sum) = segment[tcp::CHECKSUM..].first_chunk_mut() {
        new.transport.apply(sum);
    }
}

/// Brings a datagram's checksum up to a change that has been made, from whose addresses it may have to be made anew.
pub(super) fn udp_checksum(datagram: &mut [u8], change: ChecksumChange, (source, destination): (&[u8], &[u8])) {
    let sum = if be16(datagram, udp::CHECKSUM) == 0 {
        Sum::default().pseudo(source, destination, 17, datagram.len()).bytes(datagram).finish()
    } else if let Some(sum) = datagram.get_mut(udp::CHECKSUM..).and_then(|rest| rest.first_chunk_mut()) {
        change.apply(sum);
        u16::from_be_bytes(*sum)
    } else {
        return;
    };
    put(datagram, udp::CHECKSUM, &if sum == 0 { 0xffff } else { sum }.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flow::Tuple;
    use crate::wire::be32;
    use crate::wire::ipv4::Build;

    fn frame(protocol: u8, payload: &[u8], checksum: usize) -> Vec<u8> {
        let build = Build {
            tos: 0,
            payload: payload.len(),
            id: 1,
            df: true,
            ttl: 9,
            protocol,
            src: 0xac10_0001,
            dst: 0x0a00_0064,
        };
        let mut payload = payload.to_vec();
        put(&mut payload, checksum, &[0, 0]);
        let header = build.bytes();
        let sum = Sum::default().pseudo(&header[12..16], &header[16..20], protocol, payload.len()).bytes(&payload);
        put(&mut payload, checksum, &sum.finish().to_be_bytes());
        [vec![0; 14], header.to_vec(), payload].concat()
    }

    fn right(frame: &[u8], protocol: u8) -> bool {
        let packet = &frame[14..];
        ipv4::Header::parse(packet).is_ok()
            && Sum::default()
                .pseudo(&packet[12..16], &packet[16..20], protocol, packet.len() - 20)
                .bytes(&packet[20..])
                .fold()
                == 0xffff
    }

    proptest! {
        #[test]
        fn checksums_stay_right(
            payload in proptest::collection::vec(any::<u8>(), 20..120),
            ends: (u32, u32, u16, u16),
            both: bool,
            tcp: bool,
            plain: bool,
        ) {
            let (protocol, at) = if tcp { (6, tcp::CHECKSUM) } else { (17, udp::CHECKSUM) };
            let mut bytes = frame(protocol, &payload, at);
            let old = Tuple {
                src: 0xac10_0001,
                dst: 0x0a00_0064,
                sport: be16(&bytes, 34),
                dport: be16(&bytes, 36),
                protocol,
            };
            let (src, dst, sport, dport) = ends;
            let new = Tuple { dst, dport, ..old };
            let new = if both { Tuple { src, sport, ..new } } else { new };
            let meta =
                Meta { l3: 14, l4: 34, end: bytes.len() as u32, plain: plain && tcp, tuple: old, ..Meta::default() };
            let (forth, back) = (changes(&old, &new), changes(&new, &old));
            // A change that is none has two forms, all ones and zero: ones' complement.
            let value = |change: ChecksumChange| change.number() % 0xffff;
            let there = [forth.0, forth.1].map(|change| value(change.reversed()));
            prop_assert_eq!(there, [back.0, back.1].map(value));
            let (addresses, ports) = (new.addresses(), new.ports());
            prop_assert!(right(&bytes, protocol) || be16(&bytes, 34 + at) == 0);
            rewrite(&mut bytes, &meta, &NewEnds { addresses, ports, header: forth.0, transport: forth.1 });
            prop_assert!(right(&bytes, protocol));
            prop_assert_eq!([be32(&bytes, 26), be32(&bytes, 30)], [new.src, new.dst]);
            prop_assert_eq!([be16(&bytes, 34), be16(&bytes, 36)], [new.sport, new.dport]);
            prop_assert_eq!(bytes[22], 8);
        }
    }
}
