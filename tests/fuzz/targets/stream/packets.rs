//! What clients and servers send.
//!
//! ```text
//! what   bits 3 to 5 the form; bit 6 a client speaks to a server; bit 7 it waits to be one of a burst
//! who    bits 0 and 1 the client, 4 and 5 its port; of an error, bits 2 and 3 the tunnel it is about (3: how much fits),
//!        6 whether it is, 7 the virtual address
//! which  bits 0 and 1 the virtual address or server, 1 and 2 the port, 6 a client speaks to who is far, 7 UDP
//! how    bits 0 to 2 flags of TCP, 3 not to be cut, 4 and 5 kind of error or tunnel, 6 much data, 7 an echo request
//! where  bit 0 IPv6, 1 on the VLAN, 2 time to live 1, 3 to 5 another tag, 6 by the other port, 7 a tunnel over IPv6
//! ```

use std::net::IpAddr;

use dataplane::flow::Protocol::{self, Tcp, Udp};
use dataplane::wire::fragment::{Cut, How};
use dataplane::wire::vlan::{SERVICE_TPID, tagged};
use dataplane::wire::{icmpv4, icmpv6, ipv4, put};
use lab::frames::{framed, icmp, packet, seal4, transport};
use lab::{Lab, Place, VLANS};

use crate::Step;

const FLAGS: [u8; 8] = [2, 16, 17, 4, 18, 20, 0, 24];
/// Servers' port of GUE.
pub(crate) const GUE: u16 = 6080;
const GRE: u8 = 47;

/// Addresses and ports of a packet.
#[derive(Clone, Copy)]
struct Ends {
    src: IpAddr,
    dst: IpAddr,
    ports: (u16, u16),
}

impl Ends {
    fn turned(self) -> Self {
        Self { src: self.dst, dst: self.src, ports: (self.ports.1, self.ports.0) }
    }
}

impl Step {
    pub(crate) fn place(self) -> Place {
        Place { six: self.place & 1 != 0, tagged: self.place & 2 != 0 }
    }

    pub(crate) fn protocol(self) -> Protocol {
        if self.which & 0x80 == 0 { Tcp } else { Udp }
    }

    /// Server 15 is one that nobody knows.
    pub(crate) fn server(self, n: u8) -> IpAddr {
        self.place().server(11 + n % 5)
    }

    pub(crate) fn vip(self) -> IpAddr {
        self.place().vip(100 + self.which % 2)
    }

    pub(crate) fn port(self) -> u16 {
        80 + u16::from(self.which >> 1) % 3
    }

    fn client(self) -> (IpAddr, u16) {
        (self.place().client(1 + self.who % 4), 4000 + u16::from(self.who >> 4) % 4)
    }

    /// What a packet carries, and its protocol's number.
    fn body(self, Ends { src, dst, ports }: Ends) -> (u8, Vec<u8>) {
        let data = vec![self.who; if self.how & 0x40 == 0 { 0 } else { 1340 }];
        if self.how & 0x80 != 0 {
            let (kind, number, head) =
                if src.is_ipv6() { (icmpv6::ECHO, 58, 40) } else { (icmpv4::ECHO, 1, ipv4::HEADER) };
            return (number, icmp(src, dst, [kind, 0, 0, self.who, 0, 1], &data)[head..].to_vec());
        }
        let flags = FLAGS[usize::from(self.how & 7)];
        (self.protocol().number(), transport(src, dst, ports, self.protocol(), flags, &data))
    }

    /// A packet without anything around it. What is the same has the same identification, and only that.
    fn plain(self, ends: Ends) -> Vec<u8> {
        let (protocol, body) = self.body(ends);
        let ttl = if self.place & 4 == 0 { 64 } else { 1 };
        let mut packet = packet(ends.src, ends.dst, protocol, ttl, &body);
        if ends.src.is_ipv4() {
            put(&mut packet, 4, &self.id(ends).to_be_bytes());
            put(&mut packet, 6, &[if self.how & 8 == 0 { 0 } else { 0x40 }]);
            seal4(&mut packet);
        }
        packet
    }

    fn id(self, Ends { ports, .. }: Ends) -> u16 {
        let ports = ports.0 & 3 | (ports.1 & 3) << 2 | u16::from(ports.0 > ports.1) << 4;
        ports | u16::from(self.how & 0xc7) << 5 | u16::from(self.which & 0x80) << 6 | u16::from(self.who & 4) << 12
    }

    /// The packet in pieces that fit.
    fn pieces(self, ends: Ends) -> Vec<Vec<u8>> {
        let whole = self.plain(ends);
        let id = self.id(ends).into();
        let how = How { most: 48 + whole.len() / 2, df: false, sizes: &[], id };
        let mut pieces = Vec::new();
        if let Some(cut) = Cut::of(&whole, how) {
            cut.pieces(|header, data| {
                pieces.push([header, data].concat());
                true
            });
        }
        pieces
    }

    /// The packet in another one, from who sends it to the director.
    fn wrapped(self, ends: Ends, port: u16) -> Vec<u8> {
        let outer = self.outer();
        let src = if port == 0 { outer.client(1 + self.who % 4) } else { outer.server(11) };
        around(src, outer.director(port), self.how >> 4, &self.plain(ends))
    }

    /// Where a tunnel goes.
    fn outer(self) -> Place {
        Place { six: self.place & 0x80 != 0, ..self.place() }
    }

    /// An error about a packet; that it is too big is the only one that says how much fits.
    fn error(self, src: IpAddr, dst: IpAddr, about: &[u8]) -> Vec<u8> {
        let mtu = [0, 0, 5, if self.who & 8 == 0 { 0 } else { 120 }];
        let kinds = if src.is_ipv6() { [[1, 4], [2, 0], [3, 0], [4, 1]] } else { [[3, 3], [3, 4], [11, 0], [4, 0]] };
        let [kind, code] = kinds[usize::from(self.how >> 4 & 3)];
        let [a, b, c, d] = mtu;
        icmp(src, dst, [kind, code, a, b, c, d], &about[..about.len().min(if src.is_ipv6() { 1232 } else { 548 })])
    }

    /// The packet with what nobody needs between IP and what it carries.
    fn extended(self, ends: Ends) -> Vec<u8> {
        let (protocol, body) = self.body(ends);
        if ends.src.is_ipv6() {
            let kind = [0, 60, 43, 60][usize::from(self.how >> 4 & 3)];
            return packet(ends.src, ends.dst, kind, 64, &[&[protocol, 0, 1, 4, 0, 0, 0, 0], &body[..]].concat());
        }
        let mut packet = packet(ends.src, ends.dst, protocol, 64, &[&[1, 1, 1, 0], &body[..]].concat());
        put(&mut packet, 0, &[0x46]);
        seal4(&mut packet);
        packet
    }

    /// Everything that a packet may be in.
    fn forms(self, ends: Ends, about: &[u8], port: u16) -> Vec<Vec<u8>> {
        let mut pieces = self.pieces(ends);
        match self.what >> 3 & 7 {
            1 => pieces.truncate(1),
            2 => drop(pieces.drain(..1.min(pieces.len()))),
            3 => pieces.reverse(),
            4 => return vec![self.error(ends.src, ends.dst, about)],
            5 => return vec![self.wrapped(ends, port)],
            6 => return vec![self.extended(ends)],
            _ => return vec![self.plain(ends)],
        }
        pieces
    }

    /// Into a frame, with the tag that belongs there or with another.
    fn arrives(self, lab: &mut Lab, packet: &[u8], port: u16) {
        let port = if self.place & 0x40 == 0 { port } else { 1 - port };
        let frame = framed(packet);
        let own = self.place().vlan(port);
        let frame = match self.place >> 3 & 7 {
            4 => [&frame[..12], &[0x81, 0, 0xe0, 0], &frame[12..]].concat(),
            5 => tagged(frame, own + 1),
            6 => tagged(tagged(frame, own), VLANS[usize::from(port)]),
            7 => [&frame[..12], &SERVICE_TPID.to_be_bytes(), &[0, 100], &frame[12..]].concat(),
            _ => tagged(frame, own),
        };
        lab.queue(port, &frame);
        if self.what & 0x80 == 0 {
            lab.pass(0);
        }
    }
}

/// A client speaks, or says that it did not like an answer.
pub(crate) fn speak(lab: &mut Lab, step: Step) {
    let (src, sport) = step.client();
    let dst = match (step.what & 0x40, step.which & 0x40) {
        (0, 0) => step.vip(),
        (0, _) => step.place().far(),
        _ => step.server(step.which),
    };
    let ends = Ends { src, dst, ports: (sport, step.port()) };
    let about = step.plain(ends.turned());
    for packet in step.forms(ends, &about, 0) {
        step.arrives(lab, &packet, 0);
    }
}

/// A server answers, or somebody on the way to it says what is wrong with what the director sent.
pub(crate) fn answer(lab: &mut Lab, step: Step) {
    let (client, sport) = step.client();
    let server = step.server(step.which & 3);
    let ends = Ends { src: server, dst: client, ports: (step.port(), sport) };
    let request = |dst| step.plain(Ends { dst, ..ends.turned() });
    let vip = step.place().vip(100 + (step.who >> 7));
    let packets = match (step.what & 0x78) >> 3 {
        // What DR sent on, and what was wrapped.
        12 => vec![step.error(server, client, &request(vip))],
        4 if step.who & 0x40 != 0 => {
            let outer = step.outer();
            let (director, server) = (outer.director(1), outer.server(11 + step.which % 4));
            let wrapped = around(director, server, step.who >> 2, &request(vip));
            vec![step.error(server, director, &wrapped)]
        }
        _ => step.forms(ends, &request(server), 1),
    };
    for packet in packets {
        step.arrives(lab, &packet, 1);
    }
}

/// A packet in another one.
fn around(src: IpAddr, dst: IpAddr, kind: u8, inner: &[u8]) -> Vec<u8> {
    let six = inner[0] >> 4 == 6;
    let ip = if six { 41 } else { 4 };
    match kind & 3 {
        0 | 1 => packet(src, dst, ip, 64, inner),
        2 => packet(src, dst, GRE, 64, &[if six { &[0, 0, 0x86, 0xdd] } else { &[0, 0, 8, 0] }, inner].concat()),
        _ => {
            let gue = [&[0, ip, 0, 0], inner].concat();
            packet(src, dst, 17, 64, &transport(src, dst, (50_000, GUE), Udp, 0, &gue))
        }
    }
}
