//! Answers: packets that the director makes itself because of a packet it received: ICMP errors, echo replies, resets
//! ([`answer4`], [`answer6`]), as far as the limiter lets them. They leave through the output queues in the place of the
//! packet that they answer.

use std::net::IpAddr;

use super::made::Made;
use super::{answer_tunnel, answer4, answer6, cut, park, transmit};
use crate::conn::{Found, NONE};
use crate::flow::Direction;
use crate::forward::Change;
use crate::limiter;
use crate::packet::Meta;
use crate::parking::{Class, Ending, Parked};
use crate::pipeline::desk::Desk;
use crate::pipeline::find::{known, quote};
use crate::pipeline::scene::Context;
use crate::port::PacketBuf;
use crate::tables::Path;
use crate::verdict::{Answer, Drop, Sent, Verdict};
use crate::wire::{ethernet, put};

/// Answers the packet in `frame` and counts the verdict.
pub(crate) fn run<B: PacketBuf>(frame: &[u8], meta: &Meta, kind: Answer, desk: &mut Desk<'_, B>) {
    let verdict = match answer(frame, meta, kind, desk) {
        Ok(()) => Verdict::Answer(kind),
        Err(reason) => Verdict::Drop(reason),
    };
    desk.context.link.counters.verdict(verdict);
}

/// Nothing is written before it is known that the answer may be given, and that nobody has had too many of its kind.
fn answer<B: PacketBuf>(frame: &[u8], meta: &Meta, kind: Answer, desk: &mut Desk<'_, B>) -> Result<(), Drop> {
    let packet = frame.get(usize::from(meta.l3)..).unwrap_or_default();
    let about = About::read(packet, meta, kind, desk.context).ok_or(Drop::Unanswerable)?;
    let limited = limiter::Kind::of(kind, meta.mtu);
    if !desk.shard.limiter.allow(limited, about.to(), &desk.context.tables.options.limits, desk.context.now) {
        return Err(limited.refusal());
    }
    let made = about.answer(meta, kind, desk.shard.ids.next(), desk.context).ok_or(Drop::Unanswerable)?;
    deliver(&made, meta, desk)?;
    if made.sent == Sent::IcmpError {
        count(frame, meta, kind, made.packet.len(), desk);
    }
    Ok(())
}

/// An error about a packet that DR, TUN or a bypass would have sent on counts as the server's, whose place it takes: the
/// director's own packets pass IPVS, too (`ip_vs_out_icmp` at LOCAL_OUT), and it knows these by what they quote.
fn count<B>(frame: &[u8], meta: &Meta, kind: Answer, len: usize, desk: &mut Desk<'_, B>) {
    desk.shard.table.settle();
    let found = match kind {
        Answer::TunnelError => quote::connection_in_tunnel(frame, meta, desk.shard),
        _ if meta.kind.has_key() => known::known(frame, meta, desk.shard, desk.context),
        _ => None,
    };
    if let Some(Found::Conn(index, Direction::Request)) = found
        && !desk.shard.table[index].method().row().has_replies()
    {
        desk.context.count(&desk.shard.table[index], Direction::Reply, len);
    }
}

/// A packet that may be answered.
enum About<'a> {
    V4(answer4::About<'a>),
    V6(answer6::About<'a>),
    /// An error about a tunnel, and the client who is told.
    Tunnel(&'a [u8], IpAddr),
}

impl<'a> About<'a> {
    /// Reads a packet; `None` where it is answered by nobody, or not by us.
    fn read(packet: &'a [u8], meta: &Meta, kind: Answer, context: Context<'_>) -> Option<Self> {
        match (packet.first()? >> 4, kind) {
            (6, _) => answer6::About::read(packet, kind, context).map(Self::V6),
            (_, Answer::TunnelError) => answer_tunnel::client(packet, meta).map(|client| Self::Tunnel(packet, client)),
            _ => answer4::About::read(packet, kind, context).map(Self::V4),
        }
    }

    /// Whom the answer is for.
    fn to(&self) -> IpAddr {
        match self {
            Self::V4(about) => about.to(),
            Self::V6(about) => about.to(),
            Self::Tunnel(_, client) => *client,
        }
    }

    fn answer(&self, meta: &Meta, kind: Answer, id: u16, context: Context<'_>) -> Option<Made> {
        match self {
            Self::V4(about) => about.answer(meta, kind, id, context),
            Self::V6(about) => about.answer(meta, kind, context),
            Self::Tunnel(packet, _) => answer_tunnel::make(packet, meta, id),
        }
    }
}

/// Puts an answer on its way.
fn deliver<B: PacketBuf>(made: &Made, about: &Meta, desk: &mut Desk<'_, B>) -> Result<(), Drop> {
    let path = desk.context.tables.net.path_back(about.lan, made.to);
    if matches!(path, Path::Unreachable | Path::Blackhole) {
        return Err(Drop::Unanswerable);
    }
    if let Path::Hop(hop) = path
        && let Some(hop) = desk.context.tables.net.hops.get(hop).filter(|hop| made.packet.len() > usize::from(hop.mtu))
    {
        return cut::own(&made.packet, made.sent, hop, about.watchers, desk);
    }
    let mut packet = desk.alloc().ok_or(Drop::NoBuffer)?;
    if !packet.set_len(ethernet::HEADER + made.packet.len()) {
        desk.shard.output.dropped.push(packet);
        return Err(Drop::NoBuffer);
    }
    let ethertype = if made.to.is_ipv4() { ethernet::IPV4 } else { ethernet::IPV6 };
    put(packet.data_mut(), ethernet::HEADER - 2, &ethertype.to_be_bytes());
    put(packet.data_mut(), ethernet::HEADER, &made.packet);
    let meta = Meta { l3: ethernet::HEADER as u16, watchers: about.watchers, ..Meta::default() };
    let ending = Ending::Own(made.sent);
    match path {
        Path::Unresolved { interface, address } => {
            let (neighbor, class, change) = ((interface, address), Class::Others, Change::Nothing);
            let parked =
                Parked { packet, neighbor, class, meta, change, ending, server: NONE, since: desk.context.now };
            park::park(parked, desk);
        }
        Path::Hop(hop) => match desk.context.tables.net.hops.get(hop) {
            Some(hop) => transmit::transmit(packet, &meta, ending, hop, desk),
            None => desk.shard.output.dropped.push(packet),
        },
        Path::Unreachable | Path::Blackhole => desk.shard.output.dropped.push(packet),
    }
    Ok(())
}
