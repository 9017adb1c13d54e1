use proptest::prelude::*;

use super::*;
use crate::wire::put;

/// A packet of these headers, each with its number, before eight bytes of UDP.
fn packet(headers: &[(u8, &[u8])]) -> Vec<u8> {
    let next = |at: usize| headers.get(at).map_or(17, |(number, _)| *number);
    let bodies = headers.iter().enumerate().flat_map(|(at, (_, body))| [&[next(at + 1)], *body].concat());
    let payload: Vec<u8> = bodies.chain([0; 8]).collect();
    [&ipv6::build(payload.len(), next(0), 9, &[1; 16], &[2; 16])[..], &payload].concat()
}

fn hops(options: &[u8]) -> Result<(), Refusal> {
    hop_by_hop(&packet(&[(HOP_BY_HOP, &[&[options.len() as u8 / 8], options].concat())]))
}

fn delivered(packet: &[u8]) -> Result<(), Refusal> {
    super::delivered(packet, Start::arrived(packet))
}

fn at_destination(options: &[u8]) -> Result<(), Refusal> {
    delivered(&packet(&[(ipv6::DESTINATION, &[&[options.len() as u8 / 8], options].concat())]))
}

#[test]
fn an_unknown_option_says_what_becomes_of_its_packet() {
    for looked in [hops, at_destination] {
        let option = |of_groups| Err(Refusal::Option { at: 42, of_groups });
        assert_eq!(looked(&[0x1e, 4, 0, 0, 0, 0]), Ok(()));
        assert_eq!(looked(&[0x5e, 4, 0, 0, 0, 0]), Err(Refusal::Discard));
        assert_eq!(looked(&[0x9e, 4, 0, 0, 0, 0]), option(true));
        assert_eq!(looked(&[0xde, 4, 0, 0, 0, 0]), option(false));
    }
}

#[test]
fn options_and_padding_fit_and_are_not_too_many() {
    for looked in [hops, at_destination] {
        assert_eq!(looked(&[1, 4, 0, 0, 0, 0]), Ok(()));
        assert_eq!(looked(&[0; 6]), Ok(()));
        assert_eq!(looked(&[0; 14]), Err(Refusal::Malformed), "more than aligns");
        assert_eq!(looked(&[1, 4, 0, 0, 0, 1]), Err(Refusal::Malformed), "padding that says something");
        assert_eq!(looked(&[0x1e, 8, 0, 0, 0, 0]), Err(Refusal::Malformed), "longer than its header");
        assert_eq!(looked(&[0x1e, 3, 0, 0, 0, 0x1e]), Err(Refusal::Malformed), "no length");
        let many = |count: usize| [&[0x1e, 0].repeat(count)[..], &[1, 4, 0, 0, 0, 0][..22 - 2 * count]].concat();
        assert_eq!(
            (looked(&many(8)), looked(&[&[0x1e, 0].repeat(9)[..], &[1, 2, 0, 0]].concat())),
            (Ok(()), Err(Refusal::Malformed))
        );
    }
}

#[test]
fn hop_by_hop_options_that_are_known_are_well_formed() {
    let wrong = Err(Refusal::Malformed);
    assert_eq!(hops(&[5, 2, 0, 0, 0, 0]), Ok(()));
    assert_eq!(hops(&[5, 4, 0, 0, 0, 0]), wrong);
    assert_eq!(hops(&[7, 8, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 0, 0]), Ok(()));
    assert_eq!(hops(&[7, 8, 0, 0, 0, 1, 1, 0, 0, 0, 1, 2, 0, 0]), wrong);
    assert_eq!(hops(&[0, 0, 49, 2, 0, 0]), Ok(()));
    assert_eq!(hops(&[49, 2, 0, 0, 1, 0]), wrong);
    assert_eq!(hops(&[0xc2, 4, 0, 0, 16, 0]), Err(Refusal::Field { at: 44 }));
    assert_eq!(hops(&[0xc2, 4, 0, 1, 0, 0]), Err(Refusal::Field { at: 42 }), "the fixed header says a length, too");
    let mut jumbo = packet(&[(HOP_BY_HOP, &[0, 0xc2, 4, 0, 1, 0, 0])]);
    put(&mut jumbo, 4, &[0, 0]);
    assert_eq!(hop_by_hop(&jumbo), wrong, "longer than what is there");
}

#[test]
fn who_is_meant_looks_at_header_after_header() {
    let route = |kind, left| [&[2, kind, left][..], &[0; 20]].concat();
    let routed = |kind, left| delivered(&packet(&[(ipv6::ROUTING, &route(kind, left))]));
    assert_eq!([routed(0, 0), routed(2, 0), routed(253, 0)], [Ok(()); 3]);
    assert_eq!([routed(0, 1), routed(2, 1)], [Err(Refusal::Field { at: 42 }); 2]);
    assert_eq!([routed(3, 0), routed(4, 0), routed(4, 1)], [Err(Refusal::Routing); 3]);
    let (pass, discard) = (&[0, 0x1e, 4, 0, 0, 0, 0][..], &[0, 0x5e, 4, 0, 0, 0, 0][..]);
    assert_eq!(delivered(&packet(&[(HOP_BY_HOP, discard)])), Ok(()), "seen when it arrived");
    assert_eq!(delivered(&packet(&[(60, pass), (HOP_BY_HOP, pass)])), Err(Refusal::Header { at: 40 }));
    assert_eq!(delivered(&packet(&[(60, pass), (51, &[4; 23]), (60, discard)])), Err(Refusal::Header { at: 40 }));
    assert_eq!(delivered(&packet(&[(60, pass), (60, discard)])), Err(Refusal::Discard));
    assert_eq!(delivered(&packet(&[(60, pass), (44, &[0; 7]), (60, discard)])), Ok(()), "a fragment is not whole");
    assert_eq!(delivered(&packet(&[(60, &[3; 7])])), Err(Refusal::Malformed), "it ends behind the packet");
    assert_eq!(delivered(&packet(&vec![(60, pass); 17])), Err(Refusal::Malformed));
}

#[test]
fn options_that_stand_first_behind_a_fragment_header_are_not_hop_by_hop() {
    let behind = packet(&[(HOP_BY_HOP, &[0, 0x1e, 4, 0, 0, 0, 0])]);
    assert_eq!(super::delivered(&behind, Start::FIRST), Err(Refusal::Header { at: 6 }));
}

proptest! {
    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), first in prop::sample::select(vec![0u8, 43, 60])) {
        let mut bytes = bytes;
        put(&mut bytes, NEXT_HEADER, &[first]);
        put(&mut bytes, HEADER, &[60, 2]);
        let inside = |at: usize| at < bytes.len();
        for refused in [hop_by_hop(&bytes), delivered(&bytes)].into_iter().filter_map(Result::err) {
            if let Refusal::Field { at } | Refusal::Header { at } | Refusal::Option { at, .. } = refused {
                prop_assert!(inside(at));
            }
        }
    }
}
