//! The words of the command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};
use dataplane::flow::Protocol;
use dataplane::proto::state_names;
use ipnet::IpNet;

use super::marks::MarkCommand;
use crate::config::suggest;
use crate::net::host_or_prefix;

const AFTER: &str = "\
The socket is that of --socket, else of the environment variable SLUICE_SOCKET, else /run/sluice/control.sock.
`sluice COMMAND --help` says what the columns mean, and has examples.
Exit codes: 0 done; 1 refused, or no director; 2 the command line is wrong; 4 done, but a worker is late.
Called as `ipvsadm`, `ipvsadm-save` or `ipvsadm-restore`, the program is that: `ln -s sluice ipvsadm`.";

/// Shows and changes a running sluice director.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, after_help = AFTER, arg_required_else_help = true)]
pub(super) struct Arguments {
    /// Control socket of the director
    #[arg(long, global = true, display_order = 900, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,
    /// Print the director's answer as JSON
    #[arg(long, global = true, display_order = 900)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The director in a few lines: interfaces, workers and their load, how full each table is
    ///
    /// Of workers: STATE is polling or stalled, LOAD the share of the last second that was spent on packets, CAPACITY the
    /// most connections, LONGEST the packets, commands and timers of the longest poll since the start (LAST 1S: in the last
    /// second), STALLS how often it has not polled for 500 ms, TABLES the version of services, routes and neighbours that
    /// it uses. Of stores: REFUSED and DISPLACED count entries since the start, STATE says which are full now.
    Status,
    /// Services and their real servers, with connections and rates
    ///
    /// SCHED/FWD is the scheduler of a service, the forwarding method of a server. ACTIVE and INACTIVE are connections as
    /// ipvsadm counts them; CONNS, PACKETS IN and PACKETS OUT count since the start, or since `ipvsadm -Z`; CONNS/S and RATE
    /// (bits per second, both directions) are averages of some seconds; UNRESOLVED counts packets lost because the server
    /// did not answer ARP or neighbour discovery. In NOTES, `runtime` marks what was made by ipvsadm or a request and is
    /// not in the file, `quiesced` a server of weight 0.
    Services,
    /// Connections, and persistence templates (client port 0)
    ///
    /// EXPIRES is the time until the connection ends if no packet comes, PACKETS IN counts those from the client, WORKER is
    /// the one that handles it. They are in no order.
    Conns(Conns),
    /// Counters: what became of every packet
    ///
    /// Since the start. Every packet ends in one of forward_, handoff_, punt_, answer_ or drop_; docs/operating.md explains
    /// each name. Counters that are 0 are left out. PER SECOND are averages of some seconds.
    #[command(after_help = "Example: sluice stats --all | grep drop_")]
    Stats {
        /// Also those that are zero
        #[arg(long)]
        all: bool,
        /// A column for each worker
        #[arg(long)]
        workers: bool,
    },
    /// Neighbours: ARP and neighbour discovery
    ///
    /// STATE is incomplete (asked for), reachable, stale (known, not used of late), delay, probe (asked again), failed or
    /// static (of the file). SINCE is the time since it has this state.
    Neigh,
    /// Routes, longest prefix first
    ///
    /// KIND is connected (the prefix of an interface), static, unreachable or blackhole; `runtime` marks what is not in the
    /// file.
    Routes,
    /// Rules that mark packets, for services by mark
    Mark {
        #[command(subcommand)]
        command: MarkCommand,
    },
    /// Adds or removes a route at run time
    ///
    /// A reload keeps what was added, unless --prune, and brings back what was removed of the file. `sluice routes` lists.
    Route {
        #[command(subcommand)]
        command: RouteCommand,
    },
    /// Virtual addresses: what brought them, and where they are answered
    Vip {
        #[command(subcommand)]
        command: VipCommand,
    },
    /// Which worker gets which packets: how many are handed to another worker, why, and what would be better
    Steering,
    /// Settings of net.ipv4.vs: lists them, shows one, or writes NAME=VALUE
    ///
    /// They have the kernel's names, meanings and defaults (but drop_entry = 1). What is written stays until the stop, or
    /// until the file says otherwise; [ipvs] in the file has the same names.
    #[command(after_help = "Examples: sluice sysctl; sluice sysctl drop_entry; sluice sysctl expire_nodest_conn=1")]
    Sysctl {
        /// As in sysctl(8), with or without `net.ipv4.vs.`
        #[arg(value_name = "NAME[=VALUE]")]
        setting: Option<String>,
    },
    /// Reads the configuration file again and converges to it
    ///
    /// Prints a line for each change. A file with an error changes nothing. Services, servers and routes made at run time
    /// stay, unless --prune. Devices, CPUs and memory need a restart.
    Reload {
        /// Also remove what was made at run time
        #[arg(long)]
        prune: bool,
    },
    /// What becomes of packets, stage by stage, while traffic runs
    ///
    /// Ends after 10 packets or 30 seconds, unless told otherwise.
    Trace(Watch),
    /// Packets as received and as sent, in a file for tcpdump
    ///
    /// Ends after 100,000 packets or 30 seconds, unless told otherwise.
    Capture(Capture),
    /// Looks for mistakes of other hosts: `doctor arp`
    Doctor {
        #[command(subcommand)]
        command: DoctorCommand,
    },
    /// The running configuration: `config show`
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Prints a file of /proc/net as the kernel would have it: ip_vs, ip_vs_conn, ...
    #[command(after_help = "Example: sluice proc ip_vs_stats")]
    Proc {
        /// ip_vs, ip_vs_app, ip_vs_conn, ip_vs_conn_sync, ip_vs_stats or ip_vs_stats_percpu
        name: String,
    },
    /// ipvsadm with all its options, as in `sluice ipvsadm -Ln --stats`
    #[command(disable_help_flag = true)]
    Ipvsadm {
        /// As of ipvsadm(8)
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<String>,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum RouteCommand {
    /// Adds one: over a gateway, on the link of an interface, or to nowhere
    #[command(after_help = ROUTES)]
    #[command(group(ArgGroup::new("action").args(["via", "interface", "unreachable", "blackhole"]).required(true).multiple(true)))]
    Add {
        /// As 10.2.0.0/16; `default` is 0.0.0.0/0, with a gateway of IPv6 ::/0
        #[arg(value_name = "PREFIX")]
        to: String,
        /// Over this gateway, a neighbour
        #[arg(long, value_name = "ADDRESS")]
        via: Option<IpAddr>,
        /// By this interface; without --via, destinations are its neighbours
        #[arg(long, value_name = "NAME")]
        interface: Option<String>,
        /// Packets are dropped, and the sender gets an ICMP error
        #[arg(long, conflicts_with_all = ["via", "interface", "blackhole"])]
        unreachable: bool,
        /// Packets are dropped without an answer
        #[arg(long, conflicts_with_all = ["via", "interface"])]
        blackhole: bool,
    },
    /// Removes one, made at run time or of the file
    Del {
        /// As 10.2.0.0/16, or `default`
        #[arg(value_name = "PREFIX")]
        to: String,
    },
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(super) enum VipCommand {
    /// Lists them: FROM is the file (a [[vip]]), a service of the file, or a service made at run time
    List,
    /// Takes one away that no service has; one of the file comes back with a reload
    Del {
        /// As 10.0.0.100
        address: IpAddr,
    },
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// The running configuration, as a file
    Show,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(super) enum DoctorCommand {
    /// Who else answers ARP or neighbour discovery for virtual addresses
    ///
    /// Asks on every interface, in about a second. Names each host that answers, and says what to do. The exit code is
    /// 0 if none does, 1 if one does.
    Arp,
}

const ROUTES: &str = "\
The words of ip-route(8) do as well: via for --via, dev for --interface.
Examples:
  sluice route add default via 10.0.0.254
  sluice route add fd00:2::/64 --via fe80::1 --interface lan
  sluice route add 192.0.2.0/24 --blackhole";

const FILTER: &str = "\
FILTER is a list of conditions that all must hold; without any, it matches every packet:
  tcp  udp  sctp  icmp  arp  ip  ip6
  host ADDRESS     src ADDRESS     dst ADDRESS     ADDRESS is 10.0.0.1, fd00::1 or 10.0.0.0/24
  port NUMBER      src port NUMBER dst port NUMBER
  interface NAME   where it arrived; an interface that has a device includes its VLANs
`not` before a condition negates it; `and` between two is optional. Packets are matched as they are received.
Examples:
  sluice trace host 192.0.2.7 and dst port 80
  sluice trace -n 100 --seconds 60 udp not port 53
  sluice capture -w /tmp/wan.pcapng interface wan; tcpdump -nr /tmp/wan.pcapng";

/// Which packets, and how long.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = FILTER)]
pub(super) struct Watch {
    /// Which packets: tcp, host 10.0.0.1, dst port 80, ...
    #[arg(value_name = "FILTER")]
    pub(super) filter: Vec<String>,
    /// Ends after so many packets, 1 to 100000 [default of trace: 10, of capture: 100000]
    #[arg(short = 'n', long, value_name = "NUMBER", value_parser = whole::<u64>)]
    pub(super) count: Option<u64>,
    /// Ends after so many seconds, 1 to 3600 [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = whole::<u32>)]
    pub(super) seconds: Option<u32>,
}

/// Frames in a file.
#[derive(Clone, Debug, Args)]
#[command(after_help = FILTER)]
pub(super) struct Capture {
    #[command(flatten)]
    pub(super) watch: Watch,
    /// The file, in the pcapng format; `-` is the standard output
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    pub(super) file: PathBuf,
    /// At most so many bytes of each frame [default: all]
    #[arg(long, value_name = "BYTES", value_parser = whole::<u32>)]
    pub(super) snaplen: Option<u32>,
}

const CONNS: &str = "\
ADDRESS is 10.0.0.1, 10.0.0.0/24, 10.0.0.1:80, fd00::1 or [fd00::1]:80. All conditions must hold.
Examples:
  sluice conns --client 192.0.2.0/24
  sluice conns --virtual 10.0.0.100:80 --state syn_recv -n 20";

/// Which connections.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = CONNS)]
pub(super) struct Conns {
    /// Only of this protocol: tcp, udp, sctp
    #[arg(long, value_parser = protocol)]
    pub(super) protocol: Option<Protocol>,
    /// Only of these clients
    #[arg(long, value_name = "ADDRESS", value_parser = endpoint)]
    pub(super) client: Option<Endpoint>,
    /// Only to this virtual address
    #[arg(long = "virtual", value_name = "ADDRESS", value_parser = endpoint)]
    pub(super) vip: Option<Endpoint>,
    /// Only to this real server
    #[arg(long, value_name = "ADDRESS", value_parser = endpoint)]
    pub(super) server: Option<Endpoint>,
    /// Only in this state, as the STATE column has it: ESTABLISHED, SYN_RECV, UDP, ...
    #[arg(long, value_parser = state)]
    pub(super) state: Option<String>,
    /// At most so many [default: all]
    #[arg(short = 'n', long, value_name = "NUMBER", value_parser = whole::<u64>)]
    pub(super) limit: Option<u64>,
}

/// Which addresses and ports are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    net: IpNet,
    port: Option<u16>,
}

impl Endpoint {
    pub(super) fn matches(&self, address: std::net::SocketAddr) -> bool {
        self.net.contains(&address.ip()) && self.port.is_none_or(|port| port == address.port())
    }
}

/// A whole number from 0 on.
pub(super) fn whole<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let number = text.parse().ok().and_then(|number: u64| T::try_from(number).ok());
    number.ok_or_else(|| format!("write a whole number, 0 to {}", u64::MAX >> (64 - 8 * size_of::<T>())))
}

fn protocol(text: &str) -> Result<Protocol, String> {
    match text.to_ascii_lowercase().as_str() {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "sctp" => Ok(Protocol::Sctp),
        _ => Err("known: tcp, udp, sctp".to_owned()),
    }
}

/// A state of any protocol, in capitals or not; persistence templates are NONE or ASSURED.
fn state(text: &str) -> Result<String, String> {
    let mut known = state_names();
    known.push("ASSURED");
    match known.iter().find(|name| name.eq_ignore_ascii_case(text)) {
        Some(name) => Ok((*name).to_owned()),
        None => Err(suggest::hint(&text.to_ascii_uppercase(), &known).trim_start_matches("; ").to_owned()),
    }
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    if let Some(net) = host_or_prefix(text) {
        return Ok(Endpoint { net, port: None });
    }
    let parts = text.rsplit_once(':').and_then(|(host, port)| {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let net = host_or_prefix(bare.unwrap_or(host))?;
        // Without brackets, the last part of an IPv6 address would pass for a port.
        let clear = bare.is_some() || net.addr().is_ipv4();
        clear.then_some(Endpoint { net, port: Some(port.parse().ok()?) })
    });
    parts.ok_or_else(|| "write 10.0.0.1, 10.0.0.0/24, 10.0.0.1:80, fd00::1 or [fd00::1]:80".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        let matches = |filter: &str, address: &str| endpoint(filter).unwrap().matches(address.parse().unwrap());
        assert!(matches("10.0.0.1", "10.0.0.1:5"));
        assert!(!matches("10.0.0.1", "10.0.0.2:5"));
        assert!(matches("10.0.0.0/24", "10.0.0.2:5"));
        assert!(matches("10.0.0.1:5", "10.0.0.1:5"));
        assert!(!matches("10.0.0.1:6", "10.0.0.1:5"));
        assert!(matches("10.0.0.0/8:5", "10.9.0.1:5"));
        assert!(matches("fd00::1", "[fd00::1]:5"));
        assert!(matches("[fd00::1]:5", "[fd00::1]:5"));
        assert!(matches("[fd00::]:5", "[fd00::]:5"));
        assert!(!matches("0.0.0.0/0", "[fd00::1]:5"));
        for wrong in ["", "x", "10.0.0.1:", "10.0.0.1:99999", "[fd00::1", "10.0.0.1:80:80", ":80", "fd00::1::5"] {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
    }
}
