//! ICMPv6 (RFC 4443).

use super::{checksum, ipv6, put};

/// IANA protocol number.
pub const PROTOCOL: u8 = 58;
/// Bytes before what an error quotes.
pub const HEADER: usize = 8;
/// Most bytes of a whole error packet: the minimum MTU (RFC 4443 2.4 c).
pub const ERROR_MAX: usize = ipv6::LEAST_MTU as usize;

/// Packet too big, the link's MTU in the last half of the header (RFC 4443 3.2).
pub const TOO_BIG: u8 = 2;
/// Where that MTU stands, 32 bits.
pub const MTU: usize = 4;
/// Echo request.
pub const ECHO: u8 = 128;
/// Echo reply.
pub const ECHO_REPLY: u8 = 129;

/// The errors a director sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No route.
    NoRoute,
    /// The next hop does not answer.
    AddressUnreachable,
    /// Nobody listens on this port.
    PortUnreachable,
    /// Larger than the next link takes.
    TooBig {
        /// What the next link takes.
        mtu: u16,
    },
    /// The hop limit ran out.
    TimeExceeded,
    /// The other fragments of a packet did not come in time.
    ReassemblyTime,
    /// A field of a header is wrong.
    Field {
        /// Where in the packet it stands.
        at: u16,
    },
    /// Nobody speaks the protocol of a next header field here.
    NextHeader {
        /// Where in the packet that field stands.
        at: u16,
    },
    /// An option that nobody knows here.
    Option {
        /// Where in the packet it stands.
        at: u16,
    },
}

impl Error {
    /// Type and code.
    #[must_use]
    pub const fn type_code(self) -> (u8, u8) {
        match self {
            Self::NoRoute => (1, 0),
            Self::AddressUnreachable => (1, 3),
            Self::PortUnreachable => (1, 4),
            Self::TooBig { .. } => (TOO_BIG, 0),
            Self::TimeExceeded => (3, 0),
            Self::ReassemblyTime => (3, 1),
            Self::Field { .. } => (4, 0),
            Self::NextHeader { .. } => (4, 1),
            Self::Option { .. } => (4, 2),
        }
    }

    /// Writes the message at the start of `out`, whose bytes from [`HEADER`] on are the quoted packet.
    pub fn write(self, out: &mut [u8], src: &[u8; 16], dst: &[u8; 16]) {
        let (kind, code) = self.type_code();
        let rest = match self {
            Self::TooBig { mtu: value }
            | Self::Field { at: value }
            | Self::NextHeader { at: value }
            | Self::Option { at: value } => u32::from(value),
            Self::NoRoute
            | Self::AddressUnreachable
            | Self::PortUnreachable
            | Self::TimeExceeded
            | Self::ReassemblyTime => 0,
        };
        put(out, 0, &[kind, code]);
        put(out, 4, &rest.to_be_bytes());
        seal(out, src, dst);
    }
}

/// Writes the checksum of a whole message.
pub fn seal(message: &mut [u8], src: &[u8; 16], dst: &[u8; 16]) {
    put(message, 2, &[0, 0]);
    let sum = checksum::Sum::default().pseudo(src, dst, PROTOCOL, message.len()).bytes(message).finish();
    put(message, 2, &sum.to_be_bytes());
}

/// Whether a message of this type is an error; such are never answered with one (RFC 4443 2.4 e).
#[must_use]
pub const fn is_error(kind: u8) -> bool {
    kind < 128
}
