//! Two devices as one (DPDK's `net_bonding`), with a VLAN on it, between curl and nginx. Each member is a `virtio_user` whose
//! cable is a `testpmd` of its own, for af_packet knows of no cable: who ends it pulls the cable out. The switch's port
//! stays up, so that the switch goes on sending there until it hears of the director elsewhere.

use std::fs;
use std::time::Duration;

use crate::config;
use crate::lab::{Lab, Load, utf8};
use crate::process::{Process, Ran, until};
use crate::ready;
use crate::vlan::station;

/// The virtual addresses: without a tag, and on VLAN 100.
const VIPS: [&str; 2] = ["10.0.0.100", "10.100.0.100"];

/// A lab whose clients' side is a bond.
struct Bond {
    lab: Lab,
    cables: [Process; 2],
    director: Process,
    _tagger: Process,
}

/// Where a member's cable is. Each has a namespace of its own, for af_packet chooses numbers by process and interface that
/// may not be alike in one.
fn room(member: usize) -> String {
    format!("rs{}", member + 2)
}

/// A member's cable, from its socket to its port of the switch.
fn cable(lab: &Lab, member: usize) -> Process {
    let device = |text: String| ["--vdev".to_owned(), text];
    let socket = device(format!("net_vhost0,client=1,iface={}", utf8(&lab.path(&format!("m{member}.sock")))));
    let port = device(format!("net_af_packet0,iface=c{member}"));
    let prefix = format!("cable{member}");
    // Its threads may run anywhere: one that is pinned beside another that polls may take Linux minutes to reap.
    let eal = [
        "--lcores",
        "0@(0-1),1@(0-1)",
        "--no-huge",
        "-m",
        "64",
        "--no-pci",
        "--no-telemetry",
        "--file-prefix",
        &prefix,
    ];
    let own = ["--", "--no-mlockall", "--total-num-mbufs=4096", "--forward-mode=io", "--auto-start"];
    // With statistics to print it does not wait for a key.
    let more = ["--stats-period=3600", "--no-lsc-interrupt", "--disable-link-check"];
    let devices: Vec<&str> = socket.iter().chain(&port).map(String::as_str).collect();
    lab.start(&room(member), &prefix, &[&["dpdk-testpmd"][..], &eal, &devices, &own, &more].concat())
}

/// Waits until frames pass a cable.
fn plugged(lab: &Lab, member: usize) -> Process {
    let cable = cable(lab, member);
    let ready = || cable.said().contains("ready for processing").then_some(());
    until(Duration::from_secs(20), ready).unwrap_or_else(|| panic!("cable {member}: {}", cable.said()));
    cable
}

/// The configuration of [`config`], with a bond for `wan`, and a VLAN on it.
fn configuration(lab: &Lab, mode: &str) -> String {
    let member = |number: usize| {
        let socket = lab.path(&format!("m{number}.sock"));
        format!("net_virtio_user{number},server=1,mac=02:00:00:00:00:0{number},path={}", utf8(&socket))
    };
    let vdevs = [0, 1].map(|number| format!(", \"--vdev\", \"{}\"", member(number))).concat();
    let bond = format!("vdev:net_bonding0,mode={mode},slave=net_virtio_user0,slave=net_virtio_user1");
    let shape = config::Shape { devices: [bond, "af_packet:lan".to_owned()], ..config::Shape::default() };
    let vlan = "\n[[interface]]\nname = \"wan.100\"\nparent = \"wan\"\nvlan = 100\naddresses = [\"10.100.0.1/24\"]\n";
    let services = VIPS.map(|vip| config::service_at(&format!("{vip}:80"), "nat", "tcp", "rr", &config::WEB[..1]));
    let text = shape.director(&lab.socket(), &(vlan.to_owned() + &services.concat()));
    text.replace("\"512\"", &format!("\"512\"{vdevs}"))
}

fn bond(mode: &str) -> Option<Bond> {
    if !ready::testpmd() {
        return None;
    }
    let mut lab = Lab::new(Load::Heavy)?;
    let tagger = station(&lab, "client", "100", "10.100.0.254/24", "10.100.0.1");
    for member in [0, 1] {
        let room = room(member);
        let (port, device) = (format!("m{member}"), format!("c{member}"));
        let peer = ["link", "add", &port, "type", "veth", "peer", "name", &device, "netns"];
        let namespace = lab.room(&room);
        lab.ip("switch", &[&peer[..], &[&namespace]].concat());
        for (room, end) in [("switch", &port), (&room, &device)] {
            lab.run(room, &["ethtool", "-K", end, "rx", "off", "tx", "off", "tso", "off", "gso", "off"]).good();
            lab.ip(room, &["link", "set", end, "up", "arp", "off"]);
        }
        lab.ip("switch", &["link", "set", &port, "master", "br1"]);
    }
    lab.start_web(1);
    let cables = [0, 1].map(|member| cable(&lab, member));
    fs::write(lab.path("sluice.toml"), configuration(&lab, mode)).expect("a configuration");
    let mut director = lab.spawn_director("sluiced");
    let up = || match director.ended() {
        Some(status) => panic!("sluiced ended, {status}: {}", director.said()),
        None => (lab.socket().exists() && lab.tool(&["status"]).code == Some(0)).then_some(()),
    };
    until(Duration::from_secs(30), up).unwrap_or_else(|| panic!("{}", director.said()));
    Some(Bond { lab, cables, director, _tagger: tagger })
}

impl Bond {
    fn curl(&self, vip: &str) -> Ran {
        let url = format!("http://{vip}/");
        self.lab.run("client", &["curl", "-sSf", "--noproxy", "*", "--max-time", "3", &url])
    }

    /// Pages come, without a tag and with one: the first within seconds, then each.
    #[track_caller]
    fn serves(&self, when: &str) {
        for vip in VIPS {
            let served = || (self.curl(vip).out == "served by rs1\n").then_some(());
            let said = || format!("{when}, {vip}: {}", self.director.said());
            until(Duration::from_secs(15), served).unwrap_or_else(|| panic!("{}", said()));
            (0..5).for_each(|_| assert_eq!(self.curl(vip).out, "served by rs1\n", "{}", said()));
        }
    }

    /// What is said of the link of the bond, and of the VLAN on it.
    fn links(&self) -> Vec<bool> {
        let status = self.lab.status();
        let of = |name: &str| status.interfaces.iter().find(|interface| interface.name == name).expect(name).link;
        vec![of("wan"), of("wan.100")]
    }

    fn fails_over(mut self) {
        self.serves("at the start");
        assert_eq!(self.links(), [true, true]);
        for member in [0, 1] {
            self.cables[member].end();
            self.serves(&format!("without cable {member}"));
            assert_eq!(self.links(), [true, true], "one is enough");
            self.cables[member] = plugged(&self.lab, member);
            self.serves(&format!("with cable {member} again"));
        }
        self.cables.iter_mut().for_each(Process::end);
        let down = || (self.links() == [false, false]).then_some(());
        until(Duration::from_secs(5), down).expect("it is said that the link is down");
    }
}

#[test]
fn active_backup_fails_over() {
    let Some(bond) = bond("1") else { return };
    bond.fails_over();
}

#[test]
fn balance_fails_over() {
    let Some(bond) = bond("2") else { return };
    bond.fails_over();
}
