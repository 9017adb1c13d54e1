//! UDP headers (RFC 768).

/// Bytes of the header.
pub const HEADER: usize = 8;
/// Where the checksum sits.
pub const CHECKSUM: usize = 6;
