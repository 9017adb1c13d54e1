//! Clients of a persistent service, each with an address of its own.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::sync::Arc;

use dataplane::clock::ticks;
use dataplane::service::{Manner, Persistent, VirtualService};
use dataplane::tables::Tables;
use dataplane::wire::tcp::SYN;

use crate::flows::FRAME;
use crate::stage::Stage;
use crate::traffic::Traffic;

pub(super) const TRAFFIC: Traffic = Traffic::NAT4;

/// Has the only service keep the connections of a client together, and changes more of it.
pub(super) fn keep_together(tables: &mut Tables, change: impl FnOnce(&mut VirtualService)) {
    let persistent = Persistent { timeout: ticks(300), mask4: u32::MAX, mask6: u128::MAX, engine: None };
    let key = *tables.services.keys().next().expect("a service");
    let mut service = VirtualService::clone(&tables.services[&key]);
    service.manner = Manner { one_packet: false, persistent: Some(persistent) };
    change(&mut service);
    tables.services.insert(key, Arc::new(service));
}

/// A client's first packet from a port.
pub(super) fn syn(client: u32, port: u16) -> [u8; FRAME] {
    let client = IpAddr::from(Ipv4Addr::from_bits(0x2d00_0000 + client));
    TRAFFIC.segment(0, [(client, port), (TRAFFIC.vip(0), 80)], SYN, &[])
}

/// One connection of each of these clients begins.
pub(super) fn come(stage: &mut Stage, clients: Range<u32>, port: u16) {
    stage.take(0, clients.map(|client| syn(client, port)));
}
