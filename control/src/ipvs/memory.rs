//! What services and servers take, computed before any is there.
//!
//! Sizes are those of the types; what the C library's heap adds is counted in. How full trees are is an average.

use std::collections::HashSet;
use std::mem::size_of;
use std::net::IpAddr;
use std::sync::Arc;

use dataplane::clock::Nanos;
use dataplane::flow::ServiceKey;
use dataplane::service::{
    Caller, Listener, PathMtu, PathTo, RealServer, Server, ServerTotals, ServiceState, VirtualService,
};

use super::callers::caller;
use super::index::listener;
use super::paths::Known;
use super::{ServerEntry, Service, growth};
use crate::config::{self, Config};

/// Elements that a slab gets at once.
const SLAB: usize = 1024;
/// Words of a B-tree's leaf beside its elements, and how many of eleven elements it holds: 6 where they come in order,
/// 8 where they come in any.
const LEAF: usize = 16;
const IN_ORDER: usize = 6;
const IN_ANY: usize = 8;

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Of services, whatever their servers.
    pub services: usize,
    /// Of servers.
    pub servers: usize,
}

/// What the services of a configuration will take.
#[must_use]
pub fn needed(config: &Config) -> Memory {
    let servers: usize = config.services.iter().map(|service| service.servers.len()).sum();
    let slab = servers.div_ceil(SLAB) * SLAB;
    let each = size_of::<Server>() + config.dataplane.workers.len() * size_of::<ServerTotals>();
    let lists: usize = config.services.iter().map(lists).sum();
    Memory {
        services: of_services(config.services.len()) + of_addresses(config),
        servers: lists + slab * each + of_listeners(config) + of_paths(config),
    }
}

/// The lists of one service, control's and the workers', and what its scheduler has.
fn lists(service: &config::Service) -> usize {
    let servers = service.servers.len();
    if servers == 0 {
        return 0;
    }
    let scheduler = service.spec.scheduler.memory();
    block(room_for(servers) * size_of::<ServerEntry>()) + block(servers * size_of::<RealServer>()) + scheduler
}

/// The places of a list that came to be one by one.
fn room_for(servers: usize) -> usize {
    let mut room = 0;
    while room < servers {
        room += growth(room);
    }
    room
}

fn of_services(n: usize) -> usize {
    const COUNTS: usize = 2 * size_of::<usize>();
    let worker_view = block(COUNTS + size_of::<VirtualService>());
    let state = block(COUNTS + size_of::<ServiceState>()) + block(COUNTS + size_of::<u64>());
    n * (worker_view + state)
        + n * block(size_of::<Service>())
        + hash_map(n, size_of::<(ServiceKey, Box<Service>)>())
        + shared_map(n, size_of::<(ServiceKey, Arc<VirtualService>)>())
        + b_tree(n, size_of::<(u64, ServiceKey)>(), IN_ORDER)
        + b_tree(n, size_of::<(Nanos, u64)>(), IN_ANY)
}

/// Virtual addresses: who has them, on which interfaces they are answered, and that they are local.
fn of_addresses(config: &Config) -> usize {
    let keys = config.services.iter().map(|service| &service.spec.key);
    let address = |key: &ServiceKey| if let ServiceKey::Address { address, .. } = key { Some(*address) } else { None };
    let all: HashSet<IpAddr> = keys.filter_map(address).collect();
    let (n, interfaces) = (all.len(), config.interfaces.len());
    let v4 = all.iter().filter(|address| address.is_ipv4()).count();
    hash_map(n, size_of::<(IpAddr, u32)>())
        + b_tree(n, size_of::<(IpAddr, Vec<u16>, [bool; 2])>(), IN_ANY)
        + n * block(interfaces.max(4) * size_of::<u16>())
        + interfaces * b_tree(n, size_of::<IpAddr>(), IN_ORDER)
        + shared_map(v4, size_of::<(u32, bool)>())
        + shared_map(n - v4, size_of::<u128>())
}

/// Where servers listen for what NAT sends them: control's counts, and the workers' set.
fn of_listeners(config: &Config) -> usize {
    let of = |service: &config::Service| {
        let key = service.spec.key;
        service.servers.iter().filter_map(move |server| listener(&key, &server.spec)).collect::<Vec<_>>()
    };
    let n = config.services.iter().flat_map(of).collect::<HashSet<_>>().len();
    hash_map(n, size_of::<(Listener, u32)>()) + shared_map(n, size_of::<Listener>()) + of_callers(config)
}

/// Paths to servers that are reached by tunnel: what is known of each, who takes it, and the workers' view of both.
fn of_paths(config: &Config) -> usize {
    let servers = config.services.iter().flat_map(|service| &service.servers);
    let tunnels = servers.filter(|server| server.spec.forward.wraps());
    let n = tunnels.map(|server| server.spec.address.ip()).collect::<HashSet<_>>().len();
    let known = block(2 * size_of::<usize>() + size_of::<PathMtu>()) + b_tree(1, size_of::<u32>(), 1);
    hash_map(n, size_of::<(IpAddr, Known)>())
        + n * (known + block(3 * size_of::<usize>()))
        + shared_map(n, size_of::<(IpAddr, PathTo)>())
}

/// Which of them may begin connections, and whose these are.
fn of_callers(config: &Config) -> usize {
    let of = |service: &config::Service| {
        service.servers.iter().filter(|server| caller(&service.spec, &server.spec).is_some()).count()
    };
    let n = config.services.iter().map(of).sum();
    hash_map(n, size_of::<(Listener, Vec<Caller>)>())
        + n * block(4 * size_of::<Caller>())
        + shared_map(n, size_of::<(Listener, Caller)>())
}

/// A block of the C library's heap: a header of eight bytes, whole sixteens.
fn block(bytes: usize) -> usize {
    (bytes + 8).next_multiple_of(16).max(32)
}

/// A table of the standard library: at most seven of eight places taken, a power of two of them, a byte beside each.
fn hash_map(n: usize, element: usize) -> usize {
    if n == 0 { 0 } else { (n * 8).div_ceil(7).next_power_of_two() * (element + 1) }
}

fn b_tree(n: usize, element: usize, full: usize) -> usize {
    n * block(11 * element + LEAF) / full
}

/// A map that shares structure (imbl): a tree of 32 branches whose leaves are hardly used where the last level has just
/// begun, and well used before the next one begins. Measured over a factor of 32, in tenths of an element and the five
/// bytes beside it, at 1024 times 2^(k/2) elements.
fn shared_map(n: usize, element: usize) -> usize {
    const USED: [usize; 10] = [50, 61, 58, 50, 41, 30, 22, 18, 18, 25];
    const STEPS: f64 = USED.len() as f64;
    if n == 0 {
        return 0;
    }
    let at = ((n as f64 / 1024.0).log2() * 2.0).rem_euclid(STEPS);
    let (below, part) = (at as usize % USED.len(), at.fract());
    let used = USED[below] as f64 * (1.0 - part) + USED[(below + 1) % USED.len()] as f64 * part;
    (n as f64 * used / 10.0 * (element + 5) as f64) as usize
}
