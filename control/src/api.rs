//! The requests of the control socket and their answers: one vocabulary for the operator's tool, `ipvsadm`, the
//! configuration file, tests and scripts. `docs/control-protocol.md` shows them on the wire.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use dataplane::flow::{Protocol, ServiceKey};
use serde::{Deserialize, Serialize};

/// Protocol version spoken on the socket.
pub const VERSION: u32 = 1;

/// Longest accepted request line, bytes.
pub const MAX_REQUEST: usize = 1 << 20;

/// What an operator can ask for. On the wire: `{"v":1,"id":7,"op":"add-service",...}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// `ipvsadm -A`: a new service, at the head of the list.
    AddService {
        /// The service.
        service: ServiceSpec,
    },
    /// `ipvsadm -E`: replaces everything about a service but its servers and counts.
    EditService {
        /// The service.
        service: ServiceSpec,
    },
    /// `ipvsadm -D`
    DeleteService {
        /// Which one.
        key: ServiceKey,
    },
    /// `ipvsadm -a`: a new real server, at the head of its service's list.
    AddServer {
        /// Of which service.
        key: ServiceKey,
        /// The server.
        server: ServerSpec,
    },
    /// `ipvsadm -e`: replaces weight, thresholds and forwarding.
    EditServer {
        /// Of which service.
        key: ServiceKey,
        /// The server.
        server: ServerSpec,
    },
    /// `ipvsadm -d`
    DeleteServer {
        /// Of which service.
        key: ServiceKey,
        /// Which one.
        address: SocketAddr,
    },
    /// `ipvsadm -C`: no services.
    Flush,
    /// `ipvsadm -Z`: counters start from zero, of one service or of all.
    Zero {
        /// Which one; all if absent.
        #[serde(default)]
        key: Option<ServiceKey>,
    },
    /// `ipvsadm --set`: seconds; 0 leaves a value as it is.
    SetTimeouts {
        /// TCP ESTABLISHED.
        tcp: u32,
        /// TCP FIN_WAIT.
        tcp_fin: u32,
        /// UDP.
        udp: u32,
    },
    /// `ipvsadm -L --timeout`. Answer: [`Answer::Timeouts`].
    Timeouts,
    /// Services with their servers, counts and statistics. Answer: [`Answer::Services`].
    Services {
        /// Which one; all if absent.
        #[serde(default)]
        key: Option<ServiceKey>,
    },
    /// One page of connections. Answer: [`Answer::Connections`]; pass its `next` to go on.
    Connections {
        /// Where to go on; absent at the start.
        #[serde(default)]
        cursor: Option<u64>,
        /// Most entries of one answer (bounded by the director).
        #[serde(default)]
        limit: Option<u32>,
    },
    /// `ipvsadm --start-daemon`: the synchronisation daemon.
    StartDaemon {
        /// Its settings.
        daemon: DaemonSpec,
    },
    /// `ipvsadm --stop-daemon`
    StopDaemon {
        /// Which one.
        role: DaemonRole,
    },
    /// `ipvsadm -L --daemon`. Answer: [`Answer::Daemons`].
    Daemons,
    /// The director in a few lines. Answer: [`Answer::Status`].
    Status,
    /// Every counter of every worker and port. Answer: [`Answer::Stats`].
    Stats,
    /// Neighbours (ARP, ND). Answer: [`Answer::Neighbors`].
    Neighbors,
    /// Routes, longest prefix first. Answer: [`Answer::Routes`].
    Routes,
    /// Reads the configuration file again and converges to it.
    Reload {
        /// Also remove what was made at run time.
        #[serde(default)]
        prune: bool,
    },
    /// The running configuration as a file. Answer: [`Answer::Text`].
    ConfigShow,
    /// A file of `/proc/net` as the kernel would show it: `ip_vs`, `ip_vs_conn`, `ip_vs_stats`. Answer: [`Answer::Text`].
    Proc {
        /// File name.
        name: String,
    },
    /// Several requests, published to the workers together. Stops at the first error, which names its position
    /// ([`ApiError::in_batch`]); what stands before it is done and published.
    Batch {
        /// In order.
        requests: Vec<Request>,
    },
}

/// What the director says. On the wire: `{"v":1,"id":7,"ok":{"type":"services",...}}` or `{"v":1,"id":7,"error":{...}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Answer {
    /// Done, and seen by every worker.
    Done,
    /// Services, in the order of the table (last added first).
    Services {
        /// Buckets of the service table, the `size=` that ipvsadm prints.
        table_size: u32,
        /// The services.
        services: Vec<ServiceInfo>,
    },
    /// A page of connections.
    Connections {
        /// The entries.
        connections: Vec<ConnInfo>,
        /// Pass it on for the next page; absent at the end.
        next: Option<u64>,
    },
    /// Seconds.
    Timeouts {
        /// TCP ESTABLISHED.
        tcp: u32,
        /// TCP FIN_WAIT.
        tcp_fin: u32,
        /// UDP.
        udp: u32,
    },
    /// Synchronisation daemons.
    Daemons {
        /// Those running.
        daemons: Vec<DaemonSpec>,
    },
    /// The director in a few lines.
    Status(Box<Status>),
    /// Every counter.
    Stats(Box<StatsReport>),
    /// Neighbours.
    Neighbors {
        /// The entries.
        neighbors: Vec<NeighborInfo>,
    },
    /// Routes.
    Routes {
        /// The entries.
        routes: Vec<RouteInfo>,
    },
    /// What a reload changed.
    Reloaded {
        /// One line a change.
        changes: Vec<String>,
    },
    /// Plain text.
    Text {
        /// The text.
        text: String,
    },
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiError {
    /// For programs.
    pub code: Code,
    /// What part of the request (a field, a service, a file and line).
    #[serde(rename = "where")]
    pub place: String,
    /// For people: what is wrong and what would be right.
    pub text: String,
}

impl ApiError {
    /// The error of the request at `position` of a batch: its place begins with `requests[position]`.
    #[must_use]
    pub fn in_batch(self, position: usize) -> Self {
        Self { place: format!("requests[{position}] {}", self.place).trim_end().to_owned(), ..self }
    }

    /// The position that [`ApiError::in_batch`] noted and the error without it; nothing if it is not of a batch.
    #[must_use]
    pub fn batch_position(&self) -> Option<(usize, Self)> {
        let (position, place) = self.place.strip_prefix("requests[")?.split_once(']')?;
        Some((position.parse().ok()?, Self { place: place.trim_start().to_owned(), ..self.clone() }))
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.place.is_empty() { f.write_str(&self.text) } else { write!(f, "{}: {}", self.place, self.text) }
    }
}

impl std::error::Error for ApiError {}

/// Kinds of refusal. The first block mirrors the errno that the kernel gives ipvsadm for the same request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// EEXIST: the service, server or daemon exists.
    Exists,
    /// ESRCH: no such service (or daemon).
    NoService,
    /// ENOENT: no such server, scheduler or persistence engine.
    NoEntry,
    /// EINVAL: a value that cannot be.
    Invalid,
    /// ERANGE: thresholds in the wrong order.
    Range,
    /// ENODEV: no such interface.
    NoDevice,
    /// ENOMEM: a configured capacity is used up.
    Full,
    /// EPERM: who asks may not.
    Permission,
    /// EOPNOTSUPP: understood, and not possible with this director.
    Unsupported,
    /// The line is not a request.
    BadRequest,
    /// A worker did not confirm in time.
    Timeout,
    /// The configuration file is wrong.
    Config,
    /// Anything else that went wrong inside.
    Internal,
}

/// Which client addresses share a persistence template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Granularity {
    /// An IPv4 netmask; the kernel accepts any bits.
    Mask(Ipv4Addr),
    /// An IPv6 prefix length, 1 to 128.
    Prefix(u8),
}

/// What a service is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// What traffic.
    pub key: ServiceKey,
    /// Scheduler name: rr, wrr, lc, wlc, ...
    pub scheduler: String,
    /// The scheduler's flag bits: 1, 2 and 4 for flag-1 to flag-3 (sh and mh: 1 = fallback, 2 = port).
    #[serde(default)]
    pub sched_flags: u8,
    /// One-packet scheduling (UDP).
    #[serde(default)]
    pub ops: bool,
    /// Persistence timeout, seconds.
    #[serde(default)]
    pub persistence: Option<u32>,
    /// Persistence granularity; a whole address if absent.
    #[serde(default)]
    pub granularity: Option<Granularity>,
    /// Persistence engine.
    #[serde(default)]
    pub engine: Option<String>,
}

/// How packets reach a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Forward {
    /// Rewrite the destination, un-rewrite replies (ipvsadm: Masq).
    Nat,
    /// Only the MAC changes (ipvsadm: Route).
    Dr,
    /// Wrap (ipvsadm: Tunnel).
    Tun,
    /// Rewrite both ends.
    Fullnat,
}

/// Encapsulation of `tun`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelKind {
    /// IP in IP.
    Ipip,
    /// Generic UDP encapsulation.
    Gue,
    /// Generic routing encapsulation.
    Gre,
}

/// Checksums of GUE and GRE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelChecksum {
    /// Without.
    #[default]
    None,
    /// With.
    Full,
    /// Remote checksum offload (GUE).
    Remote,
}

/// How `tun` wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TunnelSpec {
    /// Encapsulation.
    pub kind: TunnelKind,
    /// Destination port of GUE.
    #[serde(default)]
    pub port: u16,
    /// Checksums.
    #[serde(default)]
    pub checksum: TunnelChecksum,
}

/// What a real server is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSpec {
    /// Address and port.
    pub address: SocketAddr,
    /// Method.
    pub forward: Forward,
    /// 0 to 2^31-1; 0 quiesces.
    pub weight: u32,
    /// Most connections (-x); 0 = no bound.
    #[serde(default)]
    pub upper: u32,
    /// Reopens below (-y); 0 = three quarters of `upper`.
    #[serde(default)]
    pub lower: u32,
    /// For `tun`; IPIP if absent.
    #[serde(default)]
    pub tunnel: Option<TunnelSpec>,
}

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

/// Master sends, backup receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DaemonRole {
    /// Sends.
    Master,
    /// Receives.
    Backup,
}

/// A synchronisation daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaemonSpec {
    /// Master or backup.
    pub role: DaemonRole,
    /// Interface.
    pub interface: String,
    /// 0 to 255.
    pub sync_id: u8,
    /// Most bytes of a message; 0 = by the interface's MTU.
    #[serde(default)]
    pub max_len: u16,
    /// Multicast group; 224.0.0.81 if absent.
    #[serde(default)]
    pub group: Option<IpAddr>,
    /// UDP port; 0 = 8848.
    #[serde(default)]
    pub port: u16,
    /// Multicast TTL; 0 = 1.
    #[serde(default)]
    pub ttl: u8,
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
}

/// An interface as it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InterfaceStatus {
    /// Name.
    pub name: String,
    /// Device of the configuration.
    pub device: String,
    /// DPDK driver.
    pub driver: String,
    /// MAC address.
    pub mac: String,
    /// Bytes of an IP packet.
    pub mtu: u16,
    /// Whether the link is up.
    pub link: bool,
    /// Mbit/s, 0 if unknown.
    pub speed: u32,
    /// Addresses and VIPs answered here.
    pub addresses: Vec<String>,
    /// Counters of the driver: received, sent, lost.
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
    /// Version of the tables it works with.
    pub tables: u64,
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
    /// Rates of the same.
    pub rates: Rates,
    /// Verdicts and what the director sent itself, summed over workers.
    pub counters: Vec<Counter>,
    /// The same, worker by worker.
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
    /// State of RFC 4861: incomplete, reachable, stale, delay, probe; failed; static.
    pub state: String,
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
    /// connected, static, unreachable, blackhole.
    pub kind: String,
}

/// Something that carries requests to a director: the socket, or the director itself in the same process.
pub trait Client {
    /// Asks and waits for the answer.
    fn ask(&mut self, request: Request) -> Result<Answer, ApiError>;
}
