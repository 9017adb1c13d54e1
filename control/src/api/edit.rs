//! Requests that change the wanted state.

use std::net::{IpAddr, SocketAddr};

use dataplane::flow::ServiceKey;
use serde::{Deserialize, Serialize};

use super::{DaemonRole, DaemonSpec, MarkSpec, RouteSpec, ServerSpec, ServiceWords};

/// One change of the wanted state. A batch holds any number of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Edit {
    /// `ipvsadm -A`: a new service, at the head of the list.
    AddService {
        /// The service.
        service: ServiceWords,
    },
    /// `ipvsadm -E`: replaces everything about a service but its servers and counts.
    EditService {
        /// The service.
        service: ServiceWords,
    },
    /// `ipvsadm -D`
    DeleteService {
        /// Which one.
        key: ServiceKey,
    },
    /// `ipvsadm -a`: a new real server, at the head of its service's list.
    AddServer {
        /// Of which service.
        key: ServiceKey,
        /// The server.
        server: ServerSpec,
    },
    /// `ipvsadm -e`: replaces weight, thresholds and forwarding.
    EditServer {
        /// Of which service.
        key: ServiceKey,
        /// The server.
        server: ServerSpec,
    },
    /// `ipvsadm -d`
    DeleteServer {
        /// Of which service.
        key: ServiceKey,
        /// Which one.
        address: SocketAddr,
    },
    /// `ipvsadm -C`: no services.
    Flush,
    /// `ipvsadm -Z`: counters start from zero, of one service or of all.
    Zero {
        /// Which one; all if absent.
        #[serde(default)]
        key: Option<ServiceKey>,
    },
    /// `ipvsadm --set`: seconds; 0 leaves a value as it is.
    SetTimeouts {
        /// TCP ESTABLISHED.
        tcp: u32,
        /// TCP FIN_WAIT.
        tcp_fin: u32,
        /// UDP.
        udp: u32,
    },
    /// A new rule that marks packets, behind those that are there.
    AddMark {
        /// The rule.
        rule: MarkSpec,
    },
    /// Takes a rule away.
    DeleteMark {
        /// The rule, in every part.
        rule: MarkSpec,
    },
    /// Writes a setting of `net.ipv4.vs`, as sysctl(8) does.
    SetSysctl {
        /// Its name, without `net.ipv4.vs.`.
        name: String,
        /// Its value as text.
        value: String,
    },
    /// Adds a route until the director ends, or until it is removed.
    AddRoute {
        /// The route.
        route: RouteSpec,
    },
    /// Removes a route, also one of the file; a reload brings that one back.
    DeleteRoute {
        /// Its prefix.
        to: String,
    },
    /// Takes a virtual address away that no service has, also one of the file; a reload brings that one back.
    DeleteVip {
        /// The address.
        address: IpAddr,
    },
    /// `ipvsadm --start-daemon`: the synchronisation daemon.
    StartDaemon {
        /// Its settings.
        daemon: DaemonSpec,
    },
    /// `ipvsadm --stop-daemon`
    StopDaemon {
        /// Which one.
        role: DaemonRole,
    },
}
