//! The store against a model that marks bytes, against one that keeps everything in one list, and under floods.

mod naive;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::port::PacketBuf;
use crate::wire::fragment::place4;
use crate::wire::vlan::Lan;
use crate::wire::{ipv4, ipv6, put};

const SEED: Seed = Seed([1, 2, 3, 4]);

/// A fragment of an IPv4 datagram whose byte at n is n, as a frame.
fn frame(source: u32, id: u16, offset: usize, length: usize, more: bool) -> Vec<u8> {
    let build = ipv4::Build { tos: 0, payload: length, id, df: false, ttl: 9, protocol: 17, src: source, dst: 7 };
    let mut header = build.bytes();
    put(&mut header, 6, &((offset / 8) as u16 | u16::from(more) << 13).to_be_bytes());
    put(&mut header, 10, &[0, 0]);
    let sum = crate::wire::checksum::of(&header);
    put(&mut header, 10, &sum.to_be_bytes());
    let data = (offset..offset + length).map(|n| n as u8);
    [0; 14].into_iter().chain(header).chain(data).collect()
}

fn add(store: &mut Fragments, frame: &[u8], now: Tick, lost: &mut BTreeMap<&'static str, u32>) -> Fate {
    let place = place4(&frame[14..]).expect("a piece");
    let header = ipv4::Header::parse(&frame[14..]).expect("a header");
    let [src, dst] = [header.src, header.dst].map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
    let key = Key { src, dst, id: place.id, protocol: 17 };
    let piece = Piece { key, frame, l3: 14, place, lan: Lan::untagged(3), passes: true };
    store.add(&piece, now, &mut |reason, pieces| *lost.entry(reason.name()).or_default() += pieces)
}

/// What a naive store knows of one datagram: which fragment brought each byte, and where it ends.
#[derive(Default)]
struct Model {
    bytes: BTreeMap<usize, usize>,
    end: Option<usize>,
    pieces: usize,
}

#[derive(Debug, PartialEq)]
enum Expected {
    Kept,
    Whole,
    /// Bytes that were all there, or some that were.
    Duplicate,
    Overlap,
    /// It ends elsewhere than another said, or says nothing.
    Invalid,
}

impl Model {
    /// What must become of a fragment. `given` are bounds of fragments, so that none is both within others and across them.
    fn add(&mut self, offset: usize, length: usize, more: bool) -> Expected {
        let end = offset + length;
        let reach = self.bytes.keys().next_back().map_or(0, |last| last + 1);
        let contradicts = match self.end {
            Some(known) => end > known || !more && end != known,
            None => !more && end < reach,
        };
        if contradicts || length == 0 {
            return Expected::Invalid;
        }
        if !more {
            self.end = Some(end);
        }
        let there = (offset..end).filter(|at| self.bytes.contains_key(at)).count();
        if there == length {
            return Expected::Duplicate;
        }
        if there > 0 {
            return Expected::Overlap;
        }
        self.pieces += 1;
        self.bytes.extend((offset..end).map(|at| (at, self.pieces)));
        if self.end == Some(self.bytes.len()) { Expected::Whole } else { Expected::Kept }
    }
}

fn name(fate: &Fate) -> Expected {
    match fate {
        Fate::Kept => Expected::Kept,
        Fate::Whole(_) => Expected::Whole,
        Fate::Dropped(Drop::FragmentDuplicate) => Expected::Duplicate,
        Fate::Dropped(Drop::FragmentOverlap) => Expected::Overlap,
        Fate::Dropped(Drop::FragmentInvalid) => Expected::Invalid,
        other => panic!("{other:?}"),
    }
}

proptest! {
    /// Any cuts, orders, repetitions and overlaps of a few datagrams, as a model that marks bytes judges them. A fragment
    /// within what has come is only sometimes within one run, and else an overlap: there the two may differ, and agree on
    /// what follows.
    #[test]
    fn as_a_model_that_marks_bytes(
        pieces in prop::collection::vec((0u16..2, 0usize..6, 1usize..4, prop::bool::weighted(0.8)), 1..60),
    ) {
        let (mut store, mut models) = (Fragments::v4(SEED), BTreeMap::<u16, Model>::new());
        let (mut came, mut gone, mut lost) = (0u32, 0u32, BTreeMap::new());
        for (id, at, count, more) in pieces {
            let (offset, length) = (at * 8, count * 8 - if more { 0 } else { 3 });
            let fate = add(&mut store, &frame(5, id, offset, length, more), Tick(0), &mut lost);
            let model = models.entry(id).or_default();
            let expected = model.add(offset, length, more);
            let got = name(&fate);
            came += 1;
            let within = got == Expected::Overlap && expected == Expected::Duplicate;
            prop_assert!(got == expected || within, "{:?} instead of {:?}", got, expected);
            match fate {
                Fate::Whole(datagram) => {
                    gone += datagram.pieces;
                    let body = &datagram.data()[34..];
                    prop_assert!(body.len() == model.bytes.len() && body.iter().zip(0..).all(|(byte, n)| *byte == n));
                    let header = ipv4::Header::parse(&datagram.data()[14..]).expect("a right header");
                    prop_assert!(!header.is_fragment() && header.total == 20 + body.len());
                    let sizes: usize = datagram.sizes.iter().map(|size| usize::from(*size)).sum();
                    prop_assert_eq!((sizes, datagram.lan), (body.len(), Lan::untagged(3)));
                    models.remove(&id);
                }
                Fate::Dropped(reason) => {
                    gone += 1;
                    if reason != Drop::FragmentDuplicate {
                        models.remove(&id);
                    }
                }
                _ => {}
            }
            let given_up: u32 = lost.values().sum();
            prop_assert_eq!(u64::from(came), u64::from(gone + given_up) + store.pieces(), "every piece ends once");
        }
        while store.expire(Tick(30 * TICKS_PER_SECOND)).is_some() {}
        prop_assert_eq!((store.pieces(), store.datagrams(), store.bytes()), (0, 0, 0));
    }

    #[test]
    fn any_cut_in_any_order_makes_the_packet_again(
        sizes in prop::collection::vec(1usize..100, 2..20),
        tail in 1usize..800,
        seed: u64,
    ) {
        let mut offsets: Vec<(usize, usize)> = sizes.iter().scan(0, |at, size| {
            let start = *at;
            *at += size * 8;
            Some((start, size * 8))
        }).collect();
        let end = offsets.iter().map(|(_, length)| length).sum();
        offsets.push((end, tail));
        let mut order = offsets.clone();
        order.sort_by_key(|(at, _)| (*at as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (mut store, mut lost) = (Fragments::v4(SEED), BTreeMap::new());
        for (n, (at, length)) in order.iter().enumerate() {
            let fate = add(&mut store, &frame(5, 1, *at, *length, *at != end), Tick(0), &mut lost);
            prop_assert_eq!(matches!(fate, Fate::Whole(_)), n + 1 == order.len());
            if let Fate::Whole(datagram) = fate {
                prop_assert!(datagram.data()[34..].iter().zip(0usize..).all(|(byte, n)| *byte == n as u8));
                let expected: Vec<u16> = offsets.iter().map(|(_, length)| *length as u16).collect();
                prop_assert_eq!(datagram.sizes, expected);
            }
        }
        prop_assert!(lost.is_empty());
    }
}

#[test]
fn no_flood_takes_more_than_its_bounds() {
    let (mut store, mut lost) = (Fragments::v4(SEED), BTreeMap::new());
    for n in 0..20_000u32 {
        add(&mut store, &frame(n % 3000, (n / 7) as u16, 0, 1480, true), Tick(n), &mut lost);
        assert!(store.bytes() <= MAX_BYTES && store.datagrams() <= MAX_DATAGRAMS);
    }
    // Many large fragments of few datagrams are bounded by their bytes.
    let mut store = Fragments::v4(SEED);
    for n in 0..20_000u32 {
        add(&mut store, &frame(n % 1000, 1, (n / 1000) as usize * 1480 + 8, 1480, true), Tick(0), &mut lost);
        assert!(store.bytes() <= MAX_BYTES);
    }
    assert!(lost["drop_fragment_evicted"] > 10_000);
}

#[test]
fn a_fragment_gives_up_no_more_datagrams_than_it_needs_blocks() {
    let (mut store, mut given_up) = (Fragments::v4(SEED), 0);
    // Many of one block in front of those that take 36 each.
    for n in 0..1000u32 {
        add(&mut store, &frame(n / 50, n as u16, 0, 24, true), Tick(0), &mut BTreeMap::new());
    }
    let large = frame(77, 1, 8, 9000, true);
    for n in 0..u32::from(u16::MAX) {
        let place = place4(&large[14..]).expect("a fragment");
        let (src, dst) = (IpAddr::from(n.to_be_bytes()), IpAddr::from([10, 0, 0, 1]));
        let key = Key { src, dst, id: 1, protocol: 17 };
        let fragment = Piece { key, frame: &large, l3: 14, place, lan: Lan::untagged(3), passes: true };
        let mut now = 0;
        store.add(&fragment, Tick(0), &mut |_, _| now += 1);
        assert!(now <= 9000_usize.div_ceil(blocks::SIZE), "{now} datagrams went for one fragment");
        given_up += now;
    }
    assert!(given_up > 60_000, "{given_up} went");
}

#[test]
fn a_datagram_has_as_many_fragments_as_the_narrowest_link_makes_and_ends_with_one_more() {
    let (mut store, mut lost) = (Fragments::v4(SEED), BTreeMap::new());
    // From the last to the first: each is a run of its own.
    for n in (1..=MAX_FRAGMENTS).rev() {
        let fate = add(&mut store, &frame(5, 1, n as usize * 8, 8, true), Tick(0), &mut lost);
        assert!(matches!(fate, Fate::Kept));
    }
    assert_eq!((store.pieces(), store.bytes()), (1366, 1366 * blocks::SIZE));
    let fate = add(&mut store, &frame(5, 1, 0, 8, true), Tick(0), &mut lost);
    assert!(matches!(fate, Fate::Dropped(Drop::FragmentTooMany)));
    assert_eq!(lost, [("drop_fragment_too_many", MAX_FRAGMENTS)].into());
    assert_eq!((store.pieces(), store.datagrams(), store.bytes()), (0, 0, 0));
    // 48 bytes of data in each: what a link of 68 bytes makes of the largest datagram.
    let largest = MOST - 20;
    let whole = (0..largest).step_by(48).map(|at| {
        add(&mut store, &frame(5, 2, at, (largest - at).min(48), largest - at > 48), Tick(0), &mut BTreeMap::new())
    });
    assert!(matches!(whole.last(), Some(Fate::Whole(datagram)) if datagram.data().len() == 14 + MOST));
}

#[test]
fn the_oldest_goes_first_and_time_does_not_begin_anew() {
    let (mut store, mut lost) = (Fragments::v4(SEED), BTreeMap::new());
    let mut keep = |store: &mut Fragments, id: u16, offset, seconds: u32| {
        add(store, &frame(5, id, offset, 8, true), Tick(seconds * TICKS_PER_SECOND), &mut lost);
    };
    keep(&mut store, 1, 0, 0);
    keep(&mut store, 2, 8, 10);
    keep(&mut store, 1, 16, 29);
    assert!(store.expire(Tick(30 * TICKS_PER_SECOND - 1)).is_none());
    let first = store.expire(Tick(30 * TICKS_PER_SECOND)).expect("it timed out");
    assert_eq!(
        (first.pieces, first.first.map(|(frame, l3, lan)| (frame.len(), l3, lan))),
        (2, Some((42, 14, Lan::untagged(3))))
    );
    assert!(store.expire(Tick(39 * TICKS_PER_SECOND)).is_none());
    assert!(store.expire(Tick(40 * TICKS_PER_SECOND)).is_some_and(|second| second.first.is_none()));
}

#[test]
fn ipv6_headers_in_front_stay_and_the_fragment_header_goes() {
    let header = ipv6::build(8 + 8 + 16, 60, 9, &[1; 16], &[2; 16]);
    let piece = |offset: u16, more: u16| {
        let options = [44, 0, 1, 4, 0, 0, 0, 0];
        let place = [&[17, 0][..], &(offset | more).to_be_bytes(), &[0, 0, 0, 9]].concat();
        [&[0; 14][..], &header, &options, &place, &[offset as u8; 16]].concat()
    };
    let mut store = Fragments::v6(SEED);
    let mut add = |frame: &[u8]| {
        let place = crate::wire::fragment::place6(&frame[14..]).expect("a piece");
        let key = Key { src: IpAddr::from([1u8; 16]), dst: IpAddr::from([2u8; 16]), id: place.id, protocol: 0 };
        store.add(&Piece { key, frame, l3: 14, place, lan: Lan::untagged(0), passes: false }, Tick(0), &mut |_, _| ())
    };
    assert!(matches!(add(&piece(16, 0)), Fate::Kept));
    let Fate::Whole(datagram) = add(&piece(0, 1)) else { panic!("whole") };
    let packet = &datagram.data()[14..];
    let parsed = ipv6::Header::parse(packet).expect("a right header");
    let upper = ipv6::upper(packet, parsed.next).expect("a chain");
    assert_eq!((parsed.total, upper.protocol, upper.at, upper.piece), (40 + 8 + 32, 17, 48, false));
    assert_eq!((datagram.largest, &datagram.sizes[..]), (72, &[16, 16][..]));
}
