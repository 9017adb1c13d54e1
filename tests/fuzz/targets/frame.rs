//! One frame, byte by byte from outside, through a worker with services of every kind: it ends in one verdict, its
//! buffer comes back, and no answer leaves that is not whole.
//!
//! The first byte says the port; the rest is the frame. Where the IPv4 header checksum is the only thing wrong, it is
//! made right on a second way through, so that mutations reach what lies behind it.

#![no_main]

use dataplane::wire::vlan::{self, Tagging};
use dataplane::wire::{ethernet, put};
use lab::{Lab, frames};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((port, frame)) = bytes.split_first() else { return };
    let frame = &frame[..frame.len().min(2000)];
    let mut lab = Lab::new();
    let port = u16::from(*port) % 2;
    lab.feed(port, frame);
    lab.feed(port, &addressed(frame));
    lab.check();
});

/// The frame, to the director's MAC and with a right IPv4 header checksum.
fn addressed(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    put(&mut frame, 0, &lab::MACS[0]);
    let l3 = ethernet::HEADER + if let Tagging::Tagged(_) = Tagging::of(&frame) { vlan::LEN } else { 0 };
    frames::seal4(frame.get_mut(l3..).unwrap_or_default());
    frame
}
