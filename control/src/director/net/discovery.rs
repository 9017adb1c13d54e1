//! Neighbour discovery (RFC 4861): the director answers for its IPv6 addresses, asks for next hops and learns from what
//! others say. As `ndisc_recv_ns` and `ndisc_recv_na` do (`net/ipv6/ndisc.c`).
//!
//! ```text
//! a question for an address of ours: answered to who asks; to everyone, where it has no address yet (RFC 4862)
//! an advertisement: about an address of ours somebody else claims it, else the neighbour table decides (7.2.5)
//! ```

use std::net::{IpAddr, Ipv6Addr};

use dataplane::clock::Nanos;
use dataplane::tables::is_link_local;
use dataplane::wire::ethernet::MacAddr;
use dataplane::wire::ndisc::{ALL_NODES, Advertisement, Message, Solicitation, group_mac, solicited_node};

use super::Net;
use crate::neighbors::Heard;

impl Net {
    /// A message that came by an interface, in a frame from a MAC.
    pub(super) fn discovery(&mut self, interface: u16, from: MacAddr, message: &Message, now: Nanos) {
        if from.is_group() || from == self.here(interface).mac {
            return;
        }
        match message {
            Message::Solicitation(asked) => self.solicited(interface, from, asked, now),
            Message::Advertisement(told) => self.advertised(interface, from, told, now),
        }
    }

    fn solicited(&mut self, interface: u16, from: MacAddr, asked: &Solicitation, now: Nanos) {
        let source = IpAddr::V6(asked.source);
        if self.owns(interface, source) {
            return self.claimed(interface, from, source, now);
        }
        if !self.owns(interface, asked.target.into()) {
            return;
        }
        let (nobody_yet, mac) = (asked.source.is_unspecified(), self.here(interface).mac);
        let (to, to_mac) = match nobody_yet {
            true => (ALL_NODES, group_mac(ALL_NODES)),
            false => (asked.source, asked.mac.unwrap_or(from)),
        };
        let told = Advertisement { destination: to, solicited: !nobody_yet, ..self.advertisement(mac, asked.target) };
        self.send(interface, told.frame(mac, to_mac));
        if let Some(mac) = asked.mac
            && self.is_near(interface, source)
        {
            let effects = self.neighbors.learn((interface, source), mac, Heard::Question, now);
            self.carry_out(effects, now);
        }
    }

    fn advertised(&mut self, interface: u16, from: MacAddr, told: &Advertisement, now: Nanos) {
        let target = IpAddr::V6(told.target);
        if self.hears_claim(interface, told.mac.unwrap_or(from), target, now) {
            return;
        }
        if self.owns(interface, target) {
            return self.claimed(interface, from, target, now);
        }
        let effects = self.neighbors.advertised((interface, target), told, now);
        self.carry_out(effects, now);
    }

    /// Whether an address is a neighbour's on an interface.
    fn is_near(&self, interface: u16, address: IpAddr) -> bool {
        let here = self.here(interface);
        here.has_on_link(address) || here.link_local.is_some() && is_link_local(address)
    }

    /// What is told of an address of ours.
    fn advertisement(&self, mac: MacAddr, address: Ipv6Addr) -> Advertisement {
        Advertisement {
            source: address,
            destination: ALL_NODES,
            target: address,
            mac: Some(mac),
            router: self.router,
            solicited: false,
            overrides: true,
        }
    }

    /// The frame that tells everyone who has an address, unasked (7.2.6).
    pub(super) fn unasked(&self, mac: MacAddr, address: Ipv6Addr) -> Vec<u8> {
        self.advertisement(mac, address).frame(mac, group_mac(ALL_NODES))
    }

    /// Asks who has an address: its group, or the MAC that it had. By the link-local address, as the kernel asks for the
    /// sake of packets of others.
    pub(super) fn solicit(&self, interface: u16, target: Ipv6Addr, known: Option<MacAddr>) {
        let here = self.here(interface);
        let Some(source) = here.link_local else { return };
        let destination = if known.is_some() { target } else { solicited_node(target) };
        let asked = Solicitation { source, destination, target, mac: Some(here.mac) };
        self.send(interface, asked.frame(here.mac, known.unwrap_or_else(|| group_mac(destination))));
    }
}

#[cfg(test)]
#[path = "discovery_tests.rs"]
mod tests;
