//! Times of day in timestamp options of IPv4 (RFC 791 3.1): free, in a packet's header, in one that is wrapped in it, and in
//! one that an ICMP error quotes.

use std::ops::Range;

use crate::runner::chance::Field;
use crate::runner::checksum;
use crate::runner::decode::protocol_at;

const TIMESTAMP: u8 = 68;
/// Bytes of an option before its slots.
const HEAD: usize = 4;

/// Every time in the headers of a packet of which both sides are given.
pub(crate) fn times(expected: &[u8], got: &[u8]) -> Vec<Field> {
    let mut fields = in_header(expected, 0, Some(10));
    if let Some((protocol, at)) = protocol_at(expected).filter(|_| is_v4(expected)) {
        let is_error = protocol == 1 && matches!(expected.get(at), Some(3 | 4 | 11 | 12));
        match protocol {
            1 if is_error => fields.extend(in_header(expected, at + 8, Some(covering(got, at)))),
            4 => fields.extend(in_header(expected, at, Some(at + 10))),
            _ => {}
        }
    }
    fields
}

/// Which checksum a time in a quote changes: that of the quoted header, if it is right, so that the message's own stays.
fn covering(packet: &[u8], message: usize) -> usize {
    let header = header(packet, message + 8).unwrap_or_default();
    if checksum::internet(header) == 0 { message + 8 + 10 } else { message + 2 }
}

fn is_v4(packet: &[u8]) -> bool {
    packet.first().is_some_and(|byte| byte >> 4 == 4)
}

fn header(packet: &[u8], at: usize) -> Option<&[u8]> {
    let length = usize::from(packet.get(at).filter(|byte| **byte >> 4 == 4)? & 15) * 4;
    packet.get(at..at + length)
}

fn in_header(packet: &[u8], at: usize, checksum: Option<usize>) -> Vec<Field> {
    let Some(header) = header(packet, at) else { return Vec::new() };
    let slots = option(header).map_or(Vec::new(), |(start, option)| slots(start, option));
    slots.into_iter().map(|slot| Field::new(at + slot.start..at + slot.end, checksum)).collect()
}

/// Where a header's timestamp option starts, and its bytes.
fn option(header: &[u8]) -> Option<(usize, &[u8])> {
    let mut at = 20;
    loop {
        let length = match header.get(at)? {
            0 => return None,
            1 => 1,
            _ => usize::from(*header.get(at + 1)?).max(1),
        };
        let option = header.get(at..at + length)?;
        if option[0] == TIMESTAMP && option.len() >= HEAD {
            return Some((at, option));
        }
        at += length;
    }
}

/// The times that have been written.
fn slots(start: usize, option: &[u8]) -> Vec<Range<usize>> {
    let (step, skip) = if option[3] & 15 == 0 { (4, 0) } else { (8, 4) };
    let written = usize::from(option[2]).saturating_sub(1).min(option.len());
    (HEAD..written).step_by(step).map(|slot| start + slot + skip..start + slot + skip + 4).collect()
}
