//! Frames that workers hand over: ARP is answered and learned from here, neighbour discovery in `discovery`, queries for
//! groups in `groups`.

use std::net::IpAddr;

use dataplane::clock::Nanos;
use dataplane::wire::arp::{Operation, Packet};
use dataplane::wire::ethernet::{self, Header, MacAddr};
use dataplane::wire::vlan::Lan;
use dataplane::wire::{mld, ndisc};
use log::warn;

use super::Net;
use crate::neighbors::{self, Heard, Key};

/// Nanoseconds between two words about somebody who claims an address of ours: anyone on the link can send such frames.
const CLAIM_PERIOD: u64 = 10_000_000_000;

impl Net {
    /// A frame that a worker handed over.
    pub(in crate::director) fn frame(&mut self, lan: Lan, frame: &[u8], now: Nanos) {
        let Some(header) = Header::parse(frame) else { return };
        let Some(interface) = self.interfaces.iter().position(|i| i.lan == lan) else { return };
        let (interface, packet) = (interface as u16, &frame[ethernet::HEADER..]);
        if header.ethertype == ethernet::ARP
            && let Some(packet) = Packet::parse(packet)
        {
            self.arp(interface, &packet, now);
        }
        if header.ethertype == ethernet::IPV6 {
            if let Some(message) = ndisc::Message::parse(packet) {
                self.discovery(interface, header.src, &message, now);
            } else if let Some(query) = mld::Query::parse(packet) {
                self.asked_for_groups(interface, &query, now);
            }
        }
    }

    fn arp(&mut self, interface: u16, packet: &Packet, now: Nanos) {
        let mac = self.here(interface).mac;
        let sender = IpAddr::V4(packet.sender);
        if packet.sender_mac.is_group() || packet.sender_mac == mac {
            return;
        }
        if self.hears_claim(interface, packet.sender_mac, sender, now) {
            return;
        }
        if self.owns(interface, sender) {
            self.claimed(interface, packet.sender_mac, sender, now);
            return;
        }
        let heard = match packet.operation {
            _ if !self.owns(interface, packet.target.into()) => Heard::Aside,
            Operation::Request => Heard::Question,
            Operation::Reply => Heard::Answer,
        };
        if heard == Heard::Question {
            let frame = neighbors::reply(mac, packet);
            self.send(interface, frame);
        }
        if self.here(interface).has_on_link(sender) && !packet.sender.is_unspecified() {
            let effects = self.neighbors.learn((interface, sender), packet.sender_mac, heard, now);
            self.carry_out(effects, now);
        }
    }

    /// Somebody claims an address of ours.
    pub(super) fn claimed(&mut self, interface: u16, mac: MacAddr, address: IpAddr, now: Nanos) {
        if now >= self.next_claim {
            warn!("{}: {mac} also claims {address}", self.here(interface).name);
            self.next_claim = Nanos(now.0 + CLAIM_PERIOD);
        }
    }

    /// Whether the director answers for an address on an interface; one that workers do not know yet is not answered for.
    pub(in crate::director) fn owns(&self, interface: u16, address: IpAddr) -> bool {
        self.here(interface).has(address)
            || self.vips.get(&address).is_some_and(|vip| vip.is_on(interface)) && self.known.has(address)
    }

    pub(super) fn ask(&self, (interface, address): Key, mac: Option<MacAddr>) {
        let target = match address {
            IpAddr::V4(target) => target,
            IpAddr::V6(target) => return self.solicit(interface, target, mac),
        };
        let here = self.here(interface);
        let own = |near: bool| {
            let candidates = here.addresses.iter().filter(move |net| !near || net.contains(&address));
            candidates.filter_map(|net| if let IpAddr::V4(a) = net.addr() { Some(a) } else { None }).next()
        };
        if let Some(source) = own(true).or_else(|| own(false)) {
            let frame = neighbors::request(here.mac, source, target, mac);
            self.send(interface, frame);
        }
    }
}

#[cfg(test)]
#[path = "vlan_tests.rs"]
mod tests;
