//! Who else answers for virtual addresses? A real server that holds one (direct routing, tunnels) must not: a router that
//! hears it sends to it past the director, or now here, now there.
//!
//! ```text
//! on every interface, twice: who has VIP?    asked by nobody: ARP from 0.0.0.0 (RFC 5227), solicitations from :: (RFC 4862)
//! whoever claims it and is not the director  leaks
//! ```
//!
//! Asked like that, nobody learns anything of the director. What is heard meanwhile of virtual addresses is kept from the
//! neighbour table. Questions go out in rounds of housekeeping; requests only begin an examination and ask how it stands.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dataplane::clock::Nanos;
use dataplane::wire::ethernet::MacAddr;
use dataplane::wire::ndisc::{Solicitation, group_mac, solicited_node};

use super::Net;
use crate::api::{Answer, ApiError, ArpLeak, Code, DoctorReport};
use crate::neighbors;

/// Questions, each asked twice, at most.
const MOST_QUESTIONS: usize = 1024;
/// Questions of one round: they share the mailbox with answers.
const ROUND_BUDGET: usize = 256;
/// Nanoseconds until a question is asked again.
const AGAIN: u64 = 400_000_000;
/// Nanoseconds that answers to the last question may take.
const PATIENCE: u64 = 700_000_000;
/// Leaks that are remembered.
const MOST_LEAKS: usize = 1024;

/// An examination that is on, or the last one.
#[derive(Debug, Default)]
pub(super) struct Examination {
    id: u64,
    /// In the order of their times.
    questions: VecDeque<(Nanos, u16, IpAddr)>,
    until: Nanos,
    asked: usize,
    unasked: usize,
    leaks: BTreeSet<(u16, IpAddr, MacAddr)>,
}

impl Examination {
    fn is_over(&self, now: Nanos) -> bool {
        self.questions.is_empty() && now >= self.until
    }
}

impl Net {
    /// Begins an examination, unless one is on, or tells how one stands.
    pub(in crate::director) fn doctor_arp(&mut self, examination: Option<u64>, now: Nanos) -> Result<Answer, ApiError> {
        match examination {
            None if self.examination.is_over(now) => self.begin_examination(now),
            Some(id) if id != self.examination.id || id == 0 => {
                let text = "no such doctor run; start another".to_owned();
                return Err(ApiError { code: Code::NoEntry, place: format!("doctor run {id}"), text });
            }
            _ => {}
        }
        let on = &self.examination;
        Ok(Answer::DoctorArp(DoctorReport {
            examination: on.id,
            over: on.is_over(now),
            asked: on.asked as u32,
            unasked: on.unasked as u32,
            leaks: on.leaks.iter().map(|leak| self.leak(*leak)).collect(),
        }))
    }

    fn begin_examination(&mut self, now: Nanos) {
        let mut addresses: Vec<IpAddr> = self.vips.keys().copied().collect();
        addresses.sort_unstable();
        let interfaces = 0..self.interfaces.len() as u16;
        let places = addresses.iter().flat_map(|address| interfaces.clone().map(|interface| (interface, *address)));
        let speaks =
            |(interface, address): &(u16, IpAddr)| address.is_ipv4() || self.here(*interface).link_local.is_some();
        let all: Vec<_> = places.filter(speaks).collect();
        let asked = all.len().min(MOST_QUESTIONS);
        let at = |time| all[..asked].iter().map(move |(interface, address)| (time, *interface, *address));
        let questions = at(now).chain(at(Nanos(now.0 + AGAIN))).collect();
        let (id, unasked, until) = (self.examination.id + 1, all.len() - asked, Nanos(now.0 + PATIENCE));
        self.examination = Examination { id, questions, until, asked, unasked, leaks: BTreeSet::new() };
    }

    /// Asks what is due, so many at most.
    pub(in crate::director) fn examine(&mut self, now: Nanos) {
        for _ in 0..ROUND_BUDGET {
            let Some((_, interface, address)) = self.examination.questions.pop_front_if(|(due, ..)| *due <= now) else {
                return;
            };
            self.examination.until = Nanos(now.0 + PATIENCE);
            self.probe(interface, address);
        }
    }

    /// Asks who has an address, in nobody's name.
    fn probe(&self, interface: u16, address: IpAddr) {
        let mac = self.here(interface).mac;
        let frame = match address {
            IpAddr::V4(target) => neighbors::request(mac, Ipv4Addr::UNSPECIFIED, target, None),
            IpAddr::V6(target) => {
                let destination = solicited_node(target);
                let asked = Solicitation { source: Ipv6Addr::UNSPECIFIED, destination, target, mac: None };
                asked.frame(mac, group_mac(destination))
            }
        };
        self.send(interface, frame);
    }

    /// Somebody claims an address. Returns whether that is the examination's business alone.
    pub(super) fn hears_claim(&mut self, interface: u16, mac: MacAddr, address: IpAddr, now: Nanos) -> bool {
        if self.examination.is_over(now) || !self.vips.contains_key(&address) {
            return false;
        }
        let own = self.interfaces.iter().any(|interface| interface.mac == mac);
        let leaks = &mut self.examination.leaks;
        if !own && leaks.len() < MOST_LEAKS {
            leaks.insert((interface, address, mac));
        }
        true
    }

    /// A leak, with the addresses by which the neighbour table knows who it is.
    fn leak(&self, (interface, address, mac): (u16, IpAddr, MacAddr)) -> ArpLeak {
        let known =
            self.neighbors.iter().filter(|((_, other), neighbor)| neighbor.mac == Some(mac) && *other != address);
        let servers: BTreeSet<IpAddr> = known.map(|((_, other), _)| *other).collect();
        ArpLeak {
            interface: self.here(interface).name.to_string(),
            address,
            mac: mac.to_string(),
            servers: servers.into_iter().collect(),
        }
    }
}

#[cfg(test)]
#[path = "doctor_tests.rs"]
mod tests;
