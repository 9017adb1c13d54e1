//! The outside: DPDK's environment, one pool, and a door for each device.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::door::Door;
use crate::dpdk::eal::{Eal, EalOptions};
use crate::dpdk::eth_dev::{DeviceSpec, EthConfig, EthDev, OpenConfig, Opened};
use crate::dpdk::mempool::{Mempool, PoolConfig, data_room_for};
use crate::dpdk::queue::Queue;

/// Slots of a ring; drivers bring it within their limits.
const SLOTS: u16 = 1024;
/// Packets outside of rings: bursts, spares, frames that wait, the thread's cache.
const LOOSE: usize = 4096;

/// Started devices.
pub(crate) struct Stage {
    /// The clients' door; then, if it is another one, the servers'.
    pub(crate) doors: Vec<Door<Queue>>,
    devices: Vec<EthDev>,
}

impl Stage {
    /// Starts DPDK and the devices.
    pub(crate) fn open(args: &Args) -> Result<Self, String> {
        let said = |error: crate::dpdk::error::Error| error.to_string();
        let named = [("client", args.client.as_ref()), ("server", args.server.as_ref())];
        let named = named.into_iter().filter_map(|(name, device)| Some((name, device?)));
        let specs: Vec<(&str, DeviceSpec)> = named
            .map(|(name, device)| Ok((name, DeviceSpec::parse(device)?)))
            .collect::<Result<_, _>>()
            .map_err(said)?;
        let devices: Vec<DeviceSpec> = specs.iter().map(|(_, spec)| spec.clone()).collect();
        let extra: Vec<String> = args.eal.split_whitespace().map(str::to_owned).collect();
        let options = EalOptions {
            program: "sluice-gen",
            file_prefix: None,
            main_cpu: args.cpu,
            devices: &devices,
            extra: &extra,
        };
        let eal = Eal::init(&options).map_err(said)?;
        let usual = data_room_for(args.mtu);
        let room = |spec: &DeviceSpec| spec.ring(args.mtu, Some(SLOTS)).map_or(usual, |ring| ring.frame);
        let data_room = devices.iter().map(room).max().unwrap_or(usual);
        let pool = pool(&eal, data_room, usize::from(args.queues) * specs.len()).map_err(said)?;
        let mut stage = Self { doors: Vec::new(), devices: Vec::new() };
        for (name, spec) in specs {
            let (pairs, mtu, pool) = (args.queues, args.mtu, Arc::clone(&pool));
            let wanted = OpenConfig { pairs, mtu, slots: Some(SLOTS), mac: None, pool };
            let config = EthConfig { rx_queues: pairs, tx_queues: pairs, rx_desc: SLOTS, tx_desc: SLOTS, rss: None };
            let opened = Opened::new(&eal, &spec, name, wanted).map_err(said)?;
            let mut device = opened.start(&config).map_err(said)?;
            stage.doors.push(Door::new((0..pairs).map(|_| device.take_queue()).collect()));
            stage.devices.push(device);
        }
        Ok(stage)
    }

    /// Waits until somebody is at the other end of every device.
    pub(crate) fn wait_for_links(&self, most: Duration, stop: &AtomicBool) -> bool {
        let begun = Instant::now();
        let up = || self.devices.iter().all(|device| device.link().up);
        while !up() && begun.elapsed() < most && !stop.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(5));
        }
        up()
    }
}

fn pool(eal: &Eal, data_room: usize, queues: usize) -> Result<Arc<Mempool>, crate::dpdk::error::Error> {
    let count = (queues * 2 * usize::from(SLOTS) + LOOSE).next_power_of_two() - 1;
    let config = PoolConfig { name: "packets", count, cache: 256, data_room, socket: None };
    Mempool::new(eal, &config)
}
