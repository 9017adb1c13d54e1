//! What is random in the kernel's frames: a rule is one small function that names a field of the expected frame.
//! Such a field of our frame gets the expected value, and its checksum follows it; then all bytes must be equal. So a
//! wrong checksum is found even where the field under it is free.

use std::net::IpAddr;
use std::ops::Range;

use crate::runner::checksum;
use crate::runner::decode::{addresses, be16, be32, protocol_at};
use crate::runner::director::Leg;
use crate::runner::stamps;

/// A field that is free, and the checksum that covers it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) bytes: Range<usize>,
    /// Which bits of the first byte belong to the field.
    first: u8,
    checksum: Option<usize>,
}

impl Field {
    pub(crate) fn new(bytes: Range<usize>, checksum: Option<usize>) -> Self {
        Self { bytes, first: 0xff, checksum }
    }

    /// Writes the expected value into our frame.
    fn graft(&self, expected: &[u8], got: &mut [u8]) {
        let before = got.to_vec();
        for i in self.bytes.clone() {
            let mask = if i == self.bytes.start { self.first } else { 0xff };
            got[i] = got[i] & !mask | expected[i] & mask;
        }
        let Some(at) = self.checksum else { return };
        for word in (self.bytes.start & !1..self.bytes.end).step_by(2) {
            let [old, new] = [&before[..], got].map(|packet| be16(packet, word).unwrap_or(0));
            let sum = checksum::adjusted(be16(got, at).unwrap_or(0), old, new);
            got[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        }
    }
}

/// Where a frame was seen, and what had been sent for it.
pub(crate) struct Cause<'a> {
    pub(crate) leg: Leg,
    pub(crate) sent: &'a [(Leg, Vec<u8>)],
}

/// Whether our packet is the expected one, but for what is random.
pub(crate) fn same(expected: &[u8], got: &[u8], cause: &Cause) -> bool {
    if expected.len() != got.len() {
        return false;
    }
    let mut ours = got.to_vec();
    for field in fields(expected, got, cause) {
        field.graft(expected, &mut ours);
    }
    ours == expected
}

/// The random fields of a packet of which both sides are given; they have one length.
pub(crate) fn fields(expected: &[u8], got: &[u8], cause: &Cause) -> Vec<Field> {
    let rules = [ip_id, flow_label, fragment_id, gue_port];
    let single = rules.iter().filter_map(|rule| rule(expected, got, cause));
    single.chain(stamps::times(expected, got)).filter(|field| field.bytes.end <= expected.len()).collect()
}

/// The IPv4 id of a packet that the director makes, and the header checksum over it. With DF the kernel sends 0.
fn ip_id(expected: &[u8], _: &[u8], cause: &Cause) -> Option<Field> {
    let random = version(expected)? == 4 && be16(expected, 6)? & 0x4000 == 0 && is_made(expected, cause);
    random.then(|| Field::new(4..6, Some(10)))
}

/// The IPv6 flow label of a packet that the director makes. Around tunnels and on neighbour discovery the kernel sets
/// none, so there it is not free.
fn flow_label(expected: &[u8], _: &[u8], cause: &Cause) -> Option<Field> {
    let labelled = match protocol_at(expected)? {
        (6 | 132, _) => true,
        (58, at) => !matches!(expected.get(at)?, 133..=137),
        // A fragment; neighbour discovery is never cut.
        (44, at) => matches!(expected.get(at)?, 6 | 58 | 132),
        _ => false,
    };
    let random = version(expected)? == 6 && labelled && is_made(expected, cause);
    random.then(|| Field { first: 0x0f, ..Field::new(1..4, None) })
}

/// The IPv6 fragment id, where the director cut the packet; one that came in is passed on.
fn fragment_id(expected: &[u8], got: &[u8], cause: &Cause) -> Option<Field> {
    let ((at, theirs), (_, ours)) = (sent_id(expected)?, sent_id(got)?);
    let came_in = |id: u32| cause.sent.iter().any(|(_, packet)| sent_id(packet).is_some_and(|(_, sent)| sent == id));
    (!came_in(theirs) && !came_in(ours)).then(|| Field::new(at..at + 4, None))
}

/// The outer source port of GUE, and the outer checksum if there is one.
fn gue_port(expected: &[u8], got: &[u8], _: &Cause) -> Option<Field> {
    let (protocol, at) = protocol_at(expected)?;
    let random = protocol == 17 && be16(expected, at + 2)? == 6080 && is_own(addresses(expected)?.0);
    let checksum = Some(at + 6).filter(|at| be16(got, *at).is_some_and(|sum| sum != 0));
    random.then(|| Field::new(at..at + 2, checksum))
}

fn version(packet: &[u8]) -> Option<u8> {
    packet.first().map(|b| b >> 4)
}

/// Where a packet has a fragment id, and which: in a fragment header, or behind other headers that routers pass over.
fn sent_id(packet: &[u8]) -> Option<(usize, u32)> {
    let (mut kind, mut at) = (*packet.get(6)?, 40);
    while matches!(kind, 0 | 43 | 60) {
        let header = packet.get(at..at + 2)?;
        (kind, at) = (header[0], at + (usize::from(header[1]) + 1) * 8);
    }
    (version(packet)? == 6 && kind == 44).then(|| Some((at + 4, be32(packet, at + 4)?)))?
}

/// Made by the director, not passed on: it has the director's own address (tunnels, errors), or it answers on the leg
/// and from the address that a packet was sent to (RST, echo reply), or it is an ICMP error that no error caused but one
/// to the director itself, which is never passed on.
fn is_made(packet: &[u8], cause: &Cause) -> bool {
    let Some((src, _)) = addresses(packet) else { return false };
    let sent_to = |(leg, sent): &(Leg, Vec<u8>)| *leg == cause.leg && addresses(sent).is_some_and(|(_, to)| to == src);
    let for_others = |sent: &[u8]| addresses(sent).is_none_or(|(_, to)| !is_own(to));
    let passed_on = || cause.sent.iter().any(|(_, sent)| is_icmp_error(sent) && for_others(sent));
    let new_error = || is_icmp_error(packet) && !passed_on();
    is_own(src) || cause.sent.iter().any(sent_to) || new_error()
}

/// The director's interface addresses (not the VIPs).
fn is_own(address: IpAddr) -> bool {
    ["10.0.0.1", "10.1.0.1", "fd00::1", "fd00:1::1"].iter().any(|own| own.parse() == Ok(address))
}

fn is_icmp_error(packet: &[u8]) -> bool {
    match protocol_at(packet) {
        Some((1, at)) => packet.get(at).is_some_and(|kind| matches!(kind, 3 | 4 | 5 | 11 | 12)),
        Some((58, at)) => packet.get(at).is_some_and(|kind| *kind < 128),
        _ => false,
    }
}
