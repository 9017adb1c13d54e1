//! What the client is told of an ICMP error about its packet in a tunnel: an error of the same kind about its own packet, in
//! the name of whom it sent that to.

use std::net::IpAddr;

use super::answer4;
use super::made::Made;
use crate::packet::Meta;
use crate::pipeline::find::quoted_tunnel;
use crate::verdict::Sent;
use crate::wire::{icmpv4, ipv4, put};

/// The client that is told of an error about its packet in a tunnel.
pub(super) fn client(packet: &[u8], meta: &Meta) -> Option<IpAddr> {
    let l4 = usize::from(meta.l4) - usize::from(meta.l3);
    Some(quoted_tunnel::read(packet.get(l4..meta.ip_len())?)?.inner.ends[0])
}

/// The error that the client is told: of the same kind, about its own packet, in the name of whom it sent that to.
pub(super) fn make(packet: &[u8], meta: &Meta, id: u16) -> Option<Made> {
    let l4 = usize::from(meta.l4) - usize::from(meta.l3);
    let message = packet.get(l4..meta.ip_len())?;
    let inner = quoted_tunnel::read(message)?.inner;
    let [IpAddr::V4(client), IpAddr::V4(vip)] = inner.ends else { return None };
    let about = &message[inner.at..];
    let mut told = message[..icmpv4::HEADER].to_vec();
    if meta.mtu != 0 {
        put(&mut told, 4, &u32::from(meta.mtu).to_be_bytes());
    }
    told.extend_from_slice(&about[..about.len().min(icmpv4::ERROR_MAX - ipv4::HEADER - icmpv4::HEADER)]);
    icmpv4::seal(&mut told);
    let packet = answer4::error4(about[1], id, vip.to_bits(), client.to_bits(), &told);
    Some(Made { packet, to: client.into(), sent: Sent::IcmpError })
}
