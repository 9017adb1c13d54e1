//! What is wanted: services, servers, daemons.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use dataplane::flow::ServiceKey;
use dataplane::sched::Scheduler;
use dataplane::service::Engine;
use serde::{Deserialize, Serialize};

use super::error::{ApiError, Code};
use super::forward::{Forward, TunnelSpec};
use super::names::{Name, Named};

/// Which client addresses share a persistence template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Granularity {
    /// An IPv4 netmask; the kernel accepts any bits.
    Mask(Ipv4Addr),
    /// An IPv6 prefix length, 1 to 128.
    Prefix(u8),
}

impl fmt::Display for Granularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mask(mask) => mask.fmt(f),
            Self::Prefix(length) => length.fmt(f),
        }
    }
}

/// Scheduler of a service for which none is named.
pub const DEFAULT_SCHEDULER: Scheduler = Scheduler::Wlc;

/// What a service is. `S` and `E` are its scheduler and its persistence engine, or the names of these ([`ServiceWords`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    bound(serialize = "S: Serialize, E: Serialize", deserialize = "S: Deserialize<'de>, E: Deserialize<'de>")
)]
pub struct ServiceSpec<S = Scheduler, E = Engine> {
    /// What traffic.
    pub key: ServiceKey,
    /// Scheduler.
    pub scheduler: S,
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
    pub engine: Option<E>,
}

/// A service as a request describes it, with names that may be of no scheduler and no persistence engine.
pub type ServiceWords = ServiceSpec<Name<Scheduler>, Name<Engine>>;

impl<S, E> ServiceSpec<S, E> {
    /// A service that has no option but its scheduler.
    #[must_use]
    pub fn new(key: ServiceKey, scheduler: S) -> Self {
        Self { key, scheduler, sched_flags: 0, ops: false, persistence: None, granularity: None, engine: None }
    }

    /// Looks its names up, the scheduler's first.
    fn named<T, F, Error>(
        self,
        scheduler: impl FnOnce(S) -> Result<T, Error>,
        engine: impl FnOnce(E) -> Result<F, Error>,
    ) -> Result<ServiceSpec<T, F>, Error> {
        let Self { key, scheduler: name, sched_flags, ops, persistence, granularity, engine: of } = self;
        let (scheduler, engine) = (scheduler(name)?, of.map(engine).transpose()?);
        Ok(ServiceSpec { key, scheduler, sched_flags, ops, persistence, granularity, engine })
    }
}

impl ServiceWords {
    /// The service, if there are such a scheduler and such an engine.
    ///
    /// # Errors
    /// The name that nobody knows: ENOENT in the kernel.
    pub fn known(self) -> Result<ServiceSpec, ApiError> {
        let key = self.key;
        let refuse = |text| ApiError { code: Code::NoEntry, place: key.to_string(), text };
        let no_scheduler = |name: String| {
            refuse(format!("scheduler {name:?} is not available; known: {}", Scheduler::names().join(", ")))
        };
        let no_engine =
            |name: String| refuse(format!("no persistence engine {name:?}; known: {}", Engine::names().join(", ")));
        self.named(|name| name.known().map_err(no_scheduler), |name| name.known().map_err(no_engine))
    }
}

impl From<ServiceSpec> for ServiceWords {
    fn from(spec: ServiceSpec) -> Self {
        let Ok(words) = spec.named(|s| Ok::<_, Infallible>(Name::Known(s)), |e| Ok(Name::Known(e)));
        words
    }
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

impl ServerSpec {
    /// A server of weight 1, without thresholds.
    #[must_use]
    pub fn new(address: SocketAddr, forward: Forward) -> Self {
        Self { address, forward, weight: 1, upper: 0, lower: 0, tunnel: None }
    }
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

/// What a route is, in the words of the file's `[[route]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSpec {
    /// Prefix.
    pub to: String,
    /// Next hop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<IpAddr>,
    /// Interface; without `via`, the destinations are on its link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Refused, and the sender is told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreachable: bool,
    /// Dropped in silence.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blackhole: bool,
}
