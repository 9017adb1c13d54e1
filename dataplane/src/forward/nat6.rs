//! NAT of IPv6 packets: one address and port become others. There is no header checksum; that of the transport covers the
//! addresses (RFC 8200 8.1) and follows incrementally.
//!
//! A UDP checksum of zero, which IPv6 does not allow, is filled in, as the kernel does.

use super::nat::{Side, port_at, udp_checksum};
use super::nat_sctp;
use crate::conn::{Addresses, Conn};
use crate::flow::{Direction, Protocol};
use crate::packet::{Kind, Meta};
use crate::wire::checksum::{Change, Delta};
use crate::wire::{ethernet, ipv6, put, tcp};

/// What becomes of a packet: the new end, and what that does to its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewEnd {
    /// Which end.
    pub side: Side,
    /// Its address.
    pub address: [u8; 16],
    /// Its port.
    pub port: u16,
    /// Effect on the transport checksum.
    pub transport: Change,
}

/// What replacing one end by another does to the transport checksum.
#[must_use]
pub fn change(old: (&[u8; 16], u16), new: (&[u8; 16], u16)) -> Change {
    let long = |address: &[u8; 16], at: usize| {
        u32::from_be_bytes([address[at], address[at + 1], address[at + 2], address[at + 3]])
    };
    let addresses = (0..4).fold(Delta::default(), |delta, n| delta.long(long(old.0, n * 4), long(new.0, n * 4)));
    addresses.word(old.1, new.1).fold()
}

impl NewEnd {
    /// What becomes of a packet of a connection.
    #[inline]
    #[must_use]
    pub fn of(conn: &Conn, addresses: &Addresses, direction: Direction) -> Self {
        let transport = Change::from_number(conn.changes().1);
        match direction {
            Direction::Request => {
                let (address, (_, port)) = (addresses.server, conn.server_end());
                Self { side: Side::Destination, address, port, transport }
            }
            Direction::Reply => {
                let (address, (_, port)) = (addresses.vip, conn.virtual_end());
                Self { side: Side::Source, address, port, transport: transport.reversed() }
            }
        }
    }
}

/// Where TCP follows an IPv6 header without extensions.
const PLAIN: usize = ethernet::HEADER + ipv6::HEADER;

/// Rewrites one end and lowers the hop limit. The caller has seen that it is above 1.
#[inline(always)]
pub fn rewrite(frame: &mut [u8], meta: &Meta, new: &NewEnd) {
    if meta.plain
        && let Some((headers, _)) = frame.split_first_chunk_mut::<{ PLAIN + tcp::HEADER }>()
        && let Some((front, segment)) = headers.split_first_chunk_mut::<PLAIN>()
        && let (Some(header), Some(segment)) = (front.last_chunk_mut(), segment.first_chunk_mut::<{ tcp::HEADER }>())
    {
        rewrite_header(header, new);
        put(segment, port_at(new.side), &new.port.to_be_bytes());
        if let Some(sum) = segment[tcp::CHECKSUM..].first_chunk_mut() {
            new.transport.apply(sum);
        }
    } else {
        rewrite_any(frame, meta, new);
    }
}

#[inline(always)]
fn rewrite_header(header: &mut [u8; ipv6::HEADER], new: &NewEnd) {
    header[ipv6::HOP_LIMIT] = header[ipv6::HOP_LIMIT].wrapping_sub(1);
    let address_at = match new.side {
        Side::Source => 8,
        Side::Destination => 24,
    };
    put(header, address_at, &new.address);
}

#[inline(never)]
fn rewrite_any(frame: &mut [u8], meta: &Meta, new: &NewEnd) {
    let (l3, l4, end) = (usize::from(meta.l3), usize::from(meta.l4), meta.end as usize);
    let Some((front, transport)) = frame.get_mut(..end).and_then(|frame| frame.split_at_mut_checked(l4)) else {
        return;
    };
    let Some(header) = front.get_mut(l3..).and_then(|rest| rest.first_chunk_mut::<{ ipv6::HEADER }>()) else { return };
    rewrite_header(header, new);
    match meta.kind {
        Kind::Esp6 => return,
        Kind::Sctp6 => return nat_sctp::rewrite(transport, new.side, new.port),
        _ => put(transport, port_at(new.side), &new.port.to_be_bytes()),
    }
    if meta.protocol() != Protocol::Tcp.number() {
        return udp_checksum(transport, new.transport, header[8..].split_at(16));
    }
    if let Some(sum) = transport.get_mut(tcp::CHECKSUM..).and_then(|rest| rest.first_chunk_mut()) {
        new.transport.apply(sum);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flow::Tuple;
    use crate::wire::checksum::Sum;
    use crate::wire::{be16, udp};

    fn right(frame: &[u8], l4: usize, protocol: u8) -> bool {
        let (ends, transport) = (&frame[22..54], &frame[l4..]);
        Sum::default().pseudo(&ends[..16], &ends[16..], protocol, transport.len()).bytes(transport).fold() == 0xffff
    }

    proptest! {
        #[test]
        fn checksums_stay_right(
            mut payload in proptest::collection::vec(any::<u8>(), 20..120),
            addresses: [[u8; 16]; 3],
            port: u16,
            tcp: bool,
            source: bool,
            options in 0usize..3,
            plain: bool,
        ) {
            let (protocol, at) = if tcp { (6, tcp::CHECKSUM) } else { (17, udp::CHECKSUM) };
            let [src, dst, address] = addresses;
            put(&mut payload, at, &[0, 0]);
            let sum = Sum::default().pseudo(&src, &dst, protocol, payload.len()).bytes(&payload).finish();
            put(&mut payload, at, &sum.to_be_bytes());
            let (l4, between) = (54 + options * 8, vec![0; options * 8]);
            let header = ipv6::build(options * 8 + payload.len(), protocol, 9, &src, &dst);
            let mut bytes = [&[0; 14][..], &header, &between, &payload].concat();
            let meta = Meta {
                l3: 14,
                l4: l4 as u16,
                end: bytes.len() as u32,
                kind: Kind::Transport6,
                plain: plain && tcp && options == 0,
                tuple: Tuple { protocol: Tuple::marked(protocol), ..Tuple::default() },
                ..Meta::default()
            };
            let (side, old) = match source {
                true => (Side::Source, (&src, be16(&bytes, l4))),
                false => (Side::Destination, (&dst, be16(&bytes, l4 + 2))),
            };
            let transport = change(old, (&address, port));
            prop_assert_eq!(transport.reversed(), change((&address, port), old));
            prop_assert!(right(&bytes, l4, protocol) || be16(&bytes, l4 + at) == 0);
            rewrite(&mut bytes, &meta, &NewEnd { side, address, port, transport });
            prop_assert!(right(&bytes, l4, protocol));
            let there = if source { 22 } else { 38 };
            prop_assert_eq!(&bytes[there..there + 16], &address);
            prop_assert_eq!(be16(&bytes, if source { l4 } else { l4 + 2 }), port);
            prop_assert_eq!(bytes[21], 8);
        }
    }
}
