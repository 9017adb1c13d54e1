//! What there is: services, connections, the director itself.

use std::net::{IpAddr, SocketAddr};

use dataplane::flow::Protocol;
use serde::{Deserialize, Serialize};

use super::NeighborState;
use super::spec::{ServerSpec, ServiceSpec};

/// Totals since the start or the last zeroing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Packets from servers.
    pub out_packets: u64,
    /// Bytes from clients (IP total length).
    pub in_bytes: u64,
    /// Bytes from servers.
    pub out_bytes: u64,
}

/// Rates per second, as the kernel's estimator rounds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Connections.
    pub connections: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Packets from servers.
    pub out_packets: u64,
    /// Bytes from clients.
    pub in_bytes: u64,
    /// Bytes from servers.
    pub out_bytes: u64,
}

/// A service as it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceInfo {
    /// Its settings.
    #[serde(flatten)]
    pub spec: ServiceSpec,
    /// Made at run time, not by the file.
    pub runtime: bool,
    /// Totals.
    pub totals: Totals,
    /// Rates.
    pub rates: Rates,
    /// Its servers, last added first.
    pub servers: Vec<ServerInfo>,
}

/// A real server as it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerInfo {
    /// Its settings.
    #[serde(flatten)]
    pub spec: ServerSpec,
    /// Made at run time, not by the file.
    pub runtime: bool,
    /// Active connections.
    pub active: u32,
    /// Inactive connections.
    pub inactive: u32,
    /// Persistence templates.
    pub persistent: u32,
    /// Above its upper threshold.
    pub overloaded: bool,
    /// Packets lost because its address did not resolve.
    pub unresolved: u64,
    /// Totals.
    pub totals: Totals,
    /// Rates.
    pub rates: Rates,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnInfo {
    /// Transport protocol; absent for the template of a firewall mark, which is of every protocol.
    pub protocol: Option<Protocol>,
    /// Client.
    pub client: SocketAddr,
    /// Virtual address and port as the client used it; the mark as an address for the template of a firewall mark.
    #[serde(rename = "virtual")]
    pub vip: SocketAddr,
    /// Real server.
    pub destination: SocketAddr,
    /// State name as ipvsadm prints it: ESTABLISHED, SYN_RECV, UDP, NONE, ...
    pub state: String,
    /// Seconds until it goes, if nothing more arrives.
    pub expires: u32,
    /// Persistence engine and its data, of a template.
    pub engine: Option<(String, String)>,
    /// Home worker.
    pub worker: u32,
    /// Packets from the client.
    pub in_packets: u64,
}

/// The director in a few lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of sluice.
    pub version: String,
    /// Configuration file.
    pub config: String,
    /// Seconds since the start.
    pub uptime: u64,
    /// Services.
    pub services: u32,
    /// Real servers.
    pub servers: u32,
    /// Interfaces.
    pub interfaces: Vec<InterfaceStatus>,
    /// Workers.
    pub workers: Vec<WorkerStatus>,
    /// What holds connections, packets and the like, and whether it is full.
    #[serde(default)]
    pub stores: Vec<StoreStatus>,
    /// Whether oddities of the kernel and its tool are kept even where they help nobody.
    pub strict_parity: bool,
}

/// Virtual addresses of an interface that a status names, at most.
pub const MOST_NAMED: usize = 64;

/// An interface as it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InterfaceStatus {
    /// Name.
    pub name: String,
    /// Device of the configuration; empty for a VLAN.
    pub device: String,
    /// The interface that a VLAN is on.
    #[serde(default)]
    pub parent: Option<String>,
    /// Its number there.
    #[serde(default)]
    pub vlan: Option<u16>,
    /// DPDK driver.
    pub driver: String,
    /// MAC address.
    pub mac: String,
    /// Bytes of an IP packet.
    pub mtu: u16,
    /// Whether the link is up.
    pub link: bool,
    /// Whether the device is no longer there.
    #[serde(default)]
    pub gone: bool,
    /// Mbit/s, 0 if unknown.
    pub speed: u32,
    /// Addresses, and the first [`MOST_NAMED`] of the VIPs answered here.
    pub addresses: Vec<String>,
    /// Number of VIPs answered here.
    pub virtual_addresses: u32,
    /// Counters of the driver: received, sent, lost. Those of a VLAN are among its parent's.
    pub counters: Vec<Counter>,
}

/// A worker as it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Number.
    pub id: u32,
    /// CPU.
    pub cpu: u32,
    /// Connections, and room for them.
    pub connections: u64,
    /// Room for connections.
    pub capacity: u64,
    /// Turns so far.
    pub turns: u64,
    /// Turns that found something to do.
    pub busy_turns: u64,
    /// Per cent of the last second spent in such turns, with one digit behind the point.
    pub load: f64,
    /// Items (packets, commands, timers) of the longest turn since the start.
    pub longest_turn: u64,
    /// Items of the longest turn of the last second.
    pub longest_turn_1s: u64,
    /// How often it stood still for half a second or longer.
    pub stalls: u64,
    /// Seconds that it has stood still now; absent while it turns.
    pub stalled_for: Option<u64>,
    /// Version of the tables it works with.
    pub tables: u64,
}

/// A store as it stands: one of a worker, or one that all share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreStatus {
    /// What it holds.
    pub store: String,
    /// Whose it is; absent for one of the whole director.
    pub worker: Option<u32>,
    /// The service whose it is, of the destinations that schedulers remember.
    pub service: Option<String>,
    /// How many it holds.
    pub used: u64,
    /// How many it can hold.
    pub capacity: u64,
    /// How many it did not take in since the start.
    pub refused: u64,
    /// How many it gave up for others since the start.
    pub displaced: u64,
    /// Whether it refused or displaced some in the last ten seconds.
    pub full: bool,
}

/// A named number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// Name, words joined by `_`.
    pub name: String,
    /// Value since the start.
    pub value: u64,
}

/// Every counter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatsReport {
    /// Sum of all services, as `ip_vs_stats` shows it.
    pub totals: Totals,
    /// Rates of all services, per second.
    pub rates: Rates,
    /// Verdicts and what the director sent itself, summed over workers.
    pub counters: Vec<Counter>,
    /// Verdicts and what the director sent itself, worker by worker.
    pub workers: Vec<Vec<Counter>>,
    /// Per interface, from the driver.
    pub interfaces: Vec<InterfaceCounters>,
    /// Packet memory: `packets`, `packets_in_use`, `packets_freed_one_by_one`.
    pub memory: Vec<Counter>,
}

/// The driver's counters of one interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceCounters {
    /// Interface.
    pub name: String,
    /// Its counters.
    pub counters: Vec<Counter>,
}

/// A neighbour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighborInfo {
    /// Address.
    pub address: IpAddr,
    /// Interface.
    pub interface: String,
    /// MAC, once known.
    pub mac: Option<String>,
    /// State of RFC 4861; failed and static are beside them.
    pub state: NeighborState,
    /// Seconds since the state began.
    pub age: u64,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteInfo {
    /// Prefix.
    pub to: String,
    /// Next hop; absent when the destination is on the link.
    pub via: Option<IpAddr>,
    /// Interface; absent for unreachable and blackhole.
    pub interface: Option<String>,
    /// Where it comes from, or that it leads nowhere.
    pub kind: RouteKind,
    /// Made by a request, not by the file.
    pub runtime: bool,
}

/// What a route is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteKind {
    /// The prefix of an interface.
    Connected,
    /// Of the file, or made at run time.
    Static,
    /// Packets are refused.
    Unreachable,
    /// Packets are dropped.
    Blackhole,
}

impl RouteKind {
    /// The name operators see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Static => "static",
            Self::Unreachable => "unreachable",
            Self::Blackhole => "blackhole",
        }
    }
}

/// A virtual address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VipInfo {
    /// The address.
    pub address: IpAddr,
    /// Interfaces where ARP and neighbour discovery are answered for it.
    pub interfaces: Vec<String>,
    /// What brought it.
    pub origin: VipOrigin,
    /// Services that have it.
    pub services: u32,
}

/// What brought a virtual address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VipOrigin {
    /// A `[[vip]]` of the file.
    File,
    /// A service of the file.
    Service,
    /// A service made at run time. It stays when that service is gone.
    Runtime,
}
