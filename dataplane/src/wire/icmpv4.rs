//! ICMP (RFC 792, RFC 1812 4.3).

use super::{checksum, put};

/// IANA protocol number.
pub const PROTOCOL: u8 = 1;
/// Bytes before what an error quotes.
pub const HEADER: usize = 8;
/// Echo request.
pub const ECHO: u8 = 8;
/// Echo reply.
pub const ECHO_REPLY: u8 = 0;
/// Destination unreachable.
pub const UNREACHABLE: u8 = 3;
/// Source quench.
pub const QUENCH: u8 = 4;
/// Time exceeded.
pub const TIME_EXCEEDED: u8 = 11;
/// Code of "unreachable": fragmentation needed, the link's MTU in the last half of the header (RFC 1191 4).
pub const FRAGMENTATION_NEEDED: u8 = 4;
/// Where that MTU stands.
pub const MTU: usize = 6;
/// Where a parameter problem says which byte is wrong.
const POINTER: usize = 4;
/// Most bytes of a whole error packet (RFC 1812 4.3.2.3).
pub const ERROR_MAX: usize = 576;

/// The errors a director sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No route.
    NetUnreachable,
    /// The next hop does not answer.
    HostUnreachable,
    /// Nobody speaks this protocol here.
    ProtocolUnreachable,
    /// Nobody listens on this port.
    PortUnreachable,
    /// Larger than the next link takes, and not to be fragmented.
    FragmentationNeeded {
        /// What the next link takes.
        mtu: u16,
    },
    /// The time to live ran out.
    TimeExceeded,
    /// The other fragments of a packet did not come in time.
    ReassemblyTime,
    /// A header is wrong.
    ParameterProblem {
        /// Which of its bytes.
        at: u8,
    },
    /// The next station of a strict source route is not on a link here.
    SourceRouteFailed,
}

impl Error {
    /// Type and code.
    #[must_use]
    pub const fn type_code(self) -> (u8, u8) {
        match self {
            Self::NetUnreachable => (3, 0),
            Self::HostUnreachable => (3, 1),
            Self::ProtocolUnreachable => (3, 2),
            Self::PortUnreachable => (3, 3),
            Self::FragmentationNeeded { .. } => (3, 4),
            Self::TimeExceeded => (11, 0),
            Self::ReassemblyTime => (11, 1),
            Self::ParameterProblem { .. } => (12, 0),
            Self::SourceRouteFailed => (3, 5),
        }
    }

    /// Writes the message at the start of `out`, whose bytes from [`HEADER`] on are the quoted packet.
    pub fn write(self, out: &mut [u8]) {
        let (kind, code) = self.type_code();
        put(out, 0, &[kind, code, 0, 0, 0, 0, 0, 0]);
        match self {
            Self::FragmentationNeeded { mtu } => put(out, MTU, &mtu.to_be_bytes()),
            Self::ParameterProblem { at } => put(out, POINTER, &[at]),
            _ => {}
        }
        seal(out);
    }
}

/// Writes the checksum of a whole message.
pub fn seal(message: &mut [u8]) {
    put(message, 2, &[0, 0]);
    let sum = checksum::of(message);
    put(message, 2, &sum.to_be_bytes());
}

/// Whether errors of this type follow a connection through NAT (`ip_vs_in_icmp`).
#[must_use]
pub const fn is_about_a_flow(kind: u8) -> bool {
    matches!(kind, UNREACHABLE | QUENCH | TIME_EXCEEDED)
}

/// Whether a message of this type is about another packet; such are never answered with an error (RFC 1122 3.2.2).
#[must_use]
pub const fn is_error(kind: u8) -> bool {
    matches!(kind, 3 | 4 | 5 | 11 | 12)
}
