//! NAT of IPv6 packets: the ends of a packet become those of a connection's other side. There is no header checksum; that of
//! the transport covers the addresses (RFC 8200 8.1) and follows incrementally.
//!
//! A UDP checksum of zero, which IPv6 does not allow, is filled in, as the kernel does.

use super::nat::udp_checksum;
use super::nat_sctp;
use crate::conn::{Addresses, Conn};
use crate::flow::{Direction, Protocol};
use crate::packet::{Kind, Meta};
use crate::wire::checksum::{ChecksumChange, Delta};
use crate::wire::{ethernet, ipv6, put, tcp};

/// What becomes of a packet: its new ends, and what that does to its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewEnds {
    /// Source and destination.
    pub addresses: [[u8; 16]; 2],
    /// Both ports in a word, the source's above.
    pub ports: u32,
    /// Effect on the transport checksum.
    pub transport: ChecksumChange,
}

/// What replacing source and destination, both ports beside them, does to the transport checksum.
#[must_use]
pub fn change(old: ([&[u8; 16]; 2], u32), new: ([&[u8; 16]; 2], u32)) -> ChecksumChange {
    let long = |address: &[u8; 16], at: usize| {
        u32::from_be_bytes([address[at], address[at + 1], address[at + 2], address[at + 3]])
    };
    let longs = |delta: Delta, (old, new): (&[u8; 16], &[u8; 16])| {
        (0..4).fold(delta, |delta, n| delta.long(long(old, n * 4), long(new, n * 4)))
    };
    old.0.into_iter().zip(new.0).fold(Delta::default().long(old.1, new.1), longs).fold()
}

impl NewEnds {
    /// What becomes of a packet of a connection with these addresses.
    #[inline(always)]
    #[must_use]
    pub fn of(conn: &Conn, six: &Addresses, direction: Direction) -> Self {
        let transport = ChecksumChange::from_number(conn.changes().1);
        match direction {
            Direction::Request => {
                let (addresses, ports) = ([six.local, six.server], conn.reply_key().ports().rotate_left(16));
                Self { addresses, ports, transport }
            }
            Direction::Reply => {
                let (addresses, ports) = ([six.vip, six.client], conn.request_key().ports().rotate_left(16));
                Self { addresses, ports, transport: transport.reversed() }
            }
        }
    }
}

/// Where TCP follows an IPv6 header without extensions.
const PLAIN: usize = ethernet::HEADER + ipv6::HEADER;

/// Rewrites the ends and lowers the hop limit. The caller has seen that it is above 1.
#[inline(always)]
pub fn rewrite(frame: &mut [u8], meta: &Meta, new: &NewEnds) {
    if meta.plain
        && let Some((headers, _)) = frame.split_first_chunk_mut::<{ PLAIN + tcp::HEADER }>()
        && let Some((front, segment)) = headers.split_first_chunk_mut::<PLAIN>()
        && let (Some(header), Some(segment)) = (front.last_chunk_mut(), segment.first_chunk_mut::<{ tcp::HEADER }>())
    {
        rewrite_header(header, new);
        put(segment, 0, &new.ports.to_be_bytes());
        if let Some(sum) = segment[tcp::CHECKSUM..].first_chunk_mut() {
            new.transport.apply(sum);
        }
    } else {
        rewrite_any(frame, meta, *new);
    }
}

#[inline(always)]
fn rewrite_header(header: &mut [u8; ipv6::HEADER], new: &NewEnds) {
    header[ipv6::HOP_LIMIT] = header[ipv6::HOP_LIMIT].wrapping_sub(1);
    put(header, 8, new.addresses.as_flattened());
}

#[inline(never)]
fn rewrite_any(frame: &mut [u8], meta: &Meta, new: NewEnds) {
    let (l3, l4, end) = (usize::from(meta.l3), usize::from(meta.l4), meta.end as usize);
    let Some((front, transport)) = frame.get_mut(..end).and_then(|frame| frame.split_at_mut_checked(l4)) else {
        return;
    };
    let Some(header) = front.get_mut(l3..).and_then(|rest| rest.first_chunk_mut::<{ ipv6::HEADER }>()) else { return };
    rewrite_header(header, &new);
    match meta.kind {
        Kind::Esp6 => return,
        Kind::Sctp6 => return nat_sctp::rewrite(transport, new.ports),
        _ => put(transport, 0, &new.ports.to_be_bytes()),
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
    use crate::wire::{be16, be32, udp};

    fn right(frame: &[u8], l4: usize, protocol: u8) -> bool {
        let (ends, transport) = (&frame[22..54], &frame[l4..]);
        Sum::default().pseudo(&ends[..16], &ends[16..], protocol, transport.len()).bytes(transport).fold() == 0xffff
    }

    proptest! {
        #[test]
        fn checksums_stay_right(
            mut payload in proptest::collection::vec(any::<u8>(), 20..120),
            addresses: [[u8; 16]; 4],
            ports: u32,
            tcp: bool,
            options in 0usize..3,
            plain: bool,
        ) {
            let (protocol, at) = if tcp { (6, tcp::CHECKSUM) } else { (17, udp::CHECKSUM) };
            let [src, dst, new_src, new_dst] = addresses;
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
            let (old, new) = (([&src, &dst], be32(&bytes, l4)), ([&new_src, &new_dst], ports));
            let transport = change(old, new);
            // A change that is none has two forms, all ones and zero: ones' complement.
            let value = |change: ChecksumChange| change.number() % 0xffff;
            prop_assert_eq!(value(transport.reversed()), value(change(new, old)));
            prop_assert!(right(&bytes, l4, protocol) || be16(&bytes, l4 + at) == 0);
            rewrite(&mut bytes, &meta, &NewEnds { addresses: [new_src, new_dst], ports, transport });
            prop_assert!(right(&bytes, l4, protocol));
            prop_assert_eq!(&bytes[22..54], &[new_src, new_dst].concat());
            prop_assert_eq!(be32(&bytes, l4), ports);
            prop_assert_eq!(bytes[21], 8);
        }
    }
}
