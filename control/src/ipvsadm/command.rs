//! What a line asks for: a change, a listing, a save or a restore.

use dataplane::flow::{Family, Protocol, ServiceKey};

use super::check;
use super::errors::{Deed, Stop};
use super::names::Names;
use super::options::{Command, Given, Opt};
use super::parse::Line;
use crate::api::{DaemonSpec, Forward, Request, ServerSpec, ServiceWords, TunnelKind, TunnelSpec};

/// Interface of a daemon that names none.
const DEFAULT_INTERFACE: &str = "eth0";

/// What to do about a line.
#[derive(Debug)]
pub(super) enum Task {
    /// A request that answers with nothing.
    Change(Deed, Request),
    Services(Option<ServiceKey>, Given),
    Connections(Given),
    Timeouts,
    Daemons,
    Save(Given),
    Restore,
}

impl Task {
    /// Reads a line.
    pub(super) fn read(words: &[&str], names: &Names) -> Result<Self, Stop> {
        let line = Line::read(words, names)?;
        let key = line.service.key();
        Ok(match line.command {
            Command::AddService => Self::Change(Deed::AddService, Request::AddService { service: service(line)? }),
            Command::EditService => Self::Change(Deed::EditService, Request::EditService { service: service(line)? }),
            Command::DeleteService => Self::Change(Deed::FindService, Request::DeleteService { key }),
            Command::AddServer => Self::Change(Deed::AddServer, Request::AddServer { key, server: server(&line)? }),
            Command::EditServer => Self::Change(Deed::FindServer, Request::EditServer { key, server: server(&line)? }),
            Command::DeleteServer => {
                Self::Change(Deed::FindServer, Request::DeleteServer { key, address: line.server.address })
            }
            Command::Flush => Self::Change(Deed::Other, Request::Flush),
            Command::Zero => {
                let key = line.given.has(Opt::Service).then_some(key);
                Self::Change(Deed::FindService, Request::Zero { key })
            }
            Command::SetTimeouts => {
                let [tcp, tcp_fin, udp] = line.timeouts;
                Self::Change(Deed::Other, Request::SetTimeouts { tcp, tcp_fin, udp })
            }
            Command::StartDaemon => {
                Self::Change(Deed::StartDaemon, Request::StartDaemon { daemon: daemon(line.daemon) })
            }
            Command::StopDaemon => Self::Change(Deed::StopDaemon, Request::StopDaemon { role: line.daemon.role }),
            Command::List => list(key, line.given),
            Command::Save => Self::Save(line.given),
            Command::Restore => Self::Restore,
        })
    }
}

fn list(key: ServiceKey, given: Given) -> Task {
    if given.has(Opt::Connection) {
        Task::Connections(given)
    } else if given.has(Opt::Timeout) {
        Task::Timeouts
    } else if given.has(Opt::Daemon) {
        Task::Daemons
    } else {
        Task::Services(given.has(Opt::Service).then_some(key), given)
    }
}

/// Checks what only the whole line can tell about a service.
fn service(line: Line) -> Result<ServiceWords, Stop> {
    let key = line.service.key();
    let ops = line.given.has(Opt::OnePacket);
    let words = line.service;
    if let ServiceKey::Address { protocol, port, .. } = key {
        if port == 0 && words.persistence.is_none() {
            return Err(Stop::usage("Zero port specified for non-persistent service"));
        }
        if ops && protocol != Protocol::Udp {
            return Err(Stop::usage("One-Packet Scheduling is only for UDP virtual services"));
        }
    }
    Ok(ServiceWords {
        key,
        scheduler: words.scheduler,
        sched_flags: line.sched_flags,
        ops,
        persistence: words.persistence,
        granularity: words.granularity.filter(|_| words.persistence.is_some()),
        engine: words.engine,
    })
}

/// Checks what only the whole line can tell about a real server. Direct routing and tunnels change no port, so theirs
/// is that of the service; a firewall mark has none to impose.
fn server(line: &Line) -> Result<ServerSpec, Stop> {
    let words = &line.server;
    let forward = words.forward;
    let mut address = words.address;
    let one_family = matches!(forward, Forward::Nat | Forward::Dr);
    if one_family && Family::of(address.ip()) != line.service.family {
        return Err(Stop::usage("Different address family is allowed only for tunneling servers"));
    }
    if forward != Forward::Tun && line.given.any(&check::TUNNEL) {
        return Err(Stop::usage("Tunnel options conflict with forward method"));
    }
    if forward == Forward::Tun {
        check::tunnel(words.tunnel, line.given).map_err(Stop::usage)?;
    }
    if line.service.fwmark == 0 && matches!(forward, Forward::Dr | Forward::Tun) {
        address.set_port(line.service.port);
    }
    let wrapped = forward == Forward::Tun && words.tunnel != TunnelKind::Ipip;
    let tunnel = TunnelSpec { kind: words.tunnel, port: words.tunnel_port, checksum: words.checksum };
    Ok(ServerSpec {
        address,
        forward,
        weight: words.weight,
        upper: words.upper,
        lower: words.lower,
        tunnel: wrapped.then_some(tunnel),
    })
}

fn daemon(mut daemon: DaemonSpec) -> DaemonSpec {
    if daemon.interface.is_empty() {
        DEFAULT_INTERFACE.clone_into(&mut daemon.interface);
    }
    daemon
}
