//! Real servers, and gateways, that do not answer: a line in the log when one has failed, another when it answers again.
//!
//! Anyone can have the director ask for addresses that nobody has, so of neighbours that failed only those matter which a
//! server's packets go to, or a route. Which these are is found by going through all servers, a piece in each round: many
//! failures share one walk.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::mem;
use std::net::IpAddr;
use std::ops::Bound::{Excluded, Unbounded};

use dataplane::clock::Nanos;
use dataplane::route::Action;
use dataplane::words::counted;
use log::{info, warn};

use super::Net;
use super::lines::Lines;
use crate::api::Cursor;
use crate::ipvs::Services;
use crate::neighbors::{Key, MOST, State};

/// Services and servers that one round goes through: a few milliseconds at most. Tests have small tables.
const WALK_BUDGET: usize = if cfg!(test) { 4 } else { 4096 };
/// Silent neighbours that one round looks at.
const LOOK_BUDGET: usize = 1024;

/// Neighbours that failed.
#[derive(Debug, Default)]
pub(super) struct Silent {
    /// Since the walk began.
    noted: BTreeMap<Key, Nanos>,
    walk: Option<Walk>,
    /// Those that were told of, and are to be told of when they answer.
    known: BTreeMap<Key, (Nanos, Role)>,
    /// Who of them was looked at last.
    looked: Option<Key>,
    lines: Lines,
}

/// A walk through all servers.
#[derive(Debug)]
struct Walk {
    next: Cursor,
    counted: BTreeMap<Key, (Nanos, Uses)>,
}

/// Servers whose packets go to a neighbour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Uses {
    /// Those that it is.
    own: u32,
    /// Those behind it.
    behind: u32,
}

/// What a neighbour is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Server,
    Gateway,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "real server",
            Self::Gateway => "gateway",
        })
    }
}

impl Net {
    /// A neighbour did not answer.
    pub(super) fn note_silent(&mut self, key: Key, now: Nanos) {
        // Those that there was no room for have not been asked.
        let failed = self.neighbor(key).is_some_and(|neighbor| neighbor.state == State::Failed);
        if failed && self.silent.noted.len() < MOST && !self.silent.known.contains_key(&key) {
            self.silent.noted.insert(key, now);
        }
    }

    /// Looks who of those that failed matters, and who answers again.
    pub(in crate::director) fn look_for_silent(&mut self, services: &Services, now: Nanos) {
        self.tell_of_answers(now);
        if self.silent.walk.is_none() && !self.silent.noted.is_empty() {
            let noted = mem::take(&mut self.silent.noted).into_iter();
            let counted = noted.map(|(key, since)| (key, (since, Uses::default()))).collect();
            self.silent.walk = Some(Walk { next: Cursor::START, counted });
        }
        if let Some(mut walk) = self.silent.walk.take() {
            match self.walk_on(&mut walk, services) {
                Some(next) => self.silent.walk = Some(Walk { next, ..walk }),
                None => self.tell_of_silence(walk, now),
            }
        }
        if let Some(more) = self.silent.lines.take_left_out(now) {
            warn!(
                "{} of real servers and gateways, failed or answering again; `sluice neigh` lists them",
                counted(more.into(), "more change")
            );
        }
    }

    /// Counts in a piece of all servers. Where to go on, if that was not the last.
    fn walk_on(&self, walk: &mut Walk, services: &Services) -> Option<Cursor> {
        let (pieces, next) = services.page(walk.next, WALK_BUDGET);
        for server in pieces.iter().flat_map(|piece| piece.servers) {
            let address = server.spec.address.ip();
            let Some(key) = self.next_hop(address) else { continue };
            if let Some((_, uses)) = walk.counted.get_mut(&key) {
                let count = if key.1 == address { &mut uses.own } else { &mut uses.behind };
                *count = count.saturating_add(1);
            }
        }
        next
    }

    /// The neighbour that packets to an address go to.
    fn next_hop(&self, address: IpAddr) -> Option<Key> {
        match self.tables.routes.lookup(address)? {
            Action::OnLink { interface } => Some((interface, address)),
            Action::Via { interface, gateway } => Some((interface, gateway)),
            Action::Unreachable | Action::Blackhole => None,
        }
    }

    /// Tells of those that matter and have not answered meanwhile.
    fn tell_of_silence(&mut self, walk: Walk, now: Nanos) {
        let gateway =
            |action| if let Action::Via { interface, gateway } = action { Some((interface, gateway)) } else { None };
        let gateways: BTreeSet<Key> = self.routes.iter().filter_map(|route| gateway(route.action)).collect();
        for (key, (since, uses)) in walk.counted {
            let role = if uses.own > 0 { Role::Server } else { Role::Gateway };
            let matters = uses != Uses::default() || gateways.contains(&key);
            if matters && !self.is_resolved(key) && self.silent.known.len() < MOST {
                self.silent.known.insert(key, (since, role));
                if self.silent.lines.may_write(now) {
                    warn!("{}", self.silence(key, role, uses));
                }
            }
        }
    }

    fn silence(&self, key: Key, role: Role, uses: Uses) -> String {
        let asked = if key.1.is_ipv4() { "ARP" } else { "neighbour discovery" };
        let plural = |count| if count == 1 { ("entry", "s") } else { ("entries", "") };
        let ((own, s), (behind, is)) = (plural(uses.own), plural(uses.behind));
        let mut line = format!("{role} {} does not answer {asked}", self.who(key));
        if uses.own > 0 {
            line += &format!("; {} server {own} use{s} it", uses.own);
        }
        if uses.behind > 0 {
            line += &format!("; {} server {behind} need{is} it as a gateway", uses.behind);
        }
        line
    }

    fn who(&self, (interface, address): Key) -> String {
        format!("{address} ({})", self.interface_name(interface).unwrap_or_default())
    }

    fn is_resolved(&self, key: Key) -> bool {
        self.neighbor(key).is_some_and(|neighbor| neighbor.mac.is_some())
    }

    /// Looks at some of the silent, in turn, and tells of those that answer.
    fn tell_of_answers(&mut self, now: Nanos) {
        let from = self.silent.looked.map_or(Unbounded, Excluded);
        let some: Vec<Key> =
            self.silent.known.range((from, Unbounded)).take(LOOK_BUDGET).map(|(key, _)| *key).collect();
        self.silent.looked = some.last().copied().filter(|_| some.len() == LOOK_BUDGET);
        for key in some.into_iter().filter(|key| self.is_resolved(*key)).collect::<Vec<_>>() {
            let Some((since, role)) = self.silent.known.remove(&key) else { continue };
            if self.silent.lines.may_write(now) {
                let after = (now.0 - since.0) / 1_000_000_000;
                info!("{role} {} answers again after {after} s", self.who(key));
            }
        }
    }
}

#[cfg(test)]
#[path = "silent_tests.rs"]
mod tests;
