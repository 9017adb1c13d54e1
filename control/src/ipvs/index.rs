//! What the services amount to beside their own entries: families that have a service (the kernel's hooks), virtual
//! addresses, and where servers listen for what NAT sends them (the kernel's `rs_table`). Kept by each edit, so that
//! none looks at the whole table.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use dataplane::flow::{Family, ServiceKey};
use dataplane::service::{Caller, Listener};
use dataplane::tables::Unhooked;

use super::Services;
use super::callers::Callers;
use crate::api::{ServerSpec, ServiceSpec};

/// Counts of what is there, and what came or went.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Services by family: IPv4, IPv6.
    families: [u32; 2],
    /// Servers of another family than their service.
    mixed: u32,
    addresses: Counts<IpAddr>,
    listeners: Counts<Listener>,
    callers: Callers,
}

/// How often each is there, and what came (`true`) or went.
#[derive(Debug)]
struct Counts<T> {
    of: HashMap<T, u32>,
    changes: VecDeque<(T, bool)>,
}

impl<T> Default for Counts<T> {
    fn default() -> Self {
        Self { of: HashMap::new(), changes: VecDeque::new() }
    }
}

impl<T: Copy + Eq + std::hash::Hash> Counts<T> {
    fn add(&mut self, item: T) {
        let count = self.of.entry(item).or_default();
        *count += 1;
        if *count == 1 {
            self.changes.push_back((item, true));
        }
    }

    fn remove(&mut self, item: T) {
        let Some(count) = self.of.get_mut(&item) else { return };
        *count -= 1;
        if *count == 0 {
            self.of.remove(&item);
            self.changes.push_back((item, false));
        }
    }
}

impl Index {
    fn family(&mut self, key: &ServiceKey) -> &mut u32 {
        &mut self.families[usize::from(key.family() == Family::Ipv6)]
    }

    /// A service came.
    pub(super) fn add_service(&mut self, key: &ServiceKey) {
        *self.family(key) += 1;
        if let ServiceKey::Address { address, .. } = *key {
            self.addresses.add(address);
        }
    }

    /// A service is gone.
    pub(super) fn remove_service(&mut self, key: &ServiceKey) {
        *self.family(key) -= 1;
        if let ServiceKey::Address { address, .. } = *key {
            self.addresses.remove(address);
        }
    }

    /// A server came.
    pub(super) fn add_server(&mut self, service: &ServiceSpec, server: &ServerSpec, slot: u32) {
        if let Some(listener) = listener(&service.key, server) {
            self.listeners.add(listener);
        }
        self.callers.add(service, server, slot);
        self.mixed += u32::from(is_mixed(service, server));
    }

    /// A server is gone.
    pub(super) fn remove_server(&mut self, service: &ServiceSpec, server: &ServerSpec) {
        if let Some(listener) = listener(&service.key, server) {
            self.listeners.remove(listener);
        }
        self.callers.remove(service, server);
        self.mixed -= u32::from(is_mixed(service, server));
    }

    /// A service has other settings.
    pub(super) fn edit_service<'a>(
        &mut self,
        [before, after]: [&ServiceSpec; 2],
        servers: impl DoubleEndedIterator<Item = (&'a ServerSpec, u32)>,
    ) {
        // The server added last stands first.
        for (server, slot) in servers.rev() {
            self.callers.remove(before, server);
            self.callers.add(after, server, slot);
        }
    }

    fn unhooked(&self) -> Unhooked {
        Unhooked { v4: self.families[0] == 0, v6: self.families[1] == 0 }
    }
}

impl Services {
    /// Families that have no service.
    #[must_use]
    pub fn unhooked(&self) -> Unhooked {
        self.index.unhooked()
    }

    /// Whether a server is of another family than its service.
    #[must_use]
    pub fn mix_families(&self) -> bool {
        self.index.mixed > 0
    }

    /// Whether an address is the virtual address of a service.
    #[must_use]
    pub fn has_address(&self, address: IpAddr) -> bool {
        self.index.addresses.of.contains_key(&address)
    }

    /// Services that have a virtual address.
    #[must_use]
    pub fn of_address(&self, address: IpAddr) -> u32 {
        self.index.addresses.of.get(&address).copied().unwrap_or_default()
    }

    /// Virtual addresses that came since they were taken, the first so many of them, in order.
    pub fn take_new_addresses(&mut self, most: usize) -> Vec<IpAddr> {
        let changes = &mut self.index.addresses.changes;
        let taken: Vec<_> = changes.drain(..most.min(changes.len())).collect();
        if changes.is_empty() {
            // What a large reload needed is not kept.
            *changes = VecDeque::new();
        }
        let came = taken.into_iter().filter(|(address, came)| *came && self.has_address(*address));
        came.map(|(address, _)| address).collect()
    }

    /// Whether some have not been taken.
    #[must_use]
    pub fn has_new_addresses(&self) -> bool {
        !self.index.addresses.changes.is_empty()
    }

    /// Where servers listen for what NAT sends them: what came (`true`) or went since the last call, in order.
    pub fn take_listener_changes(&mut self) -> VecDeque<(Listener, bool)> {
        std::mem::take(&mut self.index.listeners.changes)
    }

    /// Whether something changed of listeners, paths or callers since these were taken.
    #[must_use]
    pub fn has_index_changes(&self) -> bool {
        !self.index.listeners.changes.is_empty() || self.index.callers.has_changes() || self.paths.has_changes()
    }

    /// Whose connection it is that a server begins, by where it listens: what counts now that did not at the last call, in
    /// order, `None` = nobody's any more.
    pub fn take_caller_changes(&mut self) -> Vec<(Listener, Option<Caller>)> {
        self.index.callers.take_changes()
    }
}

fn is_mixed(service: &ServiceSpec, server: &ServerSpec) -> bool {
    Family::of(server.address.ip()) != service.key.family()
}

/// Where a server listens, if its replies pass the director: reached by NAT.
pub(super) fn listener(key: &ServiceKey, server: &ServerSpec) -> Option<Listener> {
    let protocol = match *key {
        ServiceKey::Address { protocol, .. } => Some(protocol),
        ServiceKey::Mark { .. } => None,
    };
    let (address, port) = (server.address.ip(), server.address.port());
    server.forward.has_replies().then_some(Listener { address, port, protocol })
}

#[cfg(test)]
mod tests {
    use dataplane::flow::Protocol;
    use dataplane::sched::Scheduler;

    use crate::api::Forward;

    use super::*;

    fn key(port: u16) -> ServiceKey {
        ServiceKey::Address { protocol: Protocol::Tcp, address: "10.0.0.100".parse().unwrap(), port }
    }

    fn service(key: ServiceKey) -> ServiceSpec {
        ServiceSpec::new(key, Scheduler::Rr)
    }

    fn server(forward: Forward) -> ServerSpec {
        let address = "10.1.0.11:8080".parse().unwrap();
        ServerSpec { weight: 0, ..ServerSpec::new(address, forward) }
    }

    #[test]
    fn a_listener_is_there_as_long_as_one_service_has_it() {
        let mut index = Index::default();
        let listener = Listener { address: "10.1.0.11".parse().unwrap(), port: 8080, protocol: Some(Protocol::Tcp) };
        index.add_server(&service(key(80)), &server(Forward::Nat), 7);
        index.add_server(&service(key(81)), &server(Forward::Nat), 7);
        index.add_server(&service(key(82)), &server(Forward::Dr), 7);
        assert_eq!(std::mem::take(&mut index.listeners.changes), [(listener, true)]);
        index.remove_server(&service(key(80)), &server(Forward::Nat));
        index.remove_server(&service(key(82)), &server(Forward::Dr));
        assert_eq!(std::mem::take(&mut index.listeners.changes), []);
        index.remove_server(&service(key(81)), &server(Forward::Nat));
        assert_eq!(std::mem::take(&mut index.listeners.changes), [(listener, false)]);
        let mark = ServiceKey::Mark { fwmark: 5, family: Family::Ipv4 };
        index.add_server(&service(mark), &server(Forward::Nat), 7);
        assert_eq!(std::mem::take(&mut index.listeners.changes), [(Listener { protocol: None, ..listener }, true)]);
    }

    #[test]
    fn hooks_come_with_the_first_service_of_a_family() {
        let mut index = Index::default();
        assert_eq!(index.unhooked(), Unhooked { v4: true, v6: true });
        index.add_service(&key(80));
        index.add_service(&ServiceKey::Mark { fwmark: 5, family: Family::Ipv4 });
        assert_eq!(index.unhooked(), Unhooked { v4: false, v6: true });
        index.remove_service(&key(80));
        index.remove_service(&ServiceKey::Mark { fwmark: 5, family: Family::Ipv4 });
        assert_eq!(index.unhooked(), Unhooked { v4: true, v6: true });
    }
}
