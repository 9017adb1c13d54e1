//! AH and ESP (`ip_vs_proto_ah_esp.c`): RFC 4302, RFC 4303. Their packets have no ports. They belong to the connection
//! that agreed on their keys, ISAKMP's (RFC 2408): UDP, port 500 on both sides, between the same addresses. They go where
//! it goes, keep it alive, change no state, and start none.

use crate::flow::{Protocol, Tuple};

/// IANA number of ESP.
pub const ESP: u8 = 50;
/// IANA number of AH.
pub const AH: u8 = 51;

/// ISAKMP's port.
const ISAKMP: u16 = 500;
/// A bit that means nothing elsewhere: the packet is AH.
const IS_AH: u8 = 1 << 3;

/// Which of the two a packet is, in the byte where others keep their flags.
#[must_use]
pub const fn said(protocol: u8) -> u8 {
    if protocol == AH { IS_AH } else { 0 }
}

/// The tuple of ISAKMP's connection between the addresses of a packet.
#[must_use]
pub const fn key(tuple: Tuple) -> Tuple {
    Tuple { sport: ISAKMP, dport: ISAKMP, protocol: Protocol::Udp.number(), ..tuple }
}

/// The tuple of a packet for which there is no such connection.
#[must_use]
pub const fn alone(tuple: Tuple, said: u8) -> Tuple {
    Tuple { sport: 0, dport: 0, protocol: if said == IS_AH { AH } else { ESP }, ..tuple }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_the_key_and_back() {
        for protocol in [ESP, AH] {
            let packet = Tuple { src: 1, dst: 2, protocol, ..Tuple::default() };
            let isakmp = Tuple { src: 1, dst: 2, sport: 500, dport: 500, protocol: 17 };
            assert_eq!(key(packet), isakmp);
            assert_eq!(alone(isakmp, said(protocol)), packet);
        }
    }
}
