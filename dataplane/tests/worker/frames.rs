//! Frames by hand: what clients, servers and passers-by put on the wire.

use std::net::{IpAddr, SocketAddr};

use dataplane::wire::checksum::Sum;
use dataplane::wire::ethernet::{self, Header, MacAddr};
use dataplane::wire::{be16, icmpv6, ipv4, ipv6, put, sctp};

/// The director's MAC, on every port.
pub(crate) const DIRECTOR: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
/// Whoever sends.
pub(crate) const SENDER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x77]);

/// What an IP packet carries.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Body {
    /// A segment with flags and so many bytes.
    Tcp(u16, u16, u8, usize),
    /// A datagram with so many bytes.
    Udp(u16, u16, usize),
    /// A datagram whose sender computed no checksum.
    UdpBare(u16, u16, usize),
    /// An SCTP packet with chunks.
    Sctp(u16, u16, &'static [u8]),
    /// A message of a type, of ICMP or ICMPv6.
    Icmp(u8),
    /// Zeros of another protocol.
    Other(u8, usize),
}

/// A packet between two addresses of one family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) ttl: u8,
    /// Flags and offset of IPv4.
    pub(crate) fragment: u16,
    pub(crate) body: Body,
}

/// A packet with a long life.
pub(crate) fn packet(src: impl Into<IpAddr>, dst: impl Into<IpAddr>, body: Body) -> Packet {
    Packet { src: src.into(), dst: dst.into(), ttl: 64, fragment: 0, body }
}

impl Packet {
    pub(crate) fn ttl(self, ttl: u8) -> Self {
        Self { ttl, ..self }
    }

    pub(crate) fn fragment(self, fragment: u16) -> Self {
        Self { fragment, ..self }
    }

    /// The frame, to the director.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let (transport, protocol, ttl) = (self.transport(), self.protocol(), self.ttl);
        let payload = transport.len();
        let (src, dst) = match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => (src.to_bits(), dst.to_bits()),
            (src, dst) => {
                let [src, dst] = [src, dst].map(|address| octets(address).try_into().expect("two of IPv6"));
                let header = ipv6::build(payload, protocol, ttl, &src, &dst);
                return ether(DIRECTOR, ethernet::IPV6, &[&header[..], &transport].concat());
            }
        };
        let build = ipv4::Build { tos: 0, payload, id: 0x1234, df: false, ttl, protocol, src, dst };
        let mut header = build.bytes();
        put(&mut header, 6, &self.fragment.to_be_bytes());
        seal(&mut header);
        ether(DIRECTOR, ethernet::IPV4, &[&header[..], &transport].concat())
    }

    fn protocol(&self) -> u8 {
        match self.body {
            Body::Tcp(..) => 6,
            Body::Udp(..) | Body::UdpBare(..) => 17,
            Body::Sctp(..) => sctp::PROTOCOL,
            Body::Icmp(_) if self.src.is_ipv6() => icmpv6::PROTOCOL,
            Body::Icmp(_) => 1,
            Body::Other(protocol, _) => protocol,
        }
    }

    fn transport(&self) -> Vec<u8> {
        let mut bytes = match self.body {
            Body::Tcp(sport, dport, flags, payload) => tcp(sport, dport, flags, payload),
            Body::Udp(sport, dport, payload) | Body::UdpBare(sport, dport, payload) => udp(sport, dport, payload),
            Body::Sctp(sport, dport, chunks) => return sctp_packet(sport, dport, chunks),
            Body::Icmp(kind) => [&[kind, 0, 0, 0, 0, 7, 0, 1][..], &filling(24)].concat(),
            Body::Other(_, len) => return vec![0; len],
        };
        let pseudo = Sum::default().pseudo(&octets(self.src), &octets(self.dst), self.protocol(), bytes.len());
        let (at, sum) = match self.body {
            Body::Tcp(..) => (16, pseudo),
            Body::Icmp(_) if self.src.is_ipv4() => (2, Sum::default()),
            Body::Icmp(_) => (2, pseudo),
            _ => (6, pseudo),
        };
        if !matches!(self.body, Body::UdpBare(..)) {
            let sum = sum.bytes(&bytes).finish();
            put(&mut bytes, at, &sum.to_be_bytes());
        }
        bytes
    }
}

/// An ICMP error about a packet: type, code, the half header behind the checksum, and the bytes that it quotes.
pub(crate) fn error(
    src: impl Into<IpAddr>,
    dst: impl Into<IpAddr>,
    (kind, code, rest): (u8, u8, u32),
    quoted: &[u8],
) -> Vec<u8> {
    let (src, dst) = (src.into(), dst.into());
    let mut message = [&[kind, code, 0, 0][..], &rest.to_be_bytes(), quoted].concat();
    let number = if src.is_ipv4() { 1 } else { icmpv6::PROTOCOL };
    let pseudo = Sum::default().pseudo(&octets(src), &octets(dst), number, message.len());
    let sum = if src.is_ipv4() { Sum::default() } else { pseudo };
    let sum = sum.bytes(&message).finish();
    put(&mut message, 2, &sum.to_be_bytes());
    let mut frame = packet(src, dst, Body::Other(number, message.len())).frame();
    let at = frame.len() - message.len();
    frame[at..].copy_from_slice(&message);
    frame
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// A frame around a payload.
pub(crate) fn ether(dst: MacAddr, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let header = Header { dst, src: SENDER, ethertype };
    [&header.bytes()[..], payload].concat()
}

/// Makes the checksum of an IPv4 header right.
pub(crate) fn seal(header: &mut [u8]) {
    put(header, 10, &[0, 0]);
    let sum = Sum::default().bytes(&header[..ipv4::HEADER]).finish();
    put(header, 10, &sum.to_be_bytes());
}

/// A frame with some bytes of its IP header changed and the header sealed again.
pub(crate) fn patched(packet: &Packet, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut frame = packet.frame();
    put(&mut frame, ethernet::HEADER + at, bytes);
    seal(&mut frame[ethernet::HEADER..]);
    frame
}

fn tcp(sport: u16, dport: u16, flags: u8, payload: usize) -> Vec<u8> {
    let mut segment = [sport.to_be_bytes(), dport.to_be_bytes()].concat();
    segment.extend([0, 0, 0, 9, 0, 0, 0, 5, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    segment.extend(filling(payload));
    segment
}

fn udp(sport: u16, dport: u16, payload: usize) -> Vec<u8> {
    let length = 8 + payload as u16;
    let mut datagram = [sport.to_be_bytes(), dport.to_be_bytes(), length.to_be_bytes(), [0, 0]].concat();
    datagram.extend(filling(payload));
    datagram
}

fn sctp_packet(sport: u16, dport: u16, chunks: &[u8]) -> Vec<u8> {
    let ports = [sport.to_be_bytes(), dport.to_be_bytes()].concat();
    let mut packet = [&ports[..], &[0, 0, 0, 7, 0, 0, 0, 0], chunks].concat();
    sctp::set_checksum(&mut packet);
    packet
}

fn filling(len: usize) -> Vec<u8> {
    (0..len).map(|i| i as u8).collect()
}

/// An IPv4 packet with options, whole words of them.
pub(crate) fn with_options(frame: &[u8], options: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let end = ethernet::HEADER + ipv4::HEADER;
    frame.splice(end..end, options.iter().copied());
    frame[ethernet::HEADER] += options.len() as u8 / 4;
    let total = (frame.len() - ethernet::HEADER) as u16;
    put(&mut frame, ethernet::HEADER + 2, &total.to_be_bytes());
    ipv4::seal(&mut frame[ethernet::HEADER..end + options.len()]);
    frame
}

/// An IPv6 packet with an extension header of a kind and eight bytes in front of what it carries.
pub(crate) fn extended(frame: &[u8], kind: u8, body: [u8; 7]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let next = std::mem::replace(&mut frame[20], kind);
    let length = u16::from_be_bytes([frame[18], frame[19]]) + 8;
    put(&mut frame, 18, &length.to_be_bytes());
    let at = ethernet::HEADER + ipv6::HEADER;
    frame.splice(at..at, std::iter::once(next).chain(body));
    frame
}

/// The pieces of a packet, with so many bytes of data each, all of which but the last are multiples of eight.
pub(crate) fn pieces(frame: &[u8], id: u16, sizes: &[usize]) -> Vec<Vec<u8>> {
    let six = frame[12..14] == ethernet::IPV6.to_be_bytes();
    let head = ethernet::HEADER + if six { ipv6::HEADER } else { ipv4::HEADER };
    let (front, body) = frame.split_at(head);
    let mut done = 0;
    let mut piece = |size: usize| {
        let end = body.len().min(done + size);
        let (at, data, more) = (done, &body[done..end], end < body.len());
        done = end;
        let mut front = front.to_vec();
        if six {
            let next = std::mem::replace(&mut front[20], 44);
            put(&mut front, 18, &(8 + data.len() as u16).to_be_bytes());
            front.extend([next, 0]);
            front.extend((at as u16 | u16::from(more)).to_be_bytes());
            front.extend(u32::from(id).to_be_bytes());
        } else {
            put(&mut front, 16, &(20 + data.len() as u16).to_be_bytes());
            put(&mut front, 18, &id.to_be_bytes());
            let flags = u16::from_be_bytes([frame[20], frame[21]]) & 0x4000 | u16::from(more) << 13;
            put(&mut front, 20, &(flags | (at as u16 / 8)).to_be_bytes());
            seal(&mut front[ethernet::HEADER..]);
        }
        [&front[..], data].concat()
    };
    sizes.iter().map(|size| piece(*size)).collect()
}

/// The packet that pieces make, in whatever order they come, if they do.
pub(crate) fn joined(pieces: &[Vec<u8>]) -> Option<Vec<u8>> {
    let six = pieces.first()?[12..14] == ethernet::IPV6.to_be_bytes();
    let head = ethernet::HEADER + if six { ipv6::HEADER + 8 } else { ipv4::HEADER };
    let place = |piece: &Vec<u8>| {
        let field = |at: usize| usize::from(u16::from_be_bytes([piece[at], piece[at + 1]]));
        if six { (field(56) & !7, field(56) & 1 != 0) } else { (field(20) % 0x2000 * 8, field(20) & 0x2000 != 0) }
    };
    let mut sorted: Vec<_> = pieces.iter().map(|piece| (place(piece), piece)).collect();
    sorted.sort_by_key(|((at, _), _)| *at);
    let mut body = Vec::new();
    for (n, ((at, more), piece)) in sorted.iter().enumerate() {
        if *at != body.len() || *more != (n + 1 < sorted.len()) {
            return None;
        }
        body.extend(&piece[head..]);
    }
    let mut front = sorted[0].1[..head].to_vec();
    if six {
        front[20] = front[54];
        front.truncate(head - 8);
        put(&mut front, 18, &(body.len() as u16).to_be_bytes());
    } else {
        put(&mut front, 16, &(20 + body.len() as u16).to_be_bytes());
        let df = front[20] & 0x40;
        put(&mut front, 20, &[df, 0]);
        seal(&mut front[ethernet::HEADER..]);
    }
    Some([front, body].concat())
}

/// An ARP request of a client.
pub(crate) fn arp() -> Vec<u8> {
    ether(ethernet::BROADCAST, ethernet::ARP, &[0; 28])
}

/// Source and destination of a frame that left, of TCP or UDP without anything in between. Its lengths and checksums must
/// be right.
#[track_caller]
pub(crate) fn ends(frame: &[u8]) -> [SocketAddr; 2] {
    assert!(is_right(frame), "a wrong length or checksum: {frame:02x?}");
    let packet = &frame[ethernet::HEADER..];
    let (addresses, l4) = match packet[0] >> 4 {
        4 => {
            let header = ipv4::Header::parse(packet).expect("IPv4");
            ([header.src, header.dst].map(|bits| IpAddr::V4(bits.into())), header.len)
        }
        _ => {
            let header = ipv6::Header::parse(packet).expect("IPv6");
            ([header.src, header.dst].map(IpAddr::from), ipv6::HEADER)
        }
    };
    [0, 1].map(|n| SocketAddr::new(addresses[n], be16(packet, l4 + 2 * n)))
}

/// Puts a text into a segment or a datagram that is as long as it needs, and makes the checksum right.
pub(crate) fn say(frame: &mut [u8], text: &str) {
    let l3 = ethernet::HEADER;
    let (l4, ends, protocol) = if frame[l3] >> 4 == 4 {
        (l3 + 20, l3 + 12..l3 + 20, frame[l3 + 9])
    } else {
        (l3 + 40, l3 + 8..l3 + 40, frame[l3 + 6])
    };
    let checksum = l4 + if protocol == 6 { 16 } else { 6 };
    let start = frame.len() - text.len();
    put(frame, start, text.as_bytes());
    put(frame, checksum, &[0, 0]);
    let (source, destination) = frame[ends.clone()].split_at(ends.len() / 2);
    let sum = Sum::default().pseudo(source, destination, protocol, frame.len() - l4).bytes(&frame[l4..]).finish();
    put(frame, checksum, &sum.to_be_bytes());
}

/// Whether a frame that left is an IP packet whose checksums, of the header and of TCP, UDP, SCTP or ICMP, are right.
pub(crate) fn is_right(frame: &[u8]) -> bool {
    let Some(packet) = frame.get(ethernet::HEADER..) else { return false };
    if frame[12..14] == ethernet::IPV6.to_be_bytes() {
        return is_right6(packet);
    }
    let Ok(header) = ipv4::Header::parse(packet) else { return false };
    let transport = &packet[header.len..header.total];
    let pseudo = Sum::default().pseudo(&packet[12..16], &packet[16..20], header.protocol, transport.len());
    let sum = match header.protocol {
        _ if header.is_fragment() => return true,
        1 => Sum::default(),
        6 => pseudo,
        17 if transport[6..8] != [0, 0] => pseudo,
        sctp::PROTOCOL => return packet.len() == header.total && sctp::is_right(transport),
        _ => return true,
    };
    packet.len() == header.total && sum.bytes(transport).fold() == 0xffff
}

fn is_right6(packet: &[u8]) -> bool {
    let Ok(header) = ipv6::Header::parse(packet) else { return false };
    let Ok(upper) = ipv6::upper(packet, header.next) else { return false };
    let transport = &packet[upper.at..header.total];
    let pseudo = Sum::default().pseudo(&header.src, &header.dst, upper.protocol, transport.len());
    let summed = match upper.protocol {
        _ if upper.piece => false,
        17 => transport[6..8] != [0, 0],
        protocol => matches!(protocol, 6 | icmpv6::PROTOCOL),
    };
    packet.len() == header.total && (!summed || pseudo.bytes(transport).fold() == 0xffff)
}
