//! Source hashing (`ip_vs_sh.c`).
//!
//! ```text
//! 256 buckets, dealt out in list order, to each server as many in a row as its weight, but one at least
//! hash = hash_32(source [+ source port with sh-port], 8 bits); bucket(offset) = (hash + offset) mod 256
//! the server of bucket(0), if usable; else nobody
//! with sh-fallback the first usable one of bucket(hash), bucket(hash + 1), ... around to bucket(hash - 1)
//! ```

use std::iter::repeat_n;

use super::asked::Asked;
use super::hash;
use crate::service::RealServer;

const BITS: u32 = 8;
pub(super) const SIZE: usize = 1 << BITS;

pub(super) fn pick(asked: &Asked<'_>) -> Option<usize> {
    let hash = hash::multiplicative(asked.client_word(), BITS);
    asked.hashed(|offset| (hash + offset) % SIZE, hash)
}

pub(super) fn buckets(servers: &[RealServer]) -> Box<[u32]> {
    let share = |(index, server): (usize, &RealServer)| repeat_n(index as u32, server.weight.clamp(1, 256) as usize);
    servers.iter().enumerate().cycle().flat_map(share).take(SIZE).collect()
}
