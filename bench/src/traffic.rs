//! What travels in the bench: who the clients and servers are in either family, how servers are reached, and the frames.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use dataplane::method::ForwardMethod;
use dataplane::wire::checksum::Sum;
use dataplane::wire::ethernet::{self, Header, MacAddr};
use dataplane::wire::{ipv4, ipv6, put, tcp};

/// MACs of the director by port.
pub(crate) const MACS: [MacAddr; 2] = [MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 1, 1])];
pub(crate) const SERVERS: u8 = 10;

const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const PROTOCOL: u8 = 6;

/// Which traffic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    pub(crate) six: bool,
    pub(crate) forward: ForwardMethod,
}

impl Traffic {
    /// NAT of IPv4, what most figures are of.
    pub(crate) const NAT4: Self = Self { six: false, forward: ForwardMethod::Nat };
    pub(crate) const NAT6: Self = Self { six: true, forward: ForwardMethod::Nat };
    pub(crate) const DR4: Self = Self { six: false, forward: ForwardMethod::Dr };
    pub(crate) const TUN4: Self = Self { six: false, forward: ForwardMethod::Tun };

    /// An IPv4 address, or the IPv6 address that has the same place.
    fn address(self, four: Ipv4Addr) -> IpAddr {
        if self.six { Ipv6Addr::from_bits(0xfd << 120 | u128::from(four.to_bits())).into() } else { four.into() }
    }

    /// The virtual address of a service.
    pub(crate) fn vip(self, service: u32) -> IpAddr {
        self.address(Ipv4Addr::from_bits(VIP.to_bits() + service))
    }

    /// A server, beyond the virtual addresses of 100,000 services.
    pub(crate) fn server(self, index: u8) -> IpAddr {
        self.address(Ipv4Addr::new(10, 9, 0, 11 + index))
    }

    /// The servers' network.
    pub(crate) fn servers(self) -> (IpAddr, u8) {
        (self.address(Ipv4Addr::new(10, 9, 0, 0)), if self.six { 120 } else { 24 })
    }

    /// The director itself, towards its servers.
    pub(crate) fn own(self) -> IpAddr {
        self.address(Ipv4Addr::new(10, 9, 0, 254))
    }

    /// The router of all clients.
    pub(crate) fn gateway(self) -> IpAddr {
        self.address(Ipv4Addr::new(10, 0, 0, 254))
    }

    /// Everybody.
    pub(crate) fn all(self) -> (IpAddr, u8) {
        (if self.six { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }, 0)
    }

    /// A flow's client.
    pub(crate) fn client(self, flow: u32) -> (IpAddr, u16) {
        (self.address(Ipv4Addr::from_bits(0xac10_0000 + flow / 50_000)), 10_000 + (flow % 50_000) as u16)
    }

    /// The flow of an IPv4 client.
    pub(crate) fn flow_of(client: SocketAddr) -> u32 {
        (bits(client.ip()) - 0xac10_0000) * 50_000 + u32::from(client.port()) - 10_000
    }

    /// A segment of a flow: from its client (port 0) or from its server (port 1), padded to `N` bytes.
    pub(crate) fn frame<const N: usize>(self, port: usize, flow: u32, flags: u8) -> [u8; N] {
        let client = self.client(flow);
        let ends = match port {
            0 => [client, (self.vip(0), 80)],
            _ => [(self.server((flow % u32::from(SERVERS)) as u8), 8080), client],
        };
        self.segment(port, ends, flags, &[])
    }

    /// The first segment of a flow's client to any address, padded to `N` bytes.
    pub(crate) fn stray<const N: usize>(self, flow: u32, to: IpAddr) -> [u8; N] {
        self.segment(0, [self.client(flow), (to, 80)], tcp::SYN, &[])
    }

    /// A segment with a text, padded to `N` bytes.
    pub(crate) fn segment<const N: usize>(
        self,
        port: usize,
        [src, dst]: [(IpAddr, u16); 2],
        flags: u8,
        text: &[u8],
    ) -> [u8; N] {
        let mut frame = [0; N];
        let ethertype = if self.six { ethernet::IPV6 } else { ethernet::IPV4 };
        let header = Header { dst: MACS[port], src: MacAddr([2, 0, 0, 0, 8, 8]), ethertype };
        put(&mut frame, 0, &header.bytes());
        let packet = &mut frame[ethernet::HEADER..];
        let (segment, pseudo) = ip(packet, src.0, dst.0);
        put(segment, 0, &src.1.to_be_bytes());
        put(segment, 2, &dst.1.to_be_bytes());
        put(segment, 12, &[5 << 4, flags]);
        put(segment, tcp::HEADER, text);
        let sum = pseudo.bytes(segment).finish();
        put(segment, tcp::CHECKSUM, &sum.to_be_bytes());
        frame
    }
}

/// Writes an IP header over a whole packet; gives what is behind it, and the sum that its checksum begins with.
fn ip(packet: &mut [u8], src: IpAddr, dst: IpAddr) -> (&mut [u8], Sum) {
    match (src, dst) {
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let payload = packet.len() - ipv6::HEADER;
            put(packet, 0, &ipv6::build(payload, PROTOCOL, 64, &src.octets(), &dst.octets()));
            let pseudo = Sum::default().pseudo(&src.octets(), &dst.octets(), PROTOCOL, payload);
            (&mut packet[ipv6::HEADER..], pseudo)
        }
        (src, dst) => {
            let [src, dst] = [src, dst].map(bits);
            let payload = packet.len() - ipv4::HEADER;
            let build = ipv4::Build { tos: 0, payload, id: 0, df: true, ttl: 64, protocol: PROTOCOL, src, dst };
            put(packet, 0, &build.bytes());
            let pseudo = Sum::default().pseudo(&src.to_be_bytes(), &dst.to_be_bytes(), PROTOCOL, payload);
            (&mut packet[ipv4::HEADER..], pseudo)
        }
    }
}

/// An IPv4 address as a number.
pub(crate) fn bits(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(_) => 0,
    }
}

/// Random flows, the same sequence in every run (xorshift64*).
pub(crate) fn random_flows(flows: u32, n: usize) -> impl Iterator<Item = u32> {
    let mut chance = 1u64;
    (0..n).map(move |_| {
        chance ^= chance >> 12;
        chance ^= chance << 25;
        chance ^= chance >> 27;
        (chance.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32 % flows
    })
}
