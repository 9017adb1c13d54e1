//! ICMP errors about connections of NAT: the error's one end becomes another, and so does the end of the packet that it
//! quotes. After `ip_vs_nat_icmp` and `ip_vs_nat_icmp_v6` (`ip_vs_core.c`).
//!
//! ```text
//!                       outer          quoted
//! towards the server    destination    source, source port            become the server's
//! towards the client    source         destination, destination port  become the virtual ones
//! ```
//!
//! The error's own checksum and that of a quoted IPv4 header are made anew; the transport checksum in the quote stays
//! what it was, which is now wrong: nobody checks it, and most of what it covers is not there.

use std::net::{IpAddr, SocketAddr};

use crate::conn::ConnTable;
use crate::flow::{Direction, Protocol};
use crate::packet::Meta;
use crate::wire::quoted::Quote;
use crate::wire::{checksum, icmpv4, icmpv6, ipv4, ipv6, put};

/// What becomes of an error: one end of its own, and both of the packet that it quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewEnd {
    /// Which end of the error itself.
    pub side: Side,
    /// Its address.
    pub address: IpAddr,
    /// Source and destination of the quoted packet.
    pub quoted: [SocketAddr; 2],
}

/// An end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Whom it is from.
    Source,
    /// Whom it is for.
    Destination,
}

impl NewEnd {
    /// What becomes of an error about a connection that travels in a direction: it quotes a packet of the other one, which
    /// is to look as it did on the side where the error goes.
    #[must_use]
    pub fn of(table: &ConnTable, index: u32, direction: Direction) -> Self {
        let [client, vip, local, server] = table.ends(index);
        match direction {
            Direction::Request => Self { side: Side::Destination, address: server.ip(), quoted: [server, local] },
            Direction::Reply => Self { side: Side::Source, address: vip.ip(), quoted: [client, vip] },
        }
    }
}

/// Rewrites an error and lowers its time to live. The caller has seen that it is above 1, and that it quotes a packet.
pub fn rewrite(frame: &mut [u8], meta: &Meta, new: &NewEnd) {
    let (l3, l4, end) = (usize::from(meta.l3), usize::from(meta.l4), meta.end as usize);
    let Some((front, message)) = frame.get_mut(..end).and_then(|frame| frame.split_at_mut_checked(l4)) else { return };
    let (Some(header), Some(quote)) = (front.get_mut(l3..), Quote::parse(message, icmpv4::HEADER)) else { return };
    match new.address {
        IpAddr::V4(address) => {
            put(header, address4_at(new.side), &address.octets());
            header[8] = header[8].wrapping_sub(1);
            sum_header(header);
            if let Some(inner) = message.get_mut(quote.at..quote.l4) {
                put_addresses(inner, address4_at(Side::Source), new.quoted);
                sum_header(inner);
            }
        }
        IpAddr::V6(address) => {
            put(header, address6_at(new.side), &address.octets());
            header[ipv6::HOP_LIMIT] = header[ipv6::HOP_LIMIT].wrapping_sub(1);
            put_addresses(message, quote.at + address6_at(Side::Source), new.quoted);
        }
    }
    if Protocol::from_number(quote.protocol).is_some() {
        for (end, at) in new.quoted.iter().zip([0, 2]) {
            put(message, quote.l4 + at, &end.port().to_be_bytes());
        }
    }
    seal(header, message, new.address);
}

/// Writes two addresses, one behind the other.
fn put_addresses(bytes: &mut [u8], at: usize, ends: [SocketAddr; 2]) {
    let mut at = at;
    for end in ends {
        match end.ip() {
            IpAddr::V4(address) => put(bytes, at, &address.octets()),
            IpAddr::V6(address) => put(bytes, at, &address.octets()),
        }
        at += if end.is_ipv4() { 4 } else { 16 };
    }
}

/// The error's checksum, which ICMPv6 has cover the addresses.
fn seal(header: &[u8], message: &mut [u8], family: IpAddr) {
    let address = |at: usize| header.get(at..).and_then(|rest| rest.first_chunk::<16>());
    match (family, address(8), address(24)) {
        (IpAddr::V6(_), Some(src), Some(dst)) => icmpv6::seal(message, src, dst),
        _ => icmpv4::seal(message),
    }
}

const fn address4_at(side: Side) -> usize {
    match side {
        Side::Source => 12,
        Side::Destination => 16,
    }
}

const fn address6_at(side: Side) -> usize {
    match side {
        Side::Source => 8,
        Side::Destination => 24,
    }
}

/// The checksum of an IPv4 header, options included.
fn sum_header(header: &mut [u8]) {
    let len = header.first().map_or(ipv4::HEADER, |first| usize::from(first & 15) * 4);
    put(header, 10, &[0, 0]);
    let sum = checksum::of(header.get(..len).unwrap_or_default());
    put(header, 10, &sum.to_be_bytes());
}
