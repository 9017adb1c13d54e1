//! Requests that read: they leave the wanted state, and what workers see of it, as they are.

use std::net::IpAddr;

use dataplane::flow::ServiceKey;
use serde::{Deserialize, Serialize};

use super::Cursor;

/// A question about the director, its tables or its workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Query {
    /// Settings of `net.ipv4.vs`. Answer: [`Answer::Sysctls`](super::Answer::Sysctls).
    Sysctls {
        /// Which one; all if absent.
        #[serde(default)]
        name: Option<String>,
    },
    /// `ipvsadm -L --timeout`. Answer: [`Answer::Timeouts`](super::Answer::Timeouts).
    Timeouts,
    /// One page of services with their servers, counts and statistics. Answer: [`Answer::Services`](super::Answer::Services); pass its `next`
    /// to go on ([`every_service`](super::every_service) does).
    Services {
        /// Which one; all if absent.
        #[serde(default)]
        key: Option<ServiceKey>,
        /// Where to go on; absent at the start.
        #[serde(default)]
        cursor: Option<Cursor>,
        /// Most services and servers of one answer (bounded by the director).
        #[serde(default)]
        limit: Option<u32>,
    },
    /// One page of connections. Answer: [`Answer::Connections`](super::Answer::Connections); pass its `next` to go on.
    Connections {
        /// Where to go on; absent at the start.
        #[serde(default)]
        cursor: Option<u64>,
        /// Most entries of one answer (bounded by the director).
        #[serde(default)]
        limit: Option<u32>,
    },
    /// `ipvsadm -L --daemon`. Answer: [`Answer::Daemons`](super::Answer::Daemons).
    Daemons,
    /// The director in a few lines. Answer: [`Answer::Status`](super::Answer::Status).
    Status,
    /// Every counter of every worker and port. Answer: [`Answer::Stats`](super::Answer::Stats).
    Stats,
    /// Neighbours (ARP, ND). Answer: [`Answer::Neighbors`](super::Answer::Neighbors).
    Neighbors,
    /// Routes, longest prefix first. Answer: [`Answer::Routes`](super::Answer::Routes).
    Routes,
    /// One page of virtual addresses, in their order. Answer: [`Answer::Vips`](super::Answer::Vips); pass its `next` to go on.
    Vips {
        /// Where to go on; absent at the start.
        #[serde(default)]
        cursor: Option<IpAddr>,
    },
    /// Rules that mark packets, in their order. Answer: [`Answer::Marks`](super::Answer::Marks).
    Marks,
    /// Which worker gets what, decided at the start. Answer: [`Answer::Steering`](super::Answer::Steering).
    Steering,
    /// A page of the running configuration as a file. Answer: [`Answer::Text`](super::Answer::Text); pass its `next` to go on ([`every_text`](super::every_text)
    /// does).
    ConfigShow {
        /// Where to go on; absent at the start.
        #[serde(default)]
        cursor: Option<Cursor>,
    },
    /// A page of a file of `/proc/net` as the kernel would show it: `ip_vs`, `ip_vs_app`, `ip_vs_conn`,
    /// `ip_vs_conn_sync`, `ip_vs_stats`, `ip_vs_stats_percpu`. Answer: [`Answer::Text`](super::Answer::Text); pass its `next` to go on
    /// ([`every_text`](super::every_text) does).
    Proc {
        /// File name.
        name: String,
        /// Where to go on; absent at the start.
        #[serde(default)]
        cursor: Option<Cursor>,
    },
}
