//! IPv6 (RFC 8200), and where the headers between it and the transport end: as `ipv6_find_hdr` walks them.

use super::ipsec::AH as AUTHENTICATION;
use super::{be16, put};

/// Bytes of the fixed header.
pub const HEADER: usize = 40;
/// What every link takes.
pub const LEAST_MTU: u16 = 1280;
/// Where the payload length stands.
pub const PAYLOAD_LENGTH: u16 = 4;
/// Where the hop limit stands.
pub const HOP_LIMIT: usize = 7;

/// Why bytes are not an IPv6 packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than its header.
    Short,
    /// Version is not 6.
    Version,
    /// The payload length exceeds the bytes there are.
    Length,
    /// An extension header does not end within the packet, or there are more of them than anybody sends.
    Extension,
}

/// A parsed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the packet, header included.
    pub total: usize,
    /// What follows.
    pub next: u8,
    /// Traffic class.
    pub class: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source.
    pub src: [u8; 16],
    /// Destination.
    pub dst: [u8; 16],
}

impl Header {
    /// Reads and checks the header at the start of `bytes`. A payload length of zero in front of hop-by-hop options says
    /// nothing (RFC 2675 3): the packet is all that there is.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let h = bytes.first_chunk::<HEADER>().ok_or(Malformed::Short)?;
        if h[0] >> 4 != 6 {
            return Err(Malformed::Version);
        }
        let total = match usize::from(be16(h, 4)) {
            0 if h[NEXT_HEADER] == HOP_BY_HOP => bytes.len(),
            payload => HEADER + payload,
        };
        if total > bytes.len() {
            return Err(Malformed::Length);
        }
        let address = |at: usize| *h[at..].first_chunk().expect("sixteen bytes within forty");
        let class = h[0] << 4 | h[1] >> 4;
        Ok(Self { total, next: h[NEXT_HEADER], class, hop_limit: h[HOP_LIMIT], src: address(8), dst: address(24) })
    }
}

/// Where the fixed header says what follows.
pub const NEXT_HEADER: usize = 6;

/// Most extension headers of one packet.
pub(super) const MOST_EXTENSIONS: usize = 16;

/// Options for every station on the way.
pub const HOP_BY_HOP: u8 = 0;
/// Stations that a packet is to pass.
pub(super) const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
/// Options for the destination.
pub(super) const DESTINATION: u8 = 60;

/// What follows the extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upper {
    /// Its protocol.
    pub protocol: u8,
    /// Where it starts, from the start of the packet.
    pub at: usize,
    /// Where the field stands that names its protocol.
    pub named_at: usize,
    /// Whether this is only a fragment of it: there is a fragment header, though it may say that this is all (RFC 6946).
    pub piece: bool,
    /// This fragment is not the first.
    pub later: bool,
}

/// Walks the extension headers of a packet. Of a later fragment, nothing is known behind its fragment header.
pub fn upper(packet: &[u8], first: u8) -> Result<Upper, Malformed> {
    let mut found = Upper { protocol: first, at: HEADER, named_at: NEXT_HEADER, piece: false, later: false };
    for _ in 0..=MOST_EXTENSIONS {
        if !matches!(found.protocol, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION) {
            return Ok(found);
        }
        let header = packet.get(found.at..).and_then(|rest| rest.first_chunk::<8>()).ok_or(Malformed::Extension)?;
        found.named_at = found.at;
        if found.protocol == FRAGMENT {
            let offset = be16(header, 2);
            (found.piece, found.later) = (true, offset & !7 != 0);
        }
        found.at += extension_length(found.protocol, header);
        found.protocol = header[0];
        if found.at > packet.len() {
            return Err(Malformed::Extension);
        }
        if found.later {
            return Ok(found);
        }
    }
    Err(Malformed::Extension)
}

/// Bytes of an extension header.
fn extension_length(kind: u8, header: &[u8; 8]) -> usize {
    let length = usize::from(header[1]);
    match kind {
        FRAGMENT => 8,
        AUTHENTICATION => (length + 2) * 4,
        _ => (length + 1) * 8,
    }
}

/// Where the fragment header of a fragment stands, and where stands what names it.
#[must_use]
pub fn fragment_header(packet: &[u8], first: u8) -> Option<(usize, usize)> {
    let (mut kind, mut at, mut named_at) = (first, HEADER, NEXT_HEADER);
    for _ in 0..=MOST_EXTENSIONS {
        let header = packet.get(at..)?.first_chunk::<8>()?;
        match kind {
            FRAGMENT => return Some((at, named_at)),
            HOP_BY_HOP | ROUTING | AUTHENTICATION | DESTINATION => {}
            _ => return None,
        }
        named_at = at;
        at += extension_length(kind, header);
        kind = header[0];
    }
    None
}

/// Where the part of a packet begins that is cut, and where stands what names it (`ip6_find_1stfragopt`): behind hop by
/// hop options and routing, and options that stand before routing or before what is no extension.
#[must_use]
pub fn first_fragmentable(packet: &[u8]) -> Option<(usize, usize)> {
    let (mut kind, mut at, mut named_at) = (*packet.get(NEXT_HEADER)?, HEADER, NEXT_HEADER);
    let mut routed = false;
    for _ in 0..=MOST_EXTENSIONS {
        match kind {
            HOP_BY_HOP => {}
            ROUTING => routed = true,
            DESTINATION if !routed => {}
            _ => return (at <= packet.len()).then_some((at, named_at)),
        }
        let header = packet.get(at..)?.first_chunk::<8>()?;
        named_at = at;
        at += extension_length(kind, header);
        kind = header[0];
    }
    None
}

/// A new header. Its flow label follows from the addresses and is never zero, so that routers spread flows (RFC 6437).
#[must_use]
pub fn build(payload: usize, next: u8, hop_limit: u8, src: &[u8; 16], dst: &[u8; 16]) -> [u8; HEADER] {
    let mut h = [0; HEADER];
    let label = super::checksum::Sum::default().bytes(src).bytes(dst).word(u16::from(next)).fold().max(1);
    put(&mut h, 0, &(0x6000_0000 | u32::from(label)).to_be_bytes());
    put(&mut h, 4, &(payload as u16).to_be_bytes());
    h[6] = next;
    h[7] = hop_limit;
    put(&mut h, 8, src);
    put(&mut h, 24, dst);
    h
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A packet of these extension headers, each with its number, before eight bytes of UDP.
    fn packet(headers: &[(u8, &[u8])]) -> (Vec<u8>, u8) {
        let next = |at: usize| headers.get(at).map_or(17, |(number, _)| *number);
        let bodies = headers.iter().enumerate().flat_map(|(at, (_, body))| [&[next(at + 1)], *body].concat());
        let payload: Vec<u8> = bodies.chain([0; 8]).collect();
        let header = build(payload.len(), next(0), 9, &[1; 16], &[2; 16]);
        ([header.to_vec(), payload].concat(), next(0))
    }

    fn walk(headers: &[(u8, &[u8])]) -> Result<Upper, Malformed> {
        let (bytes, first) = packet(headers);
        upper(&bytes, first)
    }

    #[test]
    fn headers_between_are_stepped_over() {
        let found = |at, named_at| Ok(Upper { protocol: 17, at, named_at, piece: false, later: false });
        assert_eq!(walk(&[]), found(40, 6));
        assert_eq!(walk(&[(HOP_BY_HOP, &[0; 7])]), found(48, 40));
        assert_eq!(walk(&[(HOP_BY_HOP, &[0; 7]), (ROUTING, &[1; 15]), (DESTINATION, &[0; 7])]), found(72, 64));
        assert_eq!(walk(&[(AUTHENTICATION, &[4; 23])]), found(64, 40), "its length counts words of four bytes");
    }

    #[test]
    fn pieces_are_told_from_wholes() {
        let fragment = |offset: u16| [&[0][..], &offset.to_be_bytes(), &[0; 4]].concat();
        let found = |piece, later| Ok(Upper { protocol: 17, at: 48, named_at: 40, piece, later });
        assert_eq!(walk(&[(FRAGMENT, &fragment(0))]), found(true, false), "an atomic fragment (RFC 6946)");
        assert_eq!(walk(&[(FRAGMENT, &fragment(1))]), found(true, false));
        assert_eq!(walk(&[(FRAGMENT, &fragment(8))]), found(true, true));
        // Behind a later fragment's fragment header stands data, which only looks like a header.
        let later = walk(&[(FRAGMENT, &fragment(8)), (DESTINATION, &[0xff; 7])]);
        assert_eq!(later, Ok(Upper { protocol: DESTINATION, at: 48, named_at: 40, piece: true, later: true }));
    }

    #[test]
    fn headers_that_do_not_end_are_refused() {
        assert_eq!(walk(&[(DESTINATION, &[3; 7])]), Err(Malformed::Extension));
        assert_eq!(upper(&packet(&[]).0[..47], DESTINATION), Err(Malformed::Extension));
        let many = |count| vec![(DESTINATION, &[0u8; 7][..]); count];
        assert_eq!(walk(&many(MOST_EXTENSIONS)).map(|found| found.protocol), Ok(17));
        assert_eq!(walk(&many(MOST_EXTENSIONS + 1)), Err(Malformed::Extension));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), first: u8) {
            let _ = Header::parse(&bytes);
            if let Ok(found) = upper(&bytes, first) {
                prop_assert!(found.at <= bytes.len().max(HEADER));
            }
        }
    }
}
