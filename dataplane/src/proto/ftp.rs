//! FTP's control connection (RFC 959, RFC 2428): where the client or the server says that a data connection will come.
//! After `ip_vs_ftp_get_addrport`, `ip_vs_ftp_in` and `ip_vs_ftp_out` (`net/netfilter/ipvs/ip_vs_ftp.c`).
//!
//! ```text
//! client:  PASV | EPSV [1|2]                      the server will name an address in its answer
//!          PORT h1,h2,h3,h4,p1,p2                 the server will connect to this address
//!          EPRT |1|192.0.2.1|6275|
//! server:  227 Entering Passive Mode (h1,h2,h3,h4,p1,p2)
//!          229 Entering Extended Passive Mode (|||6446|)
//! ```
//!
//! Pure functions on bytes that anybody may have sent. As in the kernel (6.12), a command counts only in one segment, and
//! an address with a number too large for its place is none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use arrayvec::ArrayVec;

use crate::conn::Mode;

/// Port of control connections.
pub const CONTROL: u16 = 21;

/// Longest address that is written: `255,255,255,255,255,255`.
pub const LONGEST: usize = 23;

/// What a client says of its next data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// The server's answer will name where it listens.
    Passive(Mode),
    /// The server is to connect to this address.
    Active(SocketAddr),
}

/// Where a server says that it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The address.
    pub address: SocketAddr,
    /// Where in the payload it is said.
    pub range: Range<usize>,
}

/// What the payload of a client's segment says. `six`: the connection is IPv6.
#[must_use]
pub fn command(payload: &[u8], six: bool) -> Option<Command> {
    for (at, window) in payload.windows(6).enumerate() {
        if !six && window.eq_ignore_ascii_case(b"PASV\r\n") {
            return Some(Command::Passive(Mode::Passive));
        }
        if window[..4].eq_ignore_ascii_case(b"EPSV") && (window[4] == b' ' || window[4] == b'\r') {
            let family = if six { b'2' } else { b'1' };
            let fits = window[4] == b'\r' || window[5] == family && payload.get(at + 6) == Some(&b'\r');
            return fits.then_some(Command::Passive(Mode::Extended));
        }
    }
    let port = || old_form(payload, b"PORT", b' ').filter(|_| !six);
    let eprt = || extended_form(payload, b"EPRT", b' ', six, None);
    port().or_else(eprt).map(|offer| Command::Active(offer.address))
}

/// Where the payload of a server's segment says that it listens, as the client has asked. Most servers name only a port in
/// the extended form: that of the address they are known by.
#[must_use]
pub fn offer(payload: &[u8], mode: Mode, server: IpAddr) -> Option<Offer> {
    match mode {
        Mode::Active => None,
        Mode::Passive => old_form(payload, b"227 ", b'('),
        Mode::Extended => extended_form(payload, b"229 ", b'(', server.is_ipv6(), Some(server)),
    }
}

/// An address as it stands in a server's answer. The extended form says the port alone: the client takes the address that
/// it has connected to.
#[must_use]
pub fn text(mode: Mode, address: SocketAddr) -> ArrayVec<u8, LONGEST> {
    let mut text = ArrayVec::new();
    let port = address.port();
    match address.ip() {
        IpAddr::V4(ip) if mode == Mode::Passive => {
            let [high, low] = port.to_be_bytes();
            for (n, byte) in ip.octets().into_iter().chain([high, low]).enumerate() {
                text.extend((n > 0).then_some(b','));
                decimal(&mut text, byte.into());
            }
        }
        _ => {
            text.extend(*b"|||");
            decimal(&mut text, port);
            text.extend(*b"|");
        }
    }
    text
}

fn decimal(text: &mut ArrayVec<u8, LONGEST>, number: u16) {
    let digits = [10_000, 1000, 100, 10, 1].map(|unit| (unit, (number / unit % 10) as u8));
    text.extend(digits.into_iter().filter(|(unit, _)| *unit == 1 || number >= *unit).map(|(_, digit)| b'0' + digit));
}

/// Where an address begins, after a word that starts the payload and what `skip` introduces it by.
fn begin(payload: &[u8], word: &[u8], skip: u8, digit_begins: bool) -> Option<usize> {
    let (first, rest) = payload.split_at_checked(word.len())?;
    if !first.eq_ignore_ascii_case(word) {
        return None;
    }
    let opens = rest.iter().position(|byte| *byte == skip || digit_begins && byte.is_ascii_digit())?;
    let within = rest[opens..].iter().position(|byte| *byte != skip)?;
    Some(word.len() + opens + within)
}

/// `h1,h2,h3,h4,p1,p2`
fn old_form(payload: &[u8], word: &[u8], skip: u8) -> Option<Offer> {
    let start = begin(payload, word, skip, true)?;
    let mut numbers = [0_u8; 6];
    let mut at = 0;
    let mut end = start;
    loop {
        let byte = *payload.get(end)?;
        if byte.is_ascii_digit() {
            numbers[at] = appended(numbers[at].into(), byte)?.try_into().ok()?;
        } else if byte == b',' && at < 5 {
            at += 1;
        } else {
            break;
        }
        end += 1;
    }
    let [a, b, c, d, high, low] = numbers;
    let address = SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low]));
    (at == 5).then_some(Offer { address, range: start..end })
}

/// A number with one more digit behind it; `None` where it grows out of 16 bits.
fn appended(number: u16, digit: u8) -> Option<u16> {
    number.checked_mul(10)?.checked_add((digit - b'0').into())
}

/// `|family|address|port|` with any delimiter. Family and address may be left out where another `known` one stands for them.
fn extended_form(payload: &[u8], word: &[u8], skip: u8, six: bool, known: Option<IpAddr>) -> Option<Offer> {
    let start = begin(payload, word, skip, false)?;
    let delimiter = *payload.get(start)?;
    if !delimiter.is_ascii_graphic() {
        return None;
    }
    let mut rest = &payload[start + 1..];
    let ip = if rest.first() == Some(&delimiter) {
        rest = rest[1..].strip_prefix(&[delimiter])?;
        known?
    } else {
        let family = if six { b'2' } else { b'1' };
        rest = rest.strip_prefix(&[family, delimiter])?;
        let len = rest.iter().position(|byte| *byte == delimiter)?;
        let ip = address(&rest[..len], six)?;
        rest = &rest[len + 1..];
        ip
    };
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    let port = rest[..digits].iter().try_fold(0, |port, digit| appended(port, *digit))?;
    if port == 0 || rest[digits] != delimiter {
        return None;
    }
    let end = payload.len() - rest.len() + digits + 1;
    Some(Offer { address: SocketAddr::new(ip, port), range: start..end })
}

/// An address in words, of the wanted family. Leading zeros are allowed, as `in4_pton` allows them.
fn address(text: &[u8], six: bool) -> Option<IpAddr> {
    if six {
        return str::from_utf8(text).ok()?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    let mut octets = text.split(|byte| *byte == b'.').map(|octet| {
        let digits = !octet.is_empty() && octet.iter().all(u8::is_ascii_digit);
        let grow = |value: u8, digit: &u8| value.checked_mul(10)?.checked_add(digit - b'0');
        if digits { octet.iter().try_fold(0, grow) } else { None }
    });
    let mut next = || octets.next().flatten();
    let four = [next()?, next()?, next()?, next()?];
    octets.next().is_none().then(|| Ipv4Addr::from(four).into())
}

#[cfg(test)]
#[path = "ftp_tests.rs"]
mod tests;
