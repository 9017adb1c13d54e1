//! Services and servers as they are wanted, and the table of their options.
//!
//! An option is a field, which says what it is on the socket, and a row, which the file, `sluice config show`, the log,
//! ipvsadm and `sluice services` read. Rows stand in the order of the file and the log; ipvsadm has an order of its own for
//! complaints, for `-L` and for `-S`.

use std::convert::Infallible;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use dataplane::flow::ServiceKey;
use dataplane::sched::Scheduler;
use dataplane::service::Engine;
use serde::{Deserialize, Serialize};

use super::bounds::{PERSISTENCE_MAX, UPPER_MAX, WEIGHT_MAX};
use super::error::{ApiError, Code};
use super::forward::{Forward, TunnelSpec};
use super::names::{Name, Named};
use super::options::{IPVSADM, Ipvsadm, Listed, Plain, Row, row};

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

/// An option of a service.
pub type ServiceOption = Row<ServiceKind>;
/// An option of a server.
pub type ServerOption = Row<ServerKind>;

/// What kind of value an option of a service has.
pub enum ServiceKind {
    /// One like others.
    Plain(Plain<ServiceSpec, ServiceWords>),
    /// The flags of the scheduler, by name.
    Flags,
    /// The persistence granularity: a mask, or the length of a prefix.
    Netmask,
}

/// What kind of value an option of a server has.
pub enum ServerKind {
    /// One like others.
    Plain(Plain<ServerSpec>),
    /// The tunnel: encapsulation, port, checksum.
    Tunnel,
}

impl ServiceKind {
    /// Whether it is on or off, without a value.
    pub const fn is_flag(&self) -> bool {
        matches!(self, Self::Plain(Plain::Flag { .. }))
    }
}

impl ServerKind {
    /// Whether it is on or off, without a value.
    pub const fn is_flag(&self) -> bool {
        matches!(self, Self::Plain(Plain::Flag { .. }))
    }
}

/// The options of a service.
pub static SERVICE: [ServiceOption; 6] = [
    row(
        "scheduler",
        ServiceKind::Plain(Plain::Name {
            known: Scheduler::names,
            is: |service| Some(service.scheduler.name()),
            set: |service, name| service.scheduler = Name::from(name),
        }),
        Some(Ipvsadm {
            long: "scheduler",
            short: Some('s'),
            place: 3,
            listed: Some((0, Listed::Bare)),
            saved: 0,
            ..IPVSADM
        }),
    ),
    row(
        "flags",
        ServiceKind::Flags,
        Some(Ipvsadm {
            long: "sched-flags",
            short: Some('b'),
            place: 23,
            listed: Some((1, Listed::Parentheses)),
            saved: 5,
            ..IPVSADM
        }),
    ),
    Row {
        log: "one-packet",
        note: Some(["ops", ""]),
        ..row(
            "ops",
            ServiceKind::Plain(Plain::Flag { is: |service| service.ops, set: |service, on| service.ops = on }),
            Some(Ipvsadm {
                long: "ops",
                short: Some('o'),
                place: 21,
                listed: Some((5, Listed::Word("ops"))),
                saved: 4,
                ..IPVSADM
            }),
        )
    },
    Row {
        unit: " s",
        note: Some(["persistent ", "s"]),
        ..row(
            "persistence",
            ServiceKind::Plain(Plain::Number {
                least: 1,
                most: PERSISTENCE_MAX,
                is: |service| service.persistence,
                set: |service, seconds| service.persistence = Some(seconds),
            }),
            Some(Ipvsadm {
                long: "persistent",
                short: Some('p'),
                place: 4,
                bare: Some(360),
                wrong: |text| format!("invalid timeout value `{text}' specified"),
                listed: Some((2, Listed::Word("persistent"))),
                saved: 1,
                ..IPVSADM
            }),
        )
    },
    row(
        "netmask",
        ServiceKind::Netmask,
        Some(Ipvsadm {
            long: "netmask",
            short: Some('M'),
            place: 5,
            listed: Some((3, Listed::OfPersistent("mask"))),
            saved: 2,
            ..IPVSADM
        }),
    ),
    Row {
        note: Some(["pe ", ""]),
        ..row(
            "engine",
            ServiceKind::Plain(Plain::Name {
                known: Engine::names,
                is: |service| service.engine.map(Engine::name),
                set: |service, name| service.engine = Some(Name::from(name)),
            }),
            Some(Ipvsadm { long: "pe", place: 22, listed: Some((4, Listed::OfPersistent("pe"))), saved: 3, ..IPVSADM }),
        )
    },
];

/// The options of a server. What chooses a method and a tunnel are several options of ipvsadm, each with its own grammar.
pub static SERVER: [ServerOption; 5] = [
    row(
        "forward",
        ServerKind::Plain(Plain::Name {
            known: Forward::names,
            is: |server| Some(server.forward.name()),
            set: |server, name| server.forward = Forward::of(&name).unwrap_or(server.forward),
        }),
        None,
    ),
    row(
        "weight",
        ServerKind::Plain(Plain::Number {
            least: 0,
            most: WEIGHT_MAX,
            is: |server| Some(server.weight),
            set: |server, weight| server.weight = weight,
        }),
        Some(Ipvsadm {
            long: "weight",
            short: Some('w'),
            place: 8,
            wrong: |_| "illegal weight specified".to_owned(),
            saved: 0,
            ..IPVSADM
        }),
    ),
    row(
        "upper",
        ServerKind::Plain(Plain::Number {
            least: 0,
            most: UPPER_MAX,
            is: |server| Some(server.upper).filter(|&upper| upper > 0),
            set: |server, upper| server.upper = upper,
        }),
        Some(Ipvsadm {
            long: "u-threshold",
            short: Some('x'),
            place: 9,
            wrong: |_| "illegal u_threshold specified".to_owned(),
            saved: 1,
            lost: true,
            ..IPVSADM
        }),
    ),
    row(
        "lower",
        ServerKind::Plain(Plain::Number {
            least: 0,
            most: UPPER_MAX,
            is: |server| Some(server.lower).filter(|&lower| lower > 0),
            set: |server, lower| server.lower = lower,
        }),
        Some(Ipvsadm {
            long: "l-threshold",
            short: Some('y'),
            place: 10,
            wrong: |_| "illegal l_threshold specified".to_owned(),
            saved: 2,
            lost: true,
            ..IPVSADM
        }),
    ),
    row("tunnel", ServerKind::Tunnel, None),
];
