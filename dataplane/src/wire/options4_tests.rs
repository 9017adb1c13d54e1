use proptest::prelude::*;

use super::*;
use crate::wire::echoed4::{Echoed, first_hop};

/// A header with these options, padded to whole words.
fn header(options: &[u8]) -> Vec<u8> {
    let build = ipv4::Build { tos: 0, payload: 0, id: 7, df: false, ttl: 9, protocol: 17, src: SOURCE, dst: 2 };
    let mut header = [&build.bytes()[..], options].concat();
    header.resize(header.len().next_multiple_of(4), 0);
    header
}

const SOURCE: u32 = 0xac10_0001;
const OWN: u32 = 0x0a00_0064;

const HERE: Here<'_> = Here { route: OWN, stamp: OWN, time: 0x0102_0304, is_ours: &|address| address == OWN };

/// What becomes of options, and which byte of the header is wrong.
fn filled(options: &[u8]) -> (Vec<u8>, Option<u8>) {
    let mut header = header(options);
    let found = fill(&mut header, &HERE);
    (header[20..].to_vec(), found.problem)
}

/// What an answer carries of options.
fn echoed(options: &[u8]) -> Option<Vec<u8>> {
    let mut header = header(options);
    let found = fill(&mut header, &HERE);
    Echoed::of(&header, &found, &HERE).map(|echoed| echoed.bytes().to_vec())
}

#[test]
fn a_station_writes_itself_into_the_next_slot() {
    assert_eq!(filled(&[7, 7, 4, 0, 0, 0, 0]).0, [7, 7, 8, 10, 0, 0, 100, 0]);
    let full = [7, 7, 8, 1, 2, 3, 4, 0];
    assert_eq!(filled(&full), (full.to_vec(), None));
    assert_eq!(filled(&[68, 8, 5, 0, 0, 0, 0, 0]).0, [68, 8, 9, 0, 1, 2, 3, 4]);
    assert_eq!(filled(&[68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0]).0, [68, 12, 13, 1, 10, 0, 0, 100, 1, 2, 3, 4]);
    assert_eq!(filled(&[68, 12, 5, 3, 10, 0, 0, 100, 0, 0, 0, 0]).0, [68, 12, 13, 3, 10, 0, 0, 100, 1, 2, 3, 4]);
    let of_another = [68, 12, 5, 3, 10, 0, 0, 101, 0, 0, 0, 0];
    assert_eq!(filled(&of_another), (of_another.to_vec(), None));
    assert_eq!(filled(&[68, 8, 9, 0, 0, 0, 0, 0]).0, [68, 8, 9, 0x10, 0, 0, 0, 0], "the overflow is counted");
    assert_eq!(filled(&[1, 0, 5, 5]).0, [1, 0, 0, 0], "nothing is behind the end");
}

#[test]
fn the_byte_that_is_wrong_is_told() {
    for (options, at) in [
        (&[30, 0, 0, 0][..], 20),
        (&[30, 8, 0, 0], 20),
        (&[1, 1, 1, 30], 23),
        (&[7, 2, 0, 0], 21),
        (&[7, 7, 3, 0, 0, 0, 0, 0], 22),
        (&[7, 6, 4, 0, 0, 0, 0, 0], 22),
        (&[7, 3, 4, 7, 3, 4, 0, 0], 23),
        (&[68, 3, 5, 0], 21),
        (&[68, 8, 4, 0, 0, 0, 0, 0], 22),
        (&[68, 8, 5, 1, 0, 0, 0, 0], 22),
        (&[68, 8, 9, 0xf0, 0, 0, 0, 0], 23),
        (&[148, 2, 0, 0], 21),
        (&[131, 2, 0, 0], 21),
        (&[131, 3, 3, 0], 22),
        (&[131, 3, 4, 137, 3, 4, 0, 0], 23),
        (&[134, 6, 0, 0, 0, 1, 0, 0], 21),
        (&[134, 8, 0, 0, 0, 0, 1, 2], 22),
        (&[134, 8, 0, 0, 0, 1, 1, 3], 27),
        (&[134, 9, 0, 0, 0, 1, 1, 2, 1, 0, 0, 0], 28),
    ] {
        assert_eq!(filled(options).1, Some(at), "{options:?}");
    }
    assert_eq!(filled(&[7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 30]).1, Some(31));
}

#[test]
fn an_answer_carries_what_it_should() {
    assert_eq!(echoed(&[1, 1, 1, 1]), Some(vec![]));
    assert_eq!(echoed(&[7, 7, 4, 0, 0, 0, 0]), Some(vec![7, 7, 8, 10, 0, 0, 100, 0]));
    let twice = vec![7, 11, 12, 10, 0, 0, 100, 10, 0, 0, 100, 0];
    assert_eq!(echoed(&[7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0]), Some(twice));
    assert_eq!(echoed(&[7, 9, 4, 0, 0, 0, 0, 0, 0]), None, "half a slot is left");
    let times = vec![68, 12, 13, 0, 1, 2, 3, 4, 1, 2, 3, 4];
    assert_eq!(echoed(&[68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Some(times));
    let label = [134, 8, 0, 0, 0, 1, 1, 2];
    assert_eq!(echoed(&[&[1, 1, 1, 1], &label[..]].concat()), Some(label.to_vec()));
    assert_eq!(echoed(&[134, 8, 0, 0, 0, 0, 1, 2]), Some(vec![134, 8, 0, 0, 0, 0, 1, 2]), "even if it is wrong");
}

#[test]
fn a_source_route_is_turned_round() {
    let route = [131, 11, 12, 10, 1, 0, 11, 10, 1, 0, 12, 0];
    assert_eq!(echoed(&route), Some(vec![131, 11, 4, 10, 1, 0, 11, 172, 16, 0, 1, 0]));
    let from_itself = [131, 11, 12, 172, 16, 0, 1, 10, 1, 0, 12, 0];
    assert_eq!(echoed(&from_itself), Some(vec![131, 7, 4, 172, 16, 0, 1, 0]));
    assert_eq!(echoed(&[131, 7, 4, 10, 1, 0, 11, 0]), Some(vec![]), "nobody has been passed");
    let first = |route: &[u8]| {
        let mut header = header(route);
        let found = fill(&mut header, &HERE);
        first_hop(&header, &found)
    };
    assert_eq!([first(&route), first(&from_itself)], [Some(0x0a01_000c); 2]);
    assert_eq!(first(&[131, 7, 8, 172, 16, 0, 1, 0]), None);
}

#[test]
fn a_source_route_is_followed() {
    let mut header = header(&[137, 7, 4, 10, 1, 0, 11]);
    assert!(is_strict(&header, 20));
    assert_eq!(onward(&header, 20), Onward::To(0x0a01_000b));
    follow(&mut header, 20, 0x0a01_0001);
    assert_eq!((be32(&header, 16), &header[20..27]), (0x0a01_000b, &[137, 7, 8, 10, 1, 0, 1][..]));
    assert_eq!(onward(&header, 20), Onward::Nowhere);
    header[22] = 5;
    assert_eq!(onward(&header, 20), Onward::Problem(22));
}

/// Options that look like some, with lengths and pointers that may be wrong.
fn options() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop::sample::select(vec![0, 1, 7, 30, 68, 131, 134, 137, 148]);
    let option = (kind, 0u8..24, 0u8..26, any::<u8>(), prop::collection::vec(any::<u8>(), 0..20));
    let bytes = option.prop_map(|(kind, length, pointer, flags, rest)| {
        let wanted = usize::from(length);
        let mut bytes = [&[kind, length, pointer, flags], &rest[..]].concat();
        bytes.resize(if kind < 2 { 1 } else { wanted.max(2) }, 0);
        bytes
    });
    prop::collection::vec(bytes, 0..5).prop_map(|options| {
        let mut options = options.concat();
        options.truncate(MOST);
        options
    })
}

proptest! {
    #[test]
    fn what_is_filled_in_stays_well_formed(options in options()) {
        let before = header(&options);
        let mut after = before.clone();
        let found = fill(&mut after, &HERE);
        prop_assert_eq!(&after[..20], &before[..20]);
        let mut again = after.clone();
        let refilled = fill(&mut again, &HERE);
        prop_assert!(found.problem.is_none() || refilled.problem.is_some(), "what is wrong stays so");
    }

    #[test]
    fn answers_are_whole_words_and_well_formed(options in options()) {
        let mut asked = header(&options);
        let found = fill(&mut asked, &HERE);
        if let Some(echoed) = Echoed::of(&asked, &found, &HERE) {
            prop_assert!(echoed.bytes().len() <= MOST && echoed.bytes().len().is_multiple_of(4));
            let mut answer = header(echoed.bytes());
            let seen = fill(&mut answer, &HERE);
            prop_assert!(found.problem.is_some() || seen.problem.is_none_or(|at| at > 20), "{:?}", echoed.bytes());
        }
    }

    #[test]
    fn never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..70), at in 0usize..80) {
        let found = fill(&mut bytes, &HERE);
        let _ = (Echoed::of(&bytes, &found, &HERE), onward(&bytes, at), is_strict(&bytes, at));
        if at + 2 < bytes.len() {
            follow(&mut bytes, at, 1);
        }
    }
}
