//! What a configuration needs: packet pool and connection tables, computed before anything is allocated.

use std::fmt;

use control::config::Config;
use dataplane::conn::ConnMemory;
use dataplane::handoff;
use dataplane::parking::MAX_PARKED;
use dataplane::port::BURST;
use dataplane::shard::OUTPUT_LIMIT;
use dataplane::steering::{Side, Steering};

use crate::dpdk::mempool::{CACHE_MAX, HEADROOM, data_room_for};

/// Bytes of a packet's descriptor in front of its room (`struct rte_mbuf`), and of the pool's own header and trailer.
const DESCRIPTOR: usize = 128 + 64;

/// What a configuration needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Packets of the pool.
    pub(crate) packets: usize,
    /// Packets that each thread may keep to itself.
    pub(crate) cache: usize,
    /// Bytes of a packet.
    pub(crate) data_room: usize,
    /// Bytes of the pool.
    pub(crate) pool_bytes: usize,
    /// Bytes of one worker's connection table.
    pub(crate) table_bytes: usize,
    /// Whether there are signposts in it.
    pub(crate) signposts: bool,
    /// Workers.
    pub(crate) workers: usize,
    connections: u32,
}

impl Plan {
    /// The plan of a configuration. Pool: what rings, bursts, output queues, parked packets and caches can hold at
    /// the same time, so that none of them can starve reception.
    pub(crate) fn of(config: &Config) -> Self {
        let dataplane = &config.dataplane;
        let (workers, ports) = (dataplane.workers.len(), config.devices().count());
        let cache = CACHE_MAX.min(256);
        let rings = usize::from(dataplane.rx_descriptors) + usize::from(dataplane.tx_descriptors);
        let crossing = workers * (workers - 1) * handoff::PACKETS;
        let own = workers * (ports * (rings + OUTPUT_LIMIT) + BURST + MAX_PARKED);
        let held = own + crossing + (workers + 1) * cache * 3 / 2;
        let packets = (held + 1).next_power_of_two() - 1;
        let one_armed = config.devices().any(|interface| interface.side == Side::Both);
        let signposts = workers > 1 && (one_armed || dataplane.steering == Steering::Tuple);
        let data_room = data_room_for(config.interfaces.iter().map(|i| i.mtu).max().unwrap_or(1500));
        Self {
            packets,
            cache,
            data_room,
            pool_bytes: packets * (DESCRIPTOR + HEADROOM + data_room),
            table_bytes: ConnMemory::bytes(dataplane.connections, signposts),
            signposts,
            workers,
            connections: dataplane.connections,
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: usize| bytes.div_ceil(1 << 20);
        writeln!(
            f,
            "packets      {:>6} MiB  of huge pages (or -m): {} of {} bytes",
            mib(self.pool_bytes),
            self.packets,
            self.data_room
        )?;
        writeln!(
            f,
            "connections  {:>6} MiB  {} workers, {} connections each",
            mib(self.table_bytes * self.workers),
            self.workers,
            self.connections
        )?;
        write!(f, "in all       {:>6} MiB", mib(self.pool_bytes + self.table_bytes * self.workers))
    }
}
