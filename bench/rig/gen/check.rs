//! What a director must have made of a packet, and what is wrong with what it did.

use dataplane::wire::checksum::Sum;
use dataplane::wire::ethernet::MacAddr;
use dataplane::wire::{ethernet, ipv4, tcp};

use crate::frame::TTL;
use crate::plan::{End, Method, Plan};
use crate::seen::Packet;

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// The IPv4 header is malformed, or its checksum wrong.
    Header,
    /// The time to live is not one less.
    Ttl,
    /// It came to a MAC that its destination does not have, or not from the director's.
    Mac,
    /// Its source is not what it must be.
    Source,
    /// Its destination is not what it must be.
    Destination,
    /// The transport checksum is wrong.
    Checksum,
    /// It bears the mark of another flow.
    Mark,
    /// Its flow went to another server before.
    Moved,
    /// The director, or somebody in its name, reset the connection.
    Reset,
}

impl Wrong {
    /// All of them, in order.
    pub(crate) const ALL: [Self; 9] = [
        Self::Header,
        Self::Ttl,
        Self::Mac,
        Self::Source,
        Self::Destination,
        Self::Checksum,
        Self::Mark,
        Self::Moved,
        Self::Reset,
    ];

    /// Its name in the figures.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Header => "wrong_header",
            Self::Ttl => "wrong_ttl",
            Self::Mac => "wrong_mac",
            Self::Source => "wrong_source",
            Self::Destination => "wrong_destination",
            Self::Checksum => "wrong_checksum",
            Self::Mark => "wrong_mark",
            Self::Moved => "wrong_moved",
            Self::Reset => "wrong_reset",
        }
    }
}

/// Where a packet belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whose {
    /// Its flow.
    pub(crate) flow: u32,
    /// The server it came to, or, at the clients' end, 0.
    pub(crate) server: u8,
}

/// Checks everything but checksums: to which flow a packet belongs, and to which server.
pub(crate) fn whose(plan: &Plan, end: End, packet: &Packet<'_>) -> Result<Whose, Wrong> {
    let whose = match end {
        End::Servers => at_server(plan, packet)?,
        End::Clients => at_client(plan, packet)?,
    };
    let ahead = packet.tag.wrapping_sub(Plan::tag(whose.flow));
    if packet.protocol != plan.protocol.number() || ahead > 2 {
        return Err(Wrong::Mark);
    }
    if packet.ttl != TTL - 1 { Err(Wrong::Ttl) } else { Ok(whose) }
}

fn at_server(plan: &Plan, packet: &Packet<'_>) -> Result<Whose, Wrong> {
    let flow = plan.clients.flow(packet.src, packet.sport).ok_or(Wrong::Source)?;
    let server = plan.server_with(packet.dst_mac).ok_or(Wrong::Mac)?;
    let wanted = match plan.method {
        Method::Nat => (plan.server(server), plan.first_server.port()),
        Method::Dr => (u32::from(*plan.vip.ip()), plan.vip.port()),
    };
    if (packet.dst, packet.dport) != wanted {
        return Err(Wrong::Destination);
    }
    Ok(Whose { flow, server })
}

fn at_client(plan: &Plan, packet: &Packet<'_>) -> Result<Whose, Wrong> {
    let flow = plan.clients.flow(packet.dst, packet.dport).ok_or(Wrong::Destination)?;
    if packet.flags & tcp::RST != 0 {
        return Err(Wrong::Reset);
    }
    if (packet.src, packet.sport) != (u32::from(*plan.vip.ip()), plan.vip.port()) {
        return Err(Wrong::Source);
    }
    if packet.dst_mac != Plan::GATEWAY_MAC {
        return Err(Wrong::Mac);
    }
    Ok(Whose { flow, server: 0 })
}

/// Checks that it was the director who sent it, where its MAC is known.
pub(crate) fn sender(packet: &Packet<'_>, director: Option<MacAddr>) -> Result<(), Wrong> {
    if director.is_some_and(|mac| mac != packet.src_mac) { Err(Wrong::Mac) } else { Ok(()) }
}

/// Checks the checksums.
pub(crate) fn sums(packet: &Packet<'_>) -> Result<(), Wrong> {
    let bytes = packet.frame.get(ethernet::HEADER..).unwrap_or_default();
    let header = ipv4::Header::parse(bytes).map_err(|_| Wrong::Header)?;
    let transport = &bytes[header.len..header.total];
    let (src, dst) = (header.src.to_be_bytes(), header.dst.to_be_bytes());
    let sum = Sum::default().pseudo(&src, &dst, header.protocol, transport.len()).bytes(transport);
    if sum.fold() != 0xffff { Err(Wrong::Checksum) } else { Ok(()) }
}
