//! What the appliance finds out at the start, and what the director asks of its devices later.

use std::path::PathBuf;

use dataplane::seeds::Seeds;
use dataplane::steering::{self, Plan};
use dataplane::wire::ethernet::MacAddr;

use super::host::Garbage;
use crate::api::Counter;
use crate::config::Config;

/// The link of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortLink {
    /// Whether frames can pass.
    pub up: bool,
    /// Whether the device itself is no longer there.
    pub gone: bool,
    /// Mbit/s, 0 if unknown.
    pub mbps: u32,
}

impl PortLink {
    /// One that is up.
    pub const UP: Self = Self { up: true, gone: false, mbps: 0 };
    /// One that is down.
    pub const DOWN: Self = Self { up: false, gone: false, mbps: 0 };
}

/// What the director wants to know of the devices it runs on.
pub trait Devices {
    /// The link of a port.
    fn link(&self, port: u16) -> PortLink;
    /// A bit for each device whose link is up, those among them that other devices stand on, as members of a bond.
    fn cables(&self) -> u64;
    /// The driver's counters.
    fn counters(&self, port: u16) -> Vec<Counter>;
    /// The driver's name.
    fn driver(&self, port: u16) -> String;
    /// Packet memory: how much there is, how much is in use.
    fn memory(&self) -> Vec<Counter>;
}

/// No devices: a director whose ports are in memory.
impl Devices for () {
    fn link(&self, _: u16) -> PortLink {
        PortLink::UP
    }

    fn cables(&self) -> u64 {
        0
    }

    fn counters(&self, _: u16) -> Vec<Counter> {
        Vec::new()
    }

    fn driver(&self, _: u16) -> String {
        "memory".to_owned()
    }

    fn memory(&self) -> Vec<Counter> {
        Vec::new()
    }
}

/// What the appliance found out at the start.
pub struct Facts {
    /// MACs of the ports: those of the interfaces on devices, in the order of the configuration.
    pub macs: Vec<MacAddr>,
    /// CPUs of the workers.
    pub cpus: Vec<u32>,
    /// The devices.
    pub devices: Box<dyn Devices + Send>,
    /// The file to read again on reload.
    pub file: Option<PathBuf>,
    /// Which worker gets what.
    pub steering: Plan,
    /// What nobody outside may know.
    pub seeds: Seeds,
    /// Lets go of what may be large, out of the control thread's way.
    pub discard: Box<dyn FnMut(Garbage) + Send>,
}

impl Facts {
    /// Of a director whose ports are in memory: each interface has the MAC of the configuration, else one of its own.
    /// Nothing about it is left to chance.
    #[must_use]
    pub fn in_memory(config: &Config) -> Self {
        let mac = |(number, interface): (u8, &crate::config::Interface)| {
            interface.mac.map_or(MacAddr([2, 0, 0, 0, 1, number]), |mac| MacAddr(mac.0))
        };
        let workers = &config.dataplane.workers;
        Self {
            macs: (0..).zip(config.devices()).map(mac).collect(),
            cpus: workers.iter().map(|cpu| *cpu as u32).collect(),
            devices: Box::new(()),
            file: None,
            steering: steering::plan(&[], workers.len() as u16, config.dataplane.steering),
            discard: Box::new(drop),
            seeds: Seeds::new(std::array::from_fn(|word| word as u64 ^ 0x0123_4567_89ab_cdef)),
        }
    }
}
