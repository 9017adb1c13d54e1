//! Paths to servers that are reached by tunnel: what each takes is known of the server's address, whichever services it
//! serves, and outlives edits (the kernel's exceptions of routes, `net/ipv4/route.c`).

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use dataplane::service::{MOST_AT_ONCE, PathMtu, PathTo};

use super::Services;

/// Paths by address, and which of them changed.
#[derive(Debug, Default)]
pub(super) struct Paths {
    of: HashMap<IpAddr, Known>,
    changed: BTreeSet<IpAddr>,
}

/// What is known of one path.
#[derive(Debug, Default)]
pub(super) struct Known {
    mtu: Arc<PathMtu>,
    /// Slots of servers there that are reached by tunnel, or were before they were edited.
    slots: BTreeSet<u32>,
}

impl Paths {
    /// A server is reached by tunnel.
    pub(super) fn join(&mut self, address: IpAddr, slot: u32) {
        if self.of.entry(address).or_default().slots.insert(slot) {
            self.changed.insert(address);
        }
    }

    /// A server is gone. With the last one at an address, what is known of the path goes.
    pub(super) fn leave(&mut self, address: IpAddr, slot: u32) {
        let Some(known) = self.of.get_mut(&address) else { return };
        if !known.slots.remove(&slot) {
            return;
        }
        self.changed.insert(address);
        if known.slots.is_empty() {
            self.of.remove(&address);
        }
    }

    /// What the path to an address takes.
    pub(super) fn mtu(&self, address: IpAddr) -> Arc<PathMtu> {
        self.of.get(&address).map(|known| Arc::clone(&known.mtu)).unwrap_or_default()
    }

    /// Whether a path changed since the changes were taken.
    pub(super) fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Nothing is known of any path.
    pub(super) fn forget(&self) {
        self.of.values().for_each(|known| known.mtu.forget());
    }
}

impl Services {
    /// Addresses to which paths changed since the last call.
    pub fn take_path_changes(&mut self) -> Vec<IpAddr> {
        std::mem::take(&mut self.paths.changed).into_iter().collect()
    }

    /// The path to an address, as workers should see it; `None` where no tunnel leads there.
    #[must_use]
    pub fn path(&self, address: IpAddr) -> Option<PathTo> {
        self.paths.of.get(&address).map(Known::view)
    }
}

impl Known {
    fn view(&self) -> PathTo {
        PathTo { mtu: Arc::clone(&self.mtu), servers: self.slots.iter().copied().take(MOST_AT_ONCE).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_as_long_as_servers_are_there() {
        let mut paths = Paths::default();
        let address = IpAddr::from([10, 1, 0, 11]);
        (0..100).for_each(|slot| paths.join(address, slot));
        let known = paths.of.get(&address).expect("it is there").view();
        assert_eq!((known.servers.len(), known.servers[0]), (MOST_AT_ONCE, 0));
        (0..99).for_each(|slot| paths.leave(address, slot));
        paths.leave(address, 200);
        assert_eq!(*paths.of.get(&address).expect("it is there").view().servers, [99], "others take their places");
        assert!(Arc::ptr_eq(&paths.mtu(address), &known.mtu), "the same path");
        paths.leave(address, 99);
        assert!(paths.of.is_empty());
    }
}
