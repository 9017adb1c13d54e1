//! What an ICMP error quotes (RFC 792, RFC 4443 2.4): the first bytes of the packet that it is about. A quote may be cut
//! anywhere, and its checksums may be wrong; it is read as far as its ports, which is what tells whose it is. A later
//! fragment has no ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{be16, be32, ipv4, ipv6};

/// Bytes of both ports, where transports have them.
const PORTS: usize = 4;

/// A quoted packet whose IP header is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Where its header starts.
    pub at: usize,
    /// Where its transport starts, which may be beyond what is quoted.
    pub l4: usize,
    /// Its protocol.
    pub protocol: u8,
    /// Source and destination.
    pub ends: [IpAddr; 2],
    /// What stands where transports have source and destination port, if that much is quoted.
    pub ports: Option<[u16; 2]>,
    /// Its flags and fragment offset, if it is IPv4.
    pub fragment: u16,
    /// It is a fragment, and not the first.
    pub later: bool,
}

impl Quote {
    /// Reads the IPv4 packet that starts at `at`.
    #[must_use]
    pub fn parse4(bytes: &[u8], at: usize) -> Option<Self> {
        let header = bytes.get(at..)?.first_chunk::<{ ipv4::HEADER }>()?;
        let (len, fragment) = (usize::from(header[0] & 15) * 4, be16(header, 6));
        if header[0] >> 4 != 4 || len < ipv4::HEADER {
            return None;
        }
        let ends = [12, 16].map(|end| IpAddr::V4(Ipv4Addr::from_bits(be32(header, end))));
        let (l4, later) = (at + len, fragment & ipv4::OFFSET_MASK != 0);
        Some(Self { at, l4, protocol: header[9], ends, ports: ports(bytes, l4, later), fragment, later })
    }

    /// Reads the IPv6 packet that starts at `at`.
    #[must_use]
    pub fn parse6(bytes: &[u8], at: usize) -> Option<Self> {
        let packet = bytes.get(at..)?;
        let header = packet.first_chunk::<{ ipv6::HEADER }>()?;
        let upper = ipv6::upper(packet, header[ipv6::NEXT_HEADER]).ok()?;
        if header[0] >> 4 != 6 {
            return None;
        }
        let address = |end: usize| header[end..].first_chunk::<16>().map(|bits| IpAddr::V6(Ipv6Addr::from(*bits)));
        let (ends, l4, later) = ([address(8)?, address(24)?], at + upper.at, upper.later);
        Some(Self { at, l4, protocol: upper.protocol, ends, ports: ports(bytes, l4, later), fragment: 0, later })
    }

    /// Reads the packet that starts at `at`, of the family that it is.
    #[must_use]
    pub fn parse(bytes: &[u8], at: usize) -> Option<Self> {
        if bytes.get(at)? >> 4 == 6 { Self::parse6(bytes, at) } else { Self::parse4(bytes, at) }
    }
}

/// What stands at `l4`, if it is quoted and no data.
fn ports(bytes: &[u8], l4: usize, later: bool) -> Option<[u16; 2]> {
    let ports = bytes.get(l4..).filter(|_| !later)?.first_chunk::<PORTS>()?;
    Some([be16(ports, 0), be16(ports, 2)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::put;

    #[test]
    fn a_quote_needs_no_more_than_its_ports() {
        let build = ipv4::Build { tos: 0, payload: 400, id: 1, df: true, ttl: 9, protocol: 6, src: 1, dst: 2 };
        let mut bytes = [&[0xee; 8][..], &build.bytes(), &[0, 80, 15, 160]].concat();
        let quote = Quote::parse(&bytes, 8).expect("a quote");
        assert_eq!((quote.at, quote.l4, quote.protocol, quote.ports), (8, 28, 6, Some([80, 4000])));
        assert_eq!(quote.ends.map(|end| end.to_string()), ["0.0.0.1", "0.0.0.2"]);
        assert_eq!(quote.fragment, ipv4::DF);
        assert_eq!(Quote::parse(&bytes[..31], 8), Some(Quote { ports: None, ..quote }), "cut within the ports");
        assert_eq!(Quote::parse(&bytes[..27], 8), None, "cut within the header");
        assert_eq!(Quote::parse(&bytes, 9), None, "neither version");
        bytes[8] = 0x47;
        let beyond = Quote::parse(&bytes, 8).expect("its options are longer than the quote");
        assert_eq!((beyond.l4, beyond.ports), (36, None));
        put(&mut bytes, 14, &[0, 9]);
        assert!(Quote::parse(&bytes, 8).is_some_and(|quote| quote.later), "a later fragment");
        bytes[8] = 0x44;
        assert_eq!(Quote::parse(&bytes, 8), None, "shorter than a header");
    }

    #[test]
    fn headers_between_are_stepped_over() {
        let mut bytes = ipv6::build(28, 60, 9, &[1; 16], &[2; 16]).to_vec();
        bytes.extend([17, 0, 0, 0, 0, 0, 0, 0, 0, 53, 15, 160]);
        let quote = Quote::parse(&bytes, 0).expect("a quote");
        assert_eq!((quote.l4, quote.protocol, quote.ports), (48, 17, Some([53, 4000])));
        assert_eq!(
            quote.ends.map(|end| end.to_string()),
            ["101:101:101:101:101:101:101:101", "202:202:202:202:202:202:202:202"]
        );
        assert_eq!(Quote::parse(&bytes[..51], 0).map(|quote| quote.ports), Some(None));
        // A fragment that is not the first has data where a transport would be.
        put(&mut bytes, 6, &[44]);
        put(&mut bytes, 42, &[0, 8]);
        let later = Quote::parse(&bytes, 0).expect("a quote");
        assert_eq!((later.later, later.ports), (true, None));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..120), at in 0usize..130) {
            if let Some(quote) = Quote::parse(&bytes, at) {
                prop_assert!(quote.ports.is_none() || quote.l4 + PORTS <= bytes.len());
            }
        }
    }
}
