//! IPv4 options (RFC 791 3.1, RFC 1812 4.2.2.1 and 5.3.13): what is wrong with those of a header, and what a station on
//! the way writes into them. After `__ip_options_compile` and `ip_forward_options` (`ip_options.c`); what answers carry
//! of them is in [`super::echoed4`].
//!
//! ```text
//! source route   noted; twice is wrong
//! record route   while there is room: the station's address
//! timestamp      while there is room: the time, with the station's address if asked; else the overflow is counted
//! router alert   its length must be right
//! CIPSO          its domain and its tags must be well formed
//! end of list    what is behind it becomes zero
//! any other      its length must be right
//! ```
//!
//! Bound: 40 bytes of options, each looked at once.

use super::{be32, ipv4, put};

/// Most bytes of options: a header has at most fifteen words.
pub const MOST: usize = 60 - ipv4::HEADER;

/// End of the list.
pub(super) const END: u8 = 0;
const NOP: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
const LOOSE_ROUTE: u8 = 131;
const CIPSO: u8 = 134;
const STRICT_ROUTE: u8 = 137;
const ROUTER_ALERT: u8 = 148;

/// Where an option says how long it is, and where its next free slot stands, counted from 1.
pub(super) const LENGTH: usize = 1;
/// See [`LENGTH`].
pub(super) const POINTER: usize = 2;
/// Where a timestamp option has its overflow (upper half) and flag (lower half).
const FLAGS: usize = 3;
/// Flag: timestamps only.
const TIME_ONLY: u8 = 0;
/// Flag: each with the address of who wrote it.
const WITH_ADDRESS: u8 = 1;
/// Flag: addresses are given, and who has one writes the time behind it.
const PRESPECIFIED: u8 = 3;

/// What a station writes.
#[derive(Clone, Copy)]
pub struct Here<'a> {
    /// Its address for record route.
    pub route: u32,
    /// Its address for timestamps.
    pub stamp: u32,
    /// Milliseconds since midnight UT.
    pub time: u32,
    /// Whether an address is its own, or of no single station.
    pub is_ours: &'a dyn Fn(u32) -> bool,
}

/// Where the options stand that answers carry, from the start of the header, and the byte that is wrong, if one is: what
/// is behind it has not been looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Record route.
    pub record_route: Option<usize>,
    /// Timestamp.
    pub timestamp: Option<usize>,
    /// Loose or strict source route.
    pub source_route: Option<usize>,
    /// CIPSO.
    pub cipso: Option<usize>,
    /// The byte that a parameter problem points to.
    pub problem: Option<u8>,
}

/// Reads the options of a whole header, and writes into them what a station writes, up to the first that is wrong. The
/// header's checksum is left as it is.
pub fn fill(header: &mut [u8], here: &Here<'_>) -> Found {
    let mut found = Found::default();
    let mut at = ipv4::HEADER;
    while let Some(rest) = header.get_mut(at..).filter(|rest| !rest.is_empty()) {
        at += match rest[0] {
            END => {
                rest.fill(END);
                break;
            }
            NOP => 1,
            _ => match option(rest, at, &mut found, here) {
                Ok(length) => length,
                Err(offset) => {
                    found.problem = Some((at + offset) as u8);
                    break;
                }
            },
        };
    }
    found
}

/// One option: its length, or which of its bytes is wrong.
fn option(rest: &mut [u8], at: usize, found: &mut Found, here: &Here<'_>) -> Result<usize, usize> {
    let length = rest.get(LENGTH).map_or(0, |length| usize::from(*length));
    if length < 2 {
        return Err(0);
    }
    let option = rest.get_mut(..length).ok_or(0usize)?;
    match option[0] {
        LOOSE_ROUTE | STRICT_ROUTE => {
            has_pointer(option, 3)?;
            once(&mut found.source_route, at)?;
        }
        RECORD_ROUTE => {
            absent(found.record_route)?;
            has_pointer(option, 3)?;
            record(option, here)?;
            found.record_route = Some(at);
        }
        TIMESTAMP => {
            absent(found.timestamp)?;
            has_pointer(option, 4)?;
            stamp(option, here)?;
            found.timestamp = Some(at);
        }
        ROUTER_ALERT if length < 4 => return Err(LENGTH),
        CIPSO => {
            once(&mut found.cipso, at)?;
            labels(option)?;
        }
        _ => {}
    }
    Ok(length)
}

fn absent(place: Option<usize>) -> Result<(), usize> {
    if place.is_some() { Err(0) } else { Ok(()) }
}

fn once(place: &mut Option<usize>, at: usize) -> Result<(), usize> {
    absent(*place)?;
    *place = Some(at);
    Ok(())
}

/// An option whose slots begin behind so many bytes has a pointer, and it points to no byte before them.
fn has_pointer(option: &[u8], head: usize) -> Result<(), usize> {
    match option {
        _ if option.len() < head => Err(LENGTH),
        _ if usize::from(option[POINTER]) <= head => Err(POINTER),
        _ => Ok(()),
    }
}

/// The next free slot of so many bytes, as an index: `None` where the option is full, an error where less is left.
fn slot(option: &[u8], size: usize) -> Result<Option<usize>, usize> {
    let pointer = usize::from(option[POINTER]);
    match option.len() {
        length if pointer > length => Ok(None),
        length if pointer == 0 || pointer + size - 1 > length => Err(POINTER),
        _ => Ok(Some(pointer - 1)),
    }
}

fn record(option: &mut [u8], here: &Here<'_>) -> Result<(), usize> {
    if let Some(at) = slot(option, 4)? {
        put(option, at, &here.route.to_be_bytes());
        option[POINTER] += 4;
    }
    Ok(())
}

fn stamp(option: &mut [u8], here: &Here<'_>) -> Result<(), usize> {
    let flag = option[FLAGS] & 15;
    let Some(at) = slot(option, 4)? else {
        return if flag == PRESPECIFIED { Ok(()) } else { overflow(&mut option[FLAGS]) };
    };
    if matches!(flag, WITH_ADDRESS | PRESPECIFIED) {
        slot(option, 8)?;
    }
    write_stamp(option, at, flag, here);
    Ok(())
}

/// Writes the time, and before it the address where the flag asks for it, into a slot that has room for both.
pub(super) fn write_stamp(option: &mut [u8], at: usize, flag: u8, here: &Here<'_>) {
    let size = match flag {
        TIME_ONLY => 4,
        WITH_ADDRESS => {
            put(option, at, &here.stamp.to_be_bytes());
            8
        }
        PRESPECIFIED if (here.is_ours)(be32(option, at)) => 8,
        _ => return,
    };
    put(option, at + size - 4, &here.time.to_be_bytes());
    option[POINTER] += size as u8;
}

/// Bytes of a slot that a flag asks for in an answer: there, prespecified addresses may end anywhere.
pub(super) fn slot_of(option: &[u8]) -> (u8, usize) {
    let flag = option[FLAGS] & 15;
    (flag, if flag == WITH_ADDRESS { 8 } else { 4 })
}

/// Counts one more station that found no room; there are fifteen at most.
fn overflow(flags: &mut u8) -> Result<(), usize> {
    if *flags >> 4 == 15 {
        return Err(FLAGS);
    }
    *flags += 0x10;
    Ok(())
}

/// Whether a CIPSO option is well formed: a domain that is not zero, and tags that end where it does.
fn labels(option: &[u8]) -> Result<(), usize> {
    const DOMAIN: usize = 2;
    const TAGS: usize = 6;
    if option.len() < TAGS + 2 {
        return Err(LENGTH);
    }
    if be32(option, DOMAIN) == 0 {
        return Err(DOMAIN);
    }
    let mut at = TAGS;
    while at < option.len() {
        let length = usize::from(*option.get(at + 1).ok_or(at)?);
        if length == 0 || length > option.len() - at {
            return Err(at + 1);
        }
        at += length;
    }
    Ok(())
}

/// Where a source route leads from a station that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onward {
    /// It has led here.
    Nowhere,
    /// To this station next.
    To(u32),
    /// A byte of it is wrong.
    Problem(u8),
}

/// Whether a source route that stands at `at` is strict.
#[must_use]
pub fn is_strict(header: &[u8], at: usize) -> bool {
    header.get(at) == Some(&STRICT_ROUTE)
}

/// Where the source route at `at` leads (`ip_options_rcv_srr`).
#[must_use]
pub fn onward(header: &[u8], at: usize) -> Onward {
    let option = header.get(at..).unwrap_or_default();
    let length = option.get(LENGTH).map_or(0, |length| usize::from(*length));
    match option.get(..length).filter(|option| option.len() > POINTER).map(|option| (option, slot(option, 4))) {
        Some((option, Ok(Some(slot)))) => Onward::To(be32(option, slot)),
        Some((_, Err(offset))) => Onward::Problem((at + offset) as u8),
        _ => Onward::Nowhere,
    }
}

/// Sends a header on its source route: the next station becomes its destination, `here` is recorded in its place.
pub fn follow(header: &mut [u8], at: usize, here: u32) {
    const DESTINATION: usize = 16;
    let Onward::To(next) = onward(header, at) else { return };
    put(header, DESTINATION, &next.to_be_bytes());
    let option = &mut header[at..];
    put(option, usize::from(option[POINTER]) - 1, &here.to_be_bytes());
    option[POINTER] += 4;
}

#[cfg(test)]
#[path = "options4_tests.rs"]
mod tests;
