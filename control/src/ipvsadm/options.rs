//! The vocabulary of the command line: commands, options, how each is spelled, and which needs a value.

use std::sync::LazyLock;

use dataplane::flow::Protocol;

use crate::api::options::Ipvsadm;
use crate::api::{Forward, Named, SERVER, SERVICE};
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

/// What may be said once beside a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opt {
    Numeric,
    Connection,
    Service,
    Server,
    Forward,
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
    /// The option of a service that has this row of [`SERVICE`].
    OfService(usize),
    /// The option of a server that has this row of [`SERVER`].
    OfServer(usize),
}

/// Every option that is none of a row: where it stands in the order in which ipvsadm checks and complains, and its name in
/// messages.
const OTHERS: [(u8, Opt, &str); 25] = [
    (0, Opt::Numeric, "numeric"),
    (1, Opt::Connection, "connection"),
    (2, Opt::Service, "service-address"),
    (6, Opt::Server, "real-server"),
    (7, Opt::Forward, "forwarding-method"),
    (11, Opt::Interface, "mcast-interface"),
    (12, Opt::Timeout, "timeout"),
    (13, Opt::Daemon, "daemon"),
    (14, Opt::Stats, "stats"),
    (15, Opt::Rate, "rate"),
    (16, Opt::Thresholds, "thresholds"),
    (17, Opt::PersistentConn, "persistent-conn"),
    (18, Opt::NoSort, "nosort"),
    (19, Opt::SyncId, "syncid"),
    (20, Opt::Exact, "exact"),
    (24, Opt::Group, "mcast-group"),
    (25, Opt::Port, "mcast-port"),
    (26, Opt::Ttl, "mcast-ttl"),
    (27, Opt::SyncMaxLen, "sync-maxlen"),
    (28, Opt::TunInfo, "tun-info"),
    (29, Opt::TunType, "tun-type"),
    (30, Opt::TunPort, "tun-port"),
    (31, Opt::TunNoCsum, "tun-nocsum"),
    (32, Opt::TunCsum, "tun-csum"),
    (33, Opt::TunRemCsum, "tun-remcsum"),
];

/// Every option, in the order in which ipvsadm checks and complains.
pub(super) static OPTS: LazyLock<Vec<Opt>> = LazyLock::new(|| {
    let others = OTHERS.iter().map(|&(_, opt, _)| opt);
    let mut all: Vec<Opt> = others.chain(rows().map(|(opt, _)| opt)).collect();
    all.sort_by_key(|opt| opt.place());
    all
});

/// The options that have rows.
fn rows() -> impl Iterator<Item = (Opt, &'static Ipvsadm)> {
    let services = SERVICE.iter().enumerate().map(|(at, row)| (Opt::OfService(at), row.ipvsadm.as_ref()));
    let servers = SERVER.iter().enumerate().map(|(at, row)| (Opt::OfServer(at), row.ipvsadm.as_ref()));
    services.chain(servers).filter_map(|(opt, ipvsadm)| Some((opt, ipvsadm?)))
}

impl Opt {
    /// Where it stands among all, and its name in messages.
    fn described(self) -> (u8, &'static str) {
        let row = match self {
            Self::OfService(at) => SERVICE[at].ipvsadm.as_ref(),
            Self::OfServer(at) => SERVER[at].ipvsadm.as_ref(),
            _ => None,
        };
        let other =
            || OTHERS.iter().find(|(_, opt, _)| *opt == self).map_or((0, ""), |&(place, _, name)| (place, name));
        row.map_or_else(other, |ipvsadm| (ipvsadm.place, ipvsadm.long))
    }

    fn place(self) -> u8 {
        self.described().0
    }

    /// Its name in messages.
    pub(super) fn name(self) -> &'static str {
        self.described().1
    }
}

/// The options that a line has given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Given(u64);

impl Given {
    /// Whether it is among them.
    pub(super) fn has(self, opt: Opt) -> bool {
        self.0 & (1 << opt.place()) != 0
    }

    /// Whether any of these is among them.
    pub(super) fn any(self, opts: &[Opt]) -> bool {
        opts.iter().any(|&opt| self.has(opt))
    }

    /// Adds one; false if it was there.
    pub(super) fn insert(&mut self, opt: Opt) -> bool {
        let new = !self.has(opt);
        self.0 |= 1 << opt.place();
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
pub(super) static SPELLINGS: LazyLock<Vec<Spelling>> = LazyLock::new(|| {
    let methods = Forward::ALL.iter().map(|&forward| {
        let (long, short) = forward.option();
        s(long, short, Value::No, Entry::Forward(forward))
    });
    let options = rows().map(|(opt, ipvsadm)| s(ipvsadm.long, ipvsadm.short, value(opt, ipvsadm), Add(opt)));
    WORDS.into_iter().chain(methods).chain(options).collect()
});

/// Whether an option that has a row takes a value.
fn value(opt: Opt, ipvsadm: &Ipvsadm) -> Value {
    let flag = match opt {
        Opt::OfService(at) => SERVICE[at].kind.is_flag(),
        Opt::OfServer(at) => SERVER[at].kind.is_flag(),
        _ => false,
    };
    match (flag, ipvsadm.bare) {
        (true, _) => Value::No,
        (false, Some(_)) => Value::Maybe,
        (false, None) => Value::Yes,
    }
}

/// The words of commands, of services and servers themselves, and of options that have no row.
const WORDS: [Spelling; 46] = [
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
    s("real-server", Some('r'), Value::Yes, Add(Opt::Server)),
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
