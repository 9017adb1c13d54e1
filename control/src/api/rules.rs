//! What a service and a real server may be: the rules of the file, of requests and of ipvsadm. Each answers to what
//! `ipvsadm` refuses before it speaks to the kernel, or to what the kernel refuses (`ip_vs_ctl.c`).
//!
//! A rule says what is wrong ([`Fault`]). In which order the rules are asked, and what a fault is called, is a matter of who
//! asks: the file tells every fault at its key, requests and ipvsadm tell the first, in the order of the kernel.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use dataplane::flow::{Family, Protocol, ServiceKey};
use dataplane::method::ForwardMethod;

pub use super::bounds::{PERSISTENCE_MAX, UPPER_MAX, WEIGHT_MAX};
use super::forward::{TunnelChecksum, TunnelKind, TunnelSpec};
use super::spec::{Granularity, ServerSpec, ServiceSpec};

/// What is wrong with a service or a server. Its text is the file's, behind its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A virtual address that is not unicast.
    Virtual(IpAddr),
    /// A service without a port that is not persistent.
    NoPort,
    /// One-packet scheduling of a protocol that has connections.
    OnePacket,
    /// A service by mark 0.
    NoMark,
    /// A persistence granularity of the other family.
    Netmask(Granularity),
    /// An address that no server has, and why.
    Server(IpAddr, &'static str),
    /// A server of another family than the service.
    Family(IpAddr),
    /// A server of another port than the service, by a method that keeps it.
    Port {
        /// The server's.
        server: u16,
        /// The service's.
        service: u16,
    },
    /// A weight that is too large.
    Weight(u32),
    /// An upper threshold that is too large.
    Upper(u32),
    /// Thresholds in the wrong order.
    Lower {
        /// The lower one.
        lower: u32,
        /// The upper one.
        upper: u32,
    },
    /// A tunnel that the method or the encapsulation does not allow: the key, and why.
    Tunnel(&'static str, &'static str),
    /// A method that workers do not carry out.
    Unsupported,
}

impl Fault {
    /// The key of the file that is wrong.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Virtual(_) | Self::NoPort | Self::Server(..) | Self::Family(_) | Self::Port { .. } => "address",
            Self::OnePacket => "ops",
            Self::NoMark => "fwmark",
            Self::Netmask(_) => "netmask",
            Self::Weight(_) => "weight",
            Self::Upper(_) => "upper",
            Self::Lower { .. } => "lower",
            Self::Tunnel(key, _) => key,
            Self::Unsupported => "forward",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Virtual(address) => write!(f, "{address} is not a unicast address"),
            Self::NoPort => f.write_str("has no port; only a persistent service takes every port"),
            Self::OnePacket => f.write_str("one-packet scheduling is for UDP services only"),
            Self::NoMark => f.write_str("0 is not a mark; 1 to 4294967295"),
            Self::Netmask(Granularity::Mask(mask)) => {
                write!(f, "{mask} is a mask of IPv4; give the length of a prefix, 1 to 128")
            }
            Self::Netmask(Granularity::Prefix(length)) => {
                write!(f, "{length} is the length of a prefix; give a mask as 255.255.255.0")
            }
            Self::Server(address, why) => write!(f, "{address} {why}"),
            Self::Family(address) => {
                write!(f, "{address} is not of the family of the service; only forward = \"tun\" allows another family")
            }
            Self::Port { server, service } => write!(
                f,
                "port {server} is not the service's: dr and tun do not change the port, so it must be {service}"
            ),
            Self::Weight(weight) => write!(f, "{weight} is too large; 0 to {WEIGHT_MAX}"),
            Self::Upper(upper) => write!(f, "{upper} is too large; 0 to {UPPER_MAX}"),
            Self::Lower { lower, upper } => write!(f, "{lower} is above upper, which is {upper}"),
            Self::Tunnel(_, why) => f.write_str(why),
            Self::Unsupported => f.write_str("FullNAT is not supported yet"),
        }
    }
}

fn is_unicast(address: IpAddr) -> bool {
    !(address.is_unspecified() || address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST))
}

/// The virtual address is unicast.
#[must_use]
pub fn virtual_address(key: &ServiceKey) -> Option<Fault> {
    match *key {
        ServiceKey::Address { address, .. } if !is_unicast(address) => Some(Fault::Virtual(address)),
        _ => None,
    }
}

/// Only a persistent service takes every port.
#[must_use]
pub fn has_port<S, E>(service: &ServiceSpec<S, E>) -> Option<Fault> {
    let all = matches!(service.key, ServiceKey::Address { port: 0, .. });
    (all && service.persistence.is_none()).then_some(Fault::NoPort)
}

/// One-packet scheduling is for UDP, and for marks.
#[must_use]
pub fn one_packet<S, E>(service: &ServiceSpec<S, E>) -> Option<Fault> {
    let connections = matches!(service.key, ServiceKey::Address { protocol: Protocol::Tcp | Protocol::Sctp, .. });
    (connections && service.ops).then_some(Fault::OnePacket)
}

/// A mark is not 0.
#[must_use]
pub fn mark(key: &ServiceKey) -> Option<Fault> {
    matches!(key, ServiceKey::Mark { fwmark: 0, .. }).then_some(Fault::NoMark)
}

/// A persistence granularity is of the service's family.
#[must_use]
pub fn netmask(service: &ServiceSpec) -> Option<Fault> {
    match (service.granularity?, service.key.family()) {
        (Granularity::Mask(_), Family::Ipv4) | (Granularity::Prefix(_), Family::Ipv6) => None,
        (other, _) => Some(Fault::Netmask(other)),
    }
}

/// What keeps an address from being that of any server (`ip_vs_new_dest`, `inet_addr_type`, `ipv6_addr_type`).
#[must_use]
pub fn server_address(address: IpAddr) -> Option<Fault> {
    const LOOPBACK_BROADCAST: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 255, 255, 255));
    let why = match address {
        _ if !is_unicast(address) || address == LOOPBACK_BROADCAST => "is not a unicast address",
        IpAddr::V6(six) if six.is_unicast_link_local() => "is link-local; a real server needs one that is routed",
        IpAddr::V6(six) if six.to_ipv4_mapped().is_some() => "is an IPv4 address written as IPv6; write it as IPv4",
        _ => return None,
    };
    Some(Fault::Server(address, why))
}

/// A server is of the service's family, unless the method allows another.
#[must_use]
pub fn family(service: Family, server: &ServerSpec) -> Option<Fault> {
    let address = server.address.ip();
    let other = Family::of(address) != service && !server.forward.allows_other_family();
    other.then_some(Fault::Family(address))
}

/// A server has the service's port, where the method keeps it. A service by mark has none to impose.
#[must_use]
pub fn kept_port(key: &ServiceKey, server: &ServerSpec) -> Option<Fault> {
    match *key {
        ServiceKey::Address { port, .. } if server.forward.keeps_port() && server.address.port() != port => {
            Some(Fault::Port { server: server.address.port(), service: port })
        }
        _ => None,
    }
}

/// A weight has a bound.
#[must_use]
pub fn weight(server: &ServerSpec) -> Option<Fault> {
    (server.weight > WEIGHT_MAX).then_some(Fault::Weight(server.weight))
}

/// The upper threshold has a bound.
#[must_use]
pub fn upper(server: &ServerSpec) -> Option<Fault> {
    (server.upper > UPPER_MAX).then_some(Fault::Upper(server.upper))
}

/// The lower threshold is not above the upper one.
#[must_use]
pub fn lower(server: &ServerSpec) -> Option<Fault> {
    let ServerSpec { lower, upper, .. } = *server;
    (lower > upper).then_some(Fault::Lower { lower, upper })
}

/// How workers carry the method out.
///
/// # Errors
/// That they do not.
pub fn method(server: &ServerSpec) -> Result<ForwardMethod, Fault> {
    server.forward.carried_out().ok_or(Fault::Unsupported)
}

/// A tunnel is for a method that wraps, and has what its encapsulation has.
#[must_use]
pub fn tunnel(server: &ServerSpec) -> Option<Fault> {
    let TunnelSpec { kind, port, checksum } = server.tunnel?;
    let (key, why) = match (kind, port, checksum) {
        _ if !server.forward.wraps() => ("tunnel", "is for forward = \"tun\" only"),
        (TunnelKind::Gue, 0, _) => ("tunnel.port", "is missing; gue needs the UDP port of the server"),
        (TunnelKind::Ipip | TunnelKind::Gre, 1.., _) => ("tunnel.port", "is for gue only"),
        (TunnelKind::Ipip, _, TunnelChecksum::Full | TunnelChecksum::Remote) => {
            ("tunnel.checksum", "is for gue and gre; ipip has none")
        }
        (TunnelKind::Gre, _, TunnelChecksum::Remote) => ("tunnel.checksum", "remote is for gue only; none or full"),
        _ => return None,
    };
    Some(Fault::Tunnel(key, why))
}
