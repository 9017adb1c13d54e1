//! Packets from a scenario's words to bytes: IPv4 and IPv6 with fragments, and every transport that scenarios name.

use std::net::IpAddr;

use crate::runner::checksum;
use crate::runner::hex;
use crate::runner::scenario::{Chunk, Data, Packet, Proto};

/// Names of the protocols, with their numbers.
pub(crate) const PROTOCOLS: [(&str, u8); 9] = [
    ("icmp", 1),
    ("tcp", 6),
    ("udp", 17),
    ("icmp6", 58),
    ("sctp", 132),
    ("ipip", 4),
    ("ah", 51),
    ("esp", 50),
    ("gre", 47),
];

/// TCP flags by letter, lowest bit first.
pub(crate) const TCP_FLAGS: [char; 8] = ['F', 'S', 'R', 'P', 'A', 'U', 'E', 'C'];

/// SCTP chunk types by name.
pub(crate) const SCTP_CHUNKS: [(&str, u8); 13] = [
    ("DATA", 0),
    ("INIT", 1),
    ("INIT_ACK", 2),
    ("SACK", 3),
    ("HEARTBEAT", 4),
    ("HEARTBEAT_ACK", 5),
    ("ABORT", 6),
    ("SHUTDOWN", 7),
    ("SHUTDOWN_ACK", 8),
    ("ERROR", 9),
    ("COOKIE_ECHO", 10),
    ("COOKIE_ACK", 11),
    ("SHUTDOWN_COMPLETE", 14),
];

/// The datagrams of a packet (several when it is cut), `inner` being what an ICMP message carries.
pub(crate) fn build(spec: &Packet, inner: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    if let Some(raw) = &spec.raw {
        return Ok(vec![hex::decode(raw)?]);
    }
    let (src, dst) = (address(spec.src.as_deref())?, address(spec.dst.as_deref())?);
    let protocol = number(spec.proto.as_ref())?;
    let mut body = transport(spec, protocol, src, dst, inner)?;
    body.truncate(spec.l4_truncate.unwrap_or(usize::MAX));
    let datagrams = pieces(spec, &body).map(|piece| match src {
        IpAddr::V4(_) => ipv4(spec, protocol, src, dst, &piece),
        IpAddr::V6(_) => Ok(ipv6(spec, protocol, src, dst, &piece)),
    });
    in_order(datagrams.collect::<Result<Vec<_>, _>>()?, spec.frag_order.as_deref())
}

fn address(text: Option<&str>) -> Result<IpAddr, String> {
    let text = text.ok_or("a packet without src or dst")?;
    text.parse().map_err(|_| format!("no address: {text}"))
}

fn number(proto: Option<&Proto>) -> Result<u8, String> {
    match proto {
        None => Ok(6),
        Some(Proto::Number(number)) => Ok(*number),
        Some(Proto::Name(name)) => named(&PROTOCOLS, name),
    }
}

fn named(table: &[(&str, u8)], name: &str) -> Result<u8, String> {
    table.iter().find(|(n, _)| *n == name).map(|(_, number)| *number).ok_or(format!("unknown name: {name}"))
}

/// One piece of a cut payload.
struct Piece<'a> {
    offset: usize,
    bytes: &'a [u8],
    more: bool,
}

fn pieces<'a>(spec: &Packet, body: &'a [u8]) -> impl Iterator<Item = Piece<'a>> {
    let size = spec.frag_size.filter(|size| *size > 0).unwrap_or(body.len().max(1));
    let count = if spec.frag_size.is_some() { body.len().div_ceil(size) } else { 1 };
    (0..count).map(move |i| {
        let (offset, end) = (i * size, body.len().min(i * size + size));
        Piece { offset, bytes: &body[offset..end], more: end < body.len() }
    })
}

fn in_order(datagrams: Vec<Vec<u8>>, order: Option<&[usize]>) -> Result<Vec<Vec<u8>>, String> {
    let Some(order) = order else { return Ok(datagrams) };
    order.iter().map(|i| datagrams.get(*i).cloned().ok_or(format!("no fragment {i}"))).collect()
}

fn ipv4(spec: &Packet, protocol: u8, src: IpAddr, dst: IpAddr, piece: &Piece) -> Result<Vec<u8>, String> {
    let options = hex::decode(spec.ipopts.as_deref().unwrap_or(""))?;
    let mut fragment = (piece.offset as u16 + spec.frag_off.unwrap_or(0)) / 8;
    fragment |= if piece.more || spec.mf { 0x2000 } else { 0 };
    fragment |= if spec.df { 0x4000 } else { 0 };
    let mut header = vec![0x40 | (5 + options.len() / 4) as u8, spec.tos.unwrap_or(0)];
    header.extend(((20 + options.len() + piece.bytes.len()) as u16).to_be_bytes());
    header.extend((spec.id.unwrap_or(0x1234) as u16).to_be_bytes());
    header.extend(fragment.to_be_bytes());
    header.extend([spec.ttl.unwrap_or(64), protocol, 0, 0]);
    header.extend(checksum::octets(src));
    header.extend(checksum::octets(dst));
    header.extend(options);
    put16(&mut header, 10, 0);
    let sum = checksum::internet(&header);
    put16(&mut header, 10, sum);
    Ok([&header, piece.bytes].concat())
}

fn ipv6(spec: &Packet, protocol: u8, src: IpAddr, dst: IpAddr, piece: &Piece) -> Vec<u8> {
    let extension = fragment_header(spec, protocol, piece);
    let next = if extension.is_empty() { protocol } else { 44 };
    let first = 6 << 28 | u32::from(spec.tos.unwrap_or(0)) << 20 | spec.flow;
    let mut packet = first.to_be_bytes().to_vec();
    packet.extend(((extension.len() + piece.bytes.len()) as u16).to_be_bytes());
    packet.extend([next, spec.ttl.unwrap_or(64)]);
    for part in [&checksum::octets(src), &checksum::octets(dst), &extension, &piece.bytes.to_vec()] {
        packet.extend(part);
    }
    packet
}

fn fragment_header(spec: &Packet, protocol: u8, piece: &Piece) -> Vec<u8> {
    if spec.frag_size.is_none() && spec.frag_off.is_none() {
        return Vec::new();
    }
    let offset = piece.offset as u16 + spec.frag_off.unwrap_or(0);
    let mut header = vec![protocol, 0];
    header.extend((offset | u16::from(piece.more || spec.mf)).to_be_bytes());
    header.extend(spec.id.unwrap_or(0x1234).to_be_bytes());
    header
}

/// The transport segment with its checksum, right or wrong as the scenario wants it.
fn transport(spec: &Packet, protocol: u8, src: IpAddr, dst: IpAddr, inner: &[u8]) -> Result<Vec<u8>, String> {
    let data = payload(spec.data.as_ref())?;
    let (segment, offset) = match protocol {
        6 => (tcp(spec, &data)?, 16),
        17 => (udp(spec, &data), 6),
        1 | 58 => (icmp(spec, protocol, inner, &data), 2),
        132 => return sctp(spec, &data),
        _ => return Ok(data),
    };
    Ok(checksummed(spec, segment, offset, protocol, src, dst))
}

fn payload(data: Option<&Data>) -> Result<Vec<u8>, String> {
    match data {
        None => Ok(Vec::new()),
        Some(Data::Length(length)) => Ok((0..*length).map(|i| i as u8).collect()),
        Some(Data::Text(text)) => match text.strip_prefix("hex:") {
            Some(digits) => hex::decode(digits),
            None => Ok(text.as_bytes().to_vec()),
        },
    }
}

fn checksummed(spec: &Packet, mut segment: Vec<u8>, at: usize, protocol: u8, src: IpAddr, dst: IpAddr) -> Vec<u8> {
    if spec.csum.as_deref() == Some("zero") {
        return segment;
    }
    let before = if protocol == 1 { vec![] } else { checksum::pseudo_header(src, dst, protocol, segment.len()) };
    let mut sum = checksum::internet(&[before.as_slice(), &segment].concat());
    if protocol == 17 && sum == 0 {
        sum = 0xffff;
    }
    if spec.csum.as_deref() == Some("bad") {
        sum ^= 0x5555;
    }
    put16(&mut segment, at, sum);
    segment
}

fn put16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

fn ports(spec: &Packet) -> Vec<u8> {
    let (source, destination) = (spec.sport.unwrap_or(0), spec.dport.unwrap_or(0));
    [source.to_be_bytes(), destination.to_be_bytes()].concat()
}

fn tcp(spec: &Packet, data: &[u8]) -> Result<Vec<u8>, String> {
    let options = hex::decode(spec.opts.as_deref().unwrap_or(""))?;
    let mut segment = ports(spec);
    segment.extend(spec.seq.unwrap_or(1000).to_be_bytes());
    segment.extend(spec.ack.unwrap_or(0).to_be_bytes());
    segment.extend([((5 + options.len() / 4) as u8) << 4, flags(spec.flags.as_deref().unwrap_or("S"))?]);
    segment.extend(spec.win.unwrap_or(8192).to_be_bytes());
    segment.extend([0; 4]);
    segment.extend(options);
    segment.extend(data);
    Ok(segment)
}

fn flags(letters: &str) -> Result<u8, String> {
    letters.chars().try_fold(0, |bits, letter| match TCP_FLAGS.iter().position(|f| *f == letter) {
        Some(bit) => Ok(bits | 1 << bit),
        None => Err(format!("no TCP flag: {letter}")),
    })
}

fn udp(spec: &Packet, data: &[u8]) -> Vec<u8> {
    let mut segment = ports(spec);
    segment.extend((8 + data.len() as u16).to_be_bytes());
    segment.extend([0; 2]);
    segment.extend(data);
    segment
}

fn icmp(spec: &Packet, protocol: u8, inner: &[u8], data: &[u8]) -> Vec<u8> {
    let echo = if protocol == 1 { 8 } else { 128 };
    let mut message = vec![spec.icmp_type.unwrap_or(echo), spec.icmp_code.unwrap_or(0), 0, 0];
    match spec.mtu {
        // Four bytes in both: ICMPv4 has two unused ones first.
        Some(mtu) => message.extend(mtu.to_be_bytes()),
        None => {
            message.extend(spec.icmp_id.unwrap_or(0).to_be_bytes());
            message.extend(spec.icmp_seq.unwrap_or(0).to_be_bytes());
        }
    }
    message.extend(inner);
    message.extend(data);
    message
}

fn sctp(spec: &Packet, data: &[u8]) -> Result<Vec<u8>, String> {
    let mut packet = ports(spec);
    packet.extend(spec.vtag.unwrap_or(1).to_be_bytes());
    packet.extend([0; 4]);
    let default = [Chunk::Name("INIT".into())];
    for chunk in spec.chunks.as_deref().unwrap_or(&default) {
        packet.extend(sctp_chunk(chunk)?);
    }
    packet.extend(data);
    let mut crc = checksum::sctp(&packet);
    if spec.csum.as_deref() == Some("bad") {
        crc ^= 0x5555;
    }
    packet[8..12].copy_from_slice(&crc.to_le_bytes());
    Ok(packet)
}

fn sctp_chunk(chunk: &Chunk) -> Result<Vec<u8>, String> {
    let (name, length) = match chunk {
        Chunk::Name(name) => (name, if name.starts_with("INIT") { 16 } else { 0 }),
        Chunk::Sized(name, length) => (name, *length),
    };
    let mut bytes = vec![named(&SCTP_CHUNKS, name)?, 0];
    bytes.extend((4 + length as u16).to_be_bytes());
    bytes.resize(4 + length.next_multiple_of(4), 0);
    Ok(bytes)
}
