//! Frames by hand: what clients, servers and passers-by put on the wire.

use std::net::Ipv4Addr;

use dataplane::wire::checksum::Sum;
use dataplane::wire::ethernet::{self, Header, MacAddr};
use dataplane::wire::{ipv4, put, sctp};

/// The director's MAC, on every port.
pub(crate) const DIRECTOR: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
/// Whoever sends.
pub(crate) const SENDER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x77]);

/// What an IPv4 packet carries.
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
    /// An ICMP message of a type.
    Icmp(u8),
    /// Zeros of another protocol.
    Other(u8, usize),
}

/// An IPv4 packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    pub(crate) src: Ipv4Addr,
    pub(crate) dst: Ipv4Addr,
    pub(crate) ttl: u8,
    /// Flags and offset.
    pub(crate) fragment: u16,
    pub(crate) body: Body,
}

/// A packet with a long life.
pub(crate) fn packet(src: impl Into<Ipv4Addr>, dst: impl Into<Ipv4Addr>, body: Body) -> Packet {
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
        let transport = self.transport();
        let build = ipv4::Build {
            tos: 0,
            payload: transport.len(),
            id: 0x1234,
            df: false,
            ttl: self.ttl,
            protocol: self.protocol(),
            src: self.src.to_bits(),
            dst: self.dst.to_bits(),
        };
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
        let pseudo = Sum::default().pseudo(&self.src.octets(), &self.dst.octets(), self.protocol(), bytes.len());
        let (at, sum) = match self.body {
            Body::Tcp(..) => (16, pseudo),
            Body::Icmp(_) => (2, Sum::default()),
            _ => (6, pseudo),
        };
        if !matches!(self.body, Body::UdpBare(..)) {
            let sum = sum.bytes(&bytes).finish();
            put(&mut bytes, at, &sum.to_be_bytes());
        }
        bytes
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

/// An IPv6 UDP datagram.
pub(crate) fn udp6(src: [u8; 16], dst: [u8; 16], dport: u16) -> Vec<u8> {
    let datagram = udp(4000, dport, 4);
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((datagram.len() as u16).to_be_bytes());
    packet.extend([17, 64]);
    packet.extend([src, dst].concat());
    packet.extend(datagram);
    ether(DIRECTOR, ethernet::IPV6, &packet)
}

/// An ARP request of a client.
pub(crate) fn arp() -> Vec<u8> {
    ether(ethernet::BROADCAST, ethernet::ARP, &[0; 28])
}

/// Whether a frame that left is an IPv4 packet whose checksums, of the header and of TCP, UDP, SCTP or ICMP, are
/// right.
pub(crate) fn is_right(frame: &[u8]) -> bool {
    let Some(packet) = frame.get(ethernet::HEADER..) else { return false };
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
