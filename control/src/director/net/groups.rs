//! The groups that neighbours ask the director in (RFC 3810): switches that watch who listens must be told, or questions
//! for its IPv6 addresses do not reach it. As the listener of `net/ipv6/mcast.c` does.
//!
//! ```text
//! first address of a group comes  joins, with each of the address's announcements
//! last address of a group goes    leaves, as often
//! a query of one group, or all    what is listened to, after a part of the time that the query grants; of all groups a
//!                                 bounded number at once. A query of version 1 is answered in version 1
//! ```

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Bound::{Excluded, Unbounded};

use dataplane::chance::Chance;
use dataplane::clock::Nanos;
use dataplane::wire::mld::{self, GROUPS_MAX, Query, RecordChange};
use dataplane::wire::ndisc::solicited_node;

use super::{Net, ROUND};

/// Frames of answers that one interface sends in a round of housekeeping. They share the mailbox with other answers.
const FRAMES: usize = 64;
const MILLISECOND: u64 = 1_000_000;

/// What an interface listens to, and what it owes to who asked.
#[derive(Debug, Default)]
pub(super) struct Listener {
    /// How many addresses are in each group.
    groups: BTreeMap<Ipv6Addr, u32>,
    /// The answer about all groups.
    general: Option<Owed>,
    /// Answers about one, each with its time and whether it is of version 1.
    specific: BTreeMap<Ipv6Addr, (Nanos, bool)>,
}

/// An answer about all groups.
#[derive(Clone, Copy, Debug)]
struct Owed {
    due: Nanos,
    old: bool,
    /// The last group that was told of.
    behind: Option<Ipv6Addr>,
}

impl Listener {
    /// An address is answered for from now on.
    pub(super) fn add(&mut self, address: IpAddr) {
        if let IpAddr::V6(address) = address {
            *self.groups.entry(solicited_node(address)).or_default() += 1;
        }
    }

    /// It no longer is.
    pub(super) fn remove(&mut self, address: IpAddr) {
        let IpAddr::V6(address) = address else { return };
        let group = solicited_node(address);
        match self.groups.get_mut(&group) {
            Some(count) if *count > 1 => *count -= 1,
            _ => _ = self.groups.remove(&group),
        }
    }

    /// Notes what a query wants, if nothing that answers it is due before.
    fn asked(&mut self, query: &Query, due: Nanos) {
        if self.general.is_some_and(|owed| owed.due <= due && owed.old == query.old && owed.behind.is_none()) {
            return;
        }
        match query.group {
            None => self.general = Some(Owed { due, old: query.old, behind: None }),
            Some(group) if self.groups.contains_key(&group) => {
                let owed = self.specific.entry(group).or_insert((due, query.old));
                *owed = (owed.0.min(due), query.old);
            }
            Some(_) => {}
        }
    }

    /// What is to be told now, frame by frame: groups, and whether in version 1.
    fn due(&mut self, now: Nanos) -> Vec<(Vec<Ipv6Addr>, bool)> {
        let specific = self.specific.extract_if(.., |_, owed| owed.0 <= now).take(FRAMES);
        let listened = specific.filter(|(group, _)| self.groups.contains_key(group));
        let mut frames: Vec<_> = listened.map(|(group, (_, old))| (vec![group], old)).collect();
        while frames.len() < FRAMES
            && let Some(owed) = self.general.filter(|owed| owed.due <= now)
        {
            let from = owed.behind.map_or(Unbounded, Excluded);
            let most = if owed.old { 1 } else { GROUPS_MAX };
            let groups: Vec<_> = self.groups.range((from, Unbounded)).map(|(group, _)| *group).take(most).collect();
            self.general = groups.last().map(|last| Owed { behind: Some(*last), ..owed });
            if !groups.is_empty() {
                frames.push((groups, owed.old));
            }
        }
        frames
    }
}

impl Net {
    /// Somebody asks what is listened to.
    pub(super) fn asked_for_groups(&mut self, interface: u16, query: &Query, now: Nanos) {
        // The answer is sent by a round of housekeeping: the last one within the delay.
        let most = (u64::from(query.delay) * MILLISECOND).saturating_sub(ROUND);
        let by = Chance::seeded(now.0 ^ u64::from(interface)).below(most);
        self.listeners[usize::from(interface)].asked(query, Nanos(now.0 + by));
    }

    /// Sends the answers that are due.
    pub(in crate::director) fn answer_for_groups(&mut self, now: Nanos) {
        for interface in 0..self.listeners.len() {
            for (groups, old) in self.listeners[interface].due(now) {
                self.report(interface as u16, RecordChange::Listens, &groups, old);
            }
        }
    }

    /// Tells of an address that came or went, if that changes what is listened to or might have been missed.
    pub(super) fn report_change(&self, interface: u16, address: Ipv6Addr, owned: bool) {
        let group = solicited_node(address);
        match (owned, self.listeners[usize::from(interface)].groups.contains_key(&group)) {
            (true, _) => self.report(interface, RecordChange::Joins, &[group], false),
            (false, false) => self.report(interface, RecordChange::Leaves, &[group], false),
            (false, true) => {}
        }
    }

    /// An interface without IPv6 is on no link where anybody would ask.
    fn report(&self, interface: u16, change: RecordChange, groups: &[Ipv6Addr], old: bool) {
        let here = self.here(interface);
        let Some(source) = here.link_local else { return };
        if old {
            groups.iter().for_each(|group| self.send(interface, mld::old_report(source, here.mac, change, *group)));
        } else {
            self.send(interface, mld::report(source, here.mac, change, groups));
        }
    }
}

#[cfg(test)]
#[path = "groups_tests.rs"]
mod tests;
