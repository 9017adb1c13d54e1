//! How packets reach a real server. One file a method.

pub mod dr;
pub mod nat;

/// A forwarding method, as the dataplane carries it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ForwardMethod {
    /// Rewrite the destination, un-rewrite replies.
    Nat = 0,
    /// Only the MAC changes; the server answers the client itself.
    Dr = 3,
}

impl ForwardMethod {
    /// The method of a stored number; NAT for anything unknown.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            3 => Self::Dr,
            _ => Self::Nat,
        }
    }

    /// Whether replies pass the director.
    #[must_use]
    pub const fn has_replies(self) -> bool {
        matches!(self, Self::Nat)
    }
}
