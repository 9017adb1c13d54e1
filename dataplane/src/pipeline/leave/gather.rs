//! Reassembly: fragments wait until all of their packet are there; then the packet takes every stage as if it had come whole
//! (`whole.rs`), and leaves in fragments again ([`super::cut`]).
//!
//! ```text
//! to an address of the director     always
//! IPv4, for others                  of a protocol that is balanced, and ICMP, while there is an IPv4 service, after the
//!                                   router has looked at the fragment (`ip_vs_out_hook`)
//! IPv6, for others                  while there is an IPv6 service, before anything looks at it (`nf_defrag_ipv6`)
//! ```
//!
//! Where there are several workers, the landing function of the addresses alone says which one gathers. A packet that is
//! whole goes on to its home, where it has one.

use std::sync::atomic::Ordering::Relaxed;

use super::answer;
use crate::counters;
use crate::fragments::{Datagram, Fate, Key, Piece};
use crate::packet::{Meta, Step};
use crate::pipeline::desk::Desk;
use crate::port::PacketBuf;
use crate::verdict::{Answer, Drop, Verdict};
use crate::wire::{fragment, ipv6};

/// Keeps a fragment. If it was the last that was missing, gives its packet back.
pub(super) fn run<B: PacketBuf>(packet: B, meta: &Meta, desk: &mut Desk<'_, B>) -> Option<Box<Datagram>> {
    let fate = add(packet.data(), meta, desk);
    let gathered = |pieces: u32| counters::add(&desk.context.link.counters.gathered, pieces.into());
    let dropped = |reason| desk.context.link.counters.verdict(Verdict::Drop(reason));
    let mut complete = None;
    match fate {
        Fate::Kept => {}
        Fate::Dropped(reason) => dropped(reason),
        Fate::Unaligned => {
            let kind = Answer::ParameterProblem;
            let meta = Meta { step: Step::Problem { kind, at: ipv6::PAYLOAD_LENGTH }, ..*meta };
            answer::run(packet.data(), &meta, kind, desk);
        }
        Fate::Whole(datagram) => {
            gathered(datagram.pieces);
            counters::add(&desk.context.link.counters.reassembled, 1);
            complete = Some(datagram);
        }
    }
    desk.shard.output.dropped.push(packet);
    note(desk);
    complete
}

fn note<B>(Desk { shard, context, .. }: &Desk<'_, B>) {
    let pieces = shard.fragments4.pieces() + shard.fragments6.pieces();
    context.link.counters.gathering.store(pieces, Relaxed);
}

fn add<B>(frame: &[u8], meta: &Meta, desk: &mut Desk<'_, B>) -> Fate {
    let (l3, six) = (usize::from(meta.l3), meta.kind.is_v6());
    let packet = frame.get(l3..).unwrap_or_default();
    let place = if six { fragment::place6(packet) } else { fragment::place4(packet) };
    let (Some(place), Some([src, dst])) = (place, meta.ends(frame)) else {
        return Fate::Dropped(Drop::Malformed);
    };
    let key = Key { src, dst, id: place.id, protocol: if six { 0 } else { place.next } };
    let piece = Piece { key, frame, l3, place, lan: meta.lan, passes: meta.ttl_lowered };
    let store = if six { &mut desk.shard.fragments6 } else { &mut desk.shard.fragments4 };
    store.add(&piece, desk.context.now, &mut |reason, pieces| {
        desk.context.link.counters.verdicts(Verdict::Drop(reason), pieces.into());
    })
}

/// Ends datagrams that timed out: whoever sent them is told, if the first fragment came (RFC 792, RFC 4443 3.3). Goes
/// on until so many fragments are given up, the rest of the last datagram's included. Returns how many those were.
pub(crate) fn expire<B: PacketBuf>(desk: &mut Desk<'_, B>, budget: usize) -> usize {
    let (now, mut done) = (desk.context.now, 0);
    while done < budget {
        let overdue = desk.shard.fragments4.expire(now).or_else(|| desk.shard.fragments6.expire(now));
        let Some(overdue) = overdue else { break };
        done += overdue.pieces as usize;
        let mut silent = overdue.pieces;
        if let Some((frame, l3, lan)) = overdue.first {
            silent -= 1;
            let meta = Meta { l3: l3 as u16, lan, ttl_lowered: overdue.passes, ..Meta::default() };
            answer::run(&frame, &meta, Answer::ReassemblyTime, desk);
        }
        desk.context.link.counters.verdicts(Verdict::Drop(Drop::FragmentTimeout), silent.into());
    }
    if done > 0 {
        note(desk);
    }
    done
}
