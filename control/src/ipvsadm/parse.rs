//! One line of arguments, read into values in the order in which they stand: some options mean what an earlier one
//! made of them (`-M` after an IPv6 address is a prefix length, `-6` needs a mark before it).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use dataplane::flow::{Family, Protocol, ServiceKey};

use super::errors::Stop;
use super::names::Names;
use super::options::{Command, Entry, Given, Kind, Opt};
use super::words::{Found, Words};
use super::{check, help, values};
use crate::api::options::{Ipvsadm, Plain, Row};
use crate::api::{
    DEFAULT_SCHEDULER, DaemonRole, DaemonSpec, Forward, Granularity, Name, Named, SERVER, SERVICE, ServerKind,
    ServerSpec, ServiceKind, ServiceOption, ServiceWords, TunnelChecksum, TunnelKind, TunnelSpec,
};

/// Longest name of a scheduler, a persistence engine or an interface; the rest is cut off.
const NAME_MAX: usize = 15;

/// Which service a line is about.
#[derive(Clone, Debug)]
pub(super) struct Who {
    protocol: Option<Protocol>,
    address: IpAddr,
    pub(super) port: u16,
    pub(super) fwmark: u32,
    pub(super) family: Family,
}

impl Who {
    fn new() -> Self {
        Self { protocol: None, address: Ipv4Addr::UNSPECIFIED.into(), port: 0, fwmark: 0, family: Family::Ipv4 }
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
}

/// A line, read and checked option by option.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) command: Command,
    pub(super) given: Given,
    pub(super) service: Who,
    /// The service with its options.
    pub(super) options: ServiceWords,
    pub(super) server: ServerSpec,
    /// Of servers that are reached by one.
    pub(super) tunnel: TunnelSpec,
    pub(super) daemon: DaemonSpec,
    /// tcp, tcpfin, udp
    pub(super) timeouts: [u32; 3],
    flag_names: String,
}

impl Line {
    fn new(command: Command, role: DaemonRole) -> Self {
        let daemon =
            DaemonSpec { role, interface: String::new(), sync_id: 0, max_len: 0, group: None, port: 0, ttl: 0 };
        let service = Who::new();
        Self {
            command,
            given: Given::default(),
            options: ServiceWords::new(service.key(), Name::Known(DEFAULT_SCHEDULER)),
            service,
            server: ServerSpec::new(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0), Forward::Dr),
            tunnel: TunnelSpec { kind: TunnelKind::Ipip, port: 0, checksum: TunnelChecksum::None },
            daemon,
            timeouts: [0; 3],
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
        line.options.key = line.service.key();
        line.options.sched_flags =
            values::sched_flags(&line.flag_names, &line.options.scheduler).map_err(Stop::usage)?;
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
                self.become_ipv6();
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
                    self.become_ipv6();
                }
            }
        }
        Ok(())
    }

    fn option(&mut self, opt: Opt, value: Option<&str>, names: &Names) -> Result<(), String> {
        let text = value.unwrap_or_default();
        match opt {
            Opt::OfService(at) => self.service_option(&SERVICE[at], value, names)?,
            Opt::OfServer(at) => {
                if let Row { kind: ServerKind::Plain(plain), ipvsadm: Some(ipvsadm), .. } = &SERVER[at] {
                    set(plain, ipvsadm, value, &mut self.server)?;
                }
            }
            Opt::Server => self.server.address = self.real_server(text, names)?,
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

    fn service_option(
        &mut self,
        row: &'static ServiceOption,
        value: Option<&str>,
        names: &Names,
    ) -> Result<(), String> {
        let text = value.unwrap_or_default();
        match (&row.kind, &row.ipvsadm) {
            (ServiceKind::Plain(plain), Some(ipvsadm)) => set(plain, ipvsadm, value, &mut self.options)?,
            (ServiceKind::Plain(_), None) => {}
            (ServiceKind::Flags, _) => text.clone_into(&mut self.flag_names),
            (ServiceKind::Netmask, _) => self.options.granularity = self.netmask(text, names)?,
        }
        Ok(())
    }

    fn become_ipv6(&mut self) {
        self.service.family = Family::Ipv6;
        self.options.granularity = None;
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

/// Sets an option of a row. An empty name is none.
fn set<T, W>(plain: &Plain<T, W>, ipvsadm: &Ipvsadm, value: Option<&str>, spec: &mut W) -> Result<(), String> {
    match (plain, value) {
        (Plain::Flag { set, .. }, _) => set(spec, true),
        (Plain::Number { least, most, set, .. }, _) => {
            let number = value.map_or(ipvsadm.bare, |text| values::small(text, (*least).into(), (*most).into()));
            set(spec, number.ok_or_else(|| (ipvsadm.wrong)(value.unwrap_or_default()))?);
        }
        (Plain::Name { set, .. }, Some(name)) if !name.is_empty() => set(spec, cut(name)),
        (Plain::Name { .. }, _) => {}
    }
    Ok(())
}

fn tunnel_kind(text: &str) -> Result<TunnelKind, String> {
    TunnelKind::of(text).ok_or_else(|| "illegal tunnel type specified".to_owned())
}
