//! Routes by longest prefix: the read side.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::map::Map;

/// Where packets to a prefix go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The destination is on the link of an interface.
    OnLink {
        /// Its index.
        interface: u16,
    },
    /// Over a router.
    Via {
        /// Its interface.
        interface: u16,
        /// Its address.
        gateway: IpAddr,
    },
    /// Refused, with an ICMP error.
    Unreachable,
    /// Dropped in silence.
    Blackhole,
}

/// A prefix: address bits beyond the length are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// Network address.
    pub address: IpAddr,
    /// Bits.
    pub length: u8,
}

impl Prefix {
    /// Whether an address is in it; one of the other family is not.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(net), IpAddr::V4(address)) => net.to_bits() == address.to_bits() & mask4(self.length),
            (IpAddr::V6(net), IpAddr::V6(address)) => net.to_bits() == address.to_bits() & mask6(self.length),
            _ => false,
        }
    }
}

/// The bits of an IPv4 prefix.
fn mask4(length: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)
}

/// The bits of an IPv6 prefix.
fn mask6(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

/// One length's prefixes.
type Level<K> = (u8, Map<K, Action>);

/// All routes, longest prefixes first.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    v4: Vec<Level<u32>>,
    v6: Vec<Level<u128>>,
}

impl RouteTable {
    /// Adds a route; the first of equal prefixes stays.
    pub fn insert(&mut self, prefix: Prefix, action: Action) {
        match prefix.address {
            IpAddr::V4(address) => {
                level(&mut self.v4, prefix.length).entry(address.to_bits()).or_insert(action);
            }
            IpAddr::V6(address) => {
                level(&mut self.v6, prefix.length).entry(address.to_bits()).or_insert(action);
            }
        }
    }

    /// The route to an IPv4 address.
    #[must_use]
    pub fn lookup4(&self, address: u32) -> Option<Action> {
        self.v4.iter().find_map(|(length, map)| map.get(&(address & mask4(*length))).copied())
    }

    /// The route to an IPv6 address.
    #[must_use]
    pub fn lookup6(&self, address: u128) -> Option<Action> {
        self.v6.iter().find_map(|(length, map)| map.get(&(address & mask6(*length))).copied())
    }

    /// The route to an address.
    #[must_use]
    pub fn lookup(&self, address: IpAddr) -> Option<Action> {
        match address {
            IpAddr::V4(address) => self.lookup4(Ipv4Addr::to_bits(address)),
            IpAddr::V6(address) => self.lookup6(Ipv6Addr::to_bits(address)),
        }
    }
}

fn level<K>(levels: &mut Vec<Level<K>>, length: u8) -> &mut Map<K, Action> {
    let at = levels.partition_point(|(l, _)| *l > length);
    if levels.get(at).is_none_or(|(l, _)| *l != length) {
        levels.insert(at, (length, Map::default()));
    }
    &mut levels[at].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_prefix_wins() {
        let mut table = RouteTable::default();
        let mut add = |address: &str, length, interface| {
            table.insert(Prefix { address: address.parse().unwrap(), length }, Action::OnLink { interface });
        };
        add("0.0.0.0", 0, 1);
        add("10.0.0.0", 8, 2);
        add("10.1.0.0", 16, 3);
        add("10.1.0.9", 32, 4);
        add("fd00::", 64, 5);
        let at = |a: &str| match table.lookup(a.parse().unwrap()) {
            Some(Action::OnLink { interface }) => interface,
            _ => 0,
        };
        assert_eq!(["1.1.1.1", "10.9.9.9", "10.1.0.8", "10.1.0.9", "fd00::7", "fd01::7"].map(at), [1, 2, 3, 4, 5, 0]);
    }
}
