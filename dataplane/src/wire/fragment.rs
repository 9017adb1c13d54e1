//! Fragments of IP packets: where one belongs (RFC 791 3.2, RFC 8200 4.5), and how a packet is cut, as `ip_do_fragment` and
//! `ip6_fragment` do.
//!
//! ```text
//! most    the largest IP packet that may leave, headers included
//! sizes   if given and they fit, fragments of these lengths; the first takes up what headers added
//! else    as long as fits, rounded down to eight bytes; the last as it comes
//! IPv4    options that are not to be copied become NOPs behind the first fragment
//! IPv6    a fragment header behind the headers that every fragment has (hop by hop, routing, options before routing)
//! ```

use super::{be16, be32, checksum, ipv4, ipv6, put};

/// Bytes of IPv6's fragment header.
pub const HEADER6: usize = 8;
/// A fragment's lengths and offsets count units of so many bytes.
pub const UNIT: usize = 8;
/// IPv6: the number of that header.
const FRAGMENT: u8 = 44;
/// IPv4: more fragments.
const MORE: u16 = 0x2000;

/// What the headers of a fragment say: where it belongs in its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentHeader {
    /// Which datagram.
    pub id: u32,
    /// Where its data stands in the datagram's.
    pub offset: usize,
    /// There is more behind it.
    pub more: bool,
    /// Bytes of the headers that the datagram keeps.
    pub head: usize,
    /// IPv6: where among them stands what comes next.
    pub named_at: usize,
    /// What comes next.
    pub next: u8,
    /// Where its data starts.
    pub at: usize,
    /// Where it ends.
    pub end: usize,
    /// IPv4: it must not be fragmented.
    pub df: bool,
    /// Its bits of explicit congestion notification (RFC 3168).
    pub ecn: u8,
    /// It is the first, and ends before the transport header does.
    pub short: bool,
}

/// Where an IPv4 fragment belongs.
#[must_use]
pub fn place4(packet: &[u8]) -> Option<FragmentHeader> {
    let header = ipv4::Header::parse(packet).ok()?;
    Some(FragmentHeader {
        id: be16(packet, 4).into(),
        offset: usize::from(header.fragment & ipv4::OFFSET_MASK) * UNIT,
        more: header.fragment & MORE != 0,
        head: header.len,
        named_at: 9,
        next: header.protocol,
        at: header.len,
        end: header.total,
        df: header.fragment & ipv4::DF != 0,
        ecn: header.tos & 3,
        short: false,
    })
}

/// Where an IPv6 fragment belongs.
#[must_use]
pub fn place6(packet: &[u8]) -> Option<FragmentHeader> {
    let header = ipv6::Header::parse(packet).ok()?;
    let packet = &packet[..header.total];
    let (head, named_at) = ipv6::fragment_header(packet, header.next)?;
    let field = be16(packet, head + 2);
    let (offset, at) = (usize::from(field & !7), head + HEADER6);
    let least = |protocol| match protocol {
        6 => super::tcp::HEADER,
        17 => super::udp::HEADER,
        super::icmpv6::PROTOCOL => super::icmpv6::HEADER,
        _ => 1,
    };
    let whole_header = || ipv6::upper(packet, header.next).is_ok_and(|u| u.at + least(u.protocol) <= packet.len());
    Some(FragmentHeader {
        id: be32(packet, head + 4),
        offset,
        more: field & 1 != 0,
        head,
        named_at,
        next: packet[head],
        at,
        end: header.total,
        df: false,
        ecn: header.class & 3,
        short: offset == 0 && !whole_header(),
    })
}

/// How a packet is cut.
#[derive(Clone, Copy, Debug)]
pub struct How<'a> {
    /// Bytes of the largest IP packet.
    pub most: usize,
    /// IPv4: whether the fragments must not be fragmented further.
    pub df: bool,
    /// Bytes of data of each fragment, if they are to be as they were.
    pub sizes: &'a [u16],
    /// IPv6: identification.
    pub id: u32,
}

/// A packet that is cut.
#[derive(Clone, Copy, Debug)]
pub struct Cut<'a> {
    packet: &'a [u8],
    how: How<'a>,
    /// Bytes of the headers that every fragment has.
    head: usize,
    /// IPv6: where among them stands what comes next.
    named_at: usize,
    six: bool,
    /// Most data of a fragment.
    room: usize,
}

impl<'a> Cut<'a> {
    /// How an IP packet is cut; `None` where a fragment would have no room for data, or where nobody could put it together
    /// again: the headers of a tunnel may make a packet longer than any can be.
    #[must_use]
    pub fn of(packet: &'a [u8], how: How<'a>) -> Option<Self> {
        let six = packet.first()? >> 4 == 6;
        let (head, named_at) =
            if six { ipv6::first_fragmentable(packet)? } else { (usize::from(packet[0] & 15) * 4, 0) };
        let room = how.most.checked_sub(head + if six { HEADER6 } else { 0 })?;
        let longest = usize::from(u16::MAX) + if six { ipv6::HEADER } else { 0 };
        let cut = Self { packet, how, head, named_at, six, room };
        let is_packet = (head + 1..=longest).contains(&packet.len()) && head >= ipv4::HEADER;
        (room >= UNIT && is_packet).then(|| cut.as_it_was())
    }

    /// Forgets sizes that do not fit.
    fn as_it_was(mut self) -> Self {
        let rest: usize = self.how.sizes.iter().skip(1).map(|size| usize::from(*size)).sum();
        let (body, sizes) = (self.packet.len() - self.head, self.how.sizes);
        let first = body.saturating_sub(rest);
        let fits = |size: usize| size > 0 && size <= self.room;
        let mut others = sizes.iter().skip(1).map(|size| usize::from(*size));
        let even = sizes.iter().rev().skip(1).rev().skip(1).all(|size| usize::from(*size).is_multiple_of(UNIT));
        if sizes.len() < 2 || !first.is_multiple_of(UNIT) || !fits(first) || !others.all(fits) || !even {
            self.how.sizes = &[];
        }
        self
    }

    /// The length of the fragment that comes after `done` bytes of data, which is the `nth`.
    fn length(&self, nth: usize, done: usize) -> usize {
        let left = self.packet.len() - self.head - done;
        match self.how.sizes {
            [] if left <= self.room => left,
            [] => self.room / UNIT * UNIT,
            [_, rest @ ..] if nth == 0 => left - rest.iter().map(|size| usize::from(*size)).sum::<usize>(),
            sizes => sizes.get(nth).map_or(left, |size| usize::from(*size)).min(left),
        }
    }

    /// How many fragments there are.
    #[must_use]
    pub fn count(&self) -> usize {
        let body = self.packet.len() - self.head;
        if self.how.sizes.is_empty() {
            let full = self.room / UNIT * UNIT;
            return 1 + body.saturating_sub(self.room).div_ceil(full);
        }
        self.how.sizes.len()
    }

    /// Every fragment, in order: headers and data, until `each` says `false`.
    pub fn pieces(&self, mut each: impl FnMut(&[u8], &[u8]) -> bool) {
        let (head, body) = self.packet.split_at(self.head);
        let mut header = head.to_vec();
        let next = if self.six { header[self.named_at] } else { 0 };
        if self.six {
            header[self.named_at] = FRAGMENT;
            header.extend([next, 0, 0, 0]);
            header.extend(self.how.id.to_be_bytes());
        }
        let (mut nth, mut done) = (0, 0);
        while done < body.len() {
            let length = self.length(nth, done);
            let data = &body[done..done + length];
            self.describe(&mut header, done, data.len(), done + length < body.len());
            if !each(&header, data) {
                return;
            }
            if nth == 0 && !self.six {
                keep_copied_options(&mut header[ipv4::HEADER..]);
            }
            (nth, done) = (nth + 1, done + length);
        }
    }

    /// What a fragment's header says of it.
    fn describe(&self, header: &mut [u8], offset: usize, length: usize, more: bool) {
        if self.six {
            let field = offset as u16 | u16::from(more);
            put(header, 4, &((header.len() - ipv6::HEADER + length) as u16).to_be_bytes());
            return put(header, self.head + 2, &field.to_be_bytes());
        }
        // A fragment may be cut further: it stays where it was, and the last one only if it was.
        let was = be16(self.packet, 6);
        let place = (was & ipv4::OFFSET_MASK) + (offset / UNIT) as u16;
        let flags = if more { MORE } else { was & MORE } | if self.how.df { ipv4::DF } else { 0 };
        put(header, 2, &((header.len() + length) as u16).to_be_bytes());
        put(header, 6, &(place | flags).to_be_bytes());
        put(header, 10, &[0, 0]);
        let sum = checksum::of(header);
        put(header, 10, &sum.to_be_bytes());
    }
}

/// Options without the "copied" flag are in the first fragment only; NOPs take their room (`ip_options_fragment`).
fn keep_copied_options(mut options: &mut [u8]) {
    const END: u8 = 0;
    const NOP: u8 = 1;
    const COPIED: u8 = 0x80;
    while let [kind, ..] = *options {
        let length = match kind {
            END => return,
            NOP => 1,
            _ => options.get(1).map_or(0, |length| usize::from(*length)),
        };
        if length > options.len() || length < 1 || length < 2 && kind != NOP {
            return;
        }
        if kind & COPIED == 0 {
            options[..length].fill(NOP);
        }
        options = &mut options[length..];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(six: bool, body: usize, options: &[u8]) -> Vec<u8> {
        let data: Vec<u8> = (0..body).map(|n| n as u8).collect();
        if six {
            return [&ipv6::build(body, 17, 9, &[1; 16], &[2; 16])[..], &data].concat();
        }
        let payload = body + options.len();
        let build = ipv4::Build { tos: 0, payload, id: 7, df: false, ttl: 9, protocol: 17, src: 1, dst: 2 };
        let mut header = [&build.bytes()[..], options].concat();
        header[0] += options.len() as u8 / 4;
        put(&mut header, 10, &[0, 0]);
        let sum = checksum::of(&header);
        put(&mut header, 10, &sum.to_be_bytes());
        [header, data].concat()
    }

    /// Every fragment, whole, as it leaves.
    fn cut(packet: &[u8], how: How<'_>) -> Vec<Vec<u8>> {
        let cut = Cut::of(packet, how).expect("room for data");
        let mut pieces = Vec::new();
        cut.pieces(|header, data| {
            pieces.push([header, data].concat());
            true
        });
        assert_eq!(pieces.len(), cut.count());
        pieces
    }

    proptest! {
        #[test]
        fn pieces_make_the_packet_again(
            six: bool,
            body in 1usize..5000,
            most in 68usize..1500,
            df: bool,
            sizes in prop::collection::vec(1u16..90, 0..6),
        ) {
            let packet = packet(six, body, &[]);
            let sizes: Vec<u16> = sizes.iter().map(|size| size * 8).collect();
            let pieces = cut(&packet, How { most, df, sizes: &sizes, id: 9 });
            let mut data = Vec::<u8>::new();
            for (n, piece) in pieces.iter().enumerate() {
                let place = if six { place6(piece) } else { place4(piece) }.expect("a piece");
                prop_assert!(piece.len() <= most);
                prop_assert_eq!((place.offset, place.more), (data.len(), n + 1 < pieces.len()));
                prop_assert_eq!((place.next, place.end, place.df), (17, piece.len(), df && !six));
                data.extend(&piece[place.at..]);
            }
            prop_assert_eq!(&data[..], &packet[packet.len() - body..]);
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), most in 0usize..300, sizes: [u16; 3]) {
            let _ = (place4(&bytes), place6(&bytes));
            if let Some(cut) = Cut::of(&bytes, How { most, df: true, sizes: &sizes, id: 1 }) {
                let mut count = 0;
                cut.pieces(|_, _| {
                    count += 1;
                    true
                });
                prop_assert_eq!(count, cut.count());
            }
        }
    }

    #[test]
    fn options_that_are_not_copied_are_in_the_first_piece_only() {
        let (route, alert) = ([7, 7, 4, 0, 0, 0, 0], [0x94, 4, 0, 0]);
        let packet = packet(false, 40, &[&route[..], &[1], &alert].concat());
        let pieces = cut(&packet, How { most: 60, df: false, sizes: &[], id: 0 });
        assert_eq!(&pieces[0][20..32], [&route[..], &[1], &alert].concat());
        assert_eq!(&pieces[1][20..32], [&[1; 8][..], &alert].concat());
    }

    #[test]
    fn a_piece_that_is_cut_further_stays_where_it_was() {
        let mut piece = packet(false, 48, &[]);
        put(&mut piece, 6, &(0x2000u16 | 5).to_be_bytes());
        let places: Vec<_> = cut(&piece, How { most: 44, df: false, sizes: &[], id: 0 })
            .iter()
            .map(|piece| place4(piece).expect("a piece"))
            .map(|place| (place.offset, place.more))
            .collect();
        assert_eq!(places, [(40, true), (64, true)]);
    }

    #[test]
    fn sizes_that_do_not_fit_are_forgotten_and_the_first_takes_what_was_added() {
        let packet = packet(true, 64, &[]);
        let lengths = |sizes: &[u16]| -> Vec<usize> {
            let how = How { most: 88, df: false, sizes, id: 0 };
            cut(&packet, how).iter().map(|piece| piece.len() - 48).collect()
        };
        assert_eq!(lengths(&[16, 16, 24]), [24, 16, 24]);
        assert_eq!(lengths(&[16, 48]), [40, 24]);
        assert_eq!(lengths(&[16, 13, 24]), [40, 24]);
    }
}
