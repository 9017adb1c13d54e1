//! The steps of starting a device, each with what it needs to tell when it fails: interface, device, step, reason.

use std::ffi::{CString, c_int};
use std::mem;
use std::ptr;
use std::sync::Arc;

use dpdk_sys::{rte_eth_conf, rte_eth_dev_info, rte_eth_rss_reta_entry64, rte_ether_addr};

use super::af_packet::Sockets;
use super::eal::{Eal, c_string};
use super::error::{Cause, Errno, Error};
use super::eth_dev::{Device, EthConfig, OpenConfig};
use super::journal;
use super::mempool::FRAME_OVERHEAD;
use super::offer::Caps;
use super::spec::DeviceSpec;

/// Entries of one group of an indirection table.
const RETA_GROUP: usize = dpdk_sys::RTE_ETH_RETA_GROUP_SIZE as usize;

/// The steps of starting one device, and how their failures are told.
pub(super) struct Setup<'a> {
    pub(super) spec: &'a DeviceSpec,
    pub(super) interface: &'a str,
}

impl Setup<'_> {
    pub(super) fn failed(&self, step: &'static str, cause: Cause) -> Error {
        Error::Device { interface: self.interface.to_owned(), device: self.spec.to_string(), step, cause }
    }

    fn short(&self, wanted: String, offered: String) -> Error {
        Error::Offer { interface: self.interface.to_owned(), device: self.spec.to_string(), wanted, offered }
    }

    pub(super) fn attempt(&self, step: &'static str, call: impl FnOnce() -> c_int) -> Result<(), Error> {
        journal::attempt(call).map(drop).map_err(|cause| self.failed(step, cause))
    }

    pub(super) fn check_pool(&self, wanted: &OpenConfig) -> Result<(), Error> {
        let (size, needed) = (wanted.pool.data_room(), usize::from(wanted.mtu) + FRAME_OVERHEAD);
        let needed = self.spec.ring(wanted.mtu, wanted.slots).map_or(needed, |ring| ring.frame);
        match size < needed {
            true => Err(self
                .short(format!("frames of {needed} bytes"), format!("a packet buffer of its pool has {size} bytes"))),
            false => Ok(()),
        }
    }

    pub(super) fn open(&self, eal: &Eal, wanted: &OpenConfig) -> Result<Device, Error> {
        let args = self.spec.devargs(wanted.pairs, wanted.mtu, wanted.slots, wanted.mac);
        let (name, text): (CString, CString) = (c_string(args.name)?, c_string(args.text)?);
        let (probed, sockets) = Sockets::of(|| {
            journal::attempt(|| {
                // SAFETY: the environment is up, the text is NUL-terminated and copied.
                unsafe { dpdk_sys::rte_dev_probe(text.as_ptr()) }
            })
        });
        match probed {
            // The EAL opens PCI devices itself while it starts.
            Err(cause) if cause.errno != Errno::Exists => return Err(self.failed("open it", cause)),
            _ => {}
        }
        let mut port = 0;
        self.attempt("find its port", || {
            // SAFETY: the name is NUL-terminated, `port` is writable.
            unsafe { dpdk_sys::rte_eth_dev_get_port_by_name(name.as_ptr(), &raw mut port) }
        })?;
        let device = Device::hold(eal, port, self.spec.is_virtual(), Arc::clone(&wanted.pool)).ok_or_else(|| {
            let said = vec!["another interface uses this device".to_owned()];
            self.failed("open it", Cause { errno: Errno::Busy, said })
        })?;
        Ok(match self.spec.ring(wanted.mtu, wanted.slots) {
            Some(ring) => device.with_sockets(sockets, ring.cuts_at()),
            None => device,
        })
    }

    pub(super) fn check_offer(&self, wanted: &OpenConfig, config: &EthConfig, caps: &Caps) -> Result<(), Error> {
        let at_most = |what: &str, wanted: u16, offered: u16| match wanted <= offered {
            true => Ok(()),
            false => Err(self.short(format!("{what} {wanted}"), format!("the driver offers at most {offered}"))),
        };
        at_most("receive queues:", config.rx_queues, caps.max_rx_queues)?;
        at_most("transmit queues:", config.tx_queues, caps.max_tx_queues)?;
        if !self.spec.is_virtual() {
            at_most("an MTU of", wanted.mtu, caps.max_mtu)?;
        }
        let Some(rss) = &config.rss else { return Ok(()) };
        if rss.types == 0 || rss.types & !caps.rss_types != 0 {
            return Err(self.short(
                format!("hashing of types {:#x}", rss.types),
                format!("the driver hashes {:#x}", caps.rss_types),
            ));
        }
        match rss.key.len() == caps.rss_key_len {
            true => Ok(()),
            false => Err(self.short(
                format!("a hash key of {} bytes", rss.key.len()),
                format!("that of the driver has {}", caps.rss_key_len),
            )),
        }
    }

    /// Whether the driver took the hash, if one is wanted.
    pub(super) fn configure(
        &self,
        port: u16,
        info: &rte_eth_dev_info,
        caps: &Caps,
        open: &OpenConfig,
        config: &EthConfig,
    ) -> Result<bool, Error> {
        // SAFETY: plain data; all zeroes asks for nothing.
        let mut wanted: rte_eth_conf = unsafe { mem::zeroed() };
        wanted.rxmode.mtu = u32::from(open.mtu.min(caps.max_mtu).max(info.min_mtu));
        // All packets come from the one pool and have one owner, so drivers may give them back without looking.
        wanted.txmode.offloads = info.tx_offload_capa & dpdk_sys::SHIM_TX_OFFLOAD_MBUF_FAST_FREE;
        let configure = |wanted: &rte_eth_conf| {
            journal::attempt(|| {
                // SAFETY: the structure and the key it points to live across the call, which copies what it needs.
                unsafe { dpdk_sys::rte_eth_dev_configure(port, config.rx_queues, config.tx_queues, wanted) }
            })
        };
        let plain = wanted;
        if let Some(rss) = &config.rss {
            let mut key = rss.key.clone();
            wanted.rxmode.mq_mode = dpdk_sys::RTE_ETH_MQ_RX_RSS;
            wanted.rxmode.offloads = info.rx_offload_capa & dpdk_sys::SHIM_RX_OFFLOAD_RSS_HASH;
            wanted.rx_adv_conf.rss_conf.rss_key = if key.is_empty() { ptr::null_mut() } else { key.as_mut_ptr() };
            wanted.rx_adv_conf.rss_conf.rss_key_len = key.len() as u8;
            wanted.rx_adv_conf.rss_conf.rss_hf = rss.types;
            match configure(&wanted) {
                Ok(_) => return Ok(true),
                Err(cause) => log::warn!("{}", self.failed("set up RSS", cause)),
            }
        }
        configure(&plain).map(|_| false).map_err(|cause| self.failed("configure it", cause))
    }

    pub(super) fn queues(
        &self,
        port: u16,
        info: &rte_eth_dev_info,
        device: &Device,
        config: &EthConfig,
    ) -> Result<(), Error> {
        let (mut rx_slots, mut tx_slots) = (config.rx_desc, config.tx_desc);
        self.attempt("set the sizes of its rings", || {
            // SAFETY: both numbers are writable.
            unsafe { dpdk_sys::rte_eth_dev_adjust_nb_rx_tx_desc(port, &raw mut rx_slots, &raw mut tx_slots) }
        })?;
        // SAFETY: the call checks the port.
        let node = unsafe { dpdk_sys::rte_eth_dev_socket_id(port) }.cast_unsigned();
        let pool = device.pool().as_ptr();
        for queue in 0..config.rx_queues {
            self.attempt("set up a receive queue", || {
                // SAFETY: the pool outlives the device, which holds it; the defaults are copied.
                unsafe {
                    dpdk_sys::rte_eth_rx_queue_setup(port, queue, rx_slots, node, &raw const info.default_rxconf, pool)
                }
            })?;
        }
        let mut conf = info.default_txconf;
        conf.offloads = 0;
        for queue in 0..config.tx_queues {
            self.attempt("set up a transmit queue", || {
                // SAFETY: the structure is copied.
                unsafe { dpdk_sys::rte_eth_tx_queue_setup(port, queue, tx_slots, node, &raw const conf) }
            })?;
        }
        Ok(())
    }

    /// A virtual device that cannot be told the MTU still carries what fits its buffers.
    pub(super) fn set_mtu(&self, port: u16, mtu: u16, caps: &Caps) -> Result<(), Error> {
        if mtu > caps.max_mtu {
            let Self { interface, spec, .. } = self;
            let most = caps.max_mtu;
            log::warn!(
                "interface {interface:?}, device {spec}: the driver sets no MTU above {most}; set {mtu} with: ip link set dev NAME mtu {mtu}"
            );
            return Ok(());
        }
        // SAFETY: the port is configured and not started.
        match journal::attempt(|| unsafe { dpdk_sys::rte_eth_dev_set_mtu(port, mtu) }) {
            Err(cause) if cause.errno != Errno::Unsupported => Err(self.failed("set the MTU", cause)),
            _ => Ok(()),
        }
    }

    /// The address in use: the device's, or ours, where a device that cannot be told takes everything instead.
    pub(super) fn set_mac(&self, port: u16, wanted: Option<[u8; 6]>) -> Result<[u8; 6], Error> {
        let mut mac = rte_ether_addr { addr_bytes: [0; 6] };
        // SAFETY: the call checks the port and writes six bytes.
        self.attempt("read its MAC", || unsafe { dpdk_sys::rte_eth_macaddr_get(port, &raw mut mac) })?;
        let Some(wanted) = wanted.filter(|wanted| *wanted != mac.addr_bytes) else {
            return Ok(mac.addr_bytes);
        };
        mac.addr_bytes = wanted;
        let told = journal::attempt(|| {
            // SAFETY: the port is configured; the address is copied.
            unsafe { dpdk_sys::rte_eth_dev_default_mac_addr_set(port, &raw mut mac) }
        });
        if let Err(cause) = told {
            // SAFETY: the port is configured.
            let open = journal::attempt(|| unsafe { dpdk_sys::rte_eth_promiscuous_enable(port) });
            // What can do neither has no filter; a device that fails at it does.
            if open.is_err_and(|cause| cause.errno != Errno::Unsupported) {
                return Err(self.failed("set the MAC", cause));
            }
        }
        Ok(wanted)
    }

    /// Fills the indirection table.
    pub(super) fn spread(&self, port: u16, table: &[u16]) -> Result<(), Error> {
        let group = |entries: &[u16]| {
            let mut group = rte_eth_rss_reta_entry64 { mask: 0, reta: [0; RETA_GROUP] };
            for (at, queue) in entries.iter().enumerate() {
                group.mask |= 1 << at;
                group.reta[at] = *queue;
            }
            group
        };
        let mut groups: Vec<_> = table.chunks(RETA_GROUP).map(group).collect();
        self.attempt("fill its indirection table", || {
            // SAFETY: the groups cover as many entries as are told.
            unsafe { dpdk_sys::rte_eth_dev_rss_reta_update(port, groups.as_mut_ptr(), table.len() as u16) }
        })
    }
}
