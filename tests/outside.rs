//! The appliance seen from outside: `sluiced` between real clients and real servers in network namespaces, asked by the
//! operator's tool. Every test builds a lab of its own ([`lab::Lab`]) and leaves nothing behind.
//!
//! Where no lab can be (no root, no DPDK, a missing tool) a test says `SKIPPED: reason` and passes; with
//! `SLUICE_MUST_RUN=1` it fails instead.

#[path = "outside/apps.rs"]
mod apps;
#[path = "outside/bond.rs"]
mod bond;
#[path = "outside/changes.rs"]
mod changes;
#[path = "outside/check_table.rs"]
mod check_table;
#[path = "outside/config.rs"]
mod config;
#[path = "outside/daemon.rs"]
mod daemon;
#[path = "outside/databases.rs"]
mod databases;
#[path = "outside/devices.rs"]
mod devices;
#[path = "outside/encapsulations.rs"]
mod encapsulations;
#[path = "outside/ends.rs"]
mod ends;
#[path = "outside/floods_answers.rs"]
mod floods_answers;
#[path = "outside/floods_connections.rs"]
mod floods_connections;
#[path = "outside/floods_neighbors.rs"]
mod floods_neighbors;
#[path = "outside/fragments.rs"]
mod fragments;
#[path = "outside/ftp.rs"]
mod ftp;
#[path = "outside/host.rs"]
mod host;
#[path = "outside/icmp.rs"]
mod icmp;
#[path = "outside/ipv6.rs"]
mod ipv6;
#[path = "outside/lab.rs"]
mod lab;
#[path = "outside/large.rs"]
mod large;
#[path = "outside/links.rs"]
mod links;
#[path = "outside/marks.rs"]
mod marks;
#[path = "outside/memory.rs"]
mod memory;
#[path = "outside/mtu.rs"]
mod mtu;
#[path = "outside/neighbors.rs"]
mod neighbors;
#[path = "outside/operator.rs"]
mod operator;
#[path = "outside/pair.rs"]
mod pair;
#[path = "outside/pipes.rs"]
mod pipes;
#[path = "outside/process.rs"]
mod process;
#[path = "outside/ready.rs"]
mod ready;
#[path = "outside/realserver.rs"]
mod realserver;
#[path = "outside/reload.rs"]
mod reload;
#[path = "outside/servers.rs"]
mod servers;
#[path = "outside/services.rs"]
mod services;
#[path = "outside/snooping.rs"]
mod snooping;
#[path = "outside/tcp.rs"]
mod tcp;
#[path = "outside/tunnel.rs"]
mod tunnel;
#[path = "outside/udp.rs"]
mod udp;
#[path = "outside/vlan.rs"]
mod vlan;
#[path = "outside/vlan6.rs"]
mod vlan6;
#[path = "outside/watch.rs"]
mod watch;
#[path = "outside/wire.rs"]
mod wire;
#[path = "outside/workers.rs"]
mod workers;
