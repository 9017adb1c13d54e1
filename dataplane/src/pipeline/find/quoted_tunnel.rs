//! The packet in a tunnel that an ICMP error quotes.
//!
//! ```text
//! message: ICMP header | outer IP | nothing, UDP and GUE, or GRE | inner IP, client -> VIP
//! ```

use std::net::IpAddr;

use crate::flow::Encapsulation;
use crate::wire::quoted::Quote;
use crate::wire::{icmpv4, udp};

pub(crate) const IPIP: u8 = 4;
pub(crate) const UDP: u8 = 17;
pub(crate) const GRE: u8 = 47;
/// Bytes of GUE's header without extensions.
const GUE: usize = 4;

/// A packet in a tunnel, as an error quotes it.
pub(crate) struct Tunnelled {
    /// The tunnel's ends: the director, and the server.
    pub(crate) ends: [IpAddr; 2],
    /// How the packet is wrapped. Whether a GUE packet has a checksum does not count.
    pub(crate) encapsulation: Encapsulation,
    /// The packet itself.
    pub(crate) inner: Quote,
}

/// Reads the IPv4 packet in the IPv4 tunnel that an error quotes, if it quotes one.
pub(crate) fn read(message: &[u8]) -> Option<Tunnelled> {
    let outer = Quote::parse4(message, icmpv4::HEADER).filter(|outer| !outer.later)?;
    let between = message.get(outer.l4..)?;
    let (encapsulation, length) = match outer.protocol {
        IPIP => (Encapsulation::Ipip, 0),
        UDP => (Encapsulation::Gue { port: outer.ports?[1], checksum: false }, gue(between)?),
        GRE => match between.first_chunk()? {
            [0, 0, 8, 0] => (Encapsulation::Gre { checksum: false }, 4),
            [0x80, 0, 8, 0] => (Encapsulation::Gre { checksum: true }, 8),
            _ => return None,
        },
        _ => return None,
    };
    let inner = Quote::parse4(message, outer.l4 + length).filter(|inner| !inner.later)?;
    Some(Tunnelled { ends: outer.ends, encapsulation, inner })
}

/// Bytes of UDP and GUE in front of an IPv4 packet: version 0, no control message.
fn gue(between: &[u8]) -> Option<usize> {
    let [first, protocol, ..] = *between.get(udp::HEADER..)?.first_chunk::<GUE>()?;
    let extensions = usize::from(first & 0x1f) * 4;
    (first & 0xe0 == 0 && protocol == IPIP).then_some(udp::HEADER + GUE + extensions)
}
