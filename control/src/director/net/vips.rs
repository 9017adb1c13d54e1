//! The director's addresses, its own and the virtual ones: which interfaces answer for them, what is announced when that
//! changes, and what workers know of it.

use std::net::IpAddr;
use std::ops::Bound::{Excluded, Unbounded};

use dataplane::clock::Nanos;
use dataplane::flow::ServiceKey;
use ipnet::IpNet;

use super::Net;
use crate::api::{VipInfo, VipOrigin};
use crate::config;

/// A virtual address.
#[derive(Clone, Debug)]
pub(super) struct Vip {
    /// The interfaces that answer for it.
    on: Vec<u16>,
    /// Who brought it.
    origin: VipOrigin,
}

impl Vip {
    /// Whether an interface answers for it.
    pub(super) fn is_on(&self, interface: u16) -> bool {
        self.on.contains(&interface)
    }
}

impl Net {
    /// A service came that has an address: it is the director's also when the service is gone, until it is taken away by
    /// name, or the file that brought it no longer knows it.
    pub(in crate::director) fn follow(&mut self, address: IpAddr, runtime: bool, now: Nanos) {
        if is_vip(address) && !self.vips.contains_key(&address) {
            let origin = if runtime { VipOrigin::Runtime } else { VipOrigin::Service };
            self.answer_for(address, Vip { on: self.implied_interfaces(address), origin }, now);
        }
    }

    /// The file has a service with this key: its address is the file's.
    pub(in crate::director) fn file_has(&mut self, key: &ServiceKey) {
        if let ServiceKey::Address { address, .. } = key
            && let Some(vip) = self.vips.get_mut(address)
            && vip.origin == VipOrigin::Runtime
        {
            vip.origin = VipOrigin::Service;
        }
    }

    /// Answers for an address where the file says.
    pub(in crate::director) fn answer_as_filed(&mut self, vip: &config::Vip, now: Nanos) {
        let on = vip.interfaces.iter().filter_map(|name| self.interface_index(name)).collect();
        self.answer_for(vip.address, Vip { on, origin: VipOrigin::File }, now);
    }

    /// Takes the last virtual IPv6 address that the file has on each interface as what it is called by.
    pub(in crate::director) fn name_interfaces(&mut self, vips: &[config::Vip]) {
        for interface in &mut self.interfaces {
            let last = vips
                .iter()
                .rev()
                .find(|vip| vip.address.is_ipv6() && vip.interfaces.iter().any(|on| **on == *interface.name));
            let last = last.and_then(|vip| if let IpAddr::V6(address) = vip.address { Some(address) } else { None });
            self.changed |= interface.virtual6 != last;
            interface.virtual6 = last;
        }
    }

    /// A virtual address that the file does not speak of; `needed`: a service has it.
    pub(in crate::director) fn converge_unsaid(&mut self, address: IpAddr, needed: bool, prune: bool, now: Nanos) {
        let Some(vip) = self.vips.get(&address) else { return };
        let runtime = vip.origin == VipOrigin::Runtime;
        if vip.origin != VipOrigin::File && (needed || runtime && !prune) {
            return;
        }
        if needed {
            self.answer_for(address, Vip { on: self.implied_interfaces(address), origin: VipOrigin::Service }, now);
        } else {
            self.answer_no_more(address, now);
        }
    }

    /// Every virtual address, in their order.
    pub(in crate::director) fn vips(&self) -> impl Iterator<Item = IpAddr> {
        self.vips.keys().copied()
    }

    pub(in crate::director) fn has_vip(&self, address: IpAddr) -> bool {
        self.vips.contains_key(&address)
    }

    /// Virtual addresses behind one, so many at most; `services`: how many have an address.
    pub(in crate::director) fn list_vips(
        &self,
        behind: Option<IpAddr>,
        most: usize,
        services: impl Fn(IpAddr) -> u32,
    ) -> Vec<VipInfo> {
        let rest = self.vips.range((behind.map_or(Unbounded, Excluded), Unbounded));
        let info = |(address, vip): (&IpAddr, &Vip)| VipInfo {
            address: *address,
            interfaces: vip.on.iter().filter_map(|interface| self.interface_name(*interface)).collect(),
            origin: vip.origin,
            services: services(*address),
        };
        rest.take(most).map(info).collect()
    }

    fn answer_for(&mut self, address: IpAddr, vip: Vip, now: Nanos) {
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
        came.into_iter().chain(went).for_each(|interface| self.announce_soon(interface, address, now));
        self.set_local(address, Some(true));
    }

    /// Answers for an address no more.
    pub(in crate::director) fn answer_no_more(&mut self, address: IpAddr, now: Nanos) {
        for interface in self.forget_vip(address) {
            self.announce_soon(interface, address, now);
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
            (IpAddr::V4(a), Some(unicast)) => drop(self.locals.v4.insert(a.to_bits(), unicast)),
            (IpAddr::V4(a), None) => drop(self.locals.v4.remove(&a.to_bits())),
            (IpAddr::V6(a), Some(_)) => drop(self.locals.v6.insert(a.to_bits(), ())),
            (IpAddr::V6(a), None) => drop(self.locals.v6.remove(&a.to_bits())),
        }
    }

    fn is_own(&self, address: IpAddr) -> bool {
        self.interfaces.iter().any(|interface| interface.has(address))
    }

    /// The director's own addresses, at the start. They are used at once: nobody is asked first whether an IPv6 address
    /// is taken.
    pub(in crate::director) fn take_own_addresses(&mut self, now: Nanos) {
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
            self.announce_soon(interface, address, now);
        }
    }

    /// A virtual address that nothing is said about is answered where its prefix is, or else everywhere.
    fn implied_interfaces(&self, address: IpAddr) -> Vec<u16> {
        let all = 0..self.interfaces.len() as u16;
        let near: Vec<u16> = all.clone().filter(|i| self.here(*i).has_on_link(address)).collect();
        if near.is_empty() { all.collect() } else { near }
    }
}

/// Addresses that can be answered for; services may be configured for others, as in the kernel.
fn is_vip(address: IpAddr) -> bool {
    !address.is_multicast() && !address.is_unspecified() && !address.is_loopback()
}
