//! What a line asks for: a change, a listing, a save or a restore.

use dataplane::flow::ServiceKey;

use super::check;
use super::errors::{self, Deed, Stop};
use super::names::Names;
use super::options::{Command, Given, Opt};
use super::parse::Line;
use crate::api::rules::{self, Fault};
use crate::api::{DaemonSpec, Edit, ServerSpec, ServiceWords, TunnelKind, TunnelSpec};

/// Interface of a daemon that names none.
const DEFAULT_INTERFACE: &str = "eth0";

/// What to do about a line.
#[derive(Debug)]
pub(super) enum Task {
    /// A change of the table.
    Change(Deed, Edit),
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
            Command::AddService => Self::Change(Deed::AddService, Edit::AddService { service: service(line)? }),
            Command::EditService => Self::Change(Deed::EditService, Edit::EditService { service: service(line)? }),
            Command::DeleteService => Self::Change(Deed::FindService, Edit::DeleteService { key }),
            Command::AddServer => Self::Change(Deed::AddServer, Edit::AddServer { key, server: server(&line)? }),
            Command::EditServer => Self::Change(Deed::FindServer, Edit::EditServer { key, server: server(&line)? }),
            Command::DeleteServer => {
                Self::Change(Deed::FindServer, Edit::DeleteServer { key, address: line.server.address })
            }
            Command::Flush => Self::Change(Deed::Other, Edit::Flush),
            Command::Zero => {
                let key = line.given.has(Opt::Service).then_some(key);
                Self::Change(Deed::FindService, Edit::Zero { key })
            }
            Command::SetTimeouts => {
                let [tcp, tcp_fin, udp] = line.timeouts;
                Self::Change(Deed::Other, Edit::SetTimeouts { tcp, tcp_fin, udp })
            }
            Command::StartDaemon => Self::Change(Deed::StartDaemon, Edit::StartDaemon { daemon: daemon(line.daemon) }),
            Command::StopDaemon => Self::Change(Deed::StopDaemon, Edit::StopDaemon { role: line.daemon.role }),
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
    let mut spec = line.options;
    spec.granularity = spec.granularity.filter(|_| spec.persistence.is_some());
    match rules::has_port(&spec).or_else(|| rules::one_packet(&spec)) {
        Some(fault) => Err(Stop::usage(errors::fault(&fault))),
        None => Ok(spec),
    }
}

/// Checks what only the whole line can tell about a real server. Direct routing and tunnels change no port, so theirs
/// is that of the service; a firewall mark has none to impose.
fn server(line: &Line) -> Result<ServerSpec, Stop> {
    let TunnelSpec { kind, .. } = line.tunnel;
    let mut spec = line.server.clone();
    // Of a method that is not ipvsadm's, the director says what it cannot do.
    if let (Some(fault), Ok(_)) = (rules::family(line.service.family, &spec), rules::method(&spec)) {
        return Err(Stop::usage(errors::fault(&fault)));
    }
    if spec.forward.wraps() {
        check::tunnel(kind, line.given).map_err(Stop::usage)?;
        spec.tunnel = Some(line.tunnel).filter(|_| kind != TunnelKind::Ipip);
    } else if line.given.any(&check::TUNNEL) {
        return Err(Stop::usage("Tunnel options conflict with forward method"));
    }
    if let Some(Fault::Port { service, .. }) = rules::kept_port(&line.service.key(), &spec) {
        spec.address.set_port(service);
    }
    Ok(spec)
}

fn daemon(mut daemon: DaemonSpec) -> DaemonSpec {
    if daemon.interface.is_empty() {
        DEFAULT_INTERFACE.clone_into(&mut daemon.interface);
    }
    daemon
}
