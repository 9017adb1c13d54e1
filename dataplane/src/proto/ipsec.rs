//! AH and ESP (`ip_vs_proto_ah_esp.c`): RFC 4302, RFC 4303. Their packets have no ports. They belong to the connection
//! that agreed on their keys, ISAKMP's (RFC 2408): UDP, port 500 on both sides, between the same addresses. They go where
//! it goes, keep it alive, change no state, and start none.
//!
//! AH over IPv6 never comes here: it is an extension header there, and what stands behind it tells what the packet is
//! (`ipv6_find_hdr`).

use crate::flow::{Family, Protocol, Tuple};

/// ISAKMP's port.
const ISAKMP: u16 = 500;

/// The tuple of ISAKMP's connection between the addresses of a packet.
#[must_use]
pub const fn key(tuple: Tuple, family: Family) -> Tuple {
    let udp = Protocol::Udp.number();
    let protocol = if matches!(family, Family::Ipv6) { Tuple::marked(udp) } else { udp };
    Tuple { sport: ISAKMP, dport: ISAKMP, protocol, ..tuple }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ipsec::ESP;

    #[test]
    fn a_packet_has_the_key_of_its_isakmp() {
        for (family, esp, udp) in [(Family::Ipv4, ESP, 17), (Family::Ipv6, Tuple::marked(ESP), Tuple::marked(17))] {
            let packet = Tuple { src: 1, dst: 2, protocol: esp, ..Tuple::default() };
            let isakmp = Tuple { src: 1, dst: 2, sport: 500, dport: 500, protocol: udp };
            assert_eq!(key(packet, family), isakmp);
        }
    }
}
