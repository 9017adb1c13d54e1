//! UDP: one state (`ip_vs_proto_udp.c`).

/// Seconds.
pub const TIMEOUT: u32 = 300;
/// The state of every UDP connection.
pub const NORMAL: u8 = 0;
