//! ICMPv6 (RFC 4443).

use super::{checksum, put};

/// IANA protocol number.
pub const PROTOCOL: u8 = 58;
/// Bytes before what an error quotes.
pub const HEADER: usize = 8;
/// Most bytes of a whole error packet: the minimum MTU (RFC 4443 2.4 c).
pub const ERROR_MAX: usize = 1280;

/// Writes "port unreachable" at the start of `out`, whose bytes from [`HEADER`] on are the quoted packet.
pub fn write_port_unreachable(out: &mut [u8], src: &[u8; 16], dst: &[u8; 16]) {
    put(out, 0, &[1, 4, 0, 0, 0, 0, 0, 0]);
    let sum = checksum::Sum::default().pseudo(src, dst, PROTOCOL, out.len()).bytes(out).finish();
    put(out, 2, &sum.to_be_bytes());
}
