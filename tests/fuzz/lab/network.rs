//! The network around the director, and its services: see the crate.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use control::config::{Config, parse};

use crate::Place;

/// Without addresses of stations, which [`neighbors`] adds. The VLAN of the servers takes less than what comes from
/// clients: packets do not fit, are cut, or are refused.
const NETWORK: &str = r#"
schema = 1
[dataplane]
workers = [0]
connections = 1000
unwrap_ipip = true
[[interface]]
name = "wan"
device = "vdev:net_null0"
addresses = ["172.16.0.254/24", "fd00:1::fe/64"]
mac = "02:00:00:00:00:01"
[[interface]]
name = "lan"
device = "vdev:net_null1"
addresses = ["10.1.0.254/24", "fd00:2::fe/64"]
mac = "02:00:00:00:00:01"
[[interface]]
name = "wan.100"
parent = "wan"
vlan = 100
addresses = ["172.16.1.254/24", "fd00:11::fe/64"]
[[interface]]
name = "lan.200"
parent = "lan"
vlan = 200
addresses = ["10.1.1.254/24", "fd00:12::fe/64"]
mtu = 1400
[ipvs]
cache_bypass = 1
[[route]]
to = "0.0.0.0/0"
via = "172.16.0.1"
[[route]]
to = "::/0"
via = "fd00:1::1"
[[route]]
to = "192.0.2.0/24"
blackhole = true
"#;

/// A service, and its servers: address, method, and what else.
type Service = (&'static str, &'static [(&'static str, &'static str, &'static str)]);

const GUE: &str = "tunnel = { kind = \"gue\", port = 6080, checksum = \"full\" }";
const GRE: &str = "tunnel = { kind = \"gre\", checksum = \"full\" }";

const SERVICES: &[Service] = &[
    ("fwmark = 7\nscheduler = \"rr\"", &[("10.1.0.14", "dr", "upper = 1")]),
    ("fwmark = 8\nfamily = \"ipv6\"\nscheduler = \"rr\"", &[("fd00:12::e", "dr", "upper = 1")]),
    (
        "protocol = \"tcp\"\naddress = \"10.0.0.100:80\"\nscheduler = \"wrr\"",
        &[("10.1.0.11:80", "nat", "weight = 2"), ("10.1.0.12:81", "nat", ""), ("10.1.0.15:80", "nat", "")],
    ),
    ("protocol = \"udp\"\naddress = \"10.0.0.100:80\"\nscheduler = \"wlc\"", &[("10.1.0.13:80", "nat", "")]),
    (
        "protocol = \"tcp\"\naddress = \"10.0.0.101:80\"\nscheduler = \"lc\"",
        &[
            ("10.1.0.14:80", "dr", ""),
            ("10.1.0.13:80", "tun", ""),
            ("[fd00:2::d]:80", "tun", ""),
            ("10.1.1.12:80", "tun", GUE),
            ("10.1.1.13:80", "tun", GRE),
        ],
    ),
    ("protocol = \"sctp\"\naddress = \"10.0.0.100:80\"\nscheduler = \"rr\"", &[("10.1.0.11:8080", "nat", "")]),
    ("protocol = \"sctp\"\naddress = \"10.0.0.100:81\"\nscheduler = \"rr\"", &[("10.1.0.11:81", "nat", "")]),
    (
        "protocol = \"sctp\"\naddress = \"10.0.0.100:82\"\nscheduler = \"rr\"",
        &[("10.1.0.11:82", "dr", ""), ("10.1.0.12:82", "tun", "")],
    ),
    ("protocol = \"udp\"\naddress = \"10.0.0.100:500\"\nscheduler = \"rr\"", &[("10.1.0.11:500", "nat", "")]),
    (
        "protocol = \"tcp\"\naddress = \"[fd00:f::64]:80\"\nscheduler = \"wrr\"",
        &[("[fd00:2::b]:80", "nat", "weight = 2"), ("[fd00:12::c]:81", "nat", ""), ("[fd00:2::f]:80", "nat", "")],
    ),
    ("protocol = \"udp\"\naddress = \"[fd00:f::64]:80\"\nscheduler = \"wlc\"", &[("[fd00:12::d]:80", "nat", "")]),
    (
        "protocol = \"tcp\"\naddress = \"[fd00:f::65]:80\"\nscheduler = \"lc\"",
        &[
            ("[fd00:2::e]:80", "dr", ""),
            ("[fd00:2::d]:80", "tun", ""),
            ("10.1.0.13:80", "tun", ""),
            ("[fd00:12::c]:80", "tun", GUE),
            ("10.1.1.13:80", "tun", GRE),
        ],
    ),
];

const MARKS: &str = "[[mark]]\nmark = 7\ninterface = \"wan\"\ndestination = \"10.3.0.0/16\"\n\
    [[mark]]\nmark = 8\ninterface = \"wan.100\"\ndestination = \"fd00:3::/64\"\n";

static EMPTY: LazyLock<Config> = LazyLock::new(|| configured(""));
static FULL: LazyLock<Config> = LazyLock::new(|| configured(&services()));

/// The network, without services.
pub(crate) fn empty() -> Config {
    EMPTY.clone()
}

/// With services of every kind.
pub(crate) fn full() -> Config {
    FULL.clone()
}

/// With services of one's own.
pub(crate) fn configured(services: &str) -> Config {
    parse(&[NETWORK, &neighbors(), services].concat(), "fuzz.toml").expect("a right configuration")
}

fn services() -> String {
    let server = |(address, forward, more): &(&str, &str, &str)| {
        format!("[[service.server]]\naddress = \"{address}\"\nforward = \"{forward}\"\n{more}\n")
    };
    let service =
        |(what, servers): &Service| format!("[[service]]\n{what}\n{}", servers.iter().map(server).collect::<String>());
    MARKS.to_owned() + &SERVICES.iter().map(service).collect::<String>()
}

/// Everybody whose MAC is known.
fn neighbors() -> String {
    let mut text = String::new();
    for place in Place::ALL {
        for n in 1..=4 {
            for (address, interface) in
                [(place.client(n), ["wan", "wan.100"]), (place.server(n + 10), ["lan", "lan.200"])]
            {
                let interface = interface[usize::from(place.tagged)];
                let mac = address.is_ipv4();
                text += &format!(
                    "[[neighbor]]\naddress = \"{address}\"\ninterface = \"{interface}\"\nmac = \"02:00:00:00:0{}:{n:02x}\"\n",
                    u8::from(mac)
                );
            }
        }
    }
    text
}

impl Place {
    /// Of either family, on a VLAN or not.
    pub const ALL: [Self; 4] = {
        let [no, yes] = [false, true];
        [
            Self { six: no, tagged: no },
            Self { six: no, tagged: yes },
            Self { six: yes, tagged: no },
            Self { six: yes, tagged: yes },
        ]
    };

    fn address(self, four: [u8; 2], six: u16, n: u8) -> IpAddr {
        let (third, six) = (u8::from(self.tagged), six + if self.tagged { 0x10 } else { 0 });
        if self.six {
            Ipv6Addr::new(0xfd00, six, 0, 0, 0, 0, 0, n.into()).into()
        } else {
            Ipv4Addr::new(four[0], four[1], third, n).into()
        }
    }

    /// A client here.
    #[must_use]
    pub fn client(self, n: u8) -> IpAddr {
        self.address([172, 16], 1, n)
    }

    /// A server here.
    #[must_use]
    pub fn server(self, n: u8) -> IpAddr {
        self.address([10, 1], 2, n)
    }

    /// The director on the clients' (0) or the servers' (1) side.
    #[must_use]
    pub fn director(self, port: u16) -> IpAddr {
        if port == 0 { self.client(254) } else { self.server(254) }
    }

    /// A virtual address of the family, wherever clients are.
    #[must_use]
    pub fn vip(self, n: u8) -> IpAddr {
        if self.six { [0xfd00, 0xf, 0, 0, 0, 0, 0, n.into()].into() } else { [10, 0, 0, n].into() }
    }

    /// Somebody behind the default route, whose packets are marked.
    #[must_use]
    pub fn far(self) -> IpAddr {
        if self.six { [0xfd00, 3, 0, 0, 0, 0, 0, 9].into() } else { [10, 3, 0, 9].into() }
    }

    /// The VLAN of a port.
    #[must_use]
    pub const fn vlan(self, port: u16) -> u16 {
        if self.tagged { crate::VLANS[port as usize] } else { 0 }
    }
}
