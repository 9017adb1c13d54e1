//! A burst on its way: the packets, and what the stages learned of each.

use crate::flow::{Encapsulation, Tuple};
use crate::port::{BURST, RxBurst};
use crate::verdict::{Answer, Drop, Forward, Punt};

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
    /// IPv4 with a whole SCTP header: the same.
    Sctp4,
    /// IPv4 with AH or ESP: the tuple is that of the ISAKMP connection between its addresses, and can be looked up.
    Ipsec4,
    /// Any other whole IPv4 packet: addresses and protocol of the tuple are valid.
    Other4,
    /// A piece of an IPv4 packet.
    Fragment4,
    /// IPv6.
    Ipv6,
}

impl Kind {
    /// Whether the tuple can be looked up. The usual kind is looked up for a whole burst, the others one by one.
    #[inline(always)]
    #[must_use]
    pub const fn has_key(self) -> bool {
        matches!(self, Self::Transport4 | Self::Sctp4 | Self::Ipsec4)
    }

    /// Whether the tuple has the packet's own ports.
    #[must_use]
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::Transport4 | Self::Sctp4)
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
    /// Port it came by.
    pub port: u16,
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
    /// TCP flags; of SCTP what [`crate::proto::sctp::said`], of AH and ESP what [`crate::proto::ipsec::said`] gives.
    pub tcp_flags: u8,
    /// Untagged Ethernet, IPv4 without options, a whole TCP header: everything is where it usually is.
    pub plain: bool,
    /// Time to live.
    pub ttl: u8,
    /// Whether it must not be fragmented.
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
}

/// A burst and what is known of its packets.
#[derive(Debug)]
pub struct Burst<B> {
    /// The packets, in order of arrival.
    pub packets: RxBurst<B>,
    /// What is known of each; valid up to the number of packets.
    pub meta: [Meta; BURST],
    /// [`crate::conn::ConnTable::changes`] when the candidates were taken.
    pub changes: u32,
}

impl<B> Default for Burst<B> {
    fn default() -> Self {
        Self { packets: RxBurst::new(), meta: [Meta::default(); BURST], changes: 0 }
    }
}
