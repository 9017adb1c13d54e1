//! Configuration files of the lab.

use std::fmt::Write;
use std::path::Path;
use std::thread;

/// Where clients come to.
pub(crate) const VIP: &str = "10.0.0.100";
/// The web servers.
pub(crate) const WEB: [&str; 3] = ["10.1.0.11:8080", "10.1.0.12:8080", "10.1.0.13:8080"];
/// The name servers.
pub(crate) const NAMES: [&str; 3] = ["10.1.0.11:53", "10.1.0.12:53", "10.1.0.13:53"];

/// A director between `wan` and `lan`.
pub(crate) fn director(socket: &Path, services: &str) -> String {
    let worker = thread::available_parallelism().map_or(0, |cpus| usize::from(cpus.get() > 1));
    format!(
        r#"schema = 1

[dataplane]
workers = [{worker}]
main_cpu = 0
connections = 100_000
eal = ["--no-huge", "-m", "512"]

[control]
socket = "{}"

[[interface]]
name = "wan"
device = "af_packet:wan"
addresses = ["10.0.0.1/24"]

[[interface]]
name = "lan"
device = "af_packet:lan"
addresses = ["10.1.0.1/24"]

[[route]]
to = "0.0.0.0/0"
via = "10.0.0.254"
{services}"#,
        socket.display()
    )
}

/// A service whose servers are masqueraded.
pub(crate) fn service(protocol: &str, port: u16, scheduler: &str, servers: &[&str]) -> String {
    service_by("nat", protocol, port, scheduler, servers)
}

/// A service whose servers are reached by a method.
pub(crate) fn service_by(method: &str, protocol: &str, port: u16, scheduler: &str, servers: &[&str]) -> String {
    let mut text =
        format!("\n[[service]]\nprotocol = \"{protocol}\"\naddress = \"{VIP}:{port}\"\nscheduler = \"{scheduler}\"\n");
    for server in servers {
        _ = write!(text, "\n[[service.server]]\naddress = \"{server}\"\nforward = \"{method}\"\n");
    }
    text
}
