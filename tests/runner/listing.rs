//! Connection listings: one entry a line, from `/proc/net/ip_vs_conn` and from `ipvsadm -Lnc`.

use std::net::{IpAddr, Ipv4Addr};

/// Which connection an entry is of.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Identity {
    pub(crate) protocol: String,
    pub(crate) client: (IpAddr, u16),
    pub(crate) service: (IpAddr, u16),
    pub(crate) server: (IpAddr, u16),
}

/// An entry: who, how long still, and all the rest of its line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) identity: Identity,
    /// What is shown as its remaining time.
    pub(crate) seconds: u64,
    /// The line without that time; where the field stands is part of it.
    pub(crate) rest: String,
    /// Where the time stands in the line.
    pub(crate) time: std::ops::Range<usize>,
}

/// `TCP AC100001 0002 0A000064 0050 0A01000C 1F90 ESTABLISHED     100`
pub(crate) fn parse_proc(line: &str) -> Option<Entry> {
    let words = words(line);
    let [protocol, ip, port, vip, vport, rip, rport, _, time, ..] = words.as_slice() else { return None };
    let end = |address: &Word, port: &Word| Some((hex_address(address.text)?, hex_port(port.text)?));
    let identity = Identity {
        protocol: protocol.text.into(),
        client: end(ip, port)?,
        service: end(vip, vport)?,
        server: end(rip, rport)?,
    };
    // Aligned to the right: what counts is where the number ends.
    let rest = format!("{}|{}|{}", line[..time.start].trim_end(), time.end, &line[time.end..]);
    Some(Entry { identity, seconds: time.text.parse().ok()?, rest, time: time.start..time.end })
}

/// `TCP 00:59  SYN_RECV    172.16.0.1:3       10.0.0.100:80      10.1.0.11:8080`
pub(crate) fn parse_tool(line: &str) -> Option<Entry> {
    let words = words(line);
    let [protocol, time, _, client, service, server, ..] = words.as_slice() else { return None };
    let (minutes, seconds) = time.text.split_once(':')?;
    let identity = Identity {
        protocol: protocol.text.into(),
        client: endpoint(client.text)?,
        service: endpoint(service.text)?,
        server: endpoint(server.text)?,
    };
    let after = &line[time.end..];
    // Aligned to the left: what counts is where the next field starts.
    let column = time.end + after.len() - after.trim_start().len();
    let rest = format!("{}|{column}|{}", &line[..time.start], after.trim_start());
    let seconds = minutes.parse::<u64>().ok()? * 60 + seconds.parse::<u64>().ok()?;
    Some(Entry { identity, seconds, rest, time: time.start..time.end })
}

/// An entry in either form.
pub(crate) fn parse(line: &str) -> Option<Entry> {
    parse_tool(line).or_else(|| parse_proc(line))
}

/// `10.1.0.11:8080`, `[fd00:1::11]:80`, `0A01000B:1F90` or `[fd00:0001:...]:0050`.
pub(crate) fn any_endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.rsplit_once(':')?;
    let in_hex = address.len() == 41 || !address.contains(['.', '[']);
    if in_hex { Some((hex_address(address.trim_matches(['[', ']']))?, hex_port(port)?)) } else { endpoint(text) }
}

fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.rsplit_once(':')?;
    let number = port.parse().ok().or_else(|| NAMED.iter().find(|(name, _)| *name == port).map(|(_, number)| *number));
    Some((address.trim_matches(['[', ']']).parse().ok()?, number?))
}

/// Ports that listings without `-n` name: entries are told by numbers, their lines are compared as they are.
const NAMED: [(&str, u16); 5] = [("http", 80), ("https", 443), ("http-alt", 8080), ("ftp", 21), ("sip", 5060)];

fn hex_address(text: &str) -> Option<IpAddr> {
    match text.len() {
        8 => u32::from_str_radix(text, 16).ok().map(|bits| Ipv4Addr::from(bits).into()),
        39 => text.parse().ok(),
        _ => None,
    }
}

fn hex_port(text: &str) -> Option<u16> {
    if text.len() == 4 { u16::from_str_radix(text, 16).ok() } else { None }
}

/// A word and where it stands.
struct Word<'a> {
    text: &'a str,
    start: usize,
    end: usize,
}

fn words(line: &str) -> Vec<Word<'_>> {
    let place = |text: &'_ str| text.as_ptr() as usize - line.as_ptr() as usize;
    line.split_whitespace().map(|text| Word { text, start: place(text), end: place(text) + text.len() }).collect()
}
