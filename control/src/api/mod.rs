//! The requests of the control socket and their answers: one vocabulary for the operator's tool, `ipvsadm`, the
//! configuration file, tests and scripts. `docs/control-protocol.md` shows them on the wire.

mod bounds;
mod cursor;
mod daemon;
mod describe;
mod doctor;
mod edit;
mod error;
pub(crate) mod flags;
mod forward;
mod info;
mod mark;
mod names;
mod observe;
pub mod options;
mod pages;
mod query;
mod request;
mod route;
pub mod rules;
mod spec;
mod steering;
mod watch;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use crate::neighbors::State as NeighborState;
pub use cursor::Cursor;
pub use daemon::{DaemonRole, DaemonSpec};
pub use doctor::{ArpLeak, DoctorReport};
pub use edit::Edit;
pub use error::{ApiError, Code};
pub use forward::{Forward, TunnelChecksum, TunnelKind, TunnelSpec};
pub use info::{
    ConnInfo, Counter, InterfaceCounters, InterfaceStatus, MOST_NAMED, NeighborInfo, Rates, RouteInfo, RouteKind,
    ServerInfo, ServiceInfo, StatsReport, Status, StoreStatus, Totals, VipInfo, VipOrigin, WorkerStatus,
};
pub use mark::{IpProtocol, MarkInfo, MarkSpec, Ports};
pub use names::{Name, Named};
pub use observe::Observe;
pub use pages::{PageError, every_service, every_text};
pub use query::Query;
pub use request::{Batch, Reload, Request};
pub use route::RouteSpec;
pub use spec::{
    DEFAULT_SCHEDULER, Granularity, SERVER, SERVICE, ServerKind, ServerOption, ServerSpec, ServiceKind, ServiceOption,
    ServiceSpec, ServiceWords,
};
pub use steering::{PortSteering, SteeringReport};
pub use watch::{Direction, FrameInfo, PacketInfo, StageInfo, WatchEnd, WatchInfo, WatchPage};

/// Protocol version spoken on the socket.
pub const VERSION: u32 = 1;

/// Longest accepted request line, bytes.
pub const MAX_REQUEST: usize = 1 << 20;

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
