//! Names of ports and hosts, both ways: what `-t web:http` means, and what `-L` without `-n` prints.
//!
//! Answers to `services(5)` and `hosts(5)`. Output asks the two files only: a director stands where names often do
//! not resolve, and a listing of a thousand addresses must not wait for a thousand time-outs. Input asks the files
//! first and then the system's resolver, and takes IPv4 addresses only, as ipvsadm does.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use dataplane::flow::Protocol;

use crate::api::Named;

/// Looks a host name up where the files do not know it.
type Resolver = fn(&str) -> Option<Ipv4Addr>;

/// The names that one call of [`super::run_with`] knows.
#[derive(Clone, Debug, Default)]
pub struct Names {
    ports: HashMap<(String, String), u16>,
    services: HashMap<(u16, String), String>,
    addresses: HashMap<String, Ipv4Addr>,
    hosts: HashMap<IpAddr, String>,
    resolver: Option<Resolver>,
}

impl Names {
    /// Names of this machine: `/etc/services`, `/etc/hosts` and, for input, its resolver. Absent files name nothing.
    #[must_use]
    pub fn system() -> Self {
        let read = |path| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let mut names =
            Self::from_text(&read("/etc/services").unwrap_or_default(), &read("/etc/hosts").unwrap_or_default());
        names.resolver = Some(resolve);
        names
    }

    /// Names from the text of the two files, and from nowhere else.
    #[must_use]
    pub fn from_text(services: &str, hosts: &str) -> Self {
        let mut names = Self::default();
        fields(services).for_each(|line| names.learn_service(&line));
        fields(hosts).for_each(|line| names.learn_host(&line));
        names
    }

    /// `http 80/tcp www`: the first line that says something about a name or a port is the one that counts.
    fn learn_service(&mut self, line: &[&str]) {
        let [name, port, aliases @ ..] = line else { return };
        let Some((port, protocol)) = port.split_once('/') else { return };
        let Ok(port) = port.parse::<u16>() else { return };
        self.services.entry((port, protocol.to_owned())).or_insert_with(|| (*name).to_owned());
        for alias in std::iter::once(name).chain(aliases) {
            self.ports.entry(((*alias).to_owned(), protocol.to_owned())).or_insert(port);
        }
    }

    /// `10.1.0.11 web1.example.com web1`
    fn learn_host(&mut self, line: &[&str]) {
        let [address, name, aliases @ ..] = line else { return };
        let Ok(address) = address.parse::<IpAddr>() else { return };
        self.hosts.entry(address).or_insert_with(|| (*name).to_owned());
        let IpAddr::V4(address) = address else { return };
        for alias in std::iter::once(name).chain(aliases) {
            self.addresses.entry(alias.to_ascii_lowercase()).or_insert(address);
        }
    }

    /// The port of a service name.
    pub(super) fn port(&self, name: &str, protocol: Protocol) -> Option<u16> {
        self.ports.get(&(name.to_owned(), protocol.name().to_owned())).copied()
    }

    /// The IPv4 address of a host name.
    pub(super) fn address(&self, host: &str) -> Option<Ipv4Addr> {
        let known = self.addresses.get(&host.to_ascii_lowercase()).copied();
        known.or_else(|| self.resolver.and_then(|resolve| resolve(host)))
    }

    /// `10.0.0.1:80`, `[fd00::1]:80`, or by name unless `numeric`.
    pub(super) fn address_port(&self, at: SocketAddr, protocol: Option<Protocol>, numeric: bool) -> String {
        let host = match self.hosts.get(&at.ip()) {
            Some(name) if !numeric => name.clone(),
            _ => address_text(at.ip()),
        };
        let port = match protocol.and_then(|p| self.services.get(&(at.port(), p.name().to_owned()))) {
            Some(name) if !numeric => name.clone(),
            _ => at.port().to_string(),
        };
        if at.is_ipv6() { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// Lines of white-space separated fields, without comments.
fn fields(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split('#').next().unwrap_or_default().split_whitespace().collect())
}

/// Asks the resolver of the system.
fn resolve(host: &str) -> Option<Ipv4Addr> {
    (host, 0).to_socket_addrs().ok()?.find_map(|found| match found.ip() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    })
}

/// An address as `inet_ntop` writes it. It differs from Rust in one corner: IPv4-compatible IPv6 addresses.
pub(super) fn address_text(address: IpAddr) -> String {
    match address {
        IpAddr::V6(v6) if is_compatible(v6) => {
            let [.., a, b, c, d] = v6.octets();
            format!("::{a}.{b}.{c}.{d}")
        }
        _ => address.to_string(),
    }
}

/// `::a.b.c.d` with a or b not zero.
fn is_compatible(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    segments[..6].iter().all(|&segment| segment == 0) && segments[6] != 0
}
