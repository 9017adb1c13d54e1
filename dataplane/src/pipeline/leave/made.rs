//! Packets that the director makes itself.

use std::net::IpAddr;

use crate::verdict::Sent;

/// Time to live of the director's own packets.
pub(super) const TTL: u8 = 64;

/// Type of service of SCTP: as it may be told of congestion (RFC 3168), the kernel says so of every packet.
pub(super) const ECT_0: u8 = 2;

/// An answer: a whole IP packet, and where it goes.
pub(super) struct Made {
    pub(super) packet: Vec<u8>,
    pub(super) to: IpAddr,
    pub(super) sent: Sent,
}

/// The payload of an answer, and what its IP header says of it.
pub(super) struct Body<'a> {
    /// IANA protocol number.
    pub(super) protocol: u8,
    /// Type of service, or traffic class.
    pub(super) class: u8,
    pub(super) bytes: &'a [u8],
    pub(super) sent: Sent,
}
