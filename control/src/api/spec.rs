//! What is wanted: services, servers, daemons.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use dataplane::flow::ServiceKey;
use serde::{Deserialize, Serialize};

/// Which client addresses share a persistence template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Granularity {
    /// An IPv4 netmask; the kernel accepts any bits.
    Mask(Ipv4Addr),
    /// An IPv6 prefix length, 1 to 128.
    Prefix(u8),
}

/// What a service is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// What traffic.
    pub key: ServiceKey,
    /// Scheduler name: rr, wrr, lc, wlc, ...
    pub scheduler: String,
    /// The scheduler's flag bits: 1, 2 and 4 for flag-1 to flag-3 (sh and mh: 1 = fallback, 2 = port).
    #[serde(default)]
    pub sched_flags: u8,
    /// One-packet scheduling (UDP).
    #[serde(default)]
    pub ops: bool,
    /// Persistence timeout, seconds.
    #[serde(default)]
    pub persistence: Option<u32>,
    /// Persistence granularity; a whole address if absent.
    #[serde(default)]
    pub granularity: Option<Granularity>,
    /// Persistence engine.
    #[serde(default)]
    pub engine: Option<String>,
}

/// How packets reach a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Forward {
    /// Rewrite the destination, un-rewrite replies (ipvsadm: Masq).
    Nat,
    /// Only the MAC changes (ipvsadm: Route).
    Dr,
    /// Wrap (ipvsadm: Tunnel).
    Tun,
    /// Rewrite both ends.
    Fullnat,
}

/// Encapsulation of `tun`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelKind {
    /// IP in IP.
    Ipip,
    /// Generic UDP encapsulation.
    Gue,
    /// Generic routing encapsulation.
    Gre,
}

/// Checksums of GUE and GRE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelChecksum {
    /// Without.
    #[default]
    None,
    /// With.
    Full,
    /// Remote checksum offload (GUE).
    Remote,
}

/// How `tun` wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TunnelSpec {
    /// Encapsulation.
    pub kind: TunnelKind,
    /// Destination port of GUE.
    #[serde(default)]
    pub port: u16,
    /// Checksums.
    #[serde(default)]
    pub checksum: TunnelChecksum,
}

/// What a real server is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSpec {
    /// Address and port.
    pub address: SocketAddr,
    /// Method.
    pub forward: Forward,
    /// 0 to 2^31-1; 0 quiesces.
    pub weight: u32,
    /// Most connections (-x); 0 = no bound.
    #[serde(default)]
    pub upper: u32,
    /// Reopens below (-y); 0 = three quarters of `upper`.
    #[serde(default)]
    pub lower: u32,
    /// For `tun`; IPIP if absent.
    #[serde(default)]
    pub tunnel: Option<TunnelSpec>,
}

/// Master sends, backup receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DaemonRole {
    /// Sends.
    Master,
    /// Receives.
    Backup,
}

/// A synchronisation daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaemonSpec {
    /// Master or backup.
    pub role: DaemonRole,
    /// Interface.
    pub interface: String,
    /// 0 to 255.
    pub sync_id: u8,
    /// Most bytes of a message; 0 = by the interface's MTU.
    #[serde(default)]
    pub max_len: u16,
    /// Multicast group; 224.0.0.81 if absent.
    #[serde(default)]
    pub group: Option<IpAddr>,
    /// UDP port; 0 = 8848.
    #[serde(default)]
    pub port: u16,
    /// Multicast TTL; 0 = 1.
    #[serde(default)]
    pub ttl: u8,
}

/// What a route is, in the words of the file's `[[route]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSpec {
    /// Prefix.
    pub to: String,
    /// Next hop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<IpAddr>,
    /// Interface; without `via`, the destinations are on its link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Refused, and the sender is told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreachable: bool,
    /// Dropped in silence.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blackhole: bool,
}
