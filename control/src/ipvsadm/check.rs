//! Which options go with which command, and which with which tunnel.

use super::options::{Command, Given, OPTS, Opt};
use crate::api::{Named, TunnelKind};

/// How an option goes with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Illegal,
    Allowed,
    Required,
    /// At most one of those.
    Single,
}

/// Complains about the first option, in their fixed order, that does not go with the command.
pub(super) fn options(command: Command, given: Given) -> Result<(), String> {
    let mut single = None;
    for &opt in OPTS.iter() {
        let name = opt.name();
        match rule(command, opt) {
            Rule::Required if !given.has(opt) => {
                return Err(format!("You need to supply the '{name}' option for the '{}' command", command.name()));
            }
            Rule::Illegal if given.has(opt) => {
                return Err(format!("Illegal '{name}' option with the '{}' command", command.name()));
            }
            Rule::Single if given.has(opt) => {
                if let Some(first) = single.replace(name) {
                    return Err(conflict(name, first, &format!("'{}' command", command.name())));
                }
            }
            _ => {}
        }
    }
    list(command, given)
}

/// Of the listings, those of services have formats; the others have none.
fn list(command: Command, given: Given) -> Result<(), String> {
    let other = [Opt::Connection, Opt::Timeout, Opt::Daemon];
    let format = [Opt::Stats, Opt::Rate, Opt::Thresholds];
    let also = !given.has(Opt::Connection) && given.has(Opt::PersistentConn);
    if command == Command::List && given.any(&other) && (given.any(&format) || also) {
        return Err("options conflicts in the list command".to_owned());
    }
    Ok(())
}

fn rule(command: Command, opt: Opt) -> Rule {
    use Command as C;
    use Opt as O;
    match (command, opt) {
        (C::AddService | C::EditService | C::DeleteService, O::Service)
        | (C::AddServer | C::EditServer | C::DeleteServer, O::Service | O::Server) => Rule::Required,
        (C::AddService | C::EditService, O::OfService(_))
        | (C::AddServer | C::EditServer, O::Forward | O::OfServer(_))
        | (C::AddServer | C::EditServer, O::TunType | O::TunPort | O::TunNoCsum | O::TunCsum | O::TunRemCsum)
        | (C::List, O::Numeric | O::Stats | O::Rate | O::Thresholds | O::PersistentConn)
        | (C::List, O::NoSort | O::SyncId | O::Exact | O::TunInfo)
        | (C::StartDaemon, O::Interface | O::SyncId | O::SyncMaxLen | O::Group | O::Port | O::Ttl)
        | (C::StopDaemon, O::SyncId)
        | (C::Save, O::Numeric)
        | (C::Zero, O::Service) => Rule::Allowed,
        (C::List, O::Connection | O::Service | O::Timeout | O::Daemon) => Rule::Single,
        _ => Rule::Illegal,
    }
}

/// The options of a tunnel that only make sense with one.
pub(super) const TUNNEL: [Opt; 5] = [Opt::TunType, Opt::TunPort, Opt::TunNoCsum, Opt::TunCsum, Opt::TunRemCsum];

/// Complains about the first option of a tunnel, in their fixed order, that does not go with its kind.
pub(super) fn tunnel(kind: TunnelKind, given: Given) -> Result<(), String> {
    let mut single = None;
    for opt in &TUNNEL[1..] {
        let name = opt.name();
        match tunnel_rule(kind, *opt) {
            Rule::Required if !given.has(*opt) => {
                return Err(format!("You need to supply the '{name}' option for the '{}' tunnel type", kind.name()));
            }
            Rule::Illegal if given.has(*opt) => {
                return Err(format!("Illegal '{name}' option with the '{}' tunnel type", kind.name()));
            }
            Rule::Single if given.has(*opt) => {
                if let Some(first) = single.replace(name) {
                    return Err(conflict(name, first, &format!("'{}' tunnel type", kind.name())));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn tunnel_rule(kind: TunnelKind, opt: Opt) -> Rule {
    match (kind, opt) {
        (TunnelKind::Gue, Opt::TunPort) => Rule::Required,
        (TunnelKind::Gue, _) | (TunnelKind::Gre, Opt::TunNoCsum | Opt::TunCsum) => Rule::Single,
        _ => Rule::Illegal,
    }
}

fn conflict(name: &str, first: &str, place: &str) -> String {
    format!("The option '{name}' conflicts with the '{first}' option in the {place}")
}
