//! One line of arguments, read into values in the order in which they stand: some options mean what an earlier one
//! made of them (`-M` after an IPv6 address is a prefix length, `-6` needs a mark before it).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use dataplane::flow::{Family, Protocol, ServiceKey};
use dataplane::sched::Scheduler;
use dataplane::service::Engine;

use super::errors::Stop;
use super::names::Names;
use super::options::{Command, Entry, Given, Kind, Opt};
use super::words::{Found, Words};
use super::{check, help, values};
use crate::api::rules;
use crate::api::{
    DEFAULT_SCHEDULER, DaemonRole, DaemonSpec, Forward, Granularity, Name, Named, ServerSpec, TunnelChecksum,
    TunnelKind, TunnelSpec,
};

/// Longest name of a scheduler, a persistence engine or an interface; the rest is cut off.
const NAME_MAX: usize = 15;
/// Persistence timeout of a `-p` without a value.
const DEFAULT_PERSISTENCE: u32 = 360;

/// What a line says about the service.
#[derive(Clone, Debug)]
pub(super) struct ServiceWords {
    protocol: Option<Protocol>,
    address: IpAddr,
    pub(super) port: u16,
    pub(super) fwmark: u32,
    pub(super) family: Family,
    pub(super) granularity: Option<Granularity>,
    pub(super) scheduler: Name<Scheduler>,
    pub(super) persistence: Option<u32>,
    pub(super) engine: Option<Name<Engine>>,
}

impl ServiceWords {
    fn new() -> Self {
        Self {
            protocol: None,
            address: Ipv4Addr::UNSPECIFIED.into(),
            port: 0,
            fwmark: 0,
            family: Family::Ipv4,
            granularity: None,
            scheduler: Name::Known(DEFAULT_SCHEDULER),
            persistence: None,
            engine: None,
        }
    }

    /// Which service.
    pub(super) fn key(&self) -> ServiceKey {
        match (self.fwmark, self.protocol) {
            (0, protocol) => ServiceKey::Address {
                protocol: protocol.unwrap_or(Protocol::Tcp),
                address: self.address,
                port: self.port,
            },
            (fwmark, _) => ServiceKey::Mark { fwmark, family: self.family },
        }
    }

    fn become_ipv6(&mut self) {
        self.family = Family::Ipv6;
        self.granularity = None;
    }
}

/// A line, read and checked option by option.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) command: Command,
    pub(super) given: Given,
    pub(super) service: ServiceWords,
    pub(super) server: ServerSpec,
    /// Of servers that are reached by one.
    pub(super) tunnel: TunnelSpec,
    pub(super) daemon: DaemonSpec,
    /// tcp, tcpfin, udp
    pub(super) timeouts: [u32; 3],
    pub(super) sched_flags: u8,
    flag_names: String,
}

impl Line {
    fn new(command: Command, role: DaemonRole) -> Self {
        let daemon =
            DaemonSpec { role, interface: String::new(), sync_id: 0, max_len: 0, group: None, port: 0, ttl: 0 };
        Self {
            command,
            given: Given::default(),
            service: ServiceWords::new(),
            server: ServerSpec::new(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0), Forward::Dr),
            tunnel: TunnelSpec { kind: TunnelKind::Ipip, port: 0, checksum: TunnelChecksum::None },
            daemon,
            timeouts: [0; 3],
            sched_flags: 0,
            flag_names: String::new(),
        }
    }

    /// Reads a line: a command, its options, its arguments.
    pub(super) fn read(words: &[&str], names: &Names) -> Result<Self, Stop> {
        let mut words = Words::new(words);
        let mut line = Self::command(words.option())?;
        while let Some(option) = words.option() {
            let (spelling, value) = option.map_err(|e| Stop::Line(format!("{}: {}", e.word, e.why)))?;
            line.entry(spelling.entry, value, words.last(), names)?;
        }
        line.arguments(words.left_over())?;
        line.sched_flags = values::sched_flags(&line.flag_names, &line.service.scheduler).map_err(Stop::usage)?;
        check::options(line.command, line.given).map_err(Stop::usage)?;
        Ok(line)
    }

    fn command(first: Option<Result<Found<'_>, super::words::Unreadable<'_>>>) -> Result<Self, Stop> {
        let Some(Ok((spelling, value))) = first else { return Err(Stop::hint()) };
        match spelling.entry {
            Entry::Start(command) => Ok(Self::new(command, role(command, value)?)),
            Entry::Help => Err(Stop::answer(help::HELP)),
            Entry::Version => Err(Stop::answer(help::VERSION)),
            _ => Err(Stop::hint()),
        }
    }

    fn entry(&mut self, entry: Entry, value: Option<&str>, word: &str, names: &Names) -> Result<(), Stop> {
        match entry {
            Entry::Start(_) | Entry::Help | Entry::Version => Err(Stop::usage(format!("invalid option `{word}'"))),
            Entry::Sort => Ok(()),
            Entry::Ipv6 if self.service.fwmark == 0 => Err(Stop::usage("-6 used before -f")),
            Entry::Ipv6 => {
                self.service.become_ipv6();
                Ok(())
            }
            Entry::Service(kind) => {
                self.once(Opt::Service)?;
                self.service(kind, value.unwrap_or_default(), names).map_err(Stop::usage)
            }
            Entry::Forward(forward) => {
                self.once(Opt::Forward)?;
                self.server.forward = forward;
                Ok(())
            }
            Entry::Add(opt) => {
                self.once(opt)?;
                self.option(opt, value, names).map_err(Stop::usage)
            }
        }
    }

    fn once(&mut self, opt: Opt) -> Result<(), Stop> {
        if self.given.insert(opt) {
            Ok(())
        } else {
            Err(Stop::usage(format!("multiple '{}' options specified", opt.name())))
        }
    }

    fn service(&mut self, kind: Kind, value: &str, names: &Names) -> Result<(), String> {
        match kind {
            Kind::Mark => {
                // For the names of ports.
                self.service.protocol = Some(Protocol::Tcp);
                self.service.fwmark =
                    values::fwmark(value).ok_or_else(|| format!("invalid fwmark value `{value}' specified"))?;
            }
            Kind::Address(protocol) => {
                self.service.protocol = Some(protocol);
                let (address, port) = values::host_port(value, Some(protocol), names)
                    .ok_or("illegal virtual server address[:port] specified")?;
                self.service.address = address;
                self.service.port = port.unwrap_or(0);
                if address.is_ipv6() {
                    self.service.become_ipv6();
                }
            }
        }
        Ok(())
    }

    fn option(&mut self, opt: Opt, value: Option<&str>, names: &Names) -> Result<(), String> {
        let text = value.unwrap_or_default();
        match opt {
            Opt::Scheduler if text.is_empty() => {}
            Opt::Scheduler => self.service.scheduler = cut(text).into(),
            Opt::Persistent => self.service.persistence = Some(persistence(value)?),
            Opt::Netmask => self.service.granularity = self.netmask(text, names)?,
            Opt::Engine => self.service.engine = Some(cut(text)).filter(|name| !name.is_empty()).map(Name::from),
            Opt::SchedFlags => text.clone_into(&mut self.flag_names),
            Opt::Server => self.server.address = self.real_server(text, names)?,
            Opt::Weight => self.server.weight = count(text, "illegal weight specified")?,
            Opt::Upper => self.server.upper = count(text, "illegal u_threshold specified")?,
            Opt::Lower => self.server.lower = count(text, "illegal l_threshold specified")?,
            Opt::TunType => self.tunnel.kind = tunnel_kind(text)?,
            Opt::TunPort => {
                self.tunnel.port = values::small(text, 1, 65_535).ok_or("illegal tunnel port specified")?;
            }
            Opt::TunNoCsum => self.tunnel.checksum = TunnelChecksum::None,
            Opt::TunCsum => self.tunnel.checksum = TunnelChecksum::Full,
            Opt::TunRemCsum => self.tunnel.checksum = TunnelChecksum::Remote,
            _ => self.daemon_option(opt, text)?,
        }
        Ok(())
    }

    fn daemon_option(&mut self, opt: Opt, text: &str) -> Result<(), String> {
        let daemon = &mut self.daemon;
        match opt {
            Opt::Interface => daemon.interface = cut(text),
            Opt::SyncId => daemon.sync_id = values::small(text, 0, 255).ok_or("illegal syncid specified")?,
            Opt::SyncMaxLen => {
                daemon.max_len = values::small(text, 1, 65_507).ok_or("illegal sync-maxlen specified")?;
            }
            Opt::Group => daemon.group = Some(values::group(text)?),
            Opt::Port => daemon.port = values::small(text, 1, 65_535).ok_or("illegal mcast-port specified")?,
            Opt::Ttl => daemon.ttl = values::small(text, 1, 255).ok_or("illegal mcast-ttl specified")?,
            _ => {}
        }
        Ok(())
    }

    /// `-M`: any bits for IPv4, a prefix length once the service is known to be IPv6. The whole address is no mask.
    fn netmask(&self, text: &str, names: &Names) -> Result<Option<Granularity>, String> {
        if self.service.family == Family::Ipv6 {
            let prefix = u8::try_from(values::leading_number(text)).ok().filter(|p| (1..=128).contains(p));
            let prefix = prefix.ok_or("illegal ipv6 netmask specified")?;
            return Ok(Some(Granularity::Prefix(prefix)).filter(|_| prefix != 128));
        }
        let mask = values::ipv4(text, names).ok_or("illegal virtual server persistent mask specified")?;
        Ok(Some(Granularity::Mask(mask)).filter(|_| mask != Ipv4Addr::BROADCAST))
    }

    /// `-r`: a port that is not given is that of the service, as far as that stands before it.
    fn real_server(&self, text: &str, names: &Names) -> Result<SocketAddr, String> {
        let (address, port) = values::host_port(text, self.service.protocol, names)
            .ok_or("illegal real server address[:port] specified")?;
        Ok(SocketAddr::new(address, port.unwrap_or(self.service.port)))
    }

    /// `--set tcp tcpfin udp`; nothing else takes arguments.
    fn arguments(&mut self, mut words: &[&str]) -> Result<(), Stop> {
        if self.command == Command::SetTimeouts {
            let Some((three, rest)) = words.split_at_checked(3) else {
                return Err(Stop::usage("--set option requires 3 timeout values"));
            };
            for (timeout, word) in self.timeouts.iter_mut().zip(three) {
                *timeout = seconds(word, 0).map_err(Stop::usage)?;
            }
            words = rest;
        }
        words.first().map_or(Ok(()), |word| Err(Stop::usage(format!("unexpected argument {word}"))))
    }
}

fn role(command: Command, value: Option<&str>) -> Result<DaemonRole, Stop> {
    match (command, value) {
        (_, Some("backup")) => Ok(DaemonRole::Backup),
        (_, Some("master") | None) => Ok(DaemonRole::Master),
        (Command::StopDaemon, _) => Err(Stop::usage("illegal start_daemon specified")),
        _ => Err(Stop::usage("illegal start-daemon parameter specified")),
    }
}

fn cut(name: &str) -> String {
    name.chars().take(NAME_MAX).collect()
}

fn seconds(text: &str, least: i64) -> Result<u32, String> {
    values::timeout(text, least).ok_or_else(|| format!("invalid timeout value `{text}' specified"))
}

fn persistence(value: Option<&str>) -> Result<u32, String> {
    value.map_or(Ok(DEFAULT_PERSISTENCE), |text| seconds(text, 1))
}

fn count(text: &str, complaint: &str) -> Result<u32, String> {
    let number = values::small(text, 0, rules::WEIGHT_MAX.into());
    number.ok_or_else(|| complaint.to_owned())
}

fn tunnel_kind(text: &str) -> Result<TunnelKind, String> {
    TunnelKind::of(text).ok_or_else(|| "illegal tunnel type specified".to_owned())
}
