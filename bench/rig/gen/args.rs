//! The command line.

use std::net::{Ipv4Addr, SocketAddrV4};

use clap::{Parser, ValueEnum};
use dataplane::wire::ethernet::MacAddr;

use crate::plan::{Clients, Method, Plan, Protocol, SERVERS_MAX};

/// Modes that need devices.
const DEVICE_MODES: [(&str, &str); 5] =
    [("mode", "flows"), ("mode", "syn"), ("mode", "conns"), ("mode", "forward"), ("mode", "frames")];

/// What to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Packets of N established flows in random order
    Flows,
    /// SYNs, each of another flow, that nobody answers
    Syn,
    /// Whole connections: SYN, SYN-ACK, ACK, FIN, FIN, ACK
    Conns,
    /// As flows, but what forwards is no director: frames are counted, whatever became of them
    Forward,
    /// Nothing of its own: frames from standard input, one a line; those that arrive are written to standard output
    Frames,
    /// No packets: how long a cache line takes from --cpu to --other-cpu and back
    Distance,
}

/// Which way packets of established flows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Direction {
    /// Clients to servers and back, in turn
    Both,
    /// Clients to servers
    Request,
    /// Servers to clients
    Reply,
}

/// Which queue a packet is sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Spread {
    /// One that follows from its flow and direction, as a NIC that hashes
    Flow,
    /// The next one
    Turns,
}

/// The traffic generator of sluice's rig and tests: plays the clients and the real servers of a director, on DPDK.
///
/// No part of the product. It owns a device on the clients' side and one on the servers' side (or one for both), answers
/// ARP for its addresses, sends for a limited time, checks what arrives, and prints `name value unit`, one figure a line.
#[derive(Debug, Parser)]
#[command(
    name = "sluice-gen",
    version,
    after_help = "Devices are written as in the configuration of sluiced: vhost:SOCKET, virtio_user:SOCKET,\n\
                  memif:SOCKET,role=server, af_packet:INTERFACE; driver options follow a comma.\n\
                  Exit codes: 0; 1 it could not run, or nothing at all came through; 2 a command line that is not\n\
                  understood. SIGTERM and SIGINT end a run early; its figures are printed."
)]
pub(crate) struct Args {
    /// What to send
    #[arg(value_enum)]
    pub(crate) mode: Mode,
    /// Device on the clients' side
    #[arg(long, value_name = "DEVICE", required_if_eq_any = DEVICE_MODES)]
    pub(crate) client: Option<String>,
    /// Device on the servers' side; without it, servers are on the clients' device
    #[arg(long, value_name = "DEVICE")]
    pub(crate) server: Option<String>,
    /// Queues of each device
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub(crate) queues: u16,
    /// Which queue a packet is sent on
    #[arg(long, value_enum, default_value = "flow")]
    pub(crate) spread: Spread,
    /// CPU of the one thread
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) cpu: usize,
    /// Distance: the other CPU
    #[arg(long, value_name = "N", required_if_eq("mode", "distance"))]
    pub(crate) other_cpu: Option<usize>,
    /// Others want that CPU, too: offer it to them when there is nothing to do
    #[arg(long)]
    pub(crate) share: bool,
    /// Arguments for DPDK's environment
    #[arg(long, value_name = "ARGS", default_value = "--no-huge -m 512", allow_hyphen_values = true)]
    pub(crate) eal: String,

    /// Protocol of flows; syn and conns are TCP
    #[arg(long, value_enum, default_value = "udp")]
    pub(crate) protocol: Protocol,
    /// Flows: how many; syn: how many at most
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) flows: u32,
    /// Conns: how many at the same time
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) in_flight: u32,
    /// Which way packets of flows go; with DR only requests
    #[arg(long, value_enum, default_value = "both")]
    pub(crate) direction: Direction,
    /// How long to send; frames: how long at most
    #[arg(long, value_name = "D", default_value_t = 5.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Packets a second; 0: as many as pass
    #[arg(long, value_name = "PPS", default_value_t = 0)]
    pub(crate) rate: u64,
    /// Packets under way at the same time; 0: no bound, what the director cannot take is lost. Keep it below the slots
    /// of a ring and nothing is
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) window: u64,
    /// How long a packet may be under way before it is given up, and another sent in its place: on a machine where the
    /// director has no CPU of its own, longer than it ever waits for one
    #[arg(long, value_name = "D", default_value_t = 0.2, value_parser = seconds)]
    pub(crate) patience: f64,
    /// Largest packet of the devices, without the Ethernet header
    #[arg(long, value_name = "BYTES", default_value_t = 1500, value_parser = clap::value_parser!(u16).range(1500..=9600))]
    pub(crate) mtu: u16,
    /// Bytes of a frame, without its checksum
    #[arg(long, value_name = "BYTES", default_value_t = 60, value_parser = clap::value_parser!(u16).range(60..=1514))]
    pub(crate) size: u16,

    /// Where clients send to
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "10.0.0.100:80")]
    pub(crate) vip: SocketAddrV4,
    /// How the director forwards
    #[arg(long, value_enum, default_value = "nat")]
    pub(crate) method: Method,
    /// Addresses of clients
    #[arg(long, value_name = "PREFIX", default_value = "198.18.0.0/18", value_parser = Clients::parse)]
    pub(crate) clients: Clients,
    /// The clients' gateway, on the director's network
    #[arg(long, value_name = "ADDRESS", default_value = "10.0.0.254")]
    pub(crate) gateway: Ipv4Addr,
    /// The first real server; the others have the addresses after it
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "10.1.0.11:8080")]
    pub(crate) first_server: SocketAddrV4,
    /// How many real servers
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=i64::from(SERVERS_MAX)))]
    pub(crate) servers: u8,
    /// The director's address on the servers' side
    #[arg(long, value_name = "ADDRESS", default_value = "10.1.0.1")]
    pub(crate) server_gateway: Ipv4Addr,
    /// Send to this MAC, and do not ask for it
    #[arg(long, value_name = "MAC", value_parser = mac)]
    pub(crate) director_mac: Option<MacAddr>,

    /// Verify one packet of so many; 0: none. Connections being opened are always followed
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub(crate) verify: u32,
    /// How long to wait for the links, and for the director's MAC
    #[arg(long, value_name = "D", default_value_t = 10.0, value_parser = seconds)]
    pub(crate) wait: f64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl Args {
    /// The scene, or what cannot be.
    pub(crate) fn plan(&self) -> Result<Plan, String> {
        let protocol = if matches!(self.mode, Mode::Syn | Mode::Conns) { Protocol::Tcp } else { self.protocol };
        let most = self.clients.flows();
        let wanted = if self.mode == Mode::Conns { self.in_flight } else { self.flows };
        if wanted > most {
            return Err(format!("the clients' prefix makes {most} flows, not {wanted}; give a shorter one"));
        }
        if self.mode == Mode::Flows && self.method == Method::Dr && self.direction == Direction::Reply {
            return Err("replies of DR servers do not pass the director; use --direction request".to_owned());
        }
        Ok(Plan {
            protocol,
            method: self.method,
            vip: self.vip,
            clients: self.clients,
            gateway: self.gateway,
            first_server: self.first_server,
            servers: self.servers,
            server_gateway: self.server_gateway,
        })
    }

    /// Which way packets go in the end.
    pub(crate) fn direction(&self) -> Direction {
        if self.method == Method::Dr && self.mode == Mode::Flows { Direction::Request } else { self.direction }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0 to 86400 is wanted".to_owned()),
    }
}

fn mac(text: &str) -> Result<MacAddr, String> {
    let octets: Option<Vec<u8>> = text.split(':').map(|octet| u8::from_str_radix(octet, 16).ok()).collect();
    let octets = octets.and_then(|octets| octets.try_into().ok());
    octets.map(MacAddr).ok_or_else(|| format!("{text:?} is not a MAC such as 02:00:00:00:00:01"))
}
