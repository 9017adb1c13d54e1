//! Configuration files of the lab.

use std::fmt::Write;
use std::path::Path;
use std::thread;

/// Where clients come to.
pub(crate) const VIP: &str = "10.0.0.100";
/// Where clients come to over IPv6.
pub(crate) const VIP6: &str = "fd00::100";
/// The web servers.
pub(crate) const WEB: [&str; 3] = ["10.1.0.11:8080", "10.1.0.12:8080", "10.1.0.13:8080"];
/// The web servers over IPv6.
pub(crate) const WEB6: [&str; 3] = ["[fd00:1::11]:8080", "[fd00:1::12]:8080", "[fd00:1::13]:8080"];
/// The name servers.
pub(crate) const NAMES: [&str; 3] = ["10.1.0.11:53", "10.1.0.12:53", "10.1.0.13:53"];

/// One worker, beside the control thread where there is a CPU for it.
pub(crate) fn one_worker() -> Vec<usize> {
    vec![thread::available_parallelism().map_or(0, |cpus| usize::from(cpus.get() > 1))]
}

/// So many workers, on two CPUs in turn.
pub(crate) fn workers(count: usize) -> Vec<usize> {
    let cpus = thread::available_parallelism().map_or(1, |cpus| cpus.get().min(2));
    if count == 1 { one_worker() } else { (0..count).map(|worker| worker % cpus).collect() }
}

/// What a director stands on.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// CPUs of its workers.
    pub(crate) workers: Vec<usize>,
    /// Devices towards clients and towards servers.
    pub(crate) devices: [String; 2],
    /// Connections of a worker.
    pub(crate) connections: u32,
    /// More lines of the section `[dataplane]`.
    pub(crate) more: &'static str,
    /// What a packet may have on each of them.
    pub(crate) mtus: [u16; 2],
    /// With IPv6: addresses on both sides, and a default route.
    pub(crate) ipv6: bool,
}

impl Default for Shape {
    fn default() -> Self {
        let devices = ["af_packet:wan", "af_packet:lan"].map(str::to_owned);
        Self { workers: one_worker(), devices, connections: 100_000, more: "", mtus: [1500; 2], ipv6: false }
    }
}

impl Shape {
    /// A director between `wan` and `lan`.
    pub(crate) fn director(&self, socket: &Path, services: &str) -> String {
        let Self { workers, devices: [wan, lan], connections, more, mtus: [wan_mtu, lan_mtu], ipv6 } = self;
        let (wan6, lan6, route6) = match ipv6 {
            true => (", \"fd00::1/64\"", ", \"fd00:1::1/64\"", "[[route]]\nto = \"::/0\"\nvia = \"fd00::254\"\n"),
            false => ("", "", ""),
        };
        format!(
            r#"schema = 1

[dataplane]
workers = {workers:?}
share_cpus = true
main_cpu = 0
connections = {connections}
eal = ["--no-huge", "-m", "512"]
{more}
[control]
socket = "{}"

[[interface]]
name = "wan"
device = "{wan}"
addresses = ["10.0.0.1/24"{wan6}]
mtu = {wan_mtu}

[[interface]]
name = "lan"
device = "{lan}"
addresses = ["10.1.0.1/24"{lan6}]
mtu = {lan_mtu}

[[route]]
to = "0.0.0.0/0"
via = "10.0.0.254"
{route6}{services}"#,
            socket.display()
        )
    }
}

/// A service whose servers are masqueraded.
pub(crate) fn service(protocol: &str, port: u16, scheduler: &str, servers: &[&str]) -> String {
    service_by("nat", protocol, port, scheduler, servers)
}

/// A service whose servers are reached by a method.
pub(crate) fn service_by(method: &str, protocol: &str, port: u16, scheduler: &str, servers: &[&str]) -> String {
    service_at(&format!("{VIP}:{port}"), method, protocol, scheduler, servers)
}

/// A service at any address.
pub(crate) fn service_at(at: &str, method: &str, protocol: &str, scheduler: &str, servers: &[&str]) -> String {
    let mut text =
        format!("\n[[service]]\nprotocol = \"{protocol}\"\naddress = \"{at}\"\nscheduler = \"{scheduler}\"\n");
    for server in servers {
        _ = write!(text, "\n[[service.server]]\naddress = \"{server}\"\nforward = \"{method}\"\n");
    }
    text
}
