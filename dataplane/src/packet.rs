//! A burst on its way: the packets, and what the stages learned of each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::flow::{Encapsulation, Tuple};
use crate::method::Treatment;
use crate::port::{BURST, RxBurst};
use crate::verdict::{Answer, Drop, Punt};
use crate::wire::vlan::Lan;
use crate::wire::{ethernet, ipsec, ipv4, ipv6};

/// An entry whose tag fits a packet.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Index and key, as the table keeps them.
    pub(crate) entry: u32,
    /// No other entry of the bucket can fit.
    pub(crate) only: bool,
}

impl Default for Candidate {
    fn default() -> Self {
        Self { entry: u32::MAX, only: false }
    }
}

/// What a packet is, as far as stages care. The numbers of IPv6 are odd; the lower ones have more that is known of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// IPv4 with a whole transport header: the tuple is valid and can be looked up.
    #[default]
    Transport4 = 0,
    /// TCP or UDP with a whole header in IPv6.
    Transport6 = 1,
    /// IPv4 with options and a whole TCP or UDP header: the same, but none of the usual packets.
    Options4 = 2,
    /// IPv4 with a whole SCTP header: the same.
    Sctp4 = 4,
    /// SCTP with a whole header in IPv6.
    Sctp6 = 5,
    /// IPv4 with ESP: the tuple is that of the ISAKMP connection between its addresses, and can be looked up.
    Esp4 = 6,
    /// ESP in IPv6.
    Esp6 = 7,
    /// IPv4 with AH: the same. In IPv6 it is an extension header, and leads to what is behind it.
    Ah4 = 8,
    /// Any other whole IPv4 packet: addresses and protocol of the tuple are valid.
    Other4 = 10,
    /// A fragment of an IPv4 packet.
    Fragment4 = 12,
    /// Any other whole IPv6 packet: the protocol of the tuple is valid.
    Other6 = 11,
    /// A fragment of an IPv6 packet.
    Fragment6 = 13,
}

impl Kind {
    /// Whether it is of TCP or UDP: looked up for a whole burst, the others that have a key one by one.
    #[inline(always)]
    #[must_use]
    pub const fn is_transport(self) -> bool {
        (self as u8) <= Self::Transport6 as u8
    }

    /// Whether the tuple has the packet's own ports.
    #[must_use]
    pub const fn has_ports(self) -> bool {
        (self as u8) <= Self::Sctp6 as u8
    }

    /// Whether the tuple is that of an ISAKMP connection, though the packet is not.
    #[must_use]
    pub const fn is_ipsec(self) -> bool {
        matches!(self, Self::Esp4 | Self::Esp6 | Self::Ah4)
    }

    /// Whether the tuple can be looked up.
    #[inline(always)]
    #[must_use]
    pub const fn has_key(self) -> bool {
        (self as u8) <= Self::Ah4 as u8
    }

    /// Whether it is IPv6.
    #[inline(always)]
    #[must_use]
    pub const fn is_v6(self) -> bool {
        self as u8 & 1 != 0
    }

    /// The kind of IPv6 packet that corresponds to it.
    #[must_use]
    pub const fn with_v6(self) -> Self {
        match self {
            Self::Transport4 | Self::Options4 => Self::Transport6,
            Self::Sctp4 => Self::Sctp6,
            Self::Esp4 => Self::Esp6,
            Self::Other4 | Self::Ah4 => Self::Other6,
            Self::Fragment4 => Self::Fragment6,
            Self::Transport6 | Self::Sctp6 | Self::Esp6 | Self::Other6 | Self::Fragment6 => self,
        }
    }
}

/// How a packet came to this worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrival {
    /// By a device.
    #[default]
    Device,
    /// From another worker, because it belongs here.
    Landed,
    /// From another worker, where a signpost says that it is a reply of this connection.
    Signed {
        /// Its index.
        conn: u32,
    },
}

impl Arrival {
    /// Whether its tuple tells what it belongs to.
    #[inline(always)]
    #[must_use]
    pub const fn is_by_tuple(self) -> bool {
        !matches!(self, Self::Signed { .. })
    }
}

/// Which of the director's watches ([`crate::trace`]) follow a packet, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watchers(pub u8);

impl Watchers {
    /// Nobody follows it.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// What will happen to a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Step {
    /// Not decided yet.
    #[default]
    Undecided,
    /// Sent on.
    Send {
        /// The connection it belongs to, [`crate::conn::NONE`] = plain routing.
        conn: u32,
        /// How it is treated.
        treatment: Treatment,
        /// The next hop, [`crate::conn::NONE`] = must be resolved first.
        hop: u32,
    },
    /// Handed to another worker.
    Handoff {
        /// Which.
        worker: u16,
        /// The connection that a signpost names, [`crate::conn::NONE`] = it belongs there by its tuple.
        conn: u32,
    },
    /// Kept until the other fragments of its packet are there.
    Gather,
    /// Used up by an answer.
    Answer(Answer),
    /// Used up by an error that points to a byte of its IP packet.
    Problem {
        /// Which error.
        kind: Answer,
        /// Which byte.
        at: u16,
    },
    /// Handed to control.
    Punt(Punt),
    /// Gone.
    Drop(Drop),
}

/// What the stages learned of one packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meta {
    /// Hash of the tuple in the connection table.
    pub hash: u64,
    /// Addresses, ports, protocol.
    pub tuple: Tuple,
    /// Entry whose tag fits, before keys are compared.
    pub candidate: Candidate,
    /// Where the IP header starts.
    pub l3: u16,
    /// Where the transport header starts.
    pub l4: u16,
    /// Where the IP packet ends: one that came in fragments may be larger than any frame.
    pub end: u32,
    /// Where it came from.
    pub lan: Lan,
    /// MTU to tell, where the answer needs one; before, of a packet for a tunnel, what its path takes.
    pub mtu: u16,
    /// The largest of the fragments it came in, 0 = it came whole, as all that devices deliver.
    pub largest: u16,
    /// Whether it came in IPv6 fragments that had no header in front of the fragment header: what stands first of it now was
    /// looked at by nobody.
    pub all_fragmented: bool,
    /// Whether its time to live was lowered before it was found to exceed that MTU.
    pub ttl_lowered: bool,
    /// How it is wrapped, where it goes through a tunnel.
    pub encapsulation: Encapsulation,
    /// How it came here.
    pub arrival: Arrival,
    /// Who follows it to wherever it waits or is handed over.
    pub watchers: Watchers,
    /// What it is.
    pub kind: Kind,
    /// TCP flags; of SCTP what [`crate::proto::sctp::said`] gives.
    pub tcp_flags: u8,
    /// Untagged Ethernet, IPv4 without options or IPv6 without extensions, a whole TCP header: everything is where it
    /// usually is.
    pub plain: bool,
    /// Time to live.
    pub ttl: u8,
    /// Whether it must not be fragmented by routers, which IPv6 never is.
    pub df: bool,
    /// What will happen to it.
    pub step: Step,
}

impl Meta {
    /// Bytes of the IP packet.
    #[inline]
    #[must_use]
    pub fn ip_len(&self) -> usize {
        self.end as usize - usize::from(self.l3)
    }

    /// The byte that its answer points to, if it points to one.
    #[must_use]
    pub const fn pointer(&self) -> u16 {
        if let Step::Problem { at, .. } = self.step { at } else { 0 }
    }

    /// Whether it is IPv4 with options.
    #[must_use]
    pub const fn has_options(&self) -> bool {
        !self.kind.is_v6() && self.l4 as usize > self.l3 as usize + ipv4::HEADER
    }

    /// The IANA number of its protocol.
    #[inline]
    #[must_use]
    pub const fn protocol(&self) -> u8 {
        match self.kind {
            Kind::Esp4 | Kind::Esp6 => ipsec::ESP,
            Kind::Ah4 => ipsec::AH,
            kind if kind.is_v6() => Tuple::marked(self.tuple.protocol),
            _ => self.tuple.protocol,
        }
    }

    /// Its source and its destination, as they stand in the frame: `None` where the frame has no room for them.
    #[inline]
    #[must_use]
    pub fn ends(&self, frame: &[u8]) -> Option<[IpAddr; 2]> {
        if self.kind.is_v6() {
            return Some(self.ends6(frame)?.map(|octets| IpAddr::V6(Ipv6Addr::from(*octets))));
        }
        Some([self.tuple.src, self.tuple.dst].map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))))
    }

    /// Its source and its destination if they are IPv6.
    #[inline]
    #[must_use]
    pub fn six<'a>(&self, frame: &'a [u8]) -> Option<[&'a [u8; 16]; 2]> {
        if self.kind.is_v6() { self.ends6(frame) } else { None }
    }

    /// Its source and its destination, where the caller knows that they are IPv6.
    #[inline(always)]
    #[must_use]
    pub fn ends6<'a>(&self, frame: &'a [u8]) -> Option<[&'a [u8; 16]; 2]> {
        let header = match self.plain {
            true => frame.first_chunk::<{ ethernet::HEADER + ipv6::HEADER }>()?.last_chunk::<{ ipv6::HEADER }>()?,
            false => frame.get(usize::from(self.l3)..)?.first_chunk()?,
        };
        Some([header[8..].first_chunk()?, header[24..].first_chunk()?])
    }
}

/// A burst and what is known of its packets.
#[derive(Debug)]
pub struct Burst<B> {
    /// The packets, in order of arrival.
    pub packets: RxBurst<B>,
    /// What is known of each; valid up to the number of packets.
    pub meta: [Meta; BURST],
    /// Whether one of them may be [`Kind::Transport6`].
    pub six: bool,
    /// [`crate::port::Port::cuts_at`] of the port that it came by.
    pub cuts_at: usize,
    /// [`crate::conn::ConnTable::changes`] when the candidates were taken.
    pub changes: u32,
}

impl<B> Default for Burst<B> {
    fn default() -> Self {
        Self { packets: RxBurst::new(), meta: [Meta::default(); BURST], six: false, cuts_at: usize::MAX, changes: 0 }
    }
}
