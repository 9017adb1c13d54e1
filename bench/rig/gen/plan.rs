//! Who is who: which address, port and MAC stands for which client and which server, and back.
//!
//! Flows have numbers. Flow `n` is client address `n % addresses` and a port that follows from `n / addresses` and from
//! the address, so that neighbouring flows differ in both; the number can be read back from any packet of the flow.

use std::net::{Ipv4Addr, SocketAddrV4};

use dataplane::wire::ethernet::MacAddr;

/// Most servers: one octet of their MAC counts them.
pub(crate) const SERVERS_MAX: u8 = 250;

/// Ports that clients use: all but the well-known ones.
const FIRST_PORT: u32 = 1024;
const PORTS: u32 = 65_536 - FIRST_PORT;

/// One of the two sides that the generator plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Clients, behind their gateway.
    Clients,
    /// Real servers.
    Servers,
}

/// How the director forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Method {
    /// The destination becomes the server's, replies pass the director.
    Nat,
    /// Only the MAC changes, replies do not pass the director.
    Dr,
}

/// What the packets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Protocol {
    /// Datagrams.
    Udp,
    /// Segments.
    Tcp,
}

impl Protocol {
    /// IANA's number.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Udp => 17,
            Self::Tcp => 6,
        }
    }
}

/// A prefix of client addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clients {
    base: u32,
    bits: u32,
}

impl Clients {
    /// Reads `198.18.0.0/18`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a prefix such as 198.18.0.0/18, with a length from 16 to 32");
        let (address, length) = text.split_once('/').ok_or_else(wrong)?;
        let (address, length): (Ipv4Addr, u32) =
            (address.parse().map_err(|_| wrong())?, length.parse().map_err(|_| wrong())?);
        if !(16..=32).contains(&length) {
            return Err(wrong());
        }
        let bits = 32 - length;
        Ok(Self { base: u32::from(address) >> bits << bits, bits })
    }

    /// Flows that can be told apart.
    pub(crate) const fn flows(self) -> u32 {
        PORTS << self.bits
    }

    /// Whether an address is one of theirs.
    pub(crate) const fn contains(self, address: u32) -> bool {
        (address ^ self.base) >> self.bits == 0
    }

    /// Address and port of a flow below [`Self::flows`].
    pub(crate) const fn of(self, flow: u32) -> (u32, u16) {
        let client = flow & ((1 << self.bits) - 1);
        let port = ((flow >> self.bits) + Self::shift(client)) % PORTS + FIRST_PORT;
        (self.base | client, port as u16)
    }

    /// The flow of an address and a port; `None` where it is nobody's.
    pub(crate) fn flow(self, address: u32, port: u16) -> Option<u32> {
        let port = u32::from(port).checked_sub(FIRST_PORT)?;
        let client = address & ((1 << self.bits) - 1);
        let turn = (port + PORTS - Self::shift(client)) % PORTS;
        self.contains(address).then_some(turn << self.bits | client)
    }

    /// Where a client begins to count its ports.
    const fn shift(client: u32) -> u32 {
        (client.wrapping_mul(0x9e37_79b1) >> 16) % PORTS
    }
}

/// The whole scene.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// What the packets are.
    pub(crate) protocol: Protocol,
    /// How the director forwards.
    pub(crate) method: Method,
    /// Where clients send to.
    pub(crate) vip: SocketAddrV4,
    /// The clients.
    pub(crate) clients: Clients,
    /// Whose MAC their frames have.
    pub(crate) gateway: Ipv4Addr,
    /// The first server; the others follow, all on its port.
    pub(crate) first_server: SocketAddrV4,
    /// How many there are.
    pub(crate) servers: u8,
    /// The director's address on the servers' side.
    pub(crate) server_gateway: Ipv4Addr,
}

impl Plan {
    /// The MAC of the clients' gateway.
    pub(crate) const GATEWAY_MAC: MacAddr = MacAddr([2, 0, 0, 0, 1, 0xfe]);

    /// The address of a server.
    pub(crate) fn server(&self, server: u8) -> u32 {
        u32::from(*self.first_server.ip()) + u32::from(server)
    }

    /// The MAC of a server: 02:00:00:00:02:01 for the first.
    pub(crate) const fn server_mac(server: u8) -> MacAddr {
        MacAddr([2, 0, 0, 0, 2, server + 1])
    }

    /// The server that has an address.
    pub(crate) fn server_at(&self, address: u32) -> Option<u8> {
        let server = address.checked_sub(u32::from(*self.first_server.ip()))?;
        u8::try_from(server).ok().filter(|server| *server < self.servers)
    }

    /// The server that has a MAC.
    pub(crate) fn server_with(&self, mac: MacAddr) -> Option<u8> {
        let server = mac.0[5].checked_sub(1)?;
        (server < self.servers && mac == Self::server_mac(server)).then_some(server)
    }

    /// The MAC of an address that we play, and the end where it is.
    pub(crate) fn played(&self, address: Ipv4Addr) -> Option<(End, MacAddr)> {
        let number = u32::from(address);
        if address == self.gateway || self.clients.contains(number) {
            return Some((End::Clients, Self::GATEWAY_MAC));
        }
        self.server_at(number).map(|server| (End::Servers, Self::server_mac(server)))
    }

    /// What marks the packets of a flow, in the sequence number or at the start of the datagram.
    pub(crate) const fn tag(flow: u32) -> u32 {
        flow.wrapping_mul(0x85eb_ca6b) ^ 0x5105_1ce0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn flows_are_distinct_and_can_be_read_back() {
        for text in ["198.18.0.0/18", "10.0.0.7/32", "10.9.0.0/16"] {
            let clients = Clients::parse(text).unwrap();
            let most = clients.flows();
            let some = (0..100_000).map(|n| (n as u64 * u64::from(most) / 100_000) as u32).chain([most - 1]);
            let some: HashSet<u32> = some.chain(0..1000).collect();
            let tuples: HashSet<(u32, u16)> = some.iter().map(|flow| clients.of(*flow)).collect();
            assert_eq!(tuples.len(), some.len(), "{text}");
            for flow in some {
                let (address, port) = clients.of(flow);
                assert!(clients.contains(address) && port >= 1024);
                assert_eq!(clients.flow(address, port), Some(flow), "{text}");
            }
        }
    }

    #[test]
    fn neighbouring_flows_differ_in_address_and_port() {
        let clients = Clients::parse("198.18.0.0/18").unwrap();
        let few: Vec<(u32, u16)> = (0..1000).map(|flow| clients.of(flow)).collect();
        let addresses: HashSet<u32> = few.iter().map(|(address, _)| *address).collect();
        let ports: HashSet<u16> = few.iter().map(|(_, port)| *port).collect();
        assert!(addresses.len() == 1000 && ports.len() > 900, "{} ports", ports.len());
    }

    #[test]
    fn strangers_are_nobody() {
        let clients = Clients::parse("198.18.0.0/18").unwrap();
        assert_eq!(clients.flow(0xc612_3fff, 1023), None);
        assert_eq!(clients.flow(0xc612_4000, 5000), None);
        for text in ["198.18.0.0", "198.18.0.0/15", "198.18.0.0/33", "x/24"] {
            assert!(Clients::parse(text).is_err(), "{text}");
        }
    }
}
