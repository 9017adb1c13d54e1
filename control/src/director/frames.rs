//! Frames that the workers hand over, frames that control sends: ARP here, neighbour discovery in `discovery`, groups in
//! `groups`.

use std::collections::VecDeque;
use std::net::IpAddr;

use dataplane::clock::Nanos;
use dataplane::wire::arp::{Operation, Packet};
use dataplane::wire::ethernet::{self, Header, MacAddr};
use dataplane::wire::vlan::Lan;
use dataplane::wire::{mld, ndisc};
use log::warn;

use super::Director;
use crate::neighbors::{self, Effect, Key};

/// How often an address is announced, one second apart.
const ANNOUNCEMENTS: usize = 3;

/// Announcements sent in one round of housekeeping. They share the mailbox with answers.
const ANNOUNCE_BUDGET: usize = 256;

/// Nanoseconds between two words about somebody who claims an address of ours: anyone on the link can send such frames.
const CLAIM_PERIOD: u64 = 10_000_000_000;

/// Addresses that are being announced: one queue for the first time, one for the second, and so on, each in the order
/// of its times.
pub(super) type Announcements = [VecDeque<Announcement>; ANNOUNCEMENTS];

/// An address that is being announced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announcement {
    interface: u16,
    address: IpAddr,
    next: Nanos,
}

impl Director {
    /// A frame that a worker handed over.
    pub(super) fn frame(&mut self, lan: Lan, frame: &[u8]) {
        let Some(header) = Header::parse(frame) else { return };
        let Some(interface) = self.interfaces.iter().position(|i| i.lan == lan) else { return };
        let (interface, packet) = (interface as u16, &frame[ethernet::HEADER..]);
        if header.ethertype == ethernet::ARP
            && let Some(packet) = Packet::parse(packet)
        {
            self.arp(interface, &packet);
        }
        if header.ethertype == ethernet::IPV6 {
            if let Some(message) = ndisc::Message::parse(packet) {
                self.discovery(interface, header.src, &message);
            } else if let Some(query) = mld::Query::parse(packet) {
                self.asked_for_groups(interface, &query);
            }
        }
    }

    fn arp(&mut self, interface: u16, packet: &Packet) {
        let mac = self.interfaces[usize::from(interface)].mac;
        let sender = IpAddr::V4(packet.sender);
        if packet.sender_mac.is_group() || packet.sender_mac == mac {
            return;
        }
        if self.hears_claim(interface, packet.sender_mac, sender) {
            return;
        }
        if self.owns(interface, sender) {
            self.claimed(interface, packet.sender_mac, sender);
            return;
        }
        let asks_us = packet.operation == Operation::Request && self.owns(interface, packet.target.into());
        let answers_us = packet.operation == Operation::Reply && self.owns(interface, packet.target.into());
        if asks_us {
            let frame = neighbors::reply(mac, packet);
            self.send(interface, frame);
        }
        if self.interfaces[usize::from(interface)].has_on_link(sender) && !packet.sender.is_unspecified() {
            let effects = self.neighbors.learn((interface, sender), packet.sender_mac, answers_us, asks_us, self.now);
            self.carry_out(effects);
        }
    }

    /// Somebody claims an address of ours.
    pub(super) fn claimed(&mut self, interface: u16, mac: MacAddr, address: IpAddr) {
        if self.now >= self.next_claim {
            warn!("{}: {mac} also claims {address}", self.interfaces[usize::from(interface)].name);
            self.next_claim = Nanos(self.now.0 + CLAIM_PERIOD);
        }
    }

    /// Whether the director answers for an address on an interface.
    pub(super) fn owns(&self, interface: u16, address: IpAddr) -> bool {
        self.interfaces[usize::from(interface)].has(address)
            || self.vips.get(&address).is_some_and(|vip| vip.on.contains(&interface)) && self.is_known(address)
    }

    /// Whether workers know an address as the director's: one that a request brings is not answered for before.
    fn is_known(&self, address: IpAddr) -> bool {
        let locals = &self.published.locals;
        match address {
            IpAddr::V4(address) => locals.v4.get(&address.to_bits()) == Some(&true),
            IpAddr::V6(address) => locals.v6.contains_key(&address.to_bits()),
        }
    }

    /// Asks for neighbours that packets wait for: one of each class in turn, from every worker, as long as the mailbox
    /// that the questions leave by has room. Returns how many that were.
    pub(super) fn answer_questions(&mut self) -> usize {
        let mut asked = 0;
        loop {
            let before = asked;
            for worker in 0..self.crew.len() {
                if self.room_for_questions() == 0 {
                    return asked;
                }
                for key in self.crew.wanted(worker) {
                    let effects = self.neighbors.resolve(key, self.now);
                    self.carry_out(effects);
                    asked += 1;
                }
            }
            if asked == before {
                return asked;
            }
        }
    }

    /// Questions that may be sent now: they leave by the first worker.
    fn room_for_questions(&self) -> usize {
        self.crew.mail().room_for_questions()
    }

    /// Asks again for who has not answered, as far as there is room. Returns what there was to do.
    pub(super) fn time_neighbors(&mut self) -> usize {
        let effects = self.neighbors.turn(self.now, self.room_for_questions());
        let items = effects.len();
        self.carry_out(effects);
        items
    }

    /// Does what the neighbour table asks for.
    pub(super) fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Changed => {
                    self.net_changed = true;
                    self.unpublished = true;
                }
                Effect::Ask(key, mac) => self.ask(key, mac),
                Effect::Failed((interface, address)) => {
                    self.note_silent((interface, address));
                    self.crew.mail().neighbor_failed(interface, address);
                }
            }
        }
    }

    fn ask(&mut self, (interface, address): Key, mac: Option<MacAddr>) {
        let target = match address {
            IpAddr::V4(target) => target,
            IpAddr::V6(target) => return self.solicit(interface, target, mac),
        };
        let here = &self.interfaces[usize::from(interface)];
        let own = |near: bool| {
            let candidates = here.addresses.iter().filter(move |net| !near || net.contains(&address));
            candidates.filter_map(|net| if let IpAddr::V4(a) = net.addr() { Some(a) } else { None }).next()
        };
        if let Some(source) = own(true).or_else(|| own(false)) {
            let frame = neighbors::request(here.mac, source, target, mac);
            self.send(interface, frame);
        }
    }

    /// Sends a frame by the first worker: whichever others send by a port, it does.
    pub(super) fn send(&self, interface: u16, frame: Vec<u8>) {
        let lan = self.interfaces[usize::from(interface)].lan;
        self.crew.mail().send(lan, frame);
    }

    /// Announces an address on an interface, or of IPv6 that it is gone, unless the kernel's silence is wanted.
    pub(super) fn announce_soon(&mut self, interface: u16, address: IpAddr) {
        if !self.config.ipvs.strict_parity {
            self.announcements[0].push_back(Announcement { interface, address, next: self.now });
        }
    }

    /// Sends the announcements that are due, so many at most, first ones first; the rest waits for the next round.
    pub(super) fn announce(&mut self) {
        // Of addresses that workers do not know yet nothing is told.
        if self.in_request || self.has_changes() {
            return;
        }
        let now = self.now;
        let mut left = ANNOUNCE_BUDGET;
        for time in 0..ANNOUNCEMENTS {
            while left > 0
                && let Some(due) = self.announcements[time].pop_front_if(|a| a.next <= now)
            {
                left -= 1;
                let owned = self.owns(due.interface, due.address);
                let mac = self.interfaces[usize::from(due.interface)].mac;
                match due.address {
                    IpAddr::V4(address) if owned => {
                        self.send(due.interface, neighbors::announcement(mac, address));
                    }
                    IpAddr::V4(_) => continue,
                    IpAddr::V6(address) => {
                        self.report_change(due.interface, address, owned);
                        if owned {
                            self.send(due.interface, self.unasked(mac, address));
                        }
                    }
                }
                if let Some(later) = self.announcements.get_mut(time + 1) {
                    later.push_back(Announcement { next: Nanos(now.0 + 1_000_000_000), ..due });
                }
            }
            if self.announcements[time].is_empty() {
                self.announcements[time] = VecDeque::new();
            }
        }
    }
}

#[cfg(test)]
#[path = "vlan_tests.rs"]
mod tests;
