//! Cut: packets larger than the next link takes leave in fragments, each in a buffer of its own (RFC 791 3.2, RFC 8200 4.5).
//! The packet has its verdict; its fragments are the director's own and counted apart. All of them leave, or none.

use super::{depart, park};
use crate::conn::NONE;
use crate::forward::Change;
use crate::method::Treatment;
use crate::neighbor::NextHop;
use crate::packet::{Meta, Watchers};
use crate::parking::{Class, Ending, Parked};
use crate::pipeline::desk::Desk;
use crate::port::PacketBuf;
use crate::shard::OUTPUT_LIMIT;
use crate::tables::Path;
use crate::verdict::{Drop, Sent, Verdict};
use crate::wire::fragment::{Cut, How};
use crate::wire::{ethernet, put};

/// Where fragments go.
pub(crate) struct Bound {
    /// To a next hop, or to a neighbour that they wait for.
    pub(crate) way: Path,
    /// The slot of the server they go to.
    pub(crate) server: u32,
    /// Whose places they take where they wait.
    pub(crate) class: Class,
    /// Who follows them.
    pub(crate) watchers: Watchers,
    /// The next hop, or what is known of it.
    pub(crate) next: NextHop,
}

/// A packet that is all done is cut for its link, or its tunnel's path.
#[cold]
pub(crate) fn packet<B: PacketBuf>(packet: B, meta: &Meta, ending: Ending, hop: &NextHop, desk: &mut Desk<'_, B>) {
    let how = How { most: depart::most(meta, ending, hop), df: false, sizes: &[], id: desk.shard.next_fragment_id() };
    let bound =
        Bound { way: Path::Hop(NONE), server: NONE, class: Class::Others, watchers: meta.watchers, next: hop.clone() };
    let bytes = packet.data().get(usize::from(meta.l3)..).unwrap_or_default();
    let made = make(bytes, how, &bound, ending, desk);
    desk.shard.output.dropped.push(packet);
    match (made, ending) {
        (Ok(counted), _) if counted => {}
        (Ok(_), ending) => depart::count(ending, desk.context),
        (Err(reason), Ending::Forward(_)) => desk.context.link.counters.verdict(Verdict::Drop(reason)),
        (Err(_), Ending::Own(_)) => desk.context.link.counters.sent(Sent::Lost),
    }
}

/// A packet that was put together is sent, in fragments again if it must be.
pub(crate) fn send<B: PacketBuf>(
    packet: &[u8],
    how: How<'_>,
    bound: &Bound,
    treatment: Treatment,
    desk: &mut Desk<'_, B>,
) {
    let ending = Ending::Forward(treatment);
    match make(packet, how, bound, ending, desk) {
        Ok(counted) if counted => {}
        Ok(_) => depart::count(ending, desk.context),
        Err(reason) => desk.context.link.counters.verdict(Verdict::Drop(reason)),
    }
}

/// A packet of the director's own, larger than the next link takes, by a next hop that is known.
pub(crate) fn own<B: PacketBuf>(
    packet: &[u8],
    sent: Sent,
    hop: &NextHop,
    watchers: Watchers,
    desk: &mut Desk<'_, B>,
) -> Result<(), Drop> {
    let how = How { most: hop.mtu.into(), df: false, sizes: &[], id: desk.shard.next_fragment_id() };
    let bound = Bound { way: Path::Hop(NONE), server: NONE, class: Class::Others, watchers, next: hop.clone() };
    if !make(packet, how, &bound, Ending::Own(sent), desk)? {
        desk.context.link.counters.sent(sent);
    }
    Ok(())
}

/// Cuts a packet where it must be and puts the fragments on their way. Returns whether the packet is counted already: where
/// it leaves in one.
fn make<B: PacketBuf>(
    packet: &[u8],
    how: How<'_>,
    bound: &Bound,
    ending: Ending,
    desk: &mut Desk<'_, B>,
) -> Result<bool, Drop> {
    let whole = packet.len() <= how.most && how.sizes.is_empty();
    let cut = if whole { None } else { Some(Cut::of(packet, how).ok_or(Drop::NeedsFragmenting)?) };
    let count = cut.map_or(1, |cut| cut.count());
    let room = match bound.way {
        Path::Hop(_) => desk.shard.output.room(bound.next.lan.port()).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    if count > OUTPUT_LIMIT {
        return Err(Drop::NeedsFragmenting);
    }
    if count > room {
        return Err(Drop::TransmitFull);
    }
    let mut pieces = Vec::with_capacity(count);
    let mut fill = |header: &[u8], data: &[u8]| {
        let Some(mut piece) = desk.alloc() else { return false };
        let fits = piece.set_len(ethernet::HEADER + header.len() + data.len());
        if fits {
            write(piece.data_mut(), header, data);
        }
        pieces.push(piece);
        fits
    };
    let mut filled = 0;
    match cut {
        None => filled += usize::from(fill(packet, &[])),
        Some(cut) => cut.pieces(|header, data| {
            let fits = fill(header, data);
            filled += usize::from(fits);
            fits
        }),
    }
    if filled < count {
        desk.shard.output.dropped.append(&mut pieces);
        return Err(Drop::NoBuffer);
    }
    let in_one = cut.is_none() && matches!(bound.way, Path::Hop(_));
    let ending = if in_one { ending } else { Ending::Own(Sent::Fragment) };
    pieces.into_iter().for_each(|piece| leave(piece, bound, ending, desk));
    Ok(in_one)
}

fn write(frame: &mut [u8], header: &[u8], data: &[u8]) {
    let six = header.first().is_some_and(|byte| byte >> 4 == 6);
    let ethertype = if six { ethernet::IPV6 } else { ethernet::IPV4 };
    put(frame, ethernet::HEADER - 2, &ethertype.to_be_bytes());
    put(frame, ethernet::HEADER, header);
    put(frame, ethernet::HEADER + header.len(), data);
}

fn leave<B: PacketBuf>(mut packet: B, bound: &Bound, ending: Ending, desk: &mut Desk<'_, B>) {
    let meta = Meta { l3: ethernet::HEADER as u16, watchers: bound.watchers, ..Meta::default() };
    let change = Change::Nothing;
    let port = bound.next.lan.port();
    match bound.way {
        Path::Unresolved { interface, address } => {
            let neighbor = (interface, address);
            let (class, server, since) = (bound.class, bound.server, desk.context.now);
            park::park(Parked { packet, neighbor, class, meta, change, ending, server, since }, desk);
        }
        _ => {
            if !depart::dress(&mut packet, &meta, &bound.next, desk.context.now) {
                return depart::lose(packet, ending, Drop::NoHeadroom, desk);
            }
            match desk.shard.output.push(port, packet) {
                Ok(()) => depart::count(ending, desk.context),
                Err(packet) => depart::by_another(packet, port, ending, meta.watchers, desk),
            }
        }
    }
}
