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

use std::net::IpAddr;

use super::nat::{Side, port_at};
use crate::conn::ConnTable;
use crate::flow::{Direction, Protocol};
use crate::packet::Meta;
use crate::wire::quoted::Quote;
use crate::wire::{checksum, icmpv4, icmpv6, ipv4, ipv6, put};

/// What becomes of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewEnd {
    /// Which end of the error itself.
    pub side: Side,
    /// Its address.
    pub address: IpAddr,
    /// The port in the quote.
    pub port: u16,
}

impl NewEnd {
    /// What becomes of an error about a connection that travels in a direction.
    #[must_use]
    pub fn of(table: &ConnTable, index: u32, direction: Direction) -> Self {
        let conn = &table[index];
        match direction {
            Direction::Request => {
                let port = conn.server_end().1;
                Self { side: Side::Destination, address: table.server_address(index), port }
            }
            Direction::Reply => {
                let port = conn.virtual_end().1;
                Self { side: Side::Source, address: table.vip_address(index), port }
            }
        }
    }
}

/// Rewrites an error and lowers its time to live. The caller has seen that it is above 1, and that it quotes a packet.
pub fn rewrite(frame: &mut [u8], meta: &Meta, new: &NewEnd) {
    let (l3, l4, end) = (usize::from(meta.l3), usize::from(meta.l4), meta.end as usize);
    let Some((front, message)) = frame.get_mut(..end).and_then(|frame| frame.split_at_mut_checked(l4)) else { return };
    let (Some(header), Some(quote)) = (front.get_mut(l3..), Quote::parse(message, icmpv4::HEADER)) else { return };
    let quoted = match new.side {
        Side::Source => Side::Destination,
        Side::Destination => Side::Source,
    };
    match new.address {
        IpAddr::V4(address) => {
            let address = address.octets();
            put(header, address4_at(new.side), &address);
            header[8] = header[8].wrapping_sub(1);
            sum_header(header);
            if let Some(inner) = message.get_mut(quote.at..quote.l4) {
                put(inner, address4_at(quoted), &address);
                sum_header(inner);
            }
        }
        IpAddr::V6(address) => {
            let address = address.octets();
            put(header, address6_at(new.side), &address);
            header[ipv6::HOP_LIMIT] = header[ipv6::HOP_LIMIT].wrapping_sub(1);
            put(message, quote.at + address6_at(quoted), &address);
        }
    }
    if Protocol::from_number(quote.protocol).is_some() {
        put(message, quote.l4 + port_at(quoted), &new.port.to_be_bytes());
    }
    seal(header, message, new.address);
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
