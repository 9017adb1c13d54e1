//! Destination hashing (`ip_vs_dh.c`).
//!
//! ```text
//! 256 buckets, dealt out to the servers in list order, one each and again; weights do not matter, not even 0
//! bucket = hash_32(destination, 8 bits); its server, if usable; else nobody
//! ```

use super::asked::Asked;
use super::hash;
use crate::service::RealServer;

const BITS: u32 = 8;
pub(super) const SIZE: usize = 1 << BITS;

pub(super) fn pick(asked: &Asked<'_>) -> Option<usize> {
    let word = hash::fold(asked.list.family, asked.vip);
    let (index, usable) = asked.bucket(hash::multiplicative(word, BITS))?;
    usable.then_some(index)
}

pub(super) fn buckets(servers: &[RealServer]) -> Box<[u32]> {
    (0..servers.len()).cycle().take(SIZE).map(|index| index as u32).collect()
}
