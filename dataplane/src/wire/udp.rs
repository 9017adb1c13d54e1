//! UDP headers (RFC 768).

use super::be16;

/// IANA protocol number.
pub const PROTOCOL: u8 = 17;
/// Bytes of the header.
pub const HEADER: usize = 8;
/// Where the length sits.
const LENGTH: usize = 4;
/// Where the checksum sits.
pub const CHECKSUM: usize = 6;

/// Bytes of a datagram, header included, as it says itself: no less than that, and no more than there are. In IPv6 a length
/// of 0 is that of a jumbogram (RFC 2675 4): all that there are.
#[must_use]
pub fn length(datagram: &[u8], v6: bool) -> Option<usize> {
    match usize::from(be16(datagram, LENGTH)) {
        0 if v6 => Some(datagram.len()),
        length => (HEADER..=datagram.len()).contains(&length).then_some(length),
    }
}
