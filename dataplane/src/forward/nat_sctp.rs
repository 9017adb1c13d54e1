//! NAT of SCTP, behind the addresses. Its CRC32c covers no addresses and cannot be updated incrementally: it is computed
//! anew where a port changes, whether it was right or wrong (`sctp_snat_handler`, `sctp_dnat_handler`).

use super::nat::{Side, port_at};
use crate::wire::{be16, put, sctp};

/// Rewrites the port of a packet, from its common header on.
pub(super) fn rewrite(packet: &mut [u8], side: Side, port: u16) {
    let at = port_at(side);
    if be16(packet, at) != port {
        put(packet, at, &port.to_be_bytes());
        sctp::set_checksum(packet);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_checksum_is_computed_where_a_port_changes(
            mut bytes in proptest::collection::vec(any::<u8>(), 12..1500),
            port: u16,
            source: bool,
        ) {
            let (side, at) = if source { (Side::Source, 0) } else { (Side::Destination, 2) };
            let other = port.wrapping_add(u16::from(be16(&bytes, at) == port));
            rewrite(&mut bytes, side, other);
            prop_assert!(sctp::is_right(&bytes));
            let before = bytes.clone();
            bytes[8] ^= 1;
            let wrong = bytes.clone();
            rewrite(&mut bytes, side, be16(&before, at));
            prop_assert_eq!(bytes, wrong, "the same port: as it came");
        }
    }
}
