//! ICMP errors about packets in tunnels. A router or a server complains to the director, which sent the outer packet; the
//! client is told of the inner one, which is its own. After the tunnel's part of `ip_vs_in_icmp` (`ip_vs_core.c`); IPv4
//! around IPv4 only, as there.
//!
//! ```text
//! message: ICMP header | outer IP | nothing, UDP and GUE, or GRE | inner IP, client -> VIP
//! "fragmentation needed": the path to the server takes no more; the client hears of what is left for its own, if its
//!                         packet must not be fragmented
//! ```

use std::net::IpAddr;

use super::answer::Made;
use super::icmp::{Flow, count, is_right};
use super::{Context, answer4};
use crate::conn::{Conn, Found};
use crate::flow::{Direction, Encapsulation, Family, ForwardMethod};
use crate::packet::{Meta, Step};
use crate::service::Learned;
use crate::shard::Shard;
use crate::tables::Path;
use crate::verdict::{Answer, Drop, Sent};
use crate::wire::quoted::Quote;
use crate::wire::{be16, icmpv4, ipv4, put, udp};

const IPIP: u8 = 4;
const UDP: u8 = 17;
const GRE: u8 = 47;
/// Bytes of GUE's header without extensions.
const GUE: usize = 4;

/// A packet in a tunnel, as an error quotes it.
pub(super) struct Tunnelled {
    /// The tunnel's other end.
    server: IpAddr,
    /// How the packet is wrapped. Whether a GUE packet has a checksum does not count.
    encapsulation: Encapsulation,
    /// The packet itself.
    pub(super) inner: Quote,
}

/// Reads the packet in the tunnel that an error quotes, if it quotes one.
pub(super) fn quoted(message: &[u8]) -> Option<Tunnelled> {
    // Four bytes behind any outer header are there.
    let outer = Quote::parse4(message, icmpv4::HEADER).filter(|outer| outer.fragment & ipv4::OFFSET_MASK == 0)?;
    let between = &message[outer.l4..];
    let (encapsulation, length) = match outer.protocol {
        IPIP => (Encapsulation::Ipip, 0),
        UDP => (Encapsulation::Gue { port: outer.ports[1], checksum: false }, gue(between)?),
        GRE => match between.first_chunk()? {
            [0, 0, 8, 0] => (Encapsulation::Gre { checksum: false }, 4),
            [0x80, 0, 8, 0] => (Encapsulation::Gre { checksum: true }, 8),
            _ => return None,
        },
        _ => return None,
    };
    let inner = Quote::parse4(message, outer.l4 + length)?;
    Some(Tunnelled { server: outer.ends[1], encapsulation, inner })
}

/// Bytes of UDP and GUE in front of an IPv4 packet: version 0, no control message.
fn gue(between: &[u8]) -> Option<usize> {
    let [first, protocol, ..] = *between.get(udp::HEADER..)?.first_chunk::<GUE>()?;
    let extensions = usize::from(first & 0x1f) * 4;
    (first & 0xe0 == 0 && protocol == IPIP).then_some(udp::HEADER + GUE + extensions)
}

/// What becomes of an error to the director about a packet of a connection in its tunnel.
pub(super) fn run<B>(
    frame: &[u8],
    meta: &mut Meta,
    message: &[u8],
    shard: &mut Shard<B>,
    context: Context<'_>,
) -> Option<Step> {
    let tunnel = quoted(message)?;
    let Some(Found::Conn(index, Direction::Request)) = Flow::of(&tunnel.inner, &shard.table).find(shard) else {
        return None;
    };
    let conn = &shard.table[index];
    if !goes_through(conn, &tunnel, context) {
        return None;
    }
    if !is_right(frame, meta) {
        return Some(Step::Drop(Drop::TransportChecksum));
    }
    meta.mtu = 0;
    if message[..2] == [icmpv4::UNREACHABLE, icmpv4::FRAGMENTATION_NEEDED] {
        let learned = learn(conn, be16(message, icmpv4::MTU), context)?;
        if tunnel.inner.fragment & ipv4::DF == 0 {
            return Some(Step::Drop(Drop::Icmp));
        }
        meta.mtu = left_for_the_client(conn, learned, tunnel.encapsulation, context);
    }
    count(conn, Direction::Reply, message.len() - tunnel.inner.at, context);
    Some(Step::Answer(Answer::TunnelError))
}

/// The connection whose packet in a tunnel an error is about.
pub(super) fn connection<B>(frame: &[u8], meta: &Meta, shard: &mut Shard<B>) -> Option<Found> {
    let message = frame.get(usize::from(meta.l4)..meta.end as usize)?;
    Flow::of(&quoted(message)?.inner, &shard.table).find(shard)
}

/// Whether a connection's packets are wrapped like that.
fn goes_through(conn: &Conn, tunnel: &Tunnelled, context: Context<'_>) -> bool {
    let Some(server) = context.servers.get(conn.server_slot) else { return false };
    let same = match (server.encapsulation(), tunnel.encapsulation) {
        (Encapsulation::Gue { port, .. }, Encapsulation::Gue { port: quoted, .. }) => port == quoted,
        (ours, quoted) => std::mem::discriminant(&ours) == std::mem::discriminant(&quoted),
    };
    let available = server.available.load(std::sync::atomic::Ordering::Relaxed);
    same && available && conn.method() == ForwardMethod::Tun && conn.server_address() == tunnel.server
}

fn learn(conn: &Conn, mtu: u16, context: Context<'_>) -> Option<Learned> {
    context.servers.get(conn.server_slot).map(|server| server.path.learn(mtu, context.now))
}

/// What the path takes without the headers. The kernel knows what the first error taught it with the next packet only, and
/// always takes the headers for those of IP in IP; under `strict_parity` so do we.
fn left_for_the_client(conn: &Conn, learned: Learned, encapsulation: Encapsulation, context: Context<'_>) -> u16 {
    let net = &context.tables.net;
    let link = match net.path(conn.server_address()) {
        Path::Hop(hop) => net.hops.get(hop).map(|hop| hop.mtu),
        _ => None,
    };
    let link = link.unwrap_or(learned.mtu);
    let strict = context.tables.options.strict_parity;
    let path = if strict && !learned.known { link } else { learned.mtu.min(link) };
    let encapsulation = if strict { Encapsulation::Ipip } else { encapsulation };
    path.saturating_sub(encapsulation.overhead(Family::Ipv4))
}

/// The client that is told of an error about its packet in a tunnel.
pub(super) fn client(packet: &[u8], meta: &Meta) -> Option<IpAddr> {
    let l4 = usize::from(meta.l4) - usize::from(meta.l3);
    Some(quoted(packet.get(l4..meta.ip_len())?)?.inner.ends[0])
}

/// The error that the client is told: of the same kind, about its own packet, in the name of whom it sent that to.
pub(super) fn make(packet: &[u8], meta: &Meta, id: u16) -> Option<Made> {
    let l4 = usize::from(meta.l4) - usize::from(meta.l3);
    let message = packet.get(l4..meta.ip_len())?;
    let inner = quoted(message)?.inner;
    let [IpAddr::V4(client), IpAddr::V4(vip)] = inner.ends else { return None };
    let about = &message[inner.at..];
    if inner.fragment & ipv4::OFFSET_MASK != 0 {
        return None;
    }
    let mut told = message[..icmpv4::HEADER].to_vec();
    if meta.mtu != 0 {
        put(&mut told, 4, &u32::from(meta.mtu).to_be_bytes());
    }
    told.extend_from_slice(&about[..about.len().min(icmpv4::ERROR_MAX - ipv4::HEADER - icmpv4::HEADER)]);
    icmpv4::seal(&mut told);
    let packet = answer4::error4(about[1], id, vip.to_bits(), client.to_bits(), &told);
    Some(Made { packet, to: client.into(), sent: Sent::IcmpError })
}
