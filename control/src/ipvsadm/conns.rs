//! `ipvsadm -L -c`, `-L --timeout` and `-L --daemon`.

use std::net::Ipv4Addr;

use super::names::Names;
use super::options::{Given, Opt};
use crate::api::{ConnInfo, DaemonRole, DaemonSpec};

/// The head of the list of connections.
pub(super) fn title(given: Given) -> String {
    let engine = if given.has(Opt::PersistentConn) { "        pe name          pe_data" } else { "" };
    format!(
        "IPVS connection entries\n\
         pro expire state       source             virtual            destination{engine}\n"
    )
}

/// A connection. Ports have names by its protocol.
pub(super) fn connection(conn: &ConnInfo, given: Given, names: &Names) -> String {
    let name = |at| names.address_port(at, conn.protocol, given.has(Opt::Numeric));
    let protocol = conn.protocol.map_or_else(|| "IP".to_owned(), |protocol| protocol.to_string());
    let expires = format!("{:02}:{:02}", conn.expires / 60, conn.expires % 60);
    let engine = match &conn.engine {
        Some((engine, data)) if given.has(Opt::PersistentConn) => format!(" {engine:<18} {data}"),
        _ => String::new(),
    };
    let width = if engine.is_empty() { 0 } else { 16 };
    format!(
        "{protocol:<3} {expires:<6} {:<11} {:<18} {:<18} {:<width$}{engine}\n",
        conn.state,
        name(conn.client),
        name(conn.vip),
        name(conn.destination)
    )
}

/// Seconds of TCP, TCP after FIN, and UDP.
pub(super) fn timeouts(tcp: u32, tcp_fin: u32, udp: u32) -> String {
    format!("Timeout (tcp tcpfin udp): {tcp} {tcp_fin} {udp}\n")
}

/// The synchronisation daemons, the master first.
pub(super) fn daemons(daemons: &[DaemonSpec]) -> String {
    let with = |role| daemons.iter().filter(move |daemon| daemon.role == role).map(daemon);
    with(DaemonRole::Master).chain(with(DaemonRole::Backup)).collect()
}

/// A daemon; what it leaves open is shown as it is by default.
fn daemon(daemon: &DaemonSpec) -> String {
    let role = match daemon.role {
        DaemonRole::Master => "master",
        DaemonRole::Backup => "backup",
    };
    let group = daemon.group.unwrap_or(Ipv4Addr::new(224, 0, 0, 81).into());
    let max_len = match daemon.max_len {
        0 if group.is_ipv6() => 1452,
        0 => 1472,
        length => length,
    };
    let port = if daemon.port == 0 { 8848 } else { daemon.port };
    let (interface, sync_id, ttl) = (&daemon.interface, daemon.sync_id, daemon.ttl.max(1));
    format!(
        "{role} sync daemon (mcast={interface}, syncid={sync_id}, maxlen={max_len}, group={group}, port={port}, ttl={ttl})\n"
    )
}
