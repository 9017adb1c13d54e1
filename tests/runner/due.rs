//! Which connections are due about now. The kernel's timer wheel may keep an entry for some seconds after its time,
//! so after a sleep such an entry may be listed or gone, and counts follow it; none may be gone before its time.

use std::net::IpAddr;

use crate::runner::listing::{self, Identity};

const SECOND: u64 = 1_000_000_000;

/// How long past its time an entry may still be seen.
const GRACE: u64 = 6 * SECOND;

/// What is known of the times at which our own director's entries end.
#[derive(Clone, Debug, Default)]
pub(crate) struct DueList {
    entries: Vec<Due>,
    /// The end of the last sleep: before any, nothing has been swept.
    slept: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
struct Due {
    identity: Identity,
    /// The time is known to a second: listings show whole seconds, rounded down.
    earliest: u64,
}

impl DueList {
    /// Takes note of a listing in the format of `/proc/net/ip_vs_conn`.
    pub(crate) fn note(&mut self, listing: &str, now: u64) {
        self.entries.retain(|due| now < due.earliest + SECOND + GRACE);
        let listed: Vec<Due> = listing.lines().filter_map(listing::parse_proc).map(|e| Due::new(e, now)).collect();
        // What is listed has been seen anew: an earlier time of the same connection no longer holds.
        self.entries.retain(|due| !listed.iter().any(|new| new.identity == due.identity));
        self.entries.extend(listed);
    }

    /// A sleep has ended.
    pub(crate) fn slept(&mut self, now: u64) {
        self.slept = Some(now);
        self.entries.retain(|due| due.is_near(now));
    }

    /// Whether an entry may be listed or not.
    pub(crate) fn holds(&self, identity: &Identity) -> bool {
        self.near().any(|due| due.identity == *identity)
    }

    /// How many entries of a real server may be counted or not.
    pub(crate) fn of_server(&self, address: IpAddr, port: u16) -> usize {
        self.near().filter(|due| due.identity.server == (address, port)).count()
    }

    /// Whether nothing is due.
    pub(crate) fn is_empty(&self) -> bool {
        self.near().next().is_none()
    }

    fn near(&self) -> impl Iterator<Item = &Due> {
        self.slept.into_iter().flat_map(|at| self.entries.iter().filter(move |due| due.is_near(at)))
    }
}

impl Due {
    fn new(entry: listing::Entry, now: u64) -> Self {
        Self { identity: entry.identity, earliest: now + entry.seconds * SECOND }
    }

    /// Due within the last six seconds, or within the next one (the kernel lets some time pass for each packet).
    fn is_near(&self, now: u64) -> bool {
        self.earliest <= now && now < self.earliest + SECOND + GRACE
    }
}
