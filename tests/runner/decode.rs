//! Packets from bytes to words for people: the `pkt` of a golden file, character by character that of `agent.py`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::runner::build::{SCTP_CHUNKS, TCP_FLAGS};
use crate::runner::checksum;
use crate::runner::hex;

/// An IP packet in words.
pub(crate) fn decode(packet: &[u8]) -> String {
    let text = match packet.first().map(|b| b >> 4) {
        Some(4) => ipv4(packet),
        Some(6) => ipv6(packet),
        Some(_) => Some(format!("not IP: {}", hex::encode(upto(packet, 0, 16)))),
        None => None,
    };
    text.unwrap_or_else(|| format!("short/undecodable {} bytes", packet.len()))
}

/// A frame in words: ARP, IP, or its type.
pub(crate) fn decode_frame(frame: &[u8]) -> String {
    match be16(frame, 12) {
        Some(0x0800 | 0x86dd) => decode(upto(frame, 14, usize::MAX)),
        Some(0x0806) => arp(frame).unwrap_or_else(|| format!("short ARP {} bytes", frame.len())),
        Some(other) => format!("ethertype 0x{other:04x}"),
        None => format!("short frame {} bytes", frame.len()),
    }
}

/// The kind of a frame in two words: `TCP RA`, `ICMP 3/3`, `ARP`, `proto 132`.
pub(crate) fn short(frame: &[u8]) -> String {
    if be16(frame, 12) == Some(0x0806) {
        return "ARP".into();
    }
    let packet = upto(frame, 14, usize::MAX);
    let (protocol, at) = protocol_at(packet).unwrap_or((0, 0));
    let byte = |i: usize| packet.get(at + i).copied().unwrap_or(0);
    match protocol {
        6 => format!("TCP {}", tcp_flags(byte(13))),
        1 => format!("ICMP {}/{}", byte(0), byte(1)),
        58 => format!("ICMP6 {}/{}", byte(0), byte(1)),
        other => format!("proto {other}"),
    }
}

/// The protocol of an IP packet and where its header starts; IPv6 extension headers are not followed.
pub(crate) fn protocol_at(packet: &[u8]) -> Option<(u8, usize)> {
    match packet.first()? >> 4 {
        4 => Some((*packet.get(9)?, header_length(packet))),
        _ => Some((*packet.get(6)?, 40)),
    }
}

/// Source and destination of an IP packet.
pub(crate) fn addresses(packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    match packet.first()? >> 4 {
        4 => Some((v4_at(packet, 12)?.into(), v4_at(packet, 16)?.into())),
        6 => Some((v6_at(packet, 8)?.into(), v6_at(packet, 24)?.into())),
        _ => None,
    }
}

/// Names of the flags that are set, lowest bit first.
pub(crate) fn tcp_flags(bits: u8) -> String {
    TCP_FLAGS.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, letter)| letter).collect()
}

/// The 16 bits at an offset, if they are there.
pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

/// The 32 bits at an offset, if they are there.
pub(crate) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

fn v4_at(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    be32(bytes, at).map(Ipv4Addr::from)
}

fn v6_at(bytes: &[u8], at: usize) -> Option<Ipv6Addr> {
    let octets: [u8; 16] = bytes.get(at..at + 16)?.try_into().ok()?;
    Some(octets.into())
}

fn header_length(packet: &[u8]) -> usize {
    usize::from(packet[0] & 15) * 4
}

/// A range cut to what is there.
fn upto(bytes: &[u8], from: usize, to: usize) -> &[u8] {
    let to = to.min(bytes.len());
    &bytes[from.min(to)..to]
}

fn arp(frame: &[u8]) -> Option<String> {
    let (operation, sender, target) = (be16(frame, 20)?, v4_at(frame, 28)?, v4_at(frame, 38)?);
    Some(format!("ARP op={operation} {sender} > {target}"))
}

/// What a transport decoder needs to know of the header before it.
struct Below {
    protocol: u8,
    src: IpAddr,
    dst: IpAddr,
    /// All of the datagram is here, so its checksum can be tried.
    whole: bool,
}

/// Ports, where the protocol has them, and the words.
struct Above {
    ports: Option<(u16, u16)>,
    words: String,
}

fn ipv4(packet: &[u8]) -> Option<String> {
    let header = header_length(packet);
    let (total, id, fragment) = (usize::from(be16(packet, 2)?), be16(packet, 4)?, be16(packet, 6)?);
    let (src, dst) = addresses(packet)?;
    let words = format!(
        "ttl={} tos=0x{:02x} id=0x{id:04x}{}{} len={total}{}{}",
        packet[8],
        packet[1],
        if fragment & 0x4000 != 0 { " DF" } else { "" },
        v4_fragment(fragment),
        if checksum::internet(upto(packet, 0, header)) == 0 { "" } else { " IPCSUM-BAD" },
        if header > 20 { format!(" ipopts={}", hex::encode(upto(packet, 20, header))) } else { String::new() },
    );
    let body = upto(packet, header, if total >= header { total } else { usize::MAX });
    let protocol = packet[9];
    if fragment & 0x1fff != 0 {
        return Some(later_fragment(&format!("IP {src} > {dst} {words}"), protocol, body));
    }
    let whole = fragment & 0x3fff == 0 && packet.len() >= total;
    let above = transport(body, &Below { protocol, src, dst, whole })?;
    Some(format!("IP {} {words} | {}", ends(&src.to_string(), &dst.to_string(), above.ports), above.words))
}

fn v4_fragment(field: u16) -> String {
    let more = if field & 0x2000 != 0 { ",MF" } else { "" };
    if field & 0x3fff == 0 { String::new() } else { format!(" frag(off={}{more})", (field & 0x1fff) * 8) }
}

fn ipv6(packet: &[u8]) -> Option<String> {
    let (first, length) = (be32(packet, 0)?, usize::from(be16(packet, 4)?));
    let (src, dst) = addresses(packet)?;
    let (from, to) = (format!("[{src}]"), format!("[{dst}]"));
    let (class, label) = (first >> 20 & 255, first & 0xfffff);
    let mut words = format!("hlim={} tc=0x{class:02x} flow={label:05x} plen={length}", packet[7]);
    let mut body = upto(packet, 40, 40 + length);
    let (mut protocol, mut whole) = (packet[6], packet.len() >= 40 + length);
    if protocol == 44 {
        let (field, id) = (be16(body, 2)?, be32(body, 4)?);
        let more = if field & 1 != 0 { ",MF" } else { "" };
        words += &format!(" frag(off={}{more},id=0x{id:x})", field & 0xfff8);
        (protocol, whole, body) = (body[0], false, &body[8..]);
        if field & 0xfff8 != 0 {
            return Some(later_fragment(&format!("IP6 {from} > {to} {words}"), protocol, body));
        }
    }
    let above = transport(body, &Below { protocol, src, dst, whole })?;
    Some(format!("IP6 {} {words} | {}", ends(&from, &to, above.ports), above.words))
}

fn later_fragment(start: &str, protocol: u8, body: &[u8]) -> String {
    format!("{start} | proto={protocol} {} bytes of payload", body.len())
}

fn ends(src: &str, dst: &str, ports: Option<(u16, u16)>) -> String {
    match ports {
        Some((from, to)) => format!("{src}:{from} > {dst}:{to}"),
        None => format!("{src} > {dst}"),
    }
}

fn transport(body: &[u8], below: &Below) -> Option<Above> {
    let plain = |words| Some(Above { ports: None, words });
    let with_ports = |words| Some(Above { ports: Some((be16(body, 0)?, be16(body, 2)?)), words });
    match below.protocol {
        6 if body.len() >= 20 => with_ports(tcp(body, below)?),
        6 => with_ports(format!("TCP (cut to {})", body.len())),
        17 => with_ports(udp(body, below)?),
        132 => with_ports(sctp(body, below)?),
        1 | 58 => plain(icmp(body, below)?),
        4 | 41 => plain(format!("IPIP {{{}}}", decode(body))),
        47 => plain(gre(body)?),
        other => plain(format!("proto={other} len={}", body.len())),
    }
}

/// ` csum=1234(ok)`, or nothing where it cannot be tried.
fn checked(body: &[u8], at: usize, below: &Below) -> Option<String> {
    if !below.whole {
        return Some(String::new());
    }
    let before = match below.protocol {
        1 => Vec::new(),
        protocol => checksum::pseudo_header(below.src, below.dst, protocol, body.len()),
    };
    let right = checksum::internet(&[before.as_slice(), body].concat()) == 0;
    Some(format!(" csum={:04x}({})", be16(body, at)?, if right { "ok" } else { "BAD" }))
}

fn tcp(body: &[u8], below: &Below) -> Option<String> {
    let header = usize::from(body[12] >> 4) * 4;
    let flags = Some(tcp_flags(body[13])).filter(|f| !f.is_empty()).unwrap_or("-".into());
    let options = if header > 20 { format!(" opts={}", hex::encode(upto(body, 20, header))) } else { String::new() };
    Some(format!(
        "TCP [{flags}] seq={} ack={} win={}{options}{} datalen={}",
        be32(body, 4)?,
        be32(body, 8)?,
        be16(body, 14)?,
        checked(body, 16, below)?,
        body.len() as i64 - header as i64,
    ))
}

fn udp(body: &[u8], below: &Below) -> Option<String> {
    let (length, sum) = (be16(body, 4)?, be16(body, 6)?);
    let sum = if below.whole && sum == 0 { " csum=none".into() } else { checked(body, 6, below)? };
    let gue = be16(body, 0)? == 6080 || be16(body, 2)? == 6080;
    let data = if gue { format!(" data={}", hex::encode(upto(body, 8, 24))) } else { String::new() };
    Some(format!("UDP len={length}{sum}{data}"))
}

fn sctp(body: &[u8], below: &Below) -> Option<String> {
    let (mut names, mut at) = (Vec::new(), 12);
    while at + 4 <= body.len() {
        names.push(chunk_name(body[at]));
        at += usize::from(be16(body, at + 2)?).next_multiple_of(4).max(4);
    }
    let crc = match below.whole {
        false => "",
        true if be32(body, 8)?.swap_bytes() == checksum::sctp(body) => " crc32c=ok",
        true => " crc32c=BAD",
    };
    Some(format!("SCTP [{}]{crc}", names.join(",")))
}

fn chunk_name(number: u8) -> String {
    let known = SCTP_CHUNKS.iter().find(|(_, n)| *n == number);
    known.map_or(number.to_string(), |(name, _)| (*name).to_string())
}

fn icmp(body: &[u8], below: &Below) -> Option<String> {
    let (kind, code) = (*body.first()?, *body.get(1)?);
    let (name, error) = match below.protocol {
        1 => ("ICMP", matches!(kind, 3 | 4 | 5 | 11 | 12)),
        _ => ("ICMP6", kind < 128),
    };
    let rest = hex::encode(upto(body, 4, 8));
    let inner = if error { format!(" {{{}}}", decode(upto(body, 8, usize::MAX))) } else { String::new() };
    Some(format!("{name} type={kind} code={code} rest={rest}{}{inner}", checked(body, 2, below)?))
}

fn gre(body: &[u8]) -> Option<String> {
    let (flags, protocol) = (be16(body, 0)?, be16(body, 2)?);
    let header = 4 + [0x8000, 0x2000, 0x1000].iter().filter(|bit| flags & **bit != 0).count() * 4;
    let (head, inner) = (hex::encode(upto(body, 0, header)), decode(upto(body, header, usize::MAX)));
    Some(format!("GRE flags={flags:04x} proto={protocol:04x} hdr={head} {{{inner}}}"))
}
