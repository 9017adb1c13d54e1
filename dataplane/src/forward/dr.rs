//! Direct routing, and plain routing: nothing changes but the time to live, which IPv6 calls hop limit (and the MAC, when
//! the packet leaves).

use crate::packet::Meta;
use crate::wire::{ipv4, ipv6};

/// Lowers the time to live of a packet that is known to be IPv4.
#[inline(always)]
pub fn rewrite4(frame: &mut [u8], meta: &Meta) {
    if let Some(header) = frame.get_mut(usize::from(meta.l3)..).and_then(|rest| rest.first_chunk_mut()) {
        ipv4::decrement_ttl(header);
    }
}

/// Lowers the time to live.
#[inline(always)]
pub fn rewrite(frame: &mut [u8], meta: &Meta) {
    let Some(header) = frame.get_mut(usize::from(meta.l3)..).and_then(|b| b.first_chunk_mut()) else { return };
    if meta.kind.is_v6() {
        header[ipv6::HOP_LIMIT] = header[ipv6::HOP_LIMIT].wrapping_sub(1);
    } else {
        ipv4::decrement_ttl(header);
    }
}
