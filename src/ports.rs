//! Devices: opened, asked what they can do, started as the steering plan says, and told where packets land.

use std::sync::Arc;

use control::config::Config;
use dataplane::conn::HashKey;
use dataplane::steering::{self, Case, DeviceCaps, Keys, Plan, PortCaps};
use dataplane::wire::ethernet::MacAddr;
use dataplane::wire::toeplitz::LONGEST_KEY;
use log::{info, warn};
use rustix::io::Errno;

use crate::boot::{BootError, failed};
use crate::chance;
use crate::dpdk::eal::Eal;
use crate::dpdk::eth_dev::{DeviceSpec, EthConfig, EthDev, OpenConfig, Opened, Rss};
use crate::dpdk::mempool::Mempool;
use crate::dpdk::queue::Queue;

/// Devices that run, and what they run by.
pub(crate) struct Started {
    /// In the order of the configuration.
    pub(crate) ports: Vec<EthDev>,
    /// By worker, one of every port.
    pub(crate) queues: Vec<Vec<Queue>>,
    /// Which worker gets what.
    pub(crate) steering: Plan,
    /// The chance in it.
    pub(crate) keys: Keys,
}

/// Starts every device.
pub(crate) fn start(
    eal: &Eal,
    config: &Config,
    specs: &[DeviceSpec],
    pool: &Arc<Mempool>,
) -> Result<Started, BootError> {
    let workers = config.dataplane.workers.len() as u16;
    let opened = config.devices().zip(specs).map(|(interface, spec)| {
        let wanted = OpenConfig {
            pairs: workers,
            mtu: interface.mtu,
            slots: config.dataplane.slots(),
            mac: interface.mac.map(|mac| mac.0),
            pool: Arc::clone(pool),
        };
        Opened::new(eal, spec, &interface.name, wanted).map_err(failed)
    });
    let opened = opened.collect::<Result<Vec<_>, _>>()?;
    let mut caps: Vec<PortCaps> = config.devices().zip(&opened).map(port_caps).collect();
    let keys = keys().map_err(failed)?;
    let plan = steering::plan(&caps, workers, config.dataplane.steering);
    let started = opened.into_iter().zip(config.devices().zip(specs)).enumerate().map(|(port, (opened, device))| {
        let started = opened.start(&wanted(config, &plan, port, &keys)).map_err(failed)?;
        let (interface, spec) = device;
        let node = started.socket().map_or(String::new(), |node| format!(", memory node {node}"));
        let (name, driver, mac) = (&interface.name, &started.caps().driver, MacAddr(started.mac()));
        info!("{name}: {spec}, driver {driver}, MAC {mac}{node}");
        Ok(started)
    });
    let mut ports = started.collect::<Result<Vec<_>, _>>()?;
    let steering = land(&ports, &mut caps, plan);
    steering.to_string().lines().for_each(|line| info!("steering: {line}"));
    for ((interface, spec), port) in config.devices().zip(specs).zip(&steering.ports) {
        spec.hint(workers, port.rx_queues).inspect(|hint| warn!("{}: {hint}", interface.name));
    }
    let queues = (0..workers).map(|_| ports.iter_mut().map(EthDev::take_queue).collect()).collect();
    Ok(Started { ports, queues, steering, keys })
}

fn port_caps((interface, opened): (&control::config::Interface, &Opened)) -> PortCaps {
    let caps = opened.caps();
    let queues = (caps.max_rx_queues, caps.max_tx_queues);
    PortCaps {
        name: interface.name.clone(),
        side: interface.side,
        caps: DeviceCaps::new(&caps.driver, queues, caps.rss_types, caps.rss_key_len, caps.reta_size),
    }
}

fn wanted(config: &Config, plan: &Plan, port: usize, keys: &Keys) -> EthConfig {
    let port = &plan.ports[port];
    let rss = port.rss.as_ref().map(|rss| {
        let key = plan.device_key(keys);
        Rss { key: key[..port.port.caps.key_len.min(LONGEST_KEY)].to_vec(), types: rss.types.bits() }
    });
    let [rx_desc, tx_desc] = config.dataplane.descriptors();
    EthConfig { rx_queues: port.rx_queues, tx_queues: port.tx_queues, rx_desc, tx_desc, rss }
}

/// Tells devices which hash goes to which queue. One that does not do as it is told is planned anew, as one that cannot:
/// its packets are then steered by software.
fn land(ports: &[EthDev], caps: &mut [PortCaps], mut plan: Plan) -> Plan {
    loop {
        let refusing = ports.iter().zip(&plan.ports).position(|(device, port)| {
            let Some(rss) = &port.rss else { return false };
            let told = device.hashes()
                && (rss.table.is_empty() || device.spread(&rss.table).map_err(|error| warn!("{error}")).is_ok());
            !told && port.case == Case::Hardware
        });
        let Some(port) = refusing else { return plan };
        caps[port].caps.table_settable = false;
        plan = steering::plan(caps, plan.workers, plan.asked);
    }
}

/// What nobody outside knows of where packets land.
fn keys() -> Result<Keys, Errno> {
    Ok(Keys { hash: HashKey(chance::words()?), toeplitz: chance::bytes()? })
}
