//! Fragments that never become a datagram, through a whole worker.
//!
//! ```text
//! fragments           first fragments of 58 bytes, each of another datagram: all of one source; as usual of many sources
//! fragments_in_order  fragments of 8 bytes of the same few datagrams: from the last to the first; as usual in order
//! ```

use dataplane::sched::Scheduler;
use dataplane::wire::ethernet::{self, Header, MacAddr};
use dataplane::wire::{checksum, ipv4, put};

use super::measured;
use crate::stage::Stage;
use crate::traffic::{MACS, Traffic, bits};

/// First fragments of the first case.
const FIRST: u32 = 20_000;
/// Datagrams of the second case, and fragments of each: fewer than a datagram may have.
const DATAGRAMS: u16 = 20;
const EACH: u16 = 1_300;
/// Bytes of an Ethernet and an IPv4 header.
const HEADERS: usize = ethernet::HEADER + ipv4::HEADER;

pub(super) fn sources(attacked: bool) -> u64 {
    let source = |n: u32| if attacked { 0 } else { n };
    carry((0..FIRST).map(|n| frame::<58>(source(n), n as u16, 0)))
}

pub(super) fn order(attacked: bool) -> u64 {
    let place = |n: u16| if attacked { EACH - n } else { n + 1 };
    let datagram = |id: u16| (0..EACH).map(move |n| frame::<{ HEADERS + 8 }>(id.into(), id, place(n)));
    carry((0..DATAGRAMS).flat_map(datagram))
}

/// Has a director take fragments. Returns how many those were.
fn carry<const N: usize>(frames: impl Iterator<Item = [u8; N]>) -> u64 {
    let mut stage = Stage::<N>::of(Traffic::NAT4, 1, Scheduler::Rr, 1);
    stage.arrive_all(0, frames);
    let came = stage.left() as u64;
    measured(&mut || stage.drain());
    let counters = &stage.link().counters;
    assert_eq!(counters.value("gathering") + counters.value("drop_fragment_evicted"), came, "every fragment was kept");
    came
}

/// A fragment to the virtual address, with more to follow; `place` in units of eight bytes.
fn frame<const N: usize>(source: u32, id: u16, place: u16) -> [u8; N] {
    let mut frame = [0; N];
    let header = Header { dst: MACS[0], src: MacAddr([2, 0, 0, 0, 8, 8]), ethertype: ethernet::IPV4 };
    put(&mut frame, 0, &header.bytes());
    let (src, dst) = (0xac10_0001 + source, bits(Traffic::NAT4.vip(0)));
    let build = ipv4::Build { tos: 0, payload: N - HEADERS, id, df: false, ttl: 64, protocol: 17, src, dst };
    let mut packet = build.bytes();
    put(&mut packet, 6, &(0x2000 | place).to_be_bytes());
    put(&mut packet, 10, &[0, 0]);
    let sum = checksum::of(&packet);
    put(&mut packet, 10, &sum.to_be_bytes());
    put(&mut frame, ethernet::HEADER, &packet);
    frame
}
