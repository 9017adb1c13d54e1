//! The network, as the director knows it and speaks to it: interfaces, routes, virtual addresses and who answers for them,
//! neighbours, groups, links.
//!
//! ```text
//! frames of workers -> frames -> arp, discovery, groups    answered, or learned from
//! time              -> neighbours asked again, addresses announced, links looked at, who is silent told of
//! changes           -> what workers read of it: tables of the network, local addresses
//! ```
//!
//! It sends by the workers' mailboxes and is published by whoever owns it. Time is an argument.

mod announce;
mod cables;
mod discovery;
mod doctor;
mod frames;
mod groups;
mod lines;
mod routes;
mod silent;
mod vips;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use dataplane::clock::Nanos;
use dataplane::map::Seed;
use dataplane::tables::{self, Locals};
use dataplane::wire::ethernet::MacAddr;
use dataplane::wire::vlan::Lan;

use super::mail::Mail;
use crate::config::Config;
use crate::neighbors::{Effect, Key, Neighbor, Neighbors};
use crate::net::{self, NetInterface, NetRoute, link_local};

/// Nanoseconds between two rounds of housekeeping: timers of neighbours, announcements, memory to be freed.
pub(super) const ROUND: u64 = 100_000_000;

/// What is known of the network, and said to it.
#[derive(Debug)]
pub(super) struct Net {
    mail: Mail,
    interfaces: Vec<NetInterface>,
    /// What the log calls the device of each port.
    devices: Vec<String>,
    routes: Vec<NetRoute>,
    vips: BTreeMap<IpAddr, vips::Vip>,
    /// The virtual addresses of each interface.
    answered: Vec<BTreeSet<IpAddr>>,
    neighbors: Neighbors,
    announcements: announce::Announcements,
    cables: cables::Cables,
    listeners: Vec<groups::Listener>,
    silent: silent::Silent,
    examination: doctor::Examination,
    /// When the log may tell next of somebody who claims an address.
    next_claim: Nanos,
    /// The kernel's silence is wanted: nothing is announced.
    quiet: bool,
    /// The director forwards packets of others, and says so.
    router: bool,
    seed: Seed,
    /// What workers read of interfaces, routes and neighbours.
    tables: Arc<tables::Net>,
    /// Which has changed since.
    changed: bool,
    /// The director's addresses, and those of them that workers know.
    locals: Locals,
    known: Locals,
    /// Something is to be published.
    unpublished: bool,
}

impl Net {
    /// Interfaces as a configuration has them, with the MACs of the ports; no routes, and no virtual addresses.
    pub(super) fn new(config: &Config, macs: &[MacAddr], mail: Mail, tables: &tables::Tables, seed: Seed) -> Self {
        let device =
            |on: &crate::config::Interface| format!("{} ({})", on.name, on.device.as_deref().unwrap_or_default());
        Self {
            mail,
            interfaces: interfaces(config, macs),
            devices: config.devices().map(device).collect(),
            routes: Vec::new(),
            vips: BTreeMap::new(),
            answered: vec![BTreeSet::new(); config.interfaces.len()],
            neighbors: Neighbors::default(),
            announcements: Default::default(),
            cables: cables::Cables::default(),
            listeners: config.interfaces.iter().map(|_| groups::Listener::default()).collect(),
            silent: silent::Silent::default(),
            examination: doctor::Examination::default(),
            next_claim: Nanos(0),
            quiet: config.ipvs.strict_parity,
            router: tables.options.ip_forward,
            seed,
            tables: Arc::clone(&tables.net),
            changed: true,
            locals: tables.locals.clone(),
            known: tables.locals.clone(),
            unpublished: false,
        }
    }

    /// Whether nothing is announced, as the kernel does.
    pub(super) fn set_quiet(&mut self, quiet: bool) {
        self.quiet = quiet;
    }

    /// Whether the director forwards packets of others.
    pub(super) fn set_router(&mut self, router: bool) {
        self.router = router;
    }

    /// Every interface, in the order of the configuration.
    pub(super) fn interfaces(&self) -> &[NetInterface] {
        &self.interfaces
    }

    /// The virtual addresses that an interface answers for.
    pub(super) fn answered(&self, interface: usize) -> &BTreeSet<IpAddr> {
        &self.answered[interface]
    }

    pub(super) fn interface_index(&self, name: &str) -> Option<u16> {
        self.interfaces.iter().position(|i| *i.name == *name).map(|index| index as u16)
    }

    pub(super) fn interface_name(&self, interface: u16) -> Option<String> {
        self.interfaces.get(usize::from(interface)).map(|interface| interface.name.to_string())
    }

    fn here(&self, interface: u16) -> &NetInterface {
        &self.interfaces[usize::from(interface)]
    }

    /// Sends a frame by an interface.
    fn send(&self, interface: u16, frame: Vec<u8>) {
        self.mail.send(self.here(interface).lan, frame);
    }
}

/// What workers get.
impl Net {
    /// Whether anything is to be published.
    pub(super) fn is_unpublished(&self) -> bool {
        self.unpublished
    }

    /// Whether the tables of interfaces, routes and neighbours are to be made anew.
    pub(super) fn is_changed(&self) -> bool {
        self.changed
    }

    /// Has the tables made anew: something beside the network has changed what they mean.
    pub(super) fn change(&mut self) {
        self.changed = true;
    }

    /// The tables of interfaces, routes and neighbours as they are now.
    pub(super) fn make_tables(&mut self) -> Arc<tables::Net> {
        let version = self.tables.version.wrapping_add(1);
        self.tables = Arc::new(net::tables(version, &self.interfaces, &self.routes, &self.neighbors, self.seed));
        self.changed = false;
        Arc::clone(&self.tables)
    }

    /// The director's addresses, which are published now.
    pub(super) fn publish_locals(&mut self) -> Locals {
        self.unpublished = false;
        self.known = self.locals.clone();
        self.locals.clone()
    }
}

/// Neighbours.
impl Net {
    /// Every neighbour, in no order.
    pub(super) fn neighbors(&self) -> &Neighbors {
        &self.neighbors
    }

    /// Takes these neighbours in place of the static ones of before.
    pub(super) fn set_static(&mut self, neighbors: &[crate::config::Neighbor], now: Nanos) {
        self.neighbors.clear_static();
        for neighbor in neighbors {
            if let Some(interface) = self.interface_index(&neighbor.interface) {
                self.neighbors.set_static((interface, neighbor.address), MacAddr(neighbor.mac.0), now);
            }
        }
        self.changed = true;
    }

    /// Asks for a neighbour that packets wait for.
    pub(super) fn resolve(&mut self, key: Key, now: Nanos) {
        let effects = self.neighbors.resolve(key, now);
        self.carry_out(effects, now);
    }

    /// Questions for neighbours that may be asked now.
    pub(super) fn room_for_questions(&self) -> usize {
        self.mail.room_for_questions()
    }

    /// Asks again for who has not answered, as far as there is room. Returns what there was to do.
    pub(super) fn time_neighbors(&mut self, now: Nanos) -> usize {
        let effects = self.neighbors.turn(now, self.mail.room_for_questions());
        let items = effects.len();
        self.carry_out(effects, now);
        items
    }

    /// Looks at some of the neighbours that have not been heard of lately.
    pub(super) fn look_at_stale(&mut self, now: Nanos) {
        let effects = self.neighbors.look_at_stale(now);
        self.carry_out(effects, now);
    }

    /// Does what the neighbour table asks for.
    fn carry_out(&mut self, effects: Vec<Effect>, now: Nanos) {
        for effect in effects {
            match effect {
                Effect::Changed => {
                    self.changed = true;
                    self.unpublished = true;
                }
                Effect::Ask(key, mac) => self.ask(key, mac),
                Effect::Failed((interface, address)) => {
                    self.note_silent((interface, address), now);
                    self.mail.neighbor_failed(interface, address);
                }
            }
        }
    }

    fn neighbor(&self, key: Key) -> Option<&Neighbor> {
        self.neighbors.get(key)
    }
}

/// Interfaces with what was found out of their devices, or their parents'.
fn interfaces(config: &Config, macs: &[MacAddr]) -> Vec<NetInterface> {
    let build = |interface: &crate::config::Interface| {
        let on = interface.parent.as_ref().unwrap_or(&interface.name);
        let (port, device) = (0..).zip(config.devices()).find(|(_, device)| device.name == *on)?;
        let found = macs.get(usize::from(port)).copied().unwrap_or_default();
        let mac = device.mac.map_or(found, |mac| MacAddr(mac.0));
        Some(NetInterface {
            name: interface.name.as_str().into(),
            lan: Lan::new(port, interface.vlan.unwrap_or(0)),
            mac,
            mtu: interface.mtu,
            addresses: interface.addresses.clone(),
            link_local: link_local(&interface.addresses, mac),
            virtual6: None,
        })
    };
    config.interfaces.iter().filter_map(build).collect()
}
