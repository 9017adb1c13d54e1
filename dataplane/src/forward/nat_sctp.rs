//! NAT of what is neither TCP nor UDP, behind the addresses. SCTP's CRC32c covers no addresses and cannot be updated
//! incrementally: it is computed anew where a port changes, whether it was right or wrong (`sctp_snat_handler`,
//! `sctp_dnat_handler`). AH and ESP have nothing that a director could change.

use super::nat::{NewEnd, port_at};
use crate::wire::{be16, put, sctp};

/// Rewrites the port of a packet, from its common header on.
pub(super) fn rewrite(packet: &mut [u8], new: &NewEnd) {
    let at = port_at(new.side);
    if be16(packet, at) != new.port {
        put(packet, at, &new.port.to_be_bytes());
        sctp::set_checksum(packet);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::nat::{Side, changes};
    use super::*;

    fn end(side: Side, port: u16) -> NewEnd {
        let (header, transport) = changes((1, 2), (3, port));
        NewEnd { side, address: 3, port, header, transport }
    }

    proptest! {
        #[test]
        fn the_checksum_is_computed_where_a_port_changes(
            mut bytes in proptest::collection::vec(any::<u8>(), 12..1500),
            port: u16,
            source: bool,
        ) {
            let (side, at) = if source { (Side::Source, 0) } else { (Side::Destination, 2) };
            let other = port.wrapping_add(u16::from(be16(&bytes, at) == port));
            rewrite(&mut bytes, &end(side, other));
            prop_assert!(sctp::is_right(&bytes));
            let before = bytes.clone();
            bytes[8] ^= 1;
            let wrong = bytes.clone();
            rewrite(&mut bytes, &end(side, be16(&before, at)));
            prop_assert_eq!(bytes, wrong, "the same port: as it came");
        }
    }
}
