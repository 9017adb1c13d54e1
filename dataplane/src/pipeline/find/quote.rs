//! What an ICMP error quotes: the packet that it is about, and the connection of that packet. Turned round, a quote is a
//! packet of the other direction.

use std::net::IpAddr;

use super::quoted_tunnel;
use crate::conn::{ConnTable, Found};
use crate::flow::{Direction, Family, Tuple};
use crate::packet::{Kind, Meta};
use crate::pipeline::scene::Context;
use crate::proto;
use crate::shard::Shard;
use crate::steering::Landing;
use crate::wire::checksum::Sum;
use crate::wire::quoted::Quote;
use crate::wire::{icmpv4, icmpv6, ipsec};

/// Addresses, ports and protocol of a quoted packet, in one of its directions.
#[derive(Clone, Copy)]
pub(crate) struct Flow {
    pub(crate) ends: [IpAddr; 2],
    pub(crate) tuple: Tuple,
}

impl Flow {
    /// As the packet was, if its ports are quoted, or it needs none.
    pub(crate) fn of(quote: &Quote, table: &ConnTable) -> Option<Self> {
        let is_ipsec = matches!(quote.protocol, ipsec::AH | ipsec::ESP);
        let [sport, dport] = if is_ipsec { [0; 2] } else { quote.ports? };
        let bits = |address| match address {
            IpAddr::V4(address) => address.to_bits(),
            IpAddr::V6(address) => table.digest(&address.octets()),
        };
        let ([src, dst], family) = (quote.ends.map(bits), Family::of(quote.ends[0]));
        let protocol = if family == Family::Ipv6 { Tuple::marked(quote.protocol) } else { quote.protocol };
        let tuple = Tuple { dst, src, dport, sport, protocol };
        let tuple = if is_ipsec { proto::ipsec::key(tuple, family) } else { tuple };
        Some(Self { ends: quote.ends, tuple })
    }

    /// As one that answers it would be.
    pub(crate) fn turned(quote: &Quote, table: &ConnTable) -> Option<Self> {
        let Self { ends: [src, dst], tuple } = Self::of(quote, table)?;
        let Tuple { src: was_src, dst: was_dst, sport, dport, protocol } = tuple;
        let tuple = Tuple { dst: was_src, src: was_dst, dport: sport, sport: dport, protocol };
        Some(Self { ends: [dst, src], tuple })
    }

    fn six(&self) -> Option<[[u8; 16]; 2]> {
        match self.ends {
            [IpAddr::V6(src), IpAddr::V6(dst)] => Some([src.octets(), dst.octets()]),
            _ => None,
        }
    }

    /// The connection that a packet of it would belong to.
    pub(crate) fn find<B>(&self, shard: &mut Shard<B>) -> Option<Found> {
        let hash = shard.table.hash(&self.tuple);
        shard.table.settle_for(hash);
        match self.six() {
            None => shard.table.find(hash, &self.tuple),
            Some([src, dst]) => shard.table.find6(hash, &self.tuple, [&src, &dst]),
        }
    }

    /// Where such a packet would land.
    pub(crate) fn lands(&self, landing: &Landing) -> u16 {
        let six = self.six();
        landing.worker(&self.tuple, six.as_ref().map(|[src, dst]| [src, dst]))
    }

    pub(crate) fn is_reply_of(&self, conn: u32, table: &ConnTable) -> bool {
        let between = |[src, dst]: [[u8; 16]; 2]| table.is_between(conn, Direction::Reply, [&src, &dst]);
        table.is_reply_of(conn, &self.tuple) && self.six().is_none_or(between)
    }
}

/// Whether a whole packet is of ICMP.
pub(crate) fn is_icmp(meta: &Meta) -> bool {
    matches!((meta.kind, meta.protocol()), (Kind::Other4, icmpv4::PROTOCOL) | (Kind::Other6, icmpv6::PROTOCOL))
}

/// The bytes of an ICMP error that may be about a connection.
pub(crate) fn error<'a>(frame: &'a [u8], meta: &Meta) -> Option<&'a [u8]> {
    let message = frame.get(usize::from(meta.l4)..meta.end as usize)?;
    let kind = *message.first()?;
    let about = if meta.kind.is_v6() { icmpv6::is_error(kind) } else { icmpv4::is_about_a_flow(kind) };
    (is_icmp(meta) && about).then_some(message)
}

/// The packet that an error quotes.
pub(crate) fn quote(message: &[u8], meta: &Meta) -> Option<Quote> {
    if meta.kind.is_v6() { Quote::parse6(message, icmpv6::HEADER) } else { Quote::parse4(message, icmpv4::HEADER) }
}

/// The worker that an error belongs to, if it is about a packet that belongs to any.
#[cold]
pub(crate) fn home<B>(
    frame: &[u8],
    meta: &Meta,
    landing: &Landing,
    shard: &Shard<B>,
    context: Context<'_>,
) -> Option<u16> {
    let message = error(frame, meta)?;
    let ours = || meta.ends(frame).is_some_and(|[_, destination]| context.tables.locals.has(destination));
    if let Some(tunnel) = quoted_tunnel::read(message).filter(|_| !meta.kind.is_v6() && ours()) {
        let request = &tunnel.inner;
        let flow = if landing.is_for_replies() { Flow::turned } else { Flow::of };
        return Some(flow(request, &shard.table)?.lands(landing));
    }
    Some(Flow::turned(&quote(message, meta)?, &shard.table)?.lands(landing))
}

/// Whether an error's checksum is right: what is rewritten gets a new one, which must not make good what was bad.
pub(crate) fn is_right(frame: &[u8], meta: &Meta) -> bool {
    let message = frame.get(usize::from(meta.l4)..meta.end as usize).unwrap_or_default();
    let pseudo = match meta.six(frame) {
        Some([src, dst]) => Sum::default().pseudo(src, dst, icmpv6::PROTOCOL, message.len()),
        None => Sum::default(),
    };
    pseudo.bytes(message).fold() == 0xffff
}

/// The connection whose packet in a tunnel an error is about.
pub(crate) fn connection_in_tunnel<B>(frame: &[u8], meta: &Meta, shard: &mut Shard<B>) -> Option<Found> {
    let message = frame.get(usize::from(meta.l4)..meta.end as usize)?;
    Flow::of(&quoted_tunnel::read(message)?.inner, &shard.table)?.find(shard)
}
