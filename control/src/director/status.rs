//! Answers about the director itself: status and counters.

use super::Director;
use crate::api::{Answer, Counter, InterfaceCounters, InterfaceStatus, MOST_NAMED, StatsReport, Status};
use crate::net::NetInterface;

impl Director {
    pub(super) fn status(&self) -> Answer {
        Answer::Status(Box::new(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: self.facts.file.as_ref().map_or(String::new(), |file| file.display().to_string()),
            uptime: self.now.0.saturating_sub(self.started.0) / 1_000_000_000,
            services: self.services.len() as u32,
            servers: self.services.servers() as u32,
            interfaces: (0..self.net.interfaces().len()).map(|index| self.interface_status(index)).collect(),
            strict_parity: self.config.ipvs.strict_parity,
            workers: self.crew.status(self.config.dataplane.connections, self.now),
            stores: self.store_status(),
        }))
    }

    fn interface_status(&self, index: usize) -> InterfaceStatus {
        let interface = &self.net.interfaces()[index];
        let (port, configured) = (interface.lan.port(), self.config.interfaces.get(index));
        let link = self.facts.devices.link(port);
        let (own, vips) = (interface.addresses.iter().map(ToString::to_string), self.net.answered(index));
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

    pub(super) fn stats(&mut self) -> Answer {
        let totals = self.totals();
        let workers = self.crew.counters();
        let counters = workers.iter().skip(1).fold(workers.first().cloned().unwrap_or_default(), |mut sum, more| {
            sum.iter_mut().zip(more).for_each(|(a, b)| a.value += b.value);
            sum
        });
        let devices = self.net.interfaces().iter().filter(|interface| interface.lan.vlan() == 0);
        let interfaces = devices.map(|interface| InterfaceCounters {
            name: interface.name.to_string(),
            counters: self.device_counters(interface),
        });
        Answer::Stats(Box::new(StatsReport {
            totals,
            rates: self.sampling.total().rates(),
            counters,
            workers,
            interfaces: interfaces.collect(),
            memory: self.facts.devices.memory(),
        }))
    }
}
