//! Values of options as the C library reads them: numbers, addresses with ports, masks, flags.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dataplane::flow::Protocol;
use dataplane::sched::Scheduler;

use super::names::Names;
use crate::api::{Name, flags, rules};

/// White space as `isspace(3)` has it.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

/// A decimal number within bounds; white space and a sign may stand before it and nothing after it.
pub(super) fn number(text: &str, least: i64, most: i64) -> Option<i64> {
    let digits = text.trim_start_matches(is_space);
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|n| (least..=most).contains(n))
}

/// As `atoi(3)`: the number that the text begins with, 0 if there is none.
pub(super) fn leading_number(text: &str) -> i64 {
    let text = text.trim_start_matches(is_space);
    let sign = usize::from(text.starts_with(['+', '-']));
    let digits = text[sign..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |end| sign + end);
    text[..digits].parse().unwrap_or(0)
}

/// Seconds of `-p` (from 1) and `--set` (from 0).
pub(super) fn timeout(text: &str, least: i64) -> Option<u32> {
    small(text, least, rules::PERSISTENCE_MAX.into())
}

/// A firewall mark: 1 to 2^32-1.
pub(super) fn fwmark(text: &str) -> Option<u32> {
    small(text, 1, u32::MAX.into())
}

/// A number of a type, within bounds.
pub(super) fn small<T: TryFrom<i64>>(text: &str, least: i64, most: i64) -> Option<T> {
    number(text, least, most).and_then(|n| T::try_from(n).ok())
}

/// As `inet_aton(3)`: one to four numbers, decimal, octal (`010`) or hexadecimal (`0x10`), the last of which fills
/// what the others leave; white space ends it.
pub(super) fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<&str> = text.split(is_space).next()?.split('.').collect();
    let (last, first) = parts.split_last()?;
    if first.len() > 3 {
        return None;
    }
    let mut address = 0_u32;
    for (place, part) in first.iter().enumerate() {
        let byte = u8::try_from(c_number(part)?).ok()?;
        address |= u32::from(byte) << (24 - 8 * place);
    }
    let room = u32::MAX.checked_shr(8 * u32::try_from(first.len()).ok()?)?;
    let rest = c_number(last).filter(|&n| n <= room)?;
    Some(Ipv4Addr::from(address | rest))
}

/// A number of C: `0x..`, `0..` or decimal.
fn c_number(text: &str) -> Option<u32> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => unsigned(hex, 16),
        None if text.len() > 1 && text.starts_with('0') => unsigned(&text[1..], 8),
        None => unsigned(text, 10),
    }
}

/// Digits of a base and nothing else: `from_str_radix` would also take a sign.
fn unsigned(digits: &str, base: u32) -> Option<u32> {
    if digits.starts_with(['+', '-']) { None } else { u32::from_str_radix(digits, base).ok() }
}

/// An IPv4 address by number or by name.
pub(super) fn ipv4(text: &str, names: &Names) -> Option<Ipv4Addr> {
    inet_aton(text).or_else(|| names.address(text))
}

/// `host[:port]`: the address, and the port if there is one. IPv6 is `[address]:port` or the bare address; names
/// stand for IPv4 addresses. A port by name needs the protocol.
pub(super) fn host_port(text: &str, protocol: Option<Protocol>, names: &Names) -> Option<(IpAddr, Option<u16>)> {
    if text.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let (host, bracketed_port) = match text.strip_prefix('[') {
        Some(inside) => {
            let (host, rest) = inside.split_once(']')?;
            (host, Some(rest.strip_prefix(':')?))
        }
        None => (text, None),
    };
    if let Ok(address) = host.parse::<Ipv6Addr>() {
        return Some((address.into(), read_port(bracketed_port, protocol, names)?));
    }
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (host, None),
    };
    Some((ipv4(host, names)?.into(), read_port(port, protocol, names)?))
}

/// Outer `None`: there is a port and it means nothing.
#[allow(clippy::option_option)]
fn read_port(text: Option<&str>, protocol: Option<Protocol>, names: &Names) -> Option<Option<u16>> {
    let Some(text) = text else { return Some(None) };
    let by_name = || protocol.and_then(|protocol| names.port(text, protocol));
    small::<u16>(text, 0, 65_535).or_else(by_name).map(Some)
}

/// The multicast group of the synchronisation daemon.
pub(super) fn group(text: &str) -> Result<IpAddr, String> {
    let family = if text.contains(':') { 6 } else { 4 };
    let address = if family == 6 {
        text.parse::<Ipv6Addr>().ok().filter(Ipv6Addr::is_multicast).map(IpAddr::from)
    } else {
        text.parse::<Ipv4Addr>().ok().filter(Ipv4Addr::is_multicast).map(IpAddr::from)
    };
    address.ok_or_else(|| format!("invalid IPv{family} mcast-group `{text}'"))
}

/// Bits of `-b sh-fallback,flag-2`. The names of one scheduler are refused with another.
pub(super) fn sched_flags(text: &str, scheduler: &Name<Scheduler>) -> Result<u8, String> {
    let mut bits = 0;
    for name in text.split(',').filter(|name| !name.is_empty()) {
        bits |= match flags::bit(name) {
            None => return Err(format!("invalid scheduler flag `{name}'")),
            Some((_, Some(owner))) if *scheduler != Name::Known(owner) => {
                return Err(format!("incompatible scheduler flag `{name}'"));
            }
            Some((bit, _)) => bit,
        };
    }
    Ok(bits)
}
