//! Forwarding methods. A row each says what becomes of a connection's packets; whoever asks how a packet is treated asks the
//! row, never the method's name. To add a method is to add a variant and a row.
//!
//! ```text
//! method   request                        reply             ICMP error to the server   server may be    next hop on a link
//!                                                                                       the director     is the server
//! nat      both ends, to the server       both ends         rewritten                   yes              -
//! tun      wrapped, to the server         -                 as a request                yes              -
//! dr       as it is, to the server        -                 as a request                yes              yes
//! bypass   as it is, to its destination   -                 as a request                no               -
//! ```
//!
//! A packet of a connection leaves with the inside tuple (`local -> server`), a reply with the outside one reversed
//! (`VIP -> client`), where ends are rewritten at all.

use bytemuck::Zeroable;

use crate::flow::Direction;
use crate::verdict::Forward;

/// A forwarding method, by the number of the kernel's connections (`IP_VS_CONN_F_FWD_MASK`, `<linux/ip_vs.h>`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Zeroable)]
#[repr(u8)]
pub enum ForwardMethod {
    /// Rewrite the destination, un-rewrite replies.
    Nat = 0,
    /// Wrap the packet; the server unwraps it and answers the client itself.
    Tun = 2,
    /// Only the MAC changes; the server answers the client itself.
    Dr = 3,
    /// To whom the client sent it, past the servers: there is none.
    Bypass = 4,
}

/// What changes in a packet beside its time to live and its MACs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Rewrite {
    /// Nothing.
    Nothing,
    /// Its ends become those of the inside tuple.
    ToServer,
    /// Its ends become those of the outside tuple reversed.
    ToClient,
    /// The end of an ICMP error that its connection's NAT changes, and that of the packet which it quotes: towards the server.
    ErrorToServer,
    /// The end of an ICMP error that its connection's NAT changes, and that of the packet which it quotes: towards the client.
    ErrorToClient,
    /// It is wrapped for the server.
    Wrapped,
}

/// Towards whom a packet is routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Towards {
    /// The server of its connection.
    Server,
    /// The client of its connection.
    Client,
    /// Whom it is addressed to.
    Destination,
}

/// How a packet that is sent on is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Treatment {
    /// The name by which it is counted, and nothing else.
    pub counter: Forward,
    /// What changes.
    pub rewrite: Rewrite,
    /// Towards whom it is routed.
    pub towards: Towards,
    /// Whether IPVS sends it, as a host its own packets (`ip_vs_xmit.c`): measured with its time to live lowered, options
    /// stamped with the director's address. Else it is forwarded as by a router (`ip_forward.c`).
    pub as_host: bool,
}

impl Treatment {
    /// That of a packet of no connection.
    pub const ROUTED: Self = Self::new(Forward::Routed, Rewrite::Nothing, Towards::Destination, false);
    /// That of an ICMP error about a packet to the server, whose ends NAT changes.
    pub const ERROR_TO_CLIENT: Self =
        Self::new(Forward::IcmpReply, Rewrite::ErrorToClient, Towards::Destination, false);

    const fn new(counter: Forward, rewrite: Rewrite, towards: Towards, as_host: bool) -> Self {
        Self { counter, rewrite, towards, as_host }
    }

    /// Whether it goes through a tunnel.
    #[inline(always)]
    #[must_use]
    pub const fn is_wrapped(self) -> bool {
        matches!(self.rewrite, Rewrite::Wrapped)
    }
}

/// What a method does with the packets of its connections.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name in texts.
    pub name: &'static str,
    /// A client's packet.
    pub request: Treatment,
    /// A server's packet, where replies pass the director: they are found by the inside tuple reversed.
    pub reply: Option<Treatment>,
    /// An ICMP error about a packet to the client.
    pub error: Treatment,
    /// Whether there is a server, which may be the director itself.
    pub has_server: bool,
    /// Whether the next hop on a link is the server, whatever the packet is addressed to (`FLOWI_FLAG_KNOWN_NH`).
    pub next_hop_is_server: bool,
}

const NAT: Row = Row {
    name: "nat",
    request: Treatment::new(Forward::NatRequest, Rewrite::ToServer, Towards::Server, true),
    reply: Some(Treatment::new(Forward::NatReply, Rewrite::ToClient, Towards::Client, false)),
    error: Treatment::new(Forward::IcmpRequest, Rewrite::ErrorToServer, Towards::Server, true),
    has_server: true,
    next_hop_is_server: false,
};

const TUN: Row = Row::one_way("tun", Treatment::new(Forward::Tun, Rewrite::Wrapped, Towards::Server, true));

const DR: Row = Row {
    next_hop_is_server: true,
    ..Row::one_way("dr", Treatment::new(Forward::Dr, Rewrite::Nothing, Towards::Server, true))
};

const BYPASS: Row = Row {
    has_server: false,
    ..Row::one_way("bypass", Treatment::new(Forward::Bypass, Rewrite::Nothing, Towards::Destination, true))
};

impl Row {
    /// Of a method whose replies do not pass the director.
    const fn one_way(name: &'static str, request: Treatment) -> Self {
        Self { name, request, reply: None, error: request, has_server: true, next_hop_is_server: false }
    }

    /// Whether the server's packets pass the director.
    #[must_use]
    pub const fn has_replies(&self) -> bool {
        self.reply.is_some()
    }

    /// Whether the ends of packets change on their way.
    #[must_use]
    pub const fn rewrites_ends(&self) -> bool {
        matches!(self.request.rewrite, Rewrite::ToServer)
    }
}

impl ForwardMethod {
    /// Every method.
    pub const ALL: [Self; 4] = [Self::Nat, Self::Tun, Self::Dr, Self::Bypass];

    /// What it does with packets.
    #[must_use]
    pub const fn row(self) -> &'static Row {
        match self {
            Self::Nat => &NAT,
            Self::Tun => &TUN,
            Self::Dr => &DR,
            Self::Bypass => &BYPASS,
        }
    }

    /// The method of a number, if there is one.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Nat),
            2 => Some(Self::Tun),
            3 => Some(Self::Dr),
            4 => Some(Self::Bypass),
            _ => None,
        }
    }

    /// How the packets of a direction are treated. Replies that pass without having to are routed.
    #[inline(always)]
    #[must_use]
    pub fn treatment(self, direction: Direction) -> Treatment {
        TREATMENTS[self as usize][direction as usize]
    }
}

/// How packets are treated, by the number of a method and the direction.
static TREATMENTS: [[Treatment; 2]; ForwardMethod::Bypass as usize + 1] = {
    let mut table = [[Treatment::ROUTED; 2]; ForwardMethod::Bypass as usize + 1];
    let mut at = 0;
    while at < ForwardMethod::ALL.len() {
        let method = ForwardMethod::ALL[at];
        let reply = if let Some(reply) = method.row().reply { reply } else { Treatment::ROUTED };
        table[method as usize] = [method.row().request, reply];
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernels_and_nothing_else_is_a_method() {
        for method in ForwardMethod::ALL {
            assert_eq!(ForwardMethod::from_number(method as u8), Some(method));
        }
        let known = (0..=u8::MAX).filter_map(ForwardMethod::from_number).count();
        assert_eq!(known, ForwardMethod::ALL.len());
    }

    #[test]
    fn packets_find_what_the_rows_say() {
        for method in ForwardMethod::ALL {
            let of = |direction| method.treatment(direction);
            let reply = method.row().reply.unwrap_or(Treatment::ROUTED);
            assert_eq!((of(Direction::Request), of(Direction::Reply)), (method.row().request, reply));
        }
    }
}
