//! Bounds of numbers of services and servers.

/// Largest weight, 2^31-1.
pub const WEIGHT_MAX: u32 = i32::MAX as u32;
/// Largest threshold: what `totalconns` of the kernel can reach.
pub const UPPER_MAX: u32 = i32::MAX as u32;
/// Longest persistence, seconds: 31 days.
pub const PERSISTENCE_MAX: u32 = 31 * 24 * 3600;
