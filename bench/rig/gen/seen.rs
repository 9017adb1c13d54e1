//! What a received frame is, as far as the generator has to know. Checksums are not looked at here.

use dataplane::wire::ethernet::MacAddr;
use dataplane::wire::{be16, be32, icmpv4};

use crate::frame::{TCP_TAG, TRANSPORT, UDP_TAG};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// A received frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen<'a> {
    /// A segment or a datagram.
    Packet(Packet<'a>),
    /// An ICMP error about a packet that had this source.
    Refused(u32, u16),
    /// ARP.
    Arp,
    /// Neither: what kernels and switches say to each other.
    Other,
}

/// A segment or a datagram over IPv4 without options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet<'a> {
    /// To which station.
    pub(crate) dst_mac: MacAddr,
    /// From which station.
    pub(crate) src_mac: MacAddr,
    /// Source.
    pub(crate) src: u32,
    /// Destination.
    pub(crate) dst: u32,
    /// IANA's number.
    pub(crate) protocol: u8,
    /// Time to live.
    pub(crate) ttl: u8,
    /// Source port.
    pub(crate) sport: u16,
    /// Destination port.
    pub(crate) dport: u16,
    /// TCP's flags.
    pub(crate) flags: u8,
    /// The mark of the flow: sequence number, or the first bytes of a datagram.
    pub(crate) tag: u32,
    /// All of it.
    pub(crate) frame: &'a [u8],
}

impl<'a> Seen<'a> {
    /// Reads a frame.
    pub(crate) fn read(frame: &'a [u8]) -> Self {
        let Some(head) = frame.first_chunk::<{ UDP_TAG + 4 }>() else {
            return if be16(frame, 12) == 0x0806 { Self::Arp } else { Self::Other };
        };
        match (be16(head, 12), head[14], head[23]) {
            (0x0800, 0x45, protocol @ (TCP | UDP)) => Self::Packet(Packet::read(frame, protocol)),
            (0x0800, 0x45, icmpv4::PROTOCOL) if icmpv4::is_error(head[TRANSPORT]) => {
                let quoted = TRANSPORT + icmpv4::HEADER;
                Self::Refused(be32(frame, quoted + 12), be16(frame, quoted + 20))
            }
            (0x0806, ..) => Self::Arp,
            _ => Self::Other,
        }
    }

    /// Whether a frame is a segment or a datagram, without reading more of it.
    pub(crate) fn is_packet(frame: &[u8]) -> bool {
        be16(frame, 12) == 0x0800 && matches!(frame.get(23), Some(&(TCP | UDP)))
    }
}

impl<'a> Packet<'a> {
    fn read(frame: &'a [u8], protocol: u8) -> Self {
        let mac = |at: usize| MacAddr(frame.get(at..).and_then(|f| f.first_chunk()).copied().unwrap_or_default());
        let (tag, flags) = match protocol {
            TCP => (TCP_TAG, frame.get(TRANSPORT + 13).copied().unwrap_or(0)),
            _ => (UDP_TAG, 0),
        };
        Self {
            dst_mac: mac(0),
            src_mac: mac(6),
            src: be32(frame, 26),
            dst: be32(frame, 30),
            protocol,
            ttl: frame.get(22).copied().unwrap_or(0),
            sport: be16(frame, TRANSPORT),
            dport: be16(frame, TRANSPORT + 2),
            flags,
            tag: be32(frame, tag),
            frame,
        }
    }
}
