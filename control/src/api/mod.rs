//! The requests of the control socket and their answers: one vocabulary for the operator's tool, `ipvsadm`, the
//! configuration file, tests and scripts. `docs/control-protocol.md` shows them on the wire.

mod bounds;
mod cursor;
mod daemon;
mod describe;
mod doctor;
mod error;
pub(crate) mod flags;
mod forward;
mod info;
mod mark;
mod names;
pub mod options;
mod pages;
mod route;
pub mod rules;
mod spec;
mod steering;
mod watch;

use std::net::{IpAddr, SocketAddr};

use dataplane::flow::ServiceKey;
use serde::{Deserialize, Serialize};

pub use cursor::Cursor;
pub use daemon::{DaemonRole, DaemonSpec};
pub use doctor::{ArpLeak, DoctorReport};
pub use error::{ApiError, Code};
pub use forward::{Forward, TunnelChecksum, TunnelKind, TunnelSpec};
pub use info::{
    ConnInfo, Counter, InterfaceCounters, InterfaceStatus, MOST_NAMED, NeighborInfo, Rates, RouteInfo, ServerInfo,
    ServiceInfo, StatsReport, Status, StoreStatus, Totals, VipInfo, VipOrigin, WorkerStatus,
};
pub use mark::{IpProtocol, MarkInfo, MarkSpec, Ports};
pub use names::{Name, Named};
pub use pages::{PageError, every_service, every_text};
pub use route::RouteSpec;
pub use spec::{
    DEFAULT_SCHEDULER, Granularity, SERVER, SERVICE, ServerKind, ServerOption, ServerSpec, ServiceKind, ServiceOption,
    ServiceSpec, ServiceWords,
};
pub use steering::{PortSteering, SteeringReport};
pub use watch::{Direction, FrameInfo, PacketInfo, StageInfo, WatchInfo, WatchPage};

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
        service: ServiceWords,
    },
    /// `ipvsadm -E`: replaces everything about a service but its servers and counts.
    EditService {
        /// The service.
        service: ServiceWords,
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
    /// A new rule that marks packets, behind those that are there.
    AddMark {
        /// The rule.
        rule: MarkSpec,
    },
    /// Takes a rule away.
    DeleteMark {
        /// The rule, in every part.
        rule: MarkSpec,
    },
    /// Writes a setting of `net.ipv4.vs`, as sysctl(8) does.
    SetSysctl {
        /// Its name, without `net.ipv4.vs.`.
        name: String,
        /// Its value as text.
        value: String,
    },
    /// Adds a route until the director ends, or until it is removed.
    AddRoute {
        /// The route.
        route: RouteSpec,
    },
    /// Removes a route, also one of the file; a reload brings that one back.
    DeleteRoute {
        /// Its prefix.
        to: String,
    },
    /// Takes a virtual address away that no service has, also one of the file; a reload brings that one back.
    DeleteVip {
        /// The address.
        address: IpAddr,
    },
    /// Settings of `net.ipv4.vs`. Answer: [`Answer::Sysctls`].
    Sysctls {
        /// Which one; all if absent.
        #[serde(default)]
        name: Option<String>,
    },
    /// `ipvsadm -L --timeout`. Answer: [`Answer::Timeouts`].
    Timeouts,
    /// One page of services with their servers, counts and statistics. Answer: [`Answer::Services`]; pass its `next`
    /// to go on ([`every_service`] does).
    Services {
        /// Which one; all if absent.
        #[serde(default)]
        key: Option<ServiceKey>,
        /// Where to go on; absent at the start.
        #[serde(default)]
        cursor: Option<Cursor>,
        /// Most services and servers of one answer (bounded by the director).
        #[serde(default)]
        limit: Option<u32>,
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
    /// One page of virtual addresses, in their order. Answer: [`Answer::Vips`]; pass its `next` to go on.
    Vips {
        /// Where to go on; absent at the start.
        #[serde(default)]
        cursor: Option<IpAddr>,
    },
    /// Rules that mark packets, in their order. Answer: [`Answer::Marks`].
    Marks,
    /// Which worker gets what, decided at the start. Answer: [`Answer::Steering`].
    Steering,
    /// Reads the configuration file again and converges to it.
    Reload {
        /// Also remove what was made at run time.
        #[serde(default)]
        prune: bool,
    },
    /// A page of the running configuration as a file. Answer: [`Answer::Text`]; pass its `next` to go on ([`every_text`]
    /// does).
    ConfigShow {
        /// Where to go on; absent at the start.
        #[serde(default)]
        cursor: Option<Cursor>,
    },
    /// A page of a file of `/proc/net` as the kernel would show it: `ip_vs`, `ip_vs_app`, `ip_vs_conn`,
    /// `ip_vs_conn_sync`, `ip_vs_stats`, `ip_vs_stats_percpu`. Answer: [`Answer::Text`]; pass its `next` to go on
    /// ([`every_text`] does).
    Proc {
        /// File name.
        name: String,
        /// Where to go on; absent at the start.
        #[serde(default)]
        cursor: Option<Cursor>,
    },
    /// Starts to look at packets: the stages they take. Answer: [`Answer::Watching`].
    TraceStart {
        /// Which packets, in the words of [`crate::watch::filter`]; all if absent.
        #[serde(default)]
        filter: String,
        /// Packets after which it ends, 1 to 100,000; 10 if absent.
        #[serde(default)]
        count: Option<u64>,
        /// Seconds after which it ends, 1 to 3600; 30 if absent.
        #[serde(default)]
        seconds: Option<u32>,
    },
    /// Starts to look at packets: their bytes, as received and as sent. Answer: [`Answer::Watching`].
    CaptureStart {
        /// As of `trace-start`.
        #[serde(default)]
        filter: String,
        /// As of `trace-start`; 100,000 if absent.
        #[serde(default)]
        count: Option<u64>,
        /// As of `trace-start`.
        #[serde(default)]
        seconds: Option<u32>,
        /// Bytes of each frame, at most; all if absent or 0.
        #[serde(default)]
        snaplen: Option<u32>,
    },
    /// What a watch has seen since it was asked last. Answer: [`Answer::Watched`].
    WatchNext {
        /// Its number.
        watch: u64,
    },
    /// Ends a watch before its time.
    WatchStop {
        /// Its number.
        watch: u64,
    },
    /// Asks on every interface who else answers for virtual addresses. Answer: [`Answer::DoctorArp`].
    DoctorArp {
        /// How this examination stands, by its number; a new one if absent and none is on.
        #[serde(default)]
        examination: Option<u64>,
    },
    /// Several requests, published to the workers together. Stops at the first error, which names its position
    /// ([`ApiError::in_batch`]); what stands before it is done and published.
    Batch {
        /// In order.
        requests: Vec<Request>,
        /// Another batch follows: these may be published together with it, a second later at most, and "done" does not
        /// mean yet that workers have seen them.
        #[serde(default)]
        more: bool,
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
        /// The services. One with more servers than fit is continued on the next page, under the same key.
        services: Vec<ServiceInfo>,
        /// Pass it on for the next page; absent at the end.
        next: Option<Cursor>,
    },
    /// A page of connections.
    Connections {
        /// The entries.
        connections: Vec<ConnInfo>,
        /// Pass it on for the next page; absent at the end.
        next: Option<u64>,
        /// Why the entries of a worker are missing from here on: it did not answer in time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        late: Option<String>,
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
    /// Settings.
    Sysctls {
        /// Name and value.
        settings: Vec<(String, String)>,
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
    /// Virtual addresses.
    Vips {
        /// The addresses.
        vips: Vec<VipInfo>,
        /// Pass it on for the next page; absent at the end.
        next: Option<IpAddr>,
    },
    /// Rules that mark packets, in their order: of those that fit a packet, the last counts.
    Marks {
        /// The rules.
        rules: Vec<MarkInfo>,
    },
    /// Which worker gets what.
    Steering(Box<SteeringReport>),
    /// What a reload changed.
    Reloaded {
        /// One line a change; where there are thousands, the last one says how many more there were.
        changes: Vec<String>,
        /// It is all in force, but for a worker that has not taken it over yet; which one, and why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        late: Option<String>,
    },
    /// A watch has begun.
    Watching(WatchInfo),
    /// What a watch has seen.
    Watched(Box<WatchPage>),
    /// Who else answers for virtual addresses.
    DoctorArp(DoctorReport),
    /// Plain text.
    Text {
        /// The text.
        text: String,
        /// Pass it on for the next page; absent at the end.
        next: Option<Cursor>,
    },
}

/// Something that carries requests to a director: the socket, or the director itself in the same process.
pub trait Client {
    /// Asks and waits for the answer.
    fn ask(&mut self, request: Request) -> Result<Answer, ApiError>;
}
