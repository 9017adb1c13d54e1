//! A device: opened, configured within what it offers, started, and stopped when its last holder lets go.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::af_packet::Sockets;
use super::eal::{Eal, Runtime};
use super::error::Error;
use super::journal;
use super::kernel::KernelInterface;
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

/// What is wanted when the device is opened, before it is known what it offers.
#[derive(Clone, Debug)]
pub(crate) struct OpenConfig {
    /// Queue pairs that a virtual device is asked for.
    pub(crate) pairs: u16,
    /// Largest packet, without the Ethernet header.
    pub(crate) mtu: u16,
    /// Slots of a ring that the driver shares with the kernel; `None`: its usual number.
    pub(crate) slots: Option<u16>,
    /// Address of our own; `None` keeps the device's.
    pub(crate) mac: Option<[u8; 6]>,
    /// The pool that all its queues fill from.
    pub(crate) pool: Arc<Mempool>,
}

/// What is wanted of a device that is open.
#[derive(Clone, Debug)]
pub(crate) struct EthConfig {
    /// Receive queues.
    pub(crate) rx_queues: u16,
    /// Transmit queues.
    pub(crate) tx_queues: u16,
    /// Slots of a receive ring; brought within the device's limits.
    pub(crate) rx_desc: u16,
    /// Slots of a transmit ring; brought within the device's limits.
    pub(crate) tx_desc: u16,
    /// Hashing; `None` leaves it off.
    pub(crate) rss: Option<Rss>,
}

/// A device that is open and not started.
#[derive(Debug)]
pub(crate) struct Opened {
    spec: DeviceSpec,
    interface: String,
    wanted: OpenConfig,
    device: Arc<Device>,
    caps: Caps,
}

/// A started device. Control's handle: queues go to the workers, the rest stays on one thread.
#[derive(Debug)]
pub(crate) struct EthDev {
    device: Arc<Device>,
    caps: Caps,
    mac: [u8; 6],
    spec: DeviceSpec,
    interface: String,
    rx_queues: u16,
    tx_queues: u16,
    handed_out: u16,
    hashes: bool,
    kernel: Option<KernelInterface>,
    _not_sync: PhantomData<Cell<()>>,
}

/// What queues and handle share; stops and closes the device in the end.
#[derive(Debug)]
pub(super) struct Device {
    port: u16,
    remove: bool,
    pool: Arc<Mempool>,
    chained: Chained,
    sockets: Option<Sockets>,
    cuts_at: usize,
    _runtime: Arc<Runtime>,
}

/// Ports that are held. A device written twice in the configuration would otherwise have two owners of each queue.
static HELD: Mutex<Vec<u16>> = Mutex::new(Vec::new());

fn held() -> MutexGuard<'static, Vec<u16>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Device {
    /// Takes over an open port; `remove` where we made the device ourselves. `None` where somebody holds it.
    pub(super) fn hold(eal: &Eal, port: u16, remove: bool, pool: Arc<Mempool>) -> Option<Self> {
        let mut held = held();
        if held.contains(&port) {
            return None;
        }
        held.push(port);
        let (chained, sockets, cuts_at) = (Chained::default(), None, usize::MAX);
        Some(Self { port, remove, pool, chained, sockets, cuts_at, _runtime: eal.runtime() })
    }

    /// This device with the kernel's sockets, which cut what is longer than so many bytes.
    pub(super) fn with_sockets(mut self, sockets: Sockets, cuts_at: usize) -> Self {
        (self.sockets, self.cuts_at) = (Some(sockets), cuts_at);
        self
    }

    pub(super) fn cuts_at(&self) -> usize {
        self.cuts_at
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn chained(&self) -> &Chained {
        &self.chained
    }

    pub(super) fn pool(&self) -> &Arc<Mempool> {
        &self.pool
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

impl Opened {
    /// Opens the device. `interface` is what the configuration calls it.
    pub(crate) fn new(eal: &Eal, spec: &DeviceSpec, interface: &str, wanted: OpenConfig) -> Result<Self, Error> {
        let setup = Setup { spec, interface };
        setup.check_pool(&wanted)?;
        let device = Arc::new(setup.open(eal, &wanted)?);
        let info = offer::device_info(device.port).map_err(|cause| setup.failed("query its capabilities", cause))?;
        let caps = Caps::of(&info);
        Ok(Self { spec: spec.clone(), interface: interface.to_owned(), wanted, device, caps })
    }

    /// What the driver offers.
    pub(crate) fn caps(&self) -> &Caps {
        &self.caps
    }

    /// Configures and starts it. Where the driver refuses to hash, it runs without ([`EthDev::hashes`]).
    pub(crate) fn start(self, config: &EthConfig) -> Result<EthDev, Error> {
        let Self { spec, interface, wanted, device, caps } = self;
        let setup = Setup { spec: &spec, interface: &interface };
        let port = device.port;
        let info = offer::device_info(port).map_err(|cause| setup.failed("query its capabilities", cause))?;
        setup.check_offer(&wanted, config, &caps)?;
        let hashes = setup.configure(port, &info, &caps, &wanted, config)?;
        setup.queues(port, &info, &device, config)?;
        setup.set_mtu(port, wanted.mtu, &caps)?;
        let mac = setup.set_mac(port, wanted.mac)?;
        // SAFETY: the port is configured, and its queues are set up.
        setup.attempt("start", || unsafe { dpdk_sys::rte_eth_dev_start(port) })?;
        // Solicited-node groups must reach us; what has no filter needs no opening.
        // SAFETY: the port is ours.
        let _ = journal::attempt(|| unsafe { dpdk_sys::rte_eth_allmulticast_enable(port) });
        let (rx_queues, tx_queues) = (config.rx_queues, config.tx_queues);
        let kernel = spec.kernel_interface().and_then(KernelInterface::named);
        let (handed_out, _not_sync) = (0, PhantomData);
        Ok(EthDev { device, caps, mac, spec, interface, rx_queues, tx_queues, handed_out, hashes, kernel, _not_sync })
    }
}

impl EthDev {
    /// The next queue pair. Beyond the device's queues there are pairs that neither receive nor send, only take packets
    /// from the pool and give them back.
    pub(crate) fn take_queue(&mut self) -> Queue {
        let index = self.handed_out;
        self.handed_out += 1;
        Queue::new(Arc::clone(&self.device), index, index < self.rx_queues, index < self.tx_queues)
    }

    /// Whether it hashes as it was told.
    pub(crate) fn hashes(&self) -> bool {
        self.hashes
    }

    /// Fills its indirection table: the receive queue of every entry.
    pub(crate) fn spread(&self, table: &[u16]) -> Result<(), Error> {
        Setup { spec: &self.spec, interface: &self.interface }.spread(self.device.port, table)
    }

    /// What the driver offers.
    pub(crate) fn caps(&self) -> &Caps {
        &self.caps
    }

    /// The address we use on it.
    pub(crate) fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Its number in DPDK.
    pub(crate) fn port(&self) -> u16 {
        self.device.port
    }

    /// The state of its link.
    pub(crate) fn link(&self) -> Link {
        let told = offer::link(self.device.port);
        let Some(kernel) = &self.kernel else { return told };
        let carrier = kernel.carrier();
        // The speed that such a driver tells is a constant.
        Link { up: told.up && carrier == Some(true), gone: carrier.is_none(), mbps: None }
    }

    /// Whether the kernel's interface has no link, which the driver does not see.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.kernel.as_ref().is_some_and(|kernel| kernel.carrier() != Some(true))
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
        let missed = self.device.sockets.as_ref().map_or(0, Sockets::missed);
        all.iter_mut().filter(|(name, _)| name == "rx_missed").for_each(|(_, value)| *value += missed);
        all.extend(journal::quietly(|| offer::extended_counters(self.device.port)));
        all.push(("rx_linearised".to_owned(), chained.linearised.load(Ordering::Relaxed)));
        all.push(("rx_too_many_segments".to_owned(), chained.dropped.load(Ordering::Relaxed)));
        all
    }
}
