//! The stage of the recordings: two interfaces, addresses, static neighbours and routes; and the same as a
//! configuration of the product.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use dataplane::limiter::Limits;
use serde::Deserialize;

use crate::runner::director::Leg;
use crate::runner::hex;

/// What a scenario changes of the stage (`net`).
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Net {
    pub(crate) rs: Vec<u8>,
    pub(crate) rs_client_side: Vec<u8>,
    pub(crate) ipv6: bool,
    pub(crate) vips: Vec<Ipv4Addr>,
    pub(crate) vips6: Vec<Ipv6Addr>,
    pub(crate) mtu_client: u16,
    pub(crate) mtu_server: u16,
    pub(crate) send_redirects: u8,
    pub(crate) ip_cmds: Vec<String>,
}

impl Default for Net {
    fn default() -> Self {
        Self {
            rs: vec![11, 12, 13, 14, 15],
            rs_client_side: Vec::new(),
            ipv6: true,
            vips: vec![Ipv4Addr::new(10, 0, 0, 100)],
            vips6: vec![Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x100)],
            mtu_client: 1500,
            mtu_server: 1500,
            send_redirects: 0,
            ip_cmds: Vec::new(),
        }
    }
}

/// One of the director's interfaces.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    pub(crate) name: &'static str,
    pub(crate) mac: &'static str,
    pub(crate) addresses: Vec<String>,
    pub(crate) mtu: u16,
}

/// A static neighbour.
#[derive(Clone, Debug)]
pub(crate) struct Neighbor {
    pub(crate) address: String,
    pub(crate) interface: &'static str,
    pub(crate) mac: String,
}

/// All that the recorder set up before the first step.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    /// Client side, server side.
    pub(crate) interfaces: [Interface; 2],
    pub(crate) vips: Vec<String>,
    pub(crate) neighbors: Vec<Neighbor>,
    /// Destination and gateway.
    pub(crate) routes: Vec<(&'static str, &'static str)>,
    pub(crate) send_redirects: bool,
    /// `ip` command lines beyond that, as the scenario says them (no recorded one has any).
    pub(crate) ip_cmds: Vec<String>,
}

const CLIENT_MAC: &str = "02:00:00:00:00:01";
const SERVER_MAC: &str = "02:00:00:00:01:01";
const CLIENT_GATEWAY_MAC: &str = "02:00:00:00:00:fe";
const SERVER_GATEWAY_MAC: &str = "02:00:00:00:01:fe";

impl Stage {
    /// The stage of a scenario.
    pub(crate) fn new(net: &Net) -> Self {
        let mut stage = Self {
            interfaces: [
                interface("dc", CLIENT_MAC, "10.0.0.1/24", net.mtu_client),
                interface("ds", SERVER_MAC, "10.1.0.1/24", net.mtu_server),
            ],
            vips: net.vips.iter().map(ToString::to_string).collect(),
            neighbors: neighbors_v4(net),
            routes: vec![("0.0.0.0/0", "10.0.0.254"), ("10.2.0.0/16", "10.1.0.254")],
            send_redirects: net.send_redirects != 0,
            ip_cmds: net.ip_cmds.clone(),
        };
        if net.ipv6 {
            stage.add_v6(net);
        }
        stage
    }

    fn add_v6(&mut self, net: &Net) {
        self.interfaces[0].addresses.push("fd00::1/64".into());
        self.interfaces[1].addresses.push("fd00:1::1/64".into());
        self.vips.extend(net.vips6.iter().map(ToString::to_string));
        self.neighbors.push(neighbor("fd00::254", "dc", CLIENT_GATEWAY_MAC));
        self.neighbors.push(neighbor("fd00:1::254", "ds", SERVER_GATEWAY_MAC));
        self.neighbors.extend(net.rs.iter().map(|n| neighbor(&format!("fd00:1::{n}"), "ds", &server_mac(*n))));
        self.routes.extend([("::/0", "fd00::254"), ("fd00:2::/32", "fd00:1::254")]);
    }

    /// This stage as a configuration file of the product.
    pub(crate) fn to_toml(&self) -> String {
        let mut text = "schema = 1\n\n[dataplane]\n".to_string();
        for (name, unlimited) in Limits::NONE.named() {
            let _ = writeln!(text, "{name} = {unlimited}");
        }
        text += "\n[ipvs]\nstrict_parity = true\n";
        for interface in &self.interfaces {
            text += &interface.to_toml();
        }
        for vip in &self.vips {
            let _ = write!(text, "\n[[vip]]\naddress = \"{vip}\"\ninterfaces = [\"dc\"]\n");
        }
        for (to, via) in &self.routes {
            let _ = write!(text, "\n[[route]]\nto = \"{to}\"\nvia = \"{via}\"\n");
        }
        for neighbor in &self.neighbors {
            text += &neighbor.to_toml();
        }
        text
    }
}

impl Interface {
    fn to_toml(&self) -> String {
        let addresses = self.addresses.iter().map(|a| format!("\"{a}\"")).collect::<Vec<_>>().join(", ");
        format!(
            "\n[[interface]]\nname = \"{}\"\ndevice = \"vdev:{}\"\naddresses = [{addresses}]\nmac = \"{}\"\nmtu = {}\n",
            self.name, self.name, self.mac, self.mtu
        )
    }
}

impl Neighbor {
    fn to_toml(&self) -> String {
        format!(
            "\n[[neighbor]]\naddress = \"{}\"\ninterface = \"{}\"\nmac = \"{}\"\n",
            self.address, self.interface, self.mac
        )
    }
}

fn interface(name: &'static str, mac: &'static str, address: &str, mtu: u16) -> Interface {
    Interface { name, mac, addresses: vec![address.into()], mtu }
}

fn neighbor(address: &str, interface: &'static str, mac: &str) -> Neighbor {
    Neighbor { address: address.into(), interface, mac: mac.into() }
}

fn neighbors_v4(net: &Net) -> Vec<Neighbor> {
    let mut list =
        vec![neighbor("10.0.0.254", "dc", CLIENT_GATEWAY_MAC), neighbor("10.1.0.254", "ds", SERVER_GATEWAY_MAC)];
    list.extend(net.rs.iter().map(|n| neighbor(&format!("10.1.0.{n}"), "ds", &server_mac(*n))));
    list.extend(net.rs_client_side.iter().map(|n| neighbor(&format!("10.0.0.{n}"), "dc", &server_mac(*n))));
    list
}

/// The MAC of real server N (10.1.0.N, fd00:1::N).
pub(crate) fn server_mac(n: u8) -> String {
    format!("02:00:00:00:02:{n:02x}")
}

/// The director's own MAC on a leg.
pub(crate) fn director_mac(leg: Leg) -> &'static str {
    match leg {
        Leg::Client => CLIENT_MAC,
        Leg::Server => SERVER_MAC,
    }
}

/// The MAC at the other end of a leg: the gateway there.
pub(crate) fn gateway_mac(leg: Leg) -> &'static str {
    match leg {
        Leg::Client => CLIENT_GATEWAY_MAC,
        Leg::Server => SERVER_GATEWAY_MAC,
    }
}

/// Who has a MAC: `rs12`, `client-gw`, `broadcast`, or the MAC itself.
pub(crate) fn who(mac: &[u8]) -> String {
    match mac {
        [2, 0, 0, 0, 2, n] => format!("rs{n}"),
        [2, 0, 0, 0, 0, 0xfe] => "client-gw".into(),
        [2, 0, 0, 0, 1, 0xfe] => "server-gw".into(),
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => "broadcast".into(),
        other => hex::mac(other),
    }
}
