//! A device: opened, configured within what it offers, started, and stopped when its last holder lets go.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::eal::{Eal, Runtime};
use super::error::Error;
use super::journal;
use super::mempool::Mempool;
use super::offer::{self, Caps, Link};
use super::queue::{Chained, Queue};
use super::setup::Setup;
pub(crate) use super::spec::DeviceSpec;

/// How a device hashes packets onto its receive queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rss {
    /// The Toeplitz key, of [`Caps::rss_key_len`] bytes.
    pub(crate) key: Vec<u8>,
    /// What to hash (`RTE_ETH_RSS_*`), part of [`Caps::rss_types`].
    pub(crate) types: u64,
}

/// What is wanted of a device.
#[derive(Clone, Debug)]
pub(crate) struct EthConfig {
    /// Largest packet, without the Ethernet header.
    pub(crate) mtu: u16,
    /// Receive queues.
    pub(crate) rx_queues: u16,
    /// Transmit queues.
    pub(crate) tx_queues: u16,
    /// Slots of a receive ring; brought within the device's limits.
    pub(crate) rx_desc: u16,
    /// Slots of a transmit ring; brought within the device's limits.
    pub(crate) tx_desc: u16,
    /// Address of our own; `None` keeps the device's.
    pub(crate) mac: Option<[u8; 6]>,
    /// One pool for all queues, or one for each.
    pub(crate) pools: Vec<Arc<Mempool>>,
    /// Every packet that will be sent here comes from the one pool and has one owner, so a driver may skip the checks
    /// when it gives them back.
    pub(crate) sends_own_pool_only: bool,
    /// Hashing; `None` leaves it off.
    pub(crate) rss: Option<Rss>,
}

/// A started device. Control's handle: queues go to the workers, the rest stays on one thread.
#[derive(Debug)]
pub(crate) struct EthDev {
    device: Arc<Device>,
    caps: Caps,
    mac: [u8; 6],
    queues: Vec<Option<Queue>>,
    reta: Vec<u16>,
    _not_sync: PhantomData<Cell<()>>,
}

/// What queues and handle share; stops and closes the device in the end.
#[derive(Debug)]
pub(super) struct Device {
    port: u16,
    remove: bool,
    pools: Vec<Arc<Mempool>>,
    chained: Chained,
    _runtime: Arc<Runtime>,
}

/// Ports that are held. A device written twice in the configuration would otherwise have two owners of each queue.
static HELD: Mutex<Vec<u16>> = Mutex::new(Vec::new());

fn held() -> MutexGuard<'static, Vec<u16>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Device {
    /// Takes over an open port; `remove` where we made the device ourselves. `None` where somebody holds it.
    pub(super) fn hold(eal: &Eal, port: u16, remove: bool, pools: Vec<Arc<Mempool>>) -> Option<Self> {
        let mut held = held();
        if held.contains(&port) {
            return None;
        }
        held.push(port);
        Some(Self { port, remove, pools, chained: Chained::default(), _runtime: eal.runtime() })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn chained(&self) -> &Chained {
        &self.chained
    }

    pub(super) fn pool(&self, queue: u16) -> &Arc<Mempool> {
        // `Setup::check_pools` wants one pool, or one for each queue.
        &self.pools[usize::from(queue) % self.pools.len()]
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let port = self.port;
        let parent = offer::device_info(port).map(|info| info.device);
        // SAFETY: the queues held an Arc of this, so nobody is at the device any more. A stopped port may be stopped.
        journal::complain(journal::attempt(|| unsafe { dpdk_sys::rte_eth_dev_stop(port) }), "a device does not stop");
        // SAFETY: as above, and stopped.
        journal::complain(journal::attempt(|| unsafe { dpdk_sys::rte_eth_dev_close(port) }), "a device does not close");
        if let (true, Ok(parent)) = (self.remove, parent) {
            // SAFETY: the virtual device was made for this port alone, and is still on its bus.
            let removed = journal::attempt(|| unsafe { dpdk_sys::rte_dev_remove(parent) });
            journal::complain(removed, "a device is not removed");
        }
        held().retain(|other| *other != port);
    }
}

impl EthDev {
    /// Opens the device and starts it. `interface` is what the configuration calls it.
    pub(crate) fn start(eal: &Eal, spec: &DeviceSpec, interface: &str, config: &EthConfig) -> Result<Self, Error> {
        let setup = Setup { spec, interface, config };
        let pairs = config.rx_queues.max(config.tx_queues);
        setup.check_pools(pairs)?;
        let device = Arc::new(setup.open(eal, pairs)?);
        let port = device.port;
        let info = offer::device_info(port).map_err(|cause| setup.failed("ask what it offers", cause))?;
        let caps = Caps::of(&info);
        setup.check_offer(&caps)?;
        setup.configure(port, &info, &caps)?;
        setup.queues(port, &info, &device)?;
        setup.set_mtu(port, &caps)?;
        let mac = setup.set_mac(port)?;
        // SAFETY: the port is configured, and its queues are set up.
        setup.attempt("start", || unsafe { dpdk_sys::rte_eth_dev_start(port) })?;
        // Solicited-node groups must reach us; what has no filter needs no opening.
        // SAFETY: the port is ours.
        let _ = journal::attempt(|| unsafe { dpdk_sys::rte_eth_allmulticast_enable(port) });
        let reta = setup.spread(port, &caps)?;
        let queue = |index| {
            let (receives, transmits) = (index < config.rx_queues, index < config.tx_queues);
            Some(Queue::new(Arc::clone(&device), index, receives, transmits))
        };
        let queues = (0..pairs).map(queue).collect();
        Ok(Self { device, caps, mac, queues, reta, _not_sync: PhantomData })
    }

    /// The queue pair of this number, once.
    pub(crate) fn take_queue(&mut self, index: u16) -> Option<Queue> {
        self.queues.get_mut(usize::from(index))?.take()
    }

    /// What the driver offers.
    pub(crate) fn caps(&self) -> &Caps {
        &self.caps
    }

    /// The address we use on it.
    pub(crate) fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// The indirection table in force, hash to queue; empty where the device does not hash.
    pub(crate) fn reta(&self) -> &[u16] {
        &self.reta
    }

    /// The state of its link.
    pub(crate) fn link(&self) -> Link {
        offer::link(self.device.port)
    }

    /// The memory node it is at; `None` where it has none.
    pub(crate) fn socket(&self) -> Option<u32> {
        // SAFETY: the call checks the port.
        u32::try_from(unsafe { dpdk_sys::rte_eth_dev_socket_id(self.device.port) }).ok()
    }

    /// The device's counters, then those of the driver that moved, then ours at its door.
    pub(crate) fn counters(&self) -> Vec<(String, u64)> {
        let chained = self.device.chained();
        let mut all = journal::quietly(|| offer::counters(self.device.port));
        all.extend(journal::quietly(|| offer::extended_counters(self.device.port)));
        all.push(("rx_linearised".to_owned(), chained.linearised.load(Ordering::Relaxed)));
        all.push(("rx_too_many_segments".to_owned(), chained.dropped.load(Ordering::Relaxed)));
        all
    }
}
