//! Addresses that no router passes on, and no host answers: RFC 1812 5.3.7, RFC 4291 2.5.

use std::net::{IpAddr, Ipv4Addr};

use crate::tables::Tables;
use crate::verdict::Drop;

/// Addresses that no router passes on (RFC 1812 5.3.7, RFC 4291 2.5).
pub(crate) fn martian([source, destination]: [IpAddr; 2], tables: &Tables) -> Option<Drop> {
    let broadcast = |address| address == IpAddr::V4(Ipv4Addr::BROADCAST);
    // The kernel balances what comes from these two, though nobody can be answered there.
    let strict = tables.options.strict_parity;
    let zero = match source {
        IpAddr::V4(source) => source.octets()[0] == 0,
        IpAddr::V6(source) => source.is_unspecified() && !strict,
    };
    // IPv6 hosts do not look at that, and neither does the kernel: so DR's replies may pass here.
    let own = match source {
        IpAddr::V4(source) => tables.locals.v4.get(&source.to_bits()).is_some_and(|unicast| *unicast || !strict),
        IpAddr::V6(_) => false,
    };
    if zero || own || source.is_multicast() || broadcast(source) || source.is_loopback() || destination.is_loopback() {
        return Some(Drop::Martian);
    }
    (destination.is_multicast() || broadcast(destination) || destination.is_unspecified()).then_some(Drop::Group)
}
