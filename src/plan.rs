//! What a configuration needs: packet pool, connection tables, services and the rest, computed before anything is
//! allocated.

use std::fmt;

use control::config::{Config, Interface};
use control::ipvs;
use dataplane::conn::ConnMemory;
use dataplane::handoff::{self, Mesh};
use dataplane::limiter::Limiter;
use dataplane::mailbox::Link;
use dataplane::parking::{MAX_PARKED, Parking};
use dataplane::port::BURST;
use dataplane::proto::sip;
use dataplane::shard::OUTPUT_LIMIT;
use dataplane::steering::{Side, Steering};
use dataplane::template::{self, Templates};

use crate::dpdk::af_packet::Ring;
use crate::dpdk::eth_dev::DeviceSpec;
use crate::dpdk::mbuf::Mbuf;
use crate::dpdk::mempool::{CACHE_MAX, HEADROOM, data_room_for};
use crate::words::Words;

/// Bytes of a packet's descriptor in front of its room (`struct rte_mbuf`), and of the pool's own header and trailer.
const DESCRIPTOR: usize = 128 + 64;
/// Pages where there are no huge ones. DPDK lets no packet cross the end of such a page that fits into one.
const PAGE: usize = 4096;
/// MiB that DPDK needs beside the packets and one for each device: their ring, its own lists.
const OF_DPDK: usize = 3;
/// What DPDK notes of each of them, used or not.
const PAGE_NOTE: usize = 48;
/// MiB that DPDK takes without huge pages unless `-m` says otherwise.
const NO_HUGE_DEFAULT: usize = 64;

const MIB: usize = 1 << 20;
/// The programs, libraries and drivers that are loaded, and what DPDK has of its own: 26 MiB on Debian 12.
const PROGRAM: usize = 26 * MIB;
/// A worker's timers, its lists, and its stack as far as it is used.
const WORKER: usize = 256 << 10;
/// What a file takes for each of its services and servers while it is read: text, tree and values, about.
const READING: [usize; 2] = [2600, 2100];

/// A part of the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// What takes it.
    pub(crate) name: &'static str,
    /// How much.
    pub(crate) bytes: usize,
    /// How many of what.
    pub(crate) note: String,
}

/// What a configuration needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemoryPlan {
    /// Packets of the pool.
    pub(crate) packets: usize,
    /// Packets that each thread may keep to itself.
    pub(crate) cache: usize,
    /// Bytes of a packet.
    pub(crate) data_room: usize,
    /// Whether there are signposts in the connection tables.
    pub(crate) signposts: bool,
    ports: usize,
    /// The megabytes that DPDK may take without huge pages; nothing where it takes huge ones.
    pub(crate) without_huge_pages: Option<usize>,
    items: Vec<Item>,
    reading: usize,
}

impl MemoryPlan {
    /// The plan of a configuration. Pool: what rings, bursts, output queues, parked packets and caches can hold at
    /// the same time, so that none of them can starve reception.
    pub(crate) fn of(config: &Config) -> Self {
        let dataplane = &config.dataplane;
        let (workers, ports) = (dataplane.workers.len(), config.devices().count());
        let cache = CACHE_MAX.min(256);
        let rings = dataplane.descriptors().map(usize::from).iter().sum::<usize>();
        // af_packet copies: no packet waits in its rings.
        let held_by = config.devices().map(|interface| if ring(config, interface).is_some() { 0 } else { rings });
        let crossing = workers * (workers - 1) * handoff::PACKETS;
        let own = workers * (held_by.sum::<usize>() + ports * OUTPUT_LIMIT + BURST + MAX_PARKED);
        let held = own + crossing + (workers + 1) * cache * 3 / 2;
        let packets = (held + 1).next_power_of_two() - 1;
        let one_armed = config.devices().any(|interface| interface.side == Side::Both);
        let signposts = workers > 1 && (one_armed || dataplane.steering == Steering::Tuple);
        let room = |interface| ring(config, interface).map_or(data_room_for(interface.mtu), |ring| ring.frame);
        let data_room = config.devices().map(room).max().unwrap_or(data_room_for(1500));
        let servers: usize = config.services.iter().map(|service| service.servers.len()).sum();
        Self {
            packets,
            cache,
            data_room,
            signposts,
            ports,
            without_huge_pages: without_huge_pages(&config.dataplane.eal),
            items: items(config, packets, data_room, signposts),
            reading: config.services.len() * READING[0] + servers * READING[1],
        }
    }

    /// What needs memory.
    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    /// More, about, while a file is read.
    pub(crate) fn reading(&self) -> usize {
        self.reading
    }

    /// What DPDK takes of huge pages, at least.
    pub(crate) fn in_huge_pages(&self) -> usize {
        self.packets * (DESCRIPTOR + HEADROOM + self.data_room) + (OF_DPDK + self.ports) * MIB
    }

    /// All but what lies in huge pages.
    pub(crate) fn usual_pages(&self) -> usize {
        let all: usize = self.items.iter().map(|item| item.bytes).sum();
        all - if self.without_huge_pages.is_some() { 0 } else { self.items[0].bytes }
    }

    /// The megabytes without huge pages that hold the packet pool.
    pub(crate) fn least_without_huge_pages(&self) -> usize {
        (self.packets * place_of(self.data_room)).div_ceil(MIB) + OF_DPDK + self.ports
    }

    /// Why DPDK cannot make the packet pool of what it may take without huge pages.
    pub(crate) fn shortage(&self) -> Option<String> {
        let (granted, least) = (self.without_huge_pages?, self.least_without_huge_pages());
        let text = || format!("{granted} MiB are too few for {} packets; write \"-m\", \"{least}\"", self.packets);
        (granted < least).then(text)
    }
}

/// Bytes from one packet to the next where there are no huge pages.
fn place_of(data_room: usize) -> usize {
    let packet = DESCRIPTOR + HEADROOM + data_room;
    if packet > PAGE { packet } else { PAGE / (PAGE / packet) }
}

fn items(config: &Config, packets: usize, data_room: usize, signposts: bool) -> Vec<Item> {
    let (workers, connections) = (config.dataplane.workers.len(), config.dataplane.connections);
    let servers: usize = config.services.iter().map(|service| service.servers.len()).sum();
    let needed = ipvs::needed(config);
    let item = |name, bytes, note| Item { name, bytes, note };
    vec![
        packet_pool(config, packets, data_room),
        item(
            "connections",
            workers * ConnMemory::bytes(connections, signposts),
            format!(
                "{connections} on each worker{}",
                if signposts { ", and signposts to the other workers' connections" } else { "" }
            ),
        ),
        item("services", needed.services, config.services.len().to_string()),
        item("servers", needed.servers, servers.to_string()),
        templates(config),
        item("workers", of_workers(workers, config.interfaces.len()), format!("{workers}: queues, mailboxes, timers")),
        devices(config),
        item("program", PROGRAM, "sluiced, its libraries, DPDK and its drivers".to_owned()),
    ]
}

/// As many persistence templates as there can be, with what engines read, where the file has a persistent service.
fn templates(config: &Config) -> Item {
    const CALL_ID: usize = (sip::LONGEST + 3 * size_of::<usize>()).next_multiple_of(16);
    let mut bytes = 0;
    for service in config.services.iter().filter(|service| service.spec.persistence.is_some()) {
        let read = if service.spec.engine.is_some() { template::MOST * CALL_ID } else { 0 };
        bytes = bytes.max(Templates::bytes() + read);
    }
    Item { name: "templates", bytes, note: format!("{} at most, allocated when needed", template::MOST) }
}

fn packet_pool(config: &Config, packets: usize, data_room: usize) -> Item {
    let packet = DESCRIPTOR + HEADROOM + data_room;
    let item = |place: usize, notes: usize, where_from: String| {
        let each = if place > packet { ", a page each" } else { "" };
        let note = format!("{packets} of {data_room} bytes{each}, {where_from}");
        Item { name: "packets", bytes: packets * (place + size_of::<usize>()) + notes, note }
    };
    let Some(megabytes) = without_huge_pages(&config.dataplane.eal) else {
        return item(packet, 0, "in huge pages".to_owned());
    };
    let place = place_of(data_room);
    let notes = megabytes * (MIB / PAGE) * PAGE_NOTE;
    item(place, notes, format!("of the {megabytes} MiB that -m allows"))
}

/// The megabytes that DPDK may take without huge pages; nothing where it takes huge ones.
fn without_huge_pages(eal: &[String]) -> Option<usize> {
    let words = Words::read(eal).unwrap_or_default();
    let granted = || words.value("-m").and_then(|value| value.parse().ok()).unwrap_or(NO_HUGE_DEFAULT);
    words.has("--no-huge").then(granted)
}

/// Workers beside their connections.
fn of_workers(workers: usize, ports: usize) -> usize {
    let stores = Parking::<Mbuf>::bytes() + Limiter::bytes();
    let each = Link::bytes() + stores + ports * OUTPUT_LIMIT * size_of::<Mbuf>() + WORKER;
    workers * each + Mesh::<Mbuf>::bytes(workers)
}

/// The rings that a device shares with the kernel, if it has such.
fn ring(config: &Config, interface: &Interface) -> Option<Ring> {
    let device = DeviceSpec::parse(interface.device.as_deref()?).ok()?;
    device.ring(interface.mtu, config.dataplane.slots())
}

/// Rings that drivers share with the kernel.
fn devices(config: &Config) -> Item {
    let bytes = config.devices().filter_map(|interface| ring(config, interface)).map(|ring| ring.bytes()).sum();
    Item { name: "devices", bytes, note: "rings that af_packet shares with the kernel".to_owned() }
}

impl fmt::Display for MemoryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: usize| bytes as f64 / MIB as f64;
        for Item { name, bytes, note } in self.items.iter().filter(|item| item.bytes > 0) {
            writeln!(f, "{name:<12} {:>8.1} MiB  {note}", mib(*bytes))?;
        }
        write!(f, "{:<12} {:>8.1} MiB", "total", mib(self.items.iter().map(|item| item.bytes).sum()))?;
        if self.reading >= MIB {
            write!(
                f,
                "\n{:<12} {:>8.1} MiB  about this much more while the file is read, at the start and at a reload",
                "reading",
                mib(self.reading)
            )?;
        }
        Ok(())
    }
}
