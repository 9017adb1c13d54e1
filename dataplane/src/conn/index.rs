//! Indices, and what stands beside them in an entry of a bucket.

/// No index.
pub const NONE: u32 = u32::MAX;

/// An entry of a bucket that is found by its request key.
pub(super) const REQUEST: u32 = 0;
/// One that is found by its reply key.
pub(super) const REPLY: u32 = 1 << 31;
/// A signpost.
pub(super) const POST: u32 = 1 << 30;
