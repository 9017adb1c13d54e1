//! The vocabulary of the command line: commands, options, how each is spelled, and which needs a value.

use dataplane::flow::Protocol;

use crate::api::Forward;
use Entry::{Add, Start};

/// What ipvsadm is asked to do: always the first option of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    AddService,
    EditService,
    DeleteService,
    Flush,
    List,
    AddServer,
    DeleteServer,
    EditServer,
    SetTimeouts,
    StartDaemon,
    StopDaemon,
    Restore,
    Save,
    Zero,
}

impl Command {
    /// Its name in messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::AddService => "add-service",
            Self::EditService => "edit-service",
            Self::DeleteService => "delete-service",
            Self::Flush => "flush",
            Self::List => "list",
            Self::AddServer => "add-server",
            Self::DeleteServer => "delete-server",
            Self::EditServer => "edit-server",
            Self::SetTimeouts => "set",
            Self::StartDaemon => "start-daemon",
            Self::StopDaemon => "stop-daemon",
            Self::Restore => "restore",
            Self::Save => "save",
            Self::Zero => "zero",
        }
    }
}

/// What may be said once beside a command. In the order in which ipvsadm checks and complains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Opt {
    Numeric,
    Connection,
    Service,
    Scheduler,
    Persistent,
    Netmask,
    Server,
    Forward,
    Weight,
    Upper,
    Lower,
    Interface,
    Timeout,
    Daemon,
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    NoSort,
    SyncId,
    Exact,
    OnePacket,
    Engine,
    SchedFlags,
    Group,
    Port,
    Ttl,
    SyncMaxLen,
    TunInfo,
    TunType,
    TunPort,
    TunNoCsum,
    TunCsum,
    TunRemCsum,
}

/// Every option with its name in messages, in the order of [`Opt`].
pub(super) const OPTS: [(Opt, &str); 34] = [
    (Opt::Numeric, "numeric"),
    (Opt::Connection, "connection"),
    (Opt::Service, "service-address"),
    (Opt::Scheduler, "scheduler"),
    (Opt::Persistent, "persistent"),
    (Opt::Netmask, "netmask"),
    (Opt::Server, "real-server"),
    (Opt::Forward, "forwarding-method"),
    (Opt::Weight, "weight"),
    (Opt::Upper, "u-threshold"),
    (Opt::Lower, "l-threshold"),
    (Opt::Interface, "mcast-interface"),
    (Opt::Timeout, "timeout"),
    (Opt::Daemon, "daemon"),
    (Opt::Stats, "stats"),
    (Opt::Rate, "rate"),
    (Opt::Thresholds, "thresholds"),
    (Opt::PersistentConn, "persistent-conn"),
    (Opt::NoSort, "nosort"),
    (Opt::SyncId, "syncid"),
    (Opt::Exact, "exact"),
    (Opt::OnePacket, "ops"),
    (Opt::Engine, "pe"),
    (Opt::SchedFlags, "sched-flags"),
    (Opt::Group, "mcast-group"),
    (Opt::Port, "mcast-port"),
    (Opt::Ttl, "mcast-ttl"),
    (Opt::SyncMaxLen, "sync-maxlen"),
    (Opt::TunInfo, "tun-info"),
    (Opt::TunType, "tun-type"),
    (Opt::TunPort, "tun-port"),
    (Opt::TunNoCsum, "tun-nocsum"),
    (Opt::TunCsum, "tun-csum"),
    (Opt::TunRemCsum, "tun-remcsum"),
];

impl Opt {
    /// Its name in messages.
    pub(super) fn name(self) -> &'static str {
        OPTS[self as usize].1
    }
}

/// The options that a line has given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Given(u64);

impl Given {
    /// Whether it is among them.
    pub(super) const fn has(self, opt: Opt) -> bool {
        self.0 & (1 << opt as u32) != 0
    }

    /// Whether any of these is among them.
    pub(super) fn any(self, opts: &[Opt]) -> bool {
        opts.iter().any(|&opt| self.has(opt))
    }

    /// Adds one; false if it was there.
    pub(super) fn insert(&mut self, opt: Opt) -> bool {
        let new = !self.has(opt);
        self.0 |= 1 << opt as u32;
        new
    }
}

/// Whether an option takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    No,
    Yes,
    Maybe,
}

/// Which of the spellings of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Address(Protocol),
    Mark,
}

/// What an entry of the command line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Start(Command),
    Help,
    Version,
    Add(Opt),
    /// `-t`, `-u`, `-f`: one option, and which of its kinds.
    Service(Kind),
    /// `-m`, `-i`, `-g`, `--fullnat`: likewise.
    Forward(Forward),
    Ipv6,
    /// Accepted and without effect.
    Sort,
}

/// How an entry is written.
#[derive(Clone, Debug)]
pub(super) struct Spelling {
    pub(super) long: &'static str,
    pub(super) short: Option<char>,
    pub(super) value: Value,
    pub(super) entry: Entry,
}

const fn s(long: &'static str, short: Option<char>, value: Value, entry: Entry) -> Spelling {
    Spelling { long, short, value, entry }
}

/// Every word the command line knows.
pub(super) const SPELLINGS: [Spelling; 59] = [
    s("add-service", Some('A'), Value::No, Start(Command::AddService)),
    s("edit-service", Some('E'), Value::No, Start(Command::EditService)),
    s("delete-service", Some('D'), Value::No, Start(Command::DeleteService)),
    s("clear", Some('C'), Value::No, Start(Command::Flush)),
    s("list", Some('L'), Value::No, Start(Command::List)),
    s("list", Some('l'), Value::No, Start(Command::List)),
    s("zero", Some('Z'), Value::No, Start(Command::Zero)),
    s("add-server", Some('a'), Value::No, Start(Command::AddServer)),
    s("edit-server", Some('e'), Value::No, Start(Command::EditServer)),
    s("delete-server", Some('d'), Value::No, Start(Command::DeleteServer)),
    s("set", None, Value::No, Start(Command::SetTimeouts)),
    s("help", Some('h'), Value::No, Entry::Help),
    s("version", Some('v'), Value::No, Entry::Version),
    s("restore", Some('R'), Value::No, Start(Command::Restore)),
    s("save", Some('S'), Value::No, Start(Command::Save)),
    s("start-daemon", None, Value::Yes, Start(Command::StartDaemon)),
    s("stop-daemon", None, Value::Yes, Start(Command::StopDaemon)),
    s("tcp-service", Some('t'), Value::Yes, Entry::Service(Kind::Address(Protocol::Tcp))),
    s("udp-service", Some('u'), Value::Yes, Entry::Service(Kind::Address(Protocol::Udp))),
    s("sctp-service", None, Value::Yes, Entry::Service(Kind::Address(Protocol::Sctp))),
    s("fwmark-service", Some('f'), Value::Yes, Entry::Service(Kind::Mark)),
    s("scheduler", Some('s'), Value::Yes, Add(Opt::Scheduler)),
    s("persistent", Some('p'), Value::Maybe, Add(Opt::Persistent)),
    s("netmask", Some('M'), Value::Yes, Add(Opt::Netmask)),
    s("real-server", Some('r'), Value::Yes, Add(Opt::Server)),
    s("masquerading", Some('m'), Value::No, Entry::Forward(Forward::Nat)),
    s("ipip", Some('i'), Value::No, Entry::Forward(Forward::Tun)),
    s("gatewaying", Some('g'), Value::No, Entry::Forward(Forward::Dr)),
    // Ours: the kernel's IPVS has no such method, and a saved table must come back as it was.
    s("fullnat", None, Value::No, Entry::Forward(Forward::Fullnat)),
    s("weight", Some('w'), Value::Yes, Add(Opt::Weight)),
    s("u-threshold", Some('x'), Value::Yes, Add(Opt::Upper)),
    s("l-threshold", Some('y'), Value::Yes, Add(Opt::Lower)),
    s("numeric", Some('n'), Value::No, Add(Opt::Numeric)),
    s("connection", Some('c'), Value::No, Add(Opt::Connection)),
    s("mcast-interface", None, Value::Yes, Add(Opt::Interface)),
    s("syncid", None, Value::Yes, Add(Opt::SyncId)),
    s("timeout", None, Value::No, Add(Opt::Timeout)),
    s("daemon", None, Value::No, Add(Opt::Daemon)),
    s("stats", None, Value::No, Add(Opt::Stats)),
    s("rate", None, Value::No, Add(Opt::Rate)),
    s("thresholds", None, Value::No, Add(Opt::Thresholds)),
    s("persistent-conn", None, Value::No, Add(Opt::PersistentConn)),
    s("nosort", None, Value::No, Add(Opt::NoSort)),
    s("sort", None, Value::No, Entry::Sort),
    s("exact", Some('X'), Value::No, Add(Opt::Exact)),
    s("ipv6", Some('6'), Value::No, Entry::Ipv6),
    s("ops", Some('o'), Value::No, Add(Opt::OnePacket)),
    s("pe", None, Value::Yes, Add(Opt::Engine)),
    s("sched-flags", Some('b'), Value::Yes, Add(Opt::SchedFlags)),
    s("sync-maxlen", None, Value::Yes, Add(Opt::SyncMaxLen)),
    s("mcast-group", None, Value::Yes, Add(Opt::Group)),
    s("mcast-port", None, Value::Yes, Add(Opt::Port)),
    s("mcast-ttl", None, Value::Yes, Add(Opt::Ttl)),
    s("tun-info", None, Value::No, Add(Opt::TunInfo)),
    s("tun-type", None, Value::Yes, Add(Opt::TunType)),
    s("tun-port", None, Value::Yes, Add(Opt::TunPort)),
    s("tun-nocsum", None, Value::No, Add(Opt::TunNoCsum)),
    s("tun-csum", None, Value::No, Add(Opt::TunCsum)),
    s("tun-remcsum", None, Value::No, Add(Opt::TunRemCsum)),
];
