//! The wanted state, as a file says it: a value that has been checked.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use dataplane::limiter::Limits;
use dataplane::proto::{self, sctp, tcp};
use dataplane::steering::{Side, Steering};
use ipnet::IpNet;

use super::error::{Lines, Place};
use super::mac::Mac;
use crate::api::{MarkSpec, ServerSpec, ServiceSpec};

/// Where the control socket is unless configured.
pub const DEFAULT_SOCKET: &str = "/run/sluice/control.sock";

/// A whole file. [`PartialEq`] ignores the places in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Cores and memory.
    pub dataplane: Dataplane,
    /// The control socket.
    pub control: Control,
    /// What concerns all services.
    pub ipvs: Ipvs,
    /// Interfaces, VLANs among them.
    pub interfaces: Vec<Interface>,
    /// Routes beyond the connected ones.
    pub routes: Vec<Route>,
    /// Static neighbours.
    pub neighbors: Vec<Neighbor>,
    /// Virtual addresses and where they are answered.
    pub vips: Vec<Vip>,
    /// Rules that mark packets, in the order of the file.
    pub marks: Vec<MarkRule>,
    /// Services, in the order of the file.
    pub services: Vec<Service>,
}

/// `[dataplane]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataplane {
    /// CPU numbers, a worker on each; not empty, none twice unless CPUs may be shared.
    pub workers: Vec<usize>,
    /// Whether several workers may share a CPU, as in a lab.
    pub share_cpus: bool,
    /// CPU of the control thread; may be a worker's.
    pub main_cpu: usize,
    /// Connections per worker, preallocated.
    pub connections: u32,
    /// Whether packets that belong to nobody here are routed.
    pub ip_forward: bool,
    /// Whether packets are sent on by the IPv4 source routes that they carry.
    pub accept_source_route: bool,
    /// Whether IPv4 in IPv4 to the director's addresses is unwrapped.
    pub unwrap_ipip: bool,
    /// More arguments for DPDK's environment.
    pub eal: Vec<String>,
    /// How packets find their worker.
    pub steering: Steering,
    /// Most ICMP errors, echo replies and resets of the director itself.
    pub limits: Limits,
    /// Descriptors of a receive queue, if the file says.
    pub rx_descriptors: Option<u16>,
    /// Descriptors of a transmit queue, if the file says.
    pub tx_descriptors: Option<u16>,
    /// Where its keys stand.
    pub lines: Lines,
}

impl Dataplane {
    /// Descriptors of a receive and of a transmit queue whose ring belongs to the device.
    #[must_use]
    pub fn descriptors(&self) -> [u16; 2] {
        [self.rx_descriptors, self.tx_descriptors].map(|wanted| wanted.unwrap_or(1024))
    }

    /// Slots of a ring that af_packet shares with the kernel, if the file says: one number for both directions.
    #[must_use]
    pub fn slots(&self) -> Option<u16> {
        self.rx_descriptors.max(self.tx_descriptors)
    }
}

impl Default for Dataplane {
    fn default() -> Self {
        Self {
            workers: vec![1],
            share_cpus: false,
            main_cpu: 0,
            connections: 1_000_000,
            ip_forward: true,
            accept_source_route: false,
            unwrap_ipip: false,
            eal: Vec::new(),
            steering: Steering::Tuple,
            limits: Limits::default(),
            rx_descriptors: None,
            tx_descriptors: None,
            lines: Lines::default(),
        }
    }
}

/// `[control]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Path of the control socket.
    pub socket: PathBuf,
    /// Group that may use it, by name or number; root's if absent.
    pub group: Option<String>,
    /// A file of ipvsadm's (`ipvsadm-save`) that is restored at the start, after the services of this one.
    pub rules: Option<PathBuf>,
    /// Where its keys stand.
    pub lines: Lines,
}

impl Default for Control {
    fn default() -> Self {
        Self { socket: PathBuf::from(DEFAULT_SOCKET), group: None, rules: None, lines: Lines::default() }
    }
}

/// `[ipvs]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ipvs {
    /// Whether oddities of the kernel are kept even where they help nobody.
    pub strict_parity: bool,
    /// Connection timeouts.
    pub timeouts: Timeouts,
    /// Settings of `net.ipv4.vs` that the file names, as the kernel prints them.
    pub sysctls: BTreeMap<String, String>,
}

/// `[ipvs.timeouts]`: seconds, at least 1; those of the profile if absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// What the others start from.
    pub profile: Profile,
    /// By TCP state.
    pub tcp: [Option<u32>; tcp::STATES],
    /// By SCTP state.
    pub sctp: [Option<u32>; sctp::STATES],
    /// UDP.
    pub udp: Option<u32>,
    /// UDP that nobody has answered.
    pub udp_one_way: Option<u32>,
}

/// A set of timeouts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// The kernel's.
    #[default]
    Kernel,
    /// Short ones, as appliances have them.
    Appliance,
}

impl Profile {
    /// Its timeouts.
    #[must_use]
    pub fn timeouts(self) -> proto::Timeouts {
        match self {
            Self::Kernel => proto::Timeouts::default(),
            Self::Appliance => proto::Timeouts::appliance(),
        }
    }
}

/// `[[interface]]`: on a device, or a VLAN (`parent` and `vlan`) on one that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name here.
    pub name: String,
    /// `kind:target`; absent for a VLAN.
    pub device: Option<String>,
    /// The interface that a VLAN is on.
    pub parent: Option<String>,
    /// 1 to 4094.
    pub vlan: Option<u16>,
    /// Addresses with the length of their prefix.
    pub addresses: Vec<IpNet>,
    /// Ethernet address; the device's own if absent.
    pub mac: Option<Mac>,
    /// Bytes of an IP packet; a VLAN's are its parent's unless it says less.
    pub mtu: u16,
    /// Whom it faces; what `steering = "client"` needs to know.
    pub side: Side,
    /// Where it stands, and its keys.
    pub lines: Lines,
}

impl Config {
    /// The interfaces on devices, whose ports are numbered in this order.
    pub fn devices(&self) -> impl Iterator<Item = &Interface> {
        self.interfaces.iter().filter(|interface| interface.device.is_some())
    }
}

/// `[[route]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Destinations; no bits beyond the prefix.
    pub to: IpNet,
    /// What happens to them.
    pub action: RouteAction,
    /// Where it stands.
    pub place: Place,
}

/// What a route does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteAction {
    /// Through a neighbour of the same family.
    Via {
        /// The neighbour.
        gateway: IpAddr,
        /// On this interface; the one whose prefix has it if absent.
        interface: Option<String>,
    },
    /// Destinations are neighbours on this interface.
    Interface(String),
    /// Refused, and the sender is told.
    Unreachable,
    /// Dropped in silence.
    Blackhole,
}

/// `[[neighbor]]`, static.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbor {
    /// Its address.
    pub address: IpAddr,
    /// Where it is.
    pub interface: String,
    /// Its Ethernet address.
    pub mac: Mac,
    /// Where it stands.
    pub place: Place,
}

/// `[[vip]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vip {
    /// The address.
    pub address: IpAddr,
    /// Where it is answered and announced; nowhere (routed to us) if empty.
    pub interfaces: Vec<String>,
    /// Where it stands.
    pub place: Place,
}

/// `[[mark]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkRule {
    /// What it is.
    pub spec: MarkSpec,
    /// Where it stands.
    pub place: Place,
}

/// `[[service]]`
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// What it is.
    pub spec: ServiceSpec,
    /// Its real servers, in the order of the file.
    pub servers: Vec<Server>,
    /// Where it stands.
    pub place: Place,
}

/// `[[service.server]]`
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// What it is.
    pub spec: ServerSpec,
    /// Where it stands.
    pub place: Place,
}
