//! Explicit congestion notification (RFC 3168) of packets in packets: what of one header's mark goes into the other (RFC 6040;
//! `INET_ECN_encapsulate`, `INET_ECN_decapsulate`). The mark is the last two bits of the type of service, or traffic class.

use super::checksum::Sum;
use super::{ipv4, put};

/// The bits of the mark.
const MASK: u8 = 3;
/// The sender does not understand marks.
const NOT_ECT: u8 = 0;
/// The sender understands marks.
const ECT_1: u8 = 1;
/// The sender understands marks, too; what most of them say.
const ECT_0: u8 = 2;
/// Congestion was experienced.
const CE: u8 = 3;

/// The outer type of service around an inner one: the same, but that "congestion experienced" becomes ECT(0), so that
/// routers between may say it anew (RFC 3168 9.1.1, the full-functionality option). The inner mark keeps what was said.
#[inline(always)]
#[must_use]
pub const fn outer(inner: u8) -> u8 {
    inner & !(inner & inner >> 1 & 1)
}

/// The inner type of service when what was around it is taken off (RFC 6040 4.2). `None` = congestion was experienced by a
/// packet whose sender does not understand that, who is told by its loss.
#[must_use]
pub const fn inner(outer: u8, inner: u8) -> Option<u8> {
    let mark = match (outer & MASK, inner & MASK) {
        (CE, NOT_ECT) => return None,
        (CE, _) => CE,
        (ECT_1, ECT_0) => ECT_1,
        (_, inner) => inner,
    };
    Some(inner & !MASK | mark)
}

/// Writes the type of service into an IPv4 header, options included, whose checksum is right, and keeps it so.
pub fn write4(header: &mut [u8], tos: u8) {
    put(header, 1, &[tos]);
    put(header, ipv4::CHECKSUM, &[0, 0]);
    let sum = Sum::default().bytes(header).finish();
    put(header, ipv4::CHECKSUM, &sum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn congestion_is_not_copied_outwards() {
        assert_eq!([0, 1, 2, 3, 0x10, 0xff].map(outer), [0, 1, 2, 2, 0x10, 0xfe]);
    }

    #[test]
    fn what_the_outer_header_says_of_congestion_is_not_lost() {
        let row = |outside: u8| [NOT_ECT, ECT_0, ECT_1, CE].map(|mark| inner(outside, mark));
        assert_eq!(row(NOT_ECT), [Some(NOT_ECT), Some(ECT_0), Some(ECT_1), Some(CE)]);
        assert_eq!(row(ECT_0), [Some(NOT_ECT), Some(ECT_0), Some(ECT_1), Some(CE)]);
        assert_eq!(row(ECT_1), [Some(NOT_ECT), Some(ECT_1), Some(ECT_1), Some(CE)]);
        assert_eq!(row(CE), [None, Some(CE), Some(CE), Some(CE)]);
        assert_eq!(inner(0x20 | CE, 0xb8 | ECT_1), Some(0xb8 | CE), "of the rest nothing goes over");
    }

    #[test]
    fn a_header_stays_right() {
        let build = ipv4::Build { tos: ECT_0, payload: 4, id: 7, df: true, ttl: 64, protocol: 17, src: 1, dst: 2 };
        let mut packet = [&build.bytes()[..], &[0; 4]].concat();
        write4(&mut packet[..ipv4::HEADER], CE);
        assert_eq!(ipv4::Header::parse(&packet).map(|header| header.tos), Ok(CE));
    }
}
