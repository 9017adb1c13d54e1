//! The order of a listing: as libipvs compares, which is not quite an order.
//!
//! Marks and addresses are compared by the sign of a 32-bit difference, so what lies more than half the numbers away
//! comes on the other side: 224.0.0.5 before 10.0.0.5, mark 4294967295 before the services without a mark. Such a
//! comparison needs a sort that does not mind: a merge sort that halves as the C library's does.

use std::net::{IpAddr, SocketAddr};

use dataplane::flow::{Family, ServiceKey};

use crate::api::{ServerInfo, ServiceInfo};

/// Services by mark, family, protocol, address and port.
pub(super) fn services(services: &mut Vec<ServiceInfo>) {
    merge_sort(services, &|a, b| compare_keys(&a.spec.key, &b.spec.key));
}

/// Servers by address and port.
pub(super) fn servers(servers: &mut Vec<ServerInfo>) {
    merge_sort(servers, &|a, b| compare_servers(a.spec.address, b.spec.address));
}

fn compare_keys(a: &ServiceKey, b: &ServiceKey) -> i32 {
    let parts = |key: &ServiceKey| match *key {
        ServiceKey::Address { protocol, address, port } => (0, i32::from(protocol.number()), address, port),
        ServiceKey::Mark { fwmark, family: Family::Ipv4 } => (fwmark, 0, IpAddr::from([0; 4]), 0),
        ServiceKey::Mark { fwmark, family: Family::Ipv6 } => (fwmark, 0, IpAddr::from([0; 16]), 0),
    };
    let ((mark_a, protocol_a, address_a, port_a), (mark_b, protocol_b, address_b, port_b)) = (parts(a), parts(b));
    first_difference([
        difference(mark_a, mark_b),
        i32::from(address_a.is_ipv6()) - i32::from(address_b.is_ipv6()),
        protocol_a - protocol_b,
        compare_addresses(address_a, address_b),
        i32::from(port_a) - i32::from(port_b),
    ])
}

fn compare_servers(a: SocketAddr, b: SocketAddr) -> i32 {
    first_difference([compare_addresses(a.ip(), b.ip()), i32::from(a.port()) - i32::from(b.port())])
}

/// Word by word; an IPv4 address is a first word.
fn compare_addresses(a: IpAddr, b: IpAddr) -> i32 {
    let (words_a, words_b) = (address_words(a), address_words(b));
    let words = if a.is_ipv6() { 4 } else { 1 };
    first_difference((0..words).map(|i| difference(words_a[i], words_b[i])))
}

fn address_words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(v4) => [v4.to_bits(), 0, 0, 0],
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            [bits >> 96, bits >> 64, bits >> 32, bits].map(|word| (word & 0xffff_ffff) as u32)
        }
    }
}

fn difference(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b).cast_signed()
}

fn first_difference(differences: impl IntoIterator<Item = i32>) -> i32 {
    differences.into_iter().find(|&d| d != 0).unwrap_or(0)
}

/// Sorts halves and merges them, the left one first among equals. Bears any comparison.
fn merge_sort<T>(items: &mut Vec<T>, compare: &dyn Fn(&T, &T) -> i32) {
    if items.len() < 2 {
        return;
    }
    let mut right = items.split_off(items.len() / 2);
    merge_sort(items, compare);
    merge_sort(&mut right, compare);
    let mut merged = Vec::with_capacity(items.len() + right.len());
    let (mut left, mut right) = (items.drain(..).peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        merged.extend(if compare(a, b) <= 0 { left.next() } else { right.next() });
    }
    merged.extend(left.by_ref());
    merged.extend(right);
    drop(left);
    *items = merged;
}
