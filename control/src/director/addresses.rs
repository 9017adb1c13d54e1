//! The director's addresses, its own and the virtual ones: which interfaces answer for them, what is announced when that
//! changes, and what workers know of it.

use std::collections::HashSet;
use std::net::IpAddr;

use dataplane::flow::ServiceKey;
use ipnet::IpNet;

use super::{Director, Pump, Vip};
use crate::config::Config;

impl Director {
    /// Takes the virtual addresses of services that came, so many at most. They are the director's also when these services
    /// are gone: until they are taken away by name, or the file that brought them no longer knows them. Returns whether
    /// these are all.
    pub(super) fn follow_addresses(&mut self, runtime: bool, most: usize) -> bool {
        for address in self.services.take_new_addresses(most) {
            if is_vip(address) && !self.vips.contains_key(&address) {
                let on = self.implied_interfaces(address);
                self.answer_for(address, Vip { on, configured: false, runtime });
            }
        }
        !self.services.has_new_addresses()
    }

    /// The file has a service with this key: its address is the file's.
    pub(super) fn file_has(&mut self, key: &ServiceKey) {
        if let ServiceKey::Address { address, .. } = key
            && let Some(vip) = self.vips.get_mut(address)
        {
            vip.runtime = false;
        }
    }

    fn answer_for(&mut self, address: IpAddr, vip: Vip) {
        let before = self.forget_vip(address);
        for interface in &vip.on {
            self.answered[usize::from(*interface)].insert(address);
            self.listeners[usize::from(*interface)].add(address);
        }
        let changed = |these: &[u16], others: &[u16]| -> Vec<u16> {
            these.iter().copied().filter(|interface| !others.contains(interface)).collect()
        };
        let [came, went] = [changed(&vip.on, &before), changed(&before, &vip.on)];
        self.vips.insert(address, vip);
        came.into_iter().chain(went).for_each(|interface| self.announce_soon(interface, address));
        self.set_local(address, Some(true));
    }

    pub(super) fn answer_no_more(&mut self, address: IpAddr) {
        for interface in self.forget_vip(address) {
            self.announce_soon(interface, address);
        }
        self.set_local(address, self.is_own(address).then_some(true));
    }

    /// Returns the interfaces that answered for it.
    fn forget_vip(&mut self, address: IpAddr) -> Vec<u16> {
        let on = self.vips.remove(&address).map_or(Vec::new(), |vip| vip.on);
        for interface in on.iter().map(|interface| usize::from(*interface)) {
            self.answered[interface].remove(&address);
            self.listeners[interface].remove(address);
        }
        on
    }

    /// Tells workers that an address is the director's (`true`), a broadcast (`false`), or neither.
    fn set_local(&mut self, address: IpAddr, local: Option<bool>) {
        self.unpublished = true;
        match (address, local) {
            (IpAddr::V4(a), Some(unicast)) => drop(self.tables.locals.v4.insert(a.to_bits(), unicast)),
            (IpAddr::V4(a), None) => drop(self.tables.locals.v4.remove(&a.to_bits())),
            (IpAddr::V6(a), Some(_)) => drop(self.tables.locals.v6.insert(a.to_bits(), ())),
            (IpAddr::V6(a), None) => drop(self.tables.locals.v6.remove(&a.to_bits())),
        }
    }

    fn is_own(&self, address: IpAddr) -> bool {
        self.interfaces.iter().any(|interface| interface.has(address))
    }

    /// The virtual addresses that the file speaks of, in place of those it spoke of before. Those that came with services
    /// of the file, and without `prune` those that came with others, stay while they have services; and the latter
    /// without, too.
    pub(super) fn converge_vips(&mut self, config: &Config, prune: bool, host: Pump<'_>) {
        let kept: HashSet<IpAddr> = config.vips.iter().map(|vip| vip.address).collect();
        let unsaid: Vec<IpAddr> = self.vips.keys().filter(|address| !kept.contains(address)).copied().collect();
        for address in unsaid {
            self.converge_unsaid(address, prune);
            self.pause(host);
        }
        for interface in &mut self.interfaces {
            let last = config
                .vips
                .iter()
                .rev()
                .find(|vip| vip.address.is_ipv6() && vip.interfaces.iter().any(|on| **on == *interface.name));
            let last = last.and_then(|vip| if let IpAddr::V6(address) = vip.address { Some(address) } else { None });
            self.net_changed |= interface.virtual6 != last;
            interface.virtual6 = last;
        }
        for vip in &config.vips {
            let on = vip.interfaces.iter().filter_map(|name| self.interface_index(name)).collect();
            self.answer_for(vip.address, Vip { on, configured: true, runtime: false });
            self.pause(host);
        }
    }

    /// A virtual address that the file does not speak of.
    fn converge_unsaid(&mut self, address: IpAddr, prune: bool) {
        let Some(vip) = self.vips.get(&address) else { return };
        let needed = self.services.has_address(address);
        if !vip.configured && (needed || vip.runtime && !prune) {
            return;
        }
        if needed {
            let on = self.implied_interfaces(address);
            self.answer_for(address, Vip { on, configured: false, runtime: false });
        } else {
            self.answer_no_more(address);
        }
    }

    /// The director's own addresses, at the start. They are used at once: nobody is asked first whether an IPv6 address
    /// is taken.
    pub(super) fn take_own_addresses(&mut self) {
        let nets: Vec<IpNet> = self.interfaces.iter().flat_map(|interface| interface.addresses.clone()).collect();
        for net in nets {
            if let IpNet::V4(v4) = net
                && v4.prefix_len() < 31
            {
                self.set_local(v4.broadcast().into(), Some(false));
            }
        }
        let own: Vec<(u16, IpAddr)> = (0u16..)
            .zip(&self.interfaces)
            .flat_map(|(index, interface)| interface.all_addresses().map(move |address| (index, address)))
            .collect();
        for (interface, address) in own {
            self.set_local(address, Some(true));
            self.listeners[usize::from(interface)].add(address);
            self.announce_soon(interface, address);
        }
    }

    /// A virtual address that nothing is said about is answered where its prefix is, or else everywhere.
    fn implied_interfaces(&self, address: IpAddr) -> Vec<u16> {
        let all = 0..self.interfaces.len() as u16;
        let near: Vec<u16> = all.clone().filter(|i| self.interfaces[usize::from(*i)].has_on_link(address)).collect();
        if near.is_empty() { all.collect() } else { near }
    }
}

/// Addresses that can be answered for; services may be configured for others, as in the kernel.
fn is_vip(address: IpAddr) -> bool {
    !address.is_multicast() && !address.is_unspecified() && !address.is_loopback()
}
