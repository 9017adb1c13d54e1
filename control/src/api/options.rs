//! The options of services and servers: a row an option, which the file, `sluice config show`, the log, ipvsadm and
//! `sluice services` read. What an option is on the socket its field says ([`ServiceSpec`], [`ServerSpec`]).
//!
//! Rows stand in the order of the file and the log. ipvsadm has an order of its own for complaints, for `-L` and for `-S`.

use dataplane::sched::Scheduler;
use dataplane::service::Engine;

use super::forward::Forward;
use super::names::{Name, Named};
use super::rules;
use super::spec::{ServerSpec, ServiceSpec, ServiceWords};

/// An option. `K` is what kind of value it has.
pub struct Row<K> {
    /// The key of the file.
    pub key: &'static str,
    /// What the log calls it.
    pub log: &'static str,
    /// What the log says behind a value.
    pub unit: &'static str,
    /// Its value.
    pub kind: K,
    /// How ipvsadm has it; nothing where it is no option, or several, of its own there.
    pub ipvsadm: Option<Ipvsadm>,
    /// The note of `sluice services`: what stands before the value and behind it. Notes have the order of complaints.
    pub note: Option<[&'static str; 2]>,
}

/// An option of a service.
pub type ServiceOption = Row<ServiceKind>;
/// An option of a server.
pub type ServerOption = Row<ServerKind>;

/// A value that is read and shown alike for every option: of a `T`, or set of a `W`.
pub enum Plain<T: 'static, W: 'static = T> {
    /// Off, unless it is on.
    Flag {
        /// Whether it is on.
        is: fn(&T) -> bool,
        /// Has it on or off.
        set: fn(&mut W, bool),
    },
    /// A whole number.
    Number {
        /// The least one.
        least: u32,
        /// The greatest one.
        most: u32,
        /// The number; nothing where it is not set.
        is: fn(&T) -> Option<u32>,
        /// Has another number.
        set: fn(&mut W, u32),
    },
    /// One of a set of names.
    Name {
        /// The names.
        known: fn() -> Vec<&'static str>,
        /// The name; nothing where it is not set.
        is: fn(&T) -> Option<&'static str>,
        /// Has another name; ipvsadm may set one that is not known.
        set: fn(&mut W, String),
    },
}

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

/// How ipvsadm has an option.
pub struct Ipvsadm {
    /// Behind `--`, and in complaints.
    pub long: &'static str,
    /// Behind `-`.
    pub short: Option<char>,
    /// Where it stands among all options of ipvsadm, 0 to 63: the order of complaints. From 34 on: none of the real tool.
    pub place: u8,
    /// The number that it stands for where no value follows.
    pub bare: Option<u32>,
    /// The complaint about a value.
    pub wrong: fn(&str) -> String,
    /// Where it stands behind a service in `-L`, and the word before its value; nothing where it is not shown there.
    pub listed: Option<(u8, Listed)>,
    /// Where it stands in a line of `-S`.
    pub saved: u8,
    /// Whether the real tool leaves it out of `-S`, as this one does in strict parity.
    pub lost: bool,
}

/// How `-L` shows an option of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// The value alone.
    Bare,
    /// The value in parentheses.
    Parentheses,
    /// Behind a word.
    Word(&'static str),
    /// Behind a word, and of persistent services only.
    OfPersistent(&'static str),
}

impl<T, W> Plain<T, W> {
    /// The value as text, empty for a flag; nothing where it is not set.
    pub fn text(&self, of: &T) -> Option<String> {
        match self {
            Self::Flag { is, .. } => is(of).then(String::new),
            Self::Number { is, .. } => is(of).map(|number| number.to_string()),
            Self::Name { is, .. } => is(of).map(str::to_owned),
        }
    }
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

const fn row<K>(key: &'static str, kind: K, ipvsadm: Option<Ipvsadm>) -> Row<K> {
    Row { key, log: key, unit: "", kind, ipvsadm, note: None }
}

/// An option that ipvsadm has; the rows say the rest.
const IPVSADM: Ipvsadm = Ipvsadm {
    long: "",
    short: None,
    place: 0,
    bare: None,
    wrong: |text| format!("invalid value `{text}' specified"),
    listed: None,
    saved: 0,
    lost: false,
};

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
                most: rules::PERSISTENCE_MAX,
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
            most: rules::WEIGHT_MAX,
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
            most: rules::UPPER_MAX,
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
            most: rules::UPPER_MAX,
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
