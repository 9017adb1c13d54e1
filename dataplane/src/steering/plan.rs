//! What is in force on each port, and what will cross between workers: a pure function of what the devices can do.
//!
//! All ports share one landing function, so that a connection has one home by whatever port its packets come. With n
//! workers, and q receive queues that a device fills as that function says, (n-q)/n of the packets cross; where packets
//! arrive anyhow, or all on worker 0, (n-1)/n do. A reply of LVS-NAT under tuple steering goes first to the worker of
//! its own tuple, where its signpost stands, then home: it crosses nowhere only if arrival, signpost and home are one.

use super::{DeviceCaps, Landing, PortsOf, RssTypes, View};
use crate::conn::HashKey;
use crate::wire::toeplitz::{LONGEST_KEY, repeating};

/// By what packets find their worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steering {
    /// Both ends: every packet by its own tuple.
    Tuple,
    /// The client's end alone, which NAT leaves as it is: requests and replies go the same way.
    Client,
}

/// Whom a port faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Clients and servers: a one-armed director.
    Both,
    /// Clients: requests arrive.
    Client,
    /// Servers: replies arrive.
    Server,
}

/// A port, before it is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortCaps {
    /// The operator's name of it.
    pub name: String,
    /// Whom it faces.
    pub side: Side,
    /// What its device can do.
    pub caps: DeviceCaps,
}

/// Which case is in force on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// There is one worker.
    Alone,
    /// The device computes the landing function.
    Hardware,
    /// One queue: worker 0 receives everything and hands over what is not its own.
    OneQueue,
    /// Several queues that the device, its host or its peer fills by a rule of its own.
    Anywhere,
}

/// What decided the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is one worker.
    OneWorker,
    /// The device hashes what the steering asks for.
    Hashes,
    /// It does, but has fewer queues than there are workers.
    FewQueues,
    /// The device has one receive queue.
    OneQueue,
    /// The device does not hash TCP ports.
    NoHash,
    /// The device hashes, but its key or its table cannot be set.
    Unsettable,
    /// The device hashes both ends only; client steering asks for one.
    BothEndsOnly,
}

/// A part of packets, in lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// So many
    pub part: u32,
    /// of so many.
    pub of: u32,
}

/// How a device is told to hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rss {
    /// What it hashes.
    pub types: RssTypes,
    /// The receive queue of each entry of its indirection table; empty where the table cannot be set.
    pub table: Vec<u16>,
}

/// What is in force on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortPlan {
    /// The port.
    pub port: PortCaps,
    /// Which case.
    pub case: Case,
    /// What decided it.
    pub why: Why,
    /// Receive queues to set up; worker w reads queue w, later workers read none.
    pub rx_queues: u16,
    /// Transmit queues to set up, one a worker where the device has as many.
    pub tx_queues: u16,
    /// How the device is told to hash, if at all.
    pub rss: Option<Rss>,
    /// Which part of requests is expected to cross, where requests arrive.
    pub requests: Option<Share>,
    /// Which part of LVS-NAT replies is expected to cross once or twice, where replies arrive. FullNAT's land as requests do.
    pub replies: Option<Share>,
}

/// What is in force on the director.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many workers.
    pub workers: u16,
    /// The steering that was asked for.
    pub asked: Steering,
    /// The steering in force: client steering needs ports that face one side.
    pub steering: Steering,
    /// Whether LVS-NAT replies need signposts.
    pub signposts: bool,
    /// Length of the indirection table and protocols of the devices' hash; `None`: software's own hash.
    pub toeplitz: Option<(u16, PortsOf)>,
    /// The ports, in the order given.
    pub ports: Vec<PortPlan>,
}

/// The chance that landing functions are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// For software's own hash; not the key of a connection table.
    pub hash: HashKey,
    /// For devices; each takes as many bytes as its key has.
    pub toeplitz: [u8; LONGEST_KEY],
}

/// Decides what is in force. No workers count as one.
#[must_use]
pub fn plan(ports: &[PortCaps], workers: u16, asked: Steering) -> Plan {
    let workers = workers.max(1);
    let one_armed = workers > 1 && ports.iter().any(|port| port.side == Side::Both);
    let steering = if one_armed { Steering::Tuple } else { asked };
    let hashing = || ports.iter().filter(|port| port.lands_at_home(workers, steering)).map(|port| &port.caps);
    let size = hashing().map(|caps| caps.table_size).min();
    let hashed = hashing().map(hashed_ports).fold(PortsOf::ALL, PortsOf::and);
    Plan {
        workers,
        asked,
        steering,
        signposts: steering == Steering::Tuple && workers > 1,
        toeplitz: size.map(|size| (size, hashed)),
        ports: ports.iter().map(|port| port.plan(workers, steering, size)).collect(),
    }
}

/// Ports go into the hash where the device takes them, and where it hashes nothing of the protocol, not even addresses.
fn hashed_ports(caps: &DeviceCaps) -> PortsOf {
    let has = |kind| caps.rss.contains(kind) || !caps.rss.contains(RssTypes::IPV4);
    PortsOf { tcp: has(RssTypes::IPV4_TCP), udp: has(RssTypes::IPV4_UDP), sctp: has(RssTypes::IPV4_SCTP) }
}

impl PortCaps {
    fn rx_queues(&self, workers: u16) -> u16 {
        self.caps.max_rx_queues.clamp(1, workers)
    }

    /// Restrictions of the hash that a steering asks of this side.
    fn restrictions(&self, steering: Steering) -> RssTypes {
        match (steering, self.side) {
            (Steering::Tuple, _) | (_, Side::Both) => RssTypes::NONE,
            (Steering::Client, Side::Client) => RssTypes::SOURCE_ONLY,
            (Steering::Client, Side::Server) => RssTypes::DESTINATION_ONLY,
        }
    }

    fn lands_at_home(&self, workers: u16, steering: Steering) -> bool {
        let can = self.caps.is_predictable() && self.caps.rss.contains(self.restrictions(steering));
        can && self.rx_queues(workers) > 1
    }

    fn why(&self, workers: u16, steering: Steering) -> Why {
        let queues = self.rx_queues(workers);
        match () {
            () if workers == 1 => Why::OneWorker,
            () if queues == 1 => Why::OneQueue,
            () if self.lands_at_home(workers, steering) && queues < workers => Why::FewQueues,
            () if self.lands_at_home(workers, steering) => Why::Hashes,
            () if self.caps.is_predictable() => Why::BothEndsOnly,
            () if self.caps.rss.contains(RssTypes::IPV4_TCP) => Why::Unsettable,
            () => Why::NoHash,
        }
    }

    fn plan(&self, workers: u16, steering: Steering, size: Option<u16>) -> PortPlan {
        let why = self.why(workers, steering);
        let (n, queues) = (u32::from(workers), self.rx_queues(workers));
        let case = why.case();
        let at_home = if case == Case::Hardware { u32::from(queues) } else { 1 };
        let direct = Share::of(n - at_home, n);
        let by_signpost = Share::of(n * n - at_home, n * n);
        let replies = if steering == Steering::Client { direct } else { by_signpost };
        PortPlan {
            case,
            why,
            rx_queues: queues,
            tx_queues: self.caps.max_tx_queues.clamp(1, workers),
            rss: self.rss(case, workers, queues, steering, size),
            requests: (self.side != Side::Server).then_some(direct),
            replies: (self.side != Side::Client).then_some(replies),
            port: self.clone(),
        }
    }

    fn rss(&self, case: Case, workers: u16, queues: u16, steering: Steering, size: Option<u16>) -> Option<Rss> {
        let packets = self.caps.rss.and(RssTypes::PACKETS);
        let all = if self.caps.table_settable { self.caps.table_size } else { 0 };
        match case {
            Case::Hardware => {
                let size = size.unwrap_or(all);
                let table = (0..all).map(|entry| entry % size % workers % queues).collect();
                Some(Rss { types: packets | self.restrictions(steering), table })
            }
            // Tap and its like have a hash for flow rules only, and no table.
            Case::Anywhere if packets != RssTypes::NONE && self.caps.table_size > 0 => {
                Some(Rss { types: packets, table: (0..all).map(|entry| entry % queues).collect() })
            }
            _ => None,
        }
    }
}

impl Plan {
    /// The landing function of a port, by its place in [`Self::ports`].
    #[must_use]
    pub fn landing(&self, port: usize, keys: &Keys) -> Landing {
        let side = self.ports.get(port).map_or(Side::Both, |port| port.port.side);
        let view = match (self.steering, side) {
            (Steering::Tuple, _) | (_, Side::Both) => View::Both,
            (Steering::Client, Side::Client) => View::Source,
            (Steering::Client, Side::Server) => View::Destination,
        };
        match self.toeplitz {
            _ if self.workers == 1 => Landing::alone(),
            None => Landing::keyed(keys.hash, self.workers, view),
            Some((size, ports)) => {
                let table: Vec<u16> = (0..size).map(|entry| entry % self.workers).collect();
                Landing::toeplitz(&self.device_key(keys), &table, view, ports)
            }
        }
    }

    /// The key of devices; each takes as many bytes as its own has. Under client steering it repeats, so that the
    /// client's end hashes alike as source and as destination.
    #[must_use]
    pub fn device_key(&self, keys: &Keys) -> [u8; LONGEST_KEY] {
        match self.steering {
            Steering::Tuple => keys.toeplitz,
            Steering::Client => repeating(u16::from_be_bytes([keys.toeplitz[0], keys.toeplitz[1]])),
        }
    }
}

impl Share {
    /// A part, brought to lowest terms.
    #[must_use]
    pub const fn of(part: u32, of: u32) -> Self {
        let (mut a, mut b) = (part, of);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Self { part: part / a, of: of / a }
    }
}

impl Why {
    const fn case(self) -> Case {
        match self {
            Self::OneWorker => Case::Alone,
            Self::Hashes | Self::FewQueues => Case::Hardware,
            Self::OneQueue => Case::OneQueue,
            Self::NoHash | Self::Unsettable | Self::BothEndsOnly => Case::Anywhere,
        }
    }

    /// What would cross less, if anything would.
    #[must_use]
    pub const fn better(self) -> Option<&'static str> {
        match self {
            Self::OneWorker | Self::Hashes => None,
            Self::FewQueues => Some("no more workers than the device has receive queues"),
            Self::OneQueue => Some("a device with RSS and a receive queue for each worker"),
            Self::NoHash | Self::Unsettable => Some("a device with RSS whose key and table can be set"),
            Self::BothEndsOnly => {
                Some("steering = \"tuple\": requests then arrive at their connection's worker, replies need signposts")
            }
        }
    }
}
