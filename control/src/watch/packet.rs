//! A packet in one line.

use std::net::{IpAddr, SocketAddr};

use dataplane::flow::Protocol;
use dataplane::trace::{NO_CHUNK, Outline};
use dataplane::wire::{ethernet, icmpv4, icmpv6, ipsec};

/// TCP flags from the lowest bit on.
const FLAGS: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];

/// Types of SCTP chunks, from 0 on.
const CHUNKS: [&str; 15] = [
    "DATA",
    "INIT",
    "INIT-ACK",
    "SACK",
    "HEARTBEAT",
    "HEARTBEAT-ACK",
    "ABORT",
    "SHUTDOWN",
    "SHUTDOWN-ACK",
    "ERROR",
    "COOKIE-ECHO",
    "COOKIE-ACK",
    "ECNE",
    "CWR",
    "SHUTDOWN-COMPLETE",
];

/// Protocol, ends, and what is particular: `TCP 10.0.0.254:40312 > 10.0.0.100:80 SYN`.
#[must_use]
pub fn line(packet: &Outline) -> String {
    let Some((source, destination)) = packet.ends else {
        return match packet.ethertype {
            0 => "no Ethernet header".to_owned(),
            ethernet::IPV4 | ethernet::IPV6 => "IP, header cut".to_owned(),
            ethernet::ARP => "ARP, cut".to_owned(),
            other => format!("EtherType {other:#06x}"),
        };
    };
    let end = |address: IpAddr, port: Option<u16>| match port {
        Some(port) => SocketAddr::new(address, port).to_string(),
        None => address.to_string(),
    };
    let (from, to) = (packet.ports.map(|ports| ports.0), packet.ports.map(|ports| ports.1));
    let name = name(packet);
    let mut line = format!("{name} {} > {}", end(source, from), end(destination, to));
    for more in [particular(packet), packet.fragment.then(|| "fragment".to_owned())].into_iter().flatten() {
        line += " ";
        line += &more;
    }
    line
}

fn name(packet: &Outline) -> String {
    match (packet.ethertype, packet.protocol) {
        (ethernet::ARP, _) => match packet.detail {
            1 => "ARP request".to_owned(),
            2 => "ARP reply".to_owned(),
            _ => "ARP".to_owned(),
        },
        (_, Some(icmpv4::PROTOCOL)) => "ICMP".to_owned(),
        (_, Some(icmpv6::PROTOCOL)) => "ICMPv6".to_owned(),
        (_, Some(ipsec::AH)) => "AH".to_owned(),
        (_, Some(ipsec::ESP)) => "ESP".to_owned(),
        (_, Some(number)) => {
            Protocol::from_number(number).map_or_else(|| format!("protocol {number}"), |known| known.to_string())
        }
        (_, None) => "IP".to_owned(),
    }
}

fn particular(packet: &Outline) -> Option<String> {
    match packet.protocol? {
        tcp if tcp == Protocol::Tcp.number() => {
            packet.ports?;
            let set = FLAGS.iter().enumerate().filter(|(bit, _)| packet.detail >> bit & 1 == 1).map(|(_, name)| *name);
            let set: Vec<&str> = set.collect();
            Some(if set.is_empty() { "without flags".to_owned() } else { set.join(",") })
        }
        number if number == Protocol::Sctp.number() => {
            packet.ports?;
            Some(chunk(packet.detail))
        }
        icmpv4::PROTOCOL | icmpv6::PROTOCOL => {
            Some(format!("type {} code {}", packet.detail >> 8, packet.detail & 0xff))
        }
        _ => None,
    }
}

fn chunk(detail: u16) -> String {
    match (detail, CHUNKS.get(usize::from(detail))) {
        (NO_CHUNK, _) => "without chunk".to_owned(),
        (_, Some(name)) => (*name).to_owned(),
        (other, None) => format!("chunk {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let v4 = |n| IpAddr::from([10, 0, 0, n]);
        let tcp = Outline {
            ethertype: ethernet::IPV4,
            protocol: Some(6),
            ends: Some((v4(1), v4(2))),
            ports: Some((4000, 80)),
            detail: 0x12,
            ttl: 64,
            fragment: false,
        };
        let more = |outline: Outline| line(&outline);
        assert_eq!(line(&tcp), "TCP 10.0.0.1:4000 > 10.0.0.2:80 SYN,ACK");
        assert_eq!(more(Outline { detail: 0, ..tcp }), "TCP 10.0.0.1:4000 > 10.0.0.2:80 without flags");
        let cut = Outline { ports: None, fragment: true, ..tcp };
        assert_eq!(line(&cut), "TCP 10.0.0.1 > 10.0.0.2 fragment");
        let six = Some(("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap()));
        assert_eq!(more(Outline { protocol: Some(17), ends: six, ..tcp }), "UDP [fd00::1]:4000 > [fd00::2]:80");
        let sctp = |detail| more(Outline { protocol: Some(132), detail, ..tcp });
        assert_eq!(sctp(1), "SCTP 10.0.0.1:4000 > 10.0.0.2:80 INIT");
        assert_eq!(sctp(14), "SCTP 10.0.0.1:4000 > 10.0.0.2:80 SHUTDOWN-COMPLETE");
        assert_eq!(sctp(0xc1), "SCTP 10.0.0.1:4000 > 10.0.0.2:80 chunk 193");
        assert_eq!(sctp(NO_CHUNK), "SCTP 10.0.0.1:4000 > 10.0.0.2:80 without chunk");
        assert_eq!(more(Outline { protocol: Some(50), ports: None, ..tcp }), "ESP 10.0.0.1 > 10.0.0.2");
        let echo = Outline { protocol: Some(1), ports: None, detail: 0x0800, ..tcp };
        assert_eq!(line(&echo), "ICMP 10.0.0.1 > 10.0.0.2 type 8 code 0");
        let arp = Outline { ethertype: ethernet::ARP, protocol: None, ports: None, detail: 1, ..tcp };
        assert_eq!(line(&arp), "ARP request 10.0.0.1 > 10.0.0.2");
        assert_eq!(more(Outline { protocol: Some(47), ports: None, ..tcp }), "protocol 47 10.0.0.1 > 10.0.0.2");
        assert_eq!(line(&Outline { ethertype: 0x88cc, ..Outline::default() }), "EtherType 0x88cc");
        assert_eq!(line(&Outline::default()), "no Ethernet header");
    }
}
