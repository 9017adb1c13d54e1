//! IPv6 options and routing headers (RFC 8200 4.2 to 4.6): what a station must make of them. After `ip6_parse_tlv`,
//! `ipv6_rthdr_rcv` (`exthdrs.c`) and `ip6_protocol_deliver_rcu` (`ip6_input.c`).
//!
//! ```text
//! every station     the hop-by-hop options, which stand first or not at all
//! the destination   header by header: destination options; a routing header that has led to its end, else it is wrong,
//!                   and segment routing is off; hop-by-hop options elsewhere and AH are headers that nobody takes
//!
//! an unknown option says by its first two bits: 00 pass over it, 01 discard, 10 and 11 tell its sender, 11 not of a group
//! ```
//!
//! Bound: at most `MOST_OPTIONS` options of a header, before each at most seven bytes of padding; as many headers as
//! [`ipv6::upper`] steps over.

use std::ops::Range;

use super::ipv6::{self, HEADER, HOP_BY_HOP, NEXT_HEADER};
use super::{be16, be32, ipsec};

/// Most options of a header, padding not counted (RFC 8504 5.3, `IP6_DEFAULT_MAX_HBH_OPTS_CNT`).
const MOST_OPTIONS: usize = 8;
/// Most bytes of padding in a row: what aligns to eight (RFC 4942 2.1.9.5).
const MOST_PADDING: usize = 7;

const PAD1: u8 = 0;
const PADN: u8 = 1;
const ROUTER_ALERT: u8 = 5;
const CALIPSO: u8 = 7;
const IOAM: u8 = 49;
const JUMBO: u8 = 194;

/// Why a packet goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A header that is not well formed: dropped.
    Malformed,
    /// An unknown option that says so: dropped.
    Discard,
    /// A routing header that is switched off: dropped.
    Routing,
    /// A field is wrong: its sender is told (parameter problem, code 0).
    Field {
        /// Where in the packet it stands.
        at: usize,
    },
    /// Nobody takes a header: its sender is told (code 1).
    Header {
        /// Where the field stands that names it.
        at: usize,
    },
    /// An unknown option: its sender is told (code 2).
    Option {
        /// Where it stands.
        at: usize,
        /// Even if the packet was sent to a group.
        of_groups: bool,
    },
}

/// Looks at the hop-by-hop options of a packet whose fixed header names them.
pub fn hop_by_hop(packet: &[u8]) -> Result<(), Refusal> {
    options(packet, &extension(packet, HEADER)?, known)
}

/// Looks at the headers of a packet that is delivered, up to what is no such header: whoever has that protocol looks on.
/// What stands before `from` has been looked at.
pub fn delivered(packet: &[u8], from: Start) -> Result<(), Refusal> {
    let Start { mut at, mut named_at } = from;
    let mut kind = *packet.get(named_at).ok_or(Refusal::Malformed)?;
    for _ in 0..=ipv6::MOST_EXTENSIONS {
        match kind {
            HOP_BY_HOP | ipsec::AH => return Err(Refusal::Header { at: named_at }),
            ipv6::ROUTING => routing(packet, at)?,
            ipv6::DESTINATION => options(packet, &extension(packet, at)?, |_, _| Ok(false))?,
            _ => return Ok(()),
        }
        let header = extension(packet, at)?;
        (kind, named_at, at) = (packet[at], at, header.end);
    }
    Err(Refusal::Malformed)
}

/// Where a header stands that is looked at first, and the field that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Where the header starts.
    pub at: usize,
    /// Where the field stands.
    pub named_at: usize,
}

impl Start {
    /// Right behind the fixed header.
    pub const FIRST: Self = Self { at: HEADER, named_at: NEXT_HEADER };

    /// Behind the fixed header and the hop-by-hop options that may follow it: these are looked at when a packet arrives.
    #[must_use]
    pub fn arrived(packet: &[u8]) -> Self {
        match extension(packet, HEADER) {
            Ok(header) if packet.get(NEXT_HEADER) == Some(&HOP_BY_HOP) => Self { at: header.end, named_at: HEADER },
            _ => Self::FIRST,
        }
    }
}

/// Where a header stands that counts its length in units of eight bytes, all of which must be there.
fn extension(packet: &[u8], at: usize) -> Result<Range<usize>, Refusal> {
    let units = packet.get(at + 1).ok_or(Refusal::Malformed)?;
    let end = at + (usize::from(*units) + 1) * 8;
    if end > packet.len() { Err(Refusal::Malformed) } else { Ok(at..end) }
}

/// A routing header asks for nothing any more where it has no segments left. Types 3 (RPL) and 4 (segment routing) are
/// switched off, whatever they say.
fn routing(packet: &[u8], at: usize) -> Result<(), Refusal> {
    const TYPE: usize = 2;
    let header = packet.get(extension(packet, at)?).unwrap_or_default();
    match header {
        [_, _, 3 | 4, ..] => Err(Refusal::Routing),
        [_, _, _, 0, ..] => Ok(()),
        _ => Err(Refusal::Field { at: at + TYPE }),
    }
}

/// Looks at every option of a header. `known` looks at those that are understood, and says whether one is.
fn options(
    packet: &[u8],
    header: &Range<usize>,
    known: impl Fn(&[u8], usize) -> Result<bool, Refusal>,
) -> Result<(), Refusal> {
    let (mut at, mut padding, mut seen) = (header.start + 2, 0, 0);
    let packet = packet.get(..header.end).ok_or(Refusal::Malformed)?;
    while let Some(kind) = packet.get(at) {
        let length = if *kind == PAD1 { 1 } else { length(packet, at)? };
        if matches!(*kind, PAD1 | PADN) {
            padding += length;
            let zeroes = packet.get(at + 2..at + length).unwrap_or_default();
            if padding > MOST_PADDING || zeroes.iter().any(|byte| *byte != 0) {
                return Err(Refusal::Malformed);
            }
        } else {
            (padding, seen) = (0, seen + 1);
            if seen > MOST_OPTIONS {
                return Err(Refusal::Malformed);
            }
            if !known(packet, at)? {
                unknown(*kind, at)?;
            }
        }
        at += length;
    }
    Ok(())
}

/// Bytes of the option at `at`, all of which must be there.
fn length(packet: &[u8], at: usize) -> Result<usize, Refusal> {
    let length = usize::from(*packet.get(at + 1).ok_or(Refusal::Malformed)?) + 2;
    if at + length > packet.len() { Err(Refusal::Malformed) } else { Ok(length) }
}

/// What an option that nobody here understands says of itself.
fn unknown(kind: u8, at: usize) -> Result<(), Refusal> {
    match kind >> 6 {
        0 => Ok(()),
        1 => Err(Refusal::Discard),
        2 => Err(Refusal::Option { at, of_groups: true }),
        _ => Err(Refusal::Option { at, of_groups: false }),
    }
}

/// The hop-by-hop options that are understood, as far as they must be well formed.
fn known(packet: &[u8], at: usize) -> Result<bool, Refusal> {
    let option = &packet[at..];
    let length = usize::from(option[1]);
    let well_formed = match option[0] {
        ROUTER_ALERT => length == 2,
        // A label's length counts words.
        CALIPSO => length >= 8 && usize::from(option[6]) * 4 + 8 <= length,
        IOAM => at.is_multiple_of(4),
        JUMBO => return jumbo(packet, at).map(|()| true),
        _ => return Ok(false),
    };
    if well_formed { Ok(true) } else { Err(Refusal::Malformed) }
}

/// A jumbo payload (RFC 2675 3) is longer than the fixed header can say, which says nothing then. No link here takes one.
fn jumbo(packet: &[u8], at: usize) -> Result<(), Refusal> {
    const LENGTH_AT: usize = 4;
    let says = be32(packet, at + 2);
    match packet[at + 1] {
        4 if at % 4 != 2 => Err(Refusal::Malformed),
        4 if says <= u16::MAX.into() => Err(Refusal::Field { at: at + 2 }),
        4 if be16(packet, LENGTH_AT) != 0 => Err(Refusal::Field { at }),
        _ => Err(Refusal::Malformed),
    }
}

#[cfg(test)]
#[path = "options6_tests.rs"]
mod tests;
