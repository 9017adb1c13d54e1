//! IP security: the numbers by which ESP (RFC 4303) and AH (RFC 4302) are known.

/// IANA number of ESP.
pub const ESP: u8 = 50;
/// IANA number of AH.
pub const AH: u8 = 51;
