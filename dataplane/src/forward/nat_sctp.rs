//! NAT of SCTP, behind the addresses. Its CRC32c covers no addresses and cannot be updated incrementally: it is computed
//! anew where a port changes, whether it was right or wrong (`sctp_snat_handler`, `sctp_dnat_handler`).

use crate::wire::{be32, put, sctp};

/// Rewrites both ports of a packet, the source's above in their word, from its common header on.
pub(super) fn rewrite(packet: &mut [u8], ports: u32) {
    if be32(packet, 0) != ports {
        put(packet, 0, &ports.to_be_bytes());
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
            ports: u32,
        ) {
            let other = ports.wrapping_add(u32::from(be32(&bytes, 0) == ports));
            rewrite(&mut bytes, other);
            prop_assert!(sctp::is_right(&bytes));
            let before = bytes.clone();
            bytes[8] ^= 1;
            let wrong = bytes.clone();
            rewrite(&mut bytes, be32(&before, 0));
            prop_assert_eq!(bytes, wrong, "the same ports: as it came");
        }
    }
}
