//! Synchronisation daemons as they are wanted.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

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
