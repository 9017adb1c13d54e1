//! ARP for IPv4 over Ethernet (RFC 826).

use std::net::Ipv4Addr;

use super::ethernet::{self, MacAddr};

/// Bytes of an ARP packet.
pub const LEN: usize = 28;

/// Request or reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who has the target address?
    Request,
    /// The sender has it.
    Reply,
}

/// A parsed packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Request or reply.
    pub operation: Operation,
    /// Sender.
    pub sender_mac: MacAddr,
    /// Sender.
    pub sender: Ipv4Addr,
    /// Target; zero in requests.
    pub target_mac: MacAddr,
    /// Target.
    pub target: Ipv4Addr,
}

impl Packet {
    /// Reads an ARP packet (without its Ethernet header); `None` unless it is IPv4 over Ethernet, request or reply.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let b = bytes.first_chunk::<LEN>()?;
        if b[..6] != [0, 1, 8, 0, 6, 4] || b[6] != 0 {
            return None;
        }
        let operation = match b[7] {
            1 => Operation::Request,
            2 => Operation::Reply,
            _ => return None,
        };
        let mac = |at: usize| MacAddr([b[at], b[at + 1], b[at + 2], b[at + 3], b[at + 4], b[at + 5]]);
        let ip = |at: usize| Ipv4Addr::new(b[at], b[at + 1], b[at + 2], b[at + 3]);
        Some(Self { operation, sender_mac: mac(8), sender: ip(14), target_mac: mac(18), target: ip(24) })
    }

    /// The whole frame, sent from the sender's MAC to `dst`.
    #[must_use]
    pub fn frame(&self, dst: MacAddr) -> Vec<u8> {
        let header = ethernet::Header { dst, src: self.sender_mac, ethertype: ethernet::ARP };
        let mut frame = header.bytes().to_vec();
        frame.extend([0, 1, 8, 0, 6, 4, 0]);
        frame.push(match self.operation {
            Operation::Request => 1,
            Operation::Reply => 2,
        });
        frame.extend(self.sender_mac.0);
        frame.extend(self.sender.octets());
        frame.extend(self.target_mac.0);
        frame.extend(self.target.octets());
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusal() {
        let packet = Packet {
            operation: Operation::Request,
            sender_mac: MacAddr([2, 0, 0, 0, 0, 1]),
            sender: Ipv4Addr::new(10, 0, 0, 1),
            target_mac: MacAddr::default(),
            target: Ipv4Addr::new(10, 0, 0, 9),
        };
        let frame = packet.frame(ethernet::BROADCAST);
        assert_eq!(frame.len(), ethernet::HEADER + LEN);
        assert_eq!(Packet::parse(&frame[14..]), Some(packet));
        assert_eq!(Packet::parse(&frame[14..41]), None);
        let mut other = frame.clone();
        other[14 + 1] = 6; // IEEE 802 networks: not ours
        assert_eq!(Packet::parse(&other[14..]), None);
    }
}
