//! Answers about the director itself: status and counters.

use std::sync::atomic::Ordering::Relaxed;

use super::Director;
use crate::api::{Answer, Counter, InterfaceCounters, InterfaceStatus, MOST_NAMED, StatsReport, Status, WorkerStatus};
use crate::net::NetInterface;

impl Director {
    pub(super) fn status(&self) -> Answer {
        Answer::Status(Box::new(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: self.facts.file.as_ref().map_or(String::new(), |file| file.display().to_string()),
            uptime: self.now.0.saturating_sub(self.started.0) / 1_000_000_000,
            services: self.services.len() as u32,
            servers: self.services.servers() as u32,
            interfaces: (0..self.interfaces.len()).map(|index| self.interface_status(index)).collect(),
            strict_parity: self.config.ipvs.strict_parity,
            workers: (0..self.links.len()).map(|worker| self.worker_status(worker)).collect(),
            stores: self.store_status(),
        }))
    }

    fn interface_status(&self, index: usize) -> InterfaceStatus {
        let interface = &self.interfaces[index];
        let (port, configured) = (interface.lan.port(), self.config.interfaces.get(index));
        let link = self.facts.devices.link(port);
        let (own, vips) = (interface.addresses.iter().map(ToString::to_string), &self.answered[index]);
        InterfaceStatus {
            name: interface.name.to_string(),
            device: configured.and_then(|i| i.device.clone()).unwrap_or_default(),
            parent: configured.and_then(|i| i.parent.clone()),
            vlan: configured.and_then(|i| i.vlan),
            driver: self.facts.devices.driver(port),
            mac: interface.mac.to_string(),
            mtu: interface.mtu,
            link: link.up,
            gone: link.gone,
            speed: link.mbps,
            addresses: own.chain(vips.iter().take(MOST_NAMED).map(ToString::to_string)).collect(),
            virtual_addresses: vips.len() as u32,
            counters: self.device_counters(interface),
        }
    }

    /// The driver's counters. It does not tell VLANs apart.
    fn device_counters(&self, interface: &NetInterface) -> Vec<Counter> {
        if interface.lan.vlan() == 0 { self.facts.devices.counters(interface.lan.port()) } else { Vec::new() }
    }

    fn worker_status(&self, worker: usize) -> WorkerStatus {
        let (link, heart) = (&self.links[worker], &self.hearts[worker]);
        WorkerStatus {
            id: worker as u32,
            cpu: self.facts.cpus.get(worker).copied().unwrap_or(0),
            connections: link.connections.load(Relaxed),
            capacity: u64::from(self.config.dataplane.connections),
            turns: link.turns.load(Relaxed),
            busy_turns: link.busy_turns.load(Relaxed),
            load: heart.load(),
            longest_turn: link.longest_turn.load(Relaxed),
            longest_turn_1s: link.longest_turn_1s.load(Relaxed),
            stalls: heart.stalls(),
            stalled_for: heart.stalled_for(self.now).map(|stood| stood.as_secs()),
            tables: self.publisher.seen(worker),
        }
    }

    pub(super) fn stats(&mut self) -> Answer {
        let totals = self.totals();
        let counter = |(name, value): (&str, u64)| Counter { name: name.to_owned(), value };
        let workers: Vec<Vec<Counter>> =
            self.links.iter().map(|link| link.counters.read().into_iter().map(counter).collect()).collect();
        let counters = workers.iter().skip(1).fold(workers.first().cloned().unwrap_or_default(), |mut sum, more| {
            sum.iter_mut().zip(more).for_each(|(a, b)| a.value += b.value);
            sum
        });
        let devices = self.interfaces.iter().filter(|interface| interface.lan.vlan() == 0);
        let interfaces = devices.map(|interface| InterfaceCounters {
            name: interface.name.to_string(),
            counters: self.device_counters(interface),
        });
        Answer::Stats(Box::new(StatsReport {
            totals,
            rates: self.total.rates(),
            counters,
            workers,
            interfaces: interfaces.collect(),
            memory: self.facts.devices.memory(),
        }))
    }
}
