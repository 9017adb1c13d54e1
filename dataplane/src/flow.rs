//! The nouns that name traffic: address family, transport protocol, direction, service keys.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4
    Ipv4,
    /// IPv6
    Ipv6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }
}

/// A transport protocol that services exist for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// RFC 9293
    Tcp,
    /// RFC 768
    Udp,
    /// RFC 9260
    Sctp,
}

impl Protocol {
    /// IANA protocol number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// The protocol of an IANA number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            _ => None,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        })
    }
}

/// Which way a packet of a connection travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Client to real server.
    Request,
    /// Real server to client.
    Reply,
}

/// What identifies a virtual service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum ServiceKey {
    /// By protocol, virtual address and port (0 = every port).
    Address {
        /// Transport protocol.
        protocol: Protocol,
        /// Virtual address.
        address: IpAddr,
        /// Virtual port, 0 for all ports.
        port: u16,
    },
    /// By firewall mark.
    Mark {
        /// The mark, never 0.
        fwmark: u32,
        /// Which family's packets.
        family: Family,
    },
}

impl ServiceKey {
    /// The family of the packets it takes.
    #[must_use]
    pub fn family(&self) -> Family {
        match *self {
            Self::Address { address, .. } => Family::of(address),
            Self::Mark { family, .. } => family,
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Address { protocol, address, port } => {
                write!(f, "{protocol} {}", std::net::SocketAddr::new(address, port))
            }
            Self::Mark { fwmark, family: Family::Ipv4 } => write!(f, "FWM {fwmark}"),
            Self::Mark { fwmark, family: Family::Ipv6 } => write!(f, "FWM {fwmark} IPv6"),
        }
    }
}

/// What a packet carries: addresses, ports, protocol. In the order of the fields the addresses make one word and the
/// ports another, so that comparing two tuples takes a load for each.
///
/// That of an IPv6 packet has digests of its addresses, keyed so that nobody outside can make two alike; whoever finds
/// something by it compares the addresses themselves. Its protocol is marked ([`Tuple::marked`]), so that no tuple of
/// one family is one of the other.
#[derive(Clone, Copy, Debug, Default, Eq)]
#[repr(C)]
pub struct Tuple {
    /// Destination address.
    pub dst: u32,
    /// Source address.
    pub src: u32,
    /// Destination port.
    pub dport: u16,
    /// Source port.
    pub sport: u16,
    /// IANA protocol number, marked for IPv6.
    pub protocol: u8,
}

/// What an IPv6 tuple's protocol is marked with. No protocol that connections are made of becomes another one's number.
const MARK6: u8 = 0x40;

impl Tuple {
    /// The mark of IPv6 on a protocol number; the number of a marked one.
    #[must_use]
    pub const fn marked(protocol: u8) -> u8 {
        protocol ^ MARK6
    }

    /// The protocol of a tuple whose protocol is one that services exist for, and its family.
    #[must_use]
    pub const fn transport(&self) -> Option<(Protocol, Family)> {
        match (Protocol::from_number(self.protocol), Protocol::from_number(Self::marked(self.protocol))) {
            (Some(protocol), _) => Some((protocol, Family::Ipv4)),
            (None, Some(protocol)) => Some((protocol, Family::Ipv6)),
            (None, None) => None,
        }
    }

    /// The tuple of both addresses and both ports, as [`Tuple::addresses`] and [`Tuple::ports`] give them.
    #[inline(always)]
    #[must_use]
    pub const fn of(addresses: u64, ports: u32, protocol: u8) -> Self {
        let (src, dst) = ((addresses >> 32) as u32, addresses as u32);
        Self { dst, src, dport: ports as u16, sport: (ports >> 16) as u16, protocol }
    }

    /// The tuple of what comes back.
    #[inline(always)]
    #[must_use]
    pub const fn reversed(&self) -> Self {
        Self { dst: self.src, src: self.dst, dport: self.sport, sport: self.dport, protocol: self.protocol }
    }

    /// Both addresses in a word, the source's bits above, as they lie in a packet.
    #[inline(always)]
    #[must_use]
    pub const fn addresses(&self) -> u64 {
        self.dst as u64 | (self.src as u64) << 32
    }

    /// Both ports in a word, the source's above.
    #[inline(always)]
    #[must_use]
    pub const fn ports(&self) -> u32 {
        self.dport as u32 | (self.sport as u32) << 16
    }
}

impl PartialEq for Tuple {
    /// All differences in one word: one branch instead of five.
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        let rest = (self.ports() ^ other.ports()) | u32::from(self.protocol ^ other.protocol);
        (self.addresses() ^ other.addresses()) | u64::from(rest) == 0
    }
}

/// What is put around a packet on its way through a tunnel, behind the outer IP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encapsulation {
    /// Nothing: IP in IP (RFC 2003).
    #[default]
    Ipip,
    /// UDP and a header (draft-ietf-intarea-gue).
    Gue {
        /// Destination port.
        port: u16,
        /// Whether the UDP checksum is computed. Remote checksum offload looks the same on packets that are passed on:
        /// only a sender has checksums to leave to others.
        checksum: bool,
    },
    /// A header (RFC 2784).
    Gre {
        /// Whether it carries a checksum.
        checksum: bool,
    },
}

impl Encapsulation {
    /// Bytes that it adds to a packet, the outer header included.
    #[inline]
    #[must_use]
    pub const fn overhead(self, outer: Family) -> u16 {
        let between = match self {
            Self::Ipip => 0,
            Self::Gue { .. } => 8 + 4,
            Self::Gre { checksum: false } => 4,
            Self::Gre { checksum: true } => 8,
        };
        between + if matches!(outer, Family::Ipv4) { 20 } else { 40 }
    }

    /// As one word: a bit for GUE, one for GRE, one for the checksum, and the port on top.
    #[must_use]
    pub const fn word(self) -> u32 {
        match self {
            Self::Ipip => 0,
            Self::Gue { port, checksum } => 1 | (checksum as u32) << 2 | (port as u32) << 16,
            Self::Gre { checksum } => 2 | (checksum as u32) << 2,
        }
    }

    /// What a word says. Every word says something: there is no unknown one.
    #[inline]
    #[must_use]
    pub const fn of_word(word: u32) -> Self {
        let (gue, gre, checksum) = (word & 1 != 0, word & 2 != 0, word & 4 != 0);
        match (gue, gre) {
            (true, _) => Self::Gue { port: (word >> 16) as u16, checksum },
            (false, true) => Self::Gre { checksum },
            (false, false) => Self::Ipip,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encapsulation_is_a_word() {
        for checksum in [false, true] {
            for kind in [
                Encapsulation::Ipip,
                Encapsulation::Gue { port: 6080, checksum },
                Encapsulation::Gue { port: u16::MAX, checksum },
                Encapsulation::Gre { checksum },
            ] {
                assert_eq!(Encapsulation::of_word(kind.word()), kind);
            }
        }
    }
}
