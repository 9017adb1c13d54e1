//! Shifted segments against the plain way: the numbers changed one by one, the checksum made over the whole segment.

use proptest::prelude::*;

use super::*;
use crate::packet::Kind;
use crate::wire::checksum::Sum;

const L4: usize = 34;

/// The numbers as a reader of the RFCs would change them.
fn plainly(segment: &mut [u8], own: &Shift, other: &Shift, pseudo: Sum) {
    put(segment, 4, &own.forth(be32(segment, 4)).to_be_bytes());
    if segment[13] & tcp::ACK != 0 {
        put(segment, 8, &other.back(be32(segment, 8)).to_be_bytes());
        let mut at = 20;
        let end = usize::from(segment[12] >> 4) * 4;
        while end <= segment.len() && at < end {
            match (segment[at], segment.get(at + 1).copied().filter(|_| at + 1 < end).map(usize::from)) {
                (1, _) => at += 1,
                (0, _) | (_, None | Some(0)) => break,
                (_, Some(len)) if at + len > end => break,
                (kind, Some(len)) => {
                    for edge in (at + 2..at + len).step_by(4).filter(|_| kind == 5 && len % 8 == 2) {
                        put(segment, edge, &other.back(be32(segment, edge)).to_be_bytes());
                    }
                    at += len;
                }
            }
        }
    }
    fill(segment, pseudo);
}

fn fill(segment: &mut [u8], pseudo: Sum) {
    put(segment, tcp::CHECKSUM, &[0, 0]);
    let sum = pseudo.bytes(segment).finish();
    put(segment, tcp::CHECKSUM, &sum.to_be_bytes());
}

/// A pseudo header's sum, of either family.
fn pseudo(six: bool, ends: [u8; 32], len: usize) -> Sum {
    let (from, to) = if six { ends.split_at(16) } else { ends[..8].split_at(4) };
    Sum::default().pseudo(from, to, 6, len)
}

/// Options: whole ones of SACK at any offset among others, or any bytes.
fn options() -> impl Strategy<Value = Vec<u8>> {
    let block = (any::<[u8; 32]>(), 0_usize..=3).prop_map(|(edges, blocks)| {
        let len = 2 + blocks * 8;
        [&[5, len as u8][..], &edges[..len - 2]].concat()
    });
    let timestamps = any::<[u8; 8]>().prop_map(|times| [&[8, 10][..], &times].concat());
    let option =
        prop_oneof![Just(vec![1]), block, timestamps, any::<[u8; 3]>().prop_map(|b| b.to_vec()), Just(vec![0])];
    let mixed = proptest::collection::vec(option, 0..8).prop_map(|options| options.concat());
    prop_oneof![mixed, proptest::collection::vec(any::<u8>(), 0..40)]
}

fn shift() -> impl Strategy<Value = Shift> {
    prop_oneof![
        any::<i32>().prop_map(Shift::constant),
        (any::<u32>(), -40_i32..40, -40_i32..40).prop_map(|(seq, first, second)| {
            let mut shift = Shift::default();
            shift.grow(seq, first);
            shift.grow(seq.wrapping_add(100), second);
            shift
        })
    ]
}

proptest! {
    #[test]
    fn equals_the_plain_way(
        head: [u8; 20],
        options in options(),
        payload in proptest::collection::vec(any::<u8>(), 0..20),
        ends: [u8; 32],
        own in shift(),
        other in shift(),
        whole: bool,
        six: bool,
        reply: bool,
    ) {
        let mut segment = [&head[..], &options[..options.len().min(40)], &payload].concat();
        if whole {
            segment[12] = ((20 + options.len().min(40)).div_ceil(4) as u8) << 4;
        }
        let pseudo = pseudo(six, ends, segment.len());
        fill(&mut segment, pseudo);
        let mut frame = [&[7; L4][..], &segment].concat();
        let kind = if six { Kind::Transport6 } else { Kind::Transport4 };
        let meta = Meta { l4: L4 as u16, end: frame.len() as u32, kind, ..Meta::default() };
        let (direction, shifts) = match reply {
            false => (Direction::Request, Shifts { request: own, reply: other }),
            true => (Direction::Reply, Shifts { request: other, reply: own }),
        };
        rewrite(&mut frame, &meta, &shifts, direction);
        plainly(&mut segment, &own, &other, pseudo);
        prop_assert_eq!(&frame[L4..], &segment);
        prop_assert_eq!(&frame[..L4], &[7; L4]);
    }

    #[test]
    fn there_and_back_is_where_it_began(
        head: [u8; 20],
        options in options(),
        by: [i32; 2],
    ) {
        let mut segment = [&head[..], &options].concat();
        segment[12] = (segment.len().div_ceil(4).min(15) as u8) << 4;
        fill(&mut segment, Sum::default());
        let mut frame = segment.clone();
        let meta = Meta { l4: 0, end: frame.len() as u32, ..Meta::default() };
        let by = by.map(|by| by.max(-i32::MAX));
        for sign in [1, -1] {
            let [request, reply] = by.map(|by| Shift::constant(by * sign));
            rewrite(&mut frame, &meta, &Shifts { request, reply }, Direction::Request);
        }
        prop_assert_eq!(frame, segment);
    }

    #[test]
    fn bytes_and_lengths_are_not_trusted(
        mut frame in proptest::collection::vec(any::<u8>(), 0..90),
        l4 in 0_u16..100,
        end in 0_u32..100,
        by: i32,
    ) {
        let meta = Meta { l4, end, ..Meta::default() };
        let shifts = Shifts { request: Shift::constant(by), reply: Shift::constant(by) };
        rewrite(&mut frame, &meta, &shifts, Direction::Reply);
    }
}
