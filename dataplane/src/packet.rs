//! A burst on its way: the packets, and what the stages learned of each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::flow::{Encapsulation, Tuple};
use crate::port::{BURST, RxBurst};
use crate::verdict::{Answer, Drop, Forward, Punt};
use crate::wire::vlan::Lan;
use crate::wire::{ethernet, ipv6};

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

/// What a packet is, as far as stages care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 with a whole transport header: the tuple is valid and can be looked up.
    #[default]
    Transport4,
    /// The same with IPv6.
    Transport6,
    /// Any other whole IPv4 packet: addresses and protocol of the tuple are valid.
    Other4,
    /// A piece of an IPv4 packet.
    Fragment4,
    /// Any other whole IPv6 packet: the protocol of the tuple is valid.
    Other6,
    /// A piece of an IPv6 packet.
    Fragment6,
}

impl Kind {
    /// Whether it has a tuple that can be looked up.
    #[inline(always)]
    #[must_use]
    pub const fn is_transport(self) -> bool {
        (self as u8) <= Self::Transport6 as u8
    }

    /// Whether it is IPv6.
    #[inline(always)]
    #[must_use]
    pub const fn is_v6(self) -> bool {
        matches!(self, Self::Transport6 | Self::Other6 | Self::Fragment6)
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
pub struct Mark(pub u8);

impl Mark {
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
        /// Why.
        reason: Forward,
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
    /// Used up by an answer.
    Answer(Answer),
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
    /// Where the IP packet ends.
    pub end: u16,
    /// Where it came from.
    pub lan: Lan,
    /// MTU to tell, where the answer needs one.
    pub mtu: u16,
    /// Whether its time to live was lowered before it was found to exceed that MTU.
    pub ttl_lowered: bool,
    /// How it is wrapped, where it goes through a tunnel.
    pub encapsulation: Encapsulation,
    /// How it came here.
    pub arrival: Arrival,
    /// Who follows it to wherever it waits or is handed over.
    pub mark: Mark,
    /// What it is.
    pub kind: Kind,
    /// TCP flags.
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
        usize::from(self.end) - usize::from(self.l3)
    }

    /// The IANA number of its protocol.
    #[inline]
    #[must_use]
    pub const fn protocol(&self) -> u8 {
        if self.kind.is_v6() { Tuple::marked(self.tuple.protocol) } else { self.tuple.protocol }
    }

    /// Its source and its destination, as they stand in the frame: `None` where the frame has no room for them.
    #[must_use]
    pub fn ends(&self, frame: &[u8]) -> Option<[IpAddr; 2]> {
        if self.kind.is_v6() {
            return Some(self.ends6(frame)?.map(|octets| IpAddr::V6(Ipv6Addr::from(*octets))));
        }
        Some([self.tuple.src, self.tuple.dst].map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))))
    }

    /// The same of an IPv6 packet.
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
    /// [`crate::conn::ConnTable::changes`] when the candidates were taken.
    pub changes: u32,
}

impl<B> Default for Burst<B> {
    fn default() -> Self {
        Self { packets: RxBurst::new(), meta: [Meta::default(); BURST], six: false, changes: 0 }
    }
}
