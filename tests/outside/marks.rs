//! Two directors that are real servers of each other, as keepalived's documents have it: each marks for its service only
//! what did not come from the other, so that what one has balanced the other does not balance again ("ping-pong").
//!
//! ```text
//! client 10.0.0.254 --- 10.0.0.1 A 10.1.0.1 --- rs1, the real server on A's machine
//!           VIP via A '- 10.0.0.2 B 10.1.0.3 --- rs2, the real server on B's machine
//! ```
//!
//! Nobody has the VIP as an address but the real servers: marks make its packets local, and what is not marked is routed
//! to the machine's own real server.

use std::fs;
use std::time::Duration;

use crate::config::{Shape, VIP};
use crate::lab::{Lab, Load, utf8};
use crate::operator::Operator;
use crate::process::{Process, until};
use crate::ready;

/// Ethernet addresses of the directors on the clients' link.
const MACS: [&str; 2] = ["02:00:00:00:0a:0a", "02:00:00:00:0a:0b"];

/// What a director has, beside its interfaces: whom it does not mark, its own real server, and both servers.
fn services(other: &str, own: &str, servers: [&str; 2]) -> String {
    let mut text = format!(
        "\n[[route]]\nto = \"{VIP}/32\"\nvia = \"{own}\"\n\
         \n[[mark]]\nmark = 1\ninterface = \"wan\"\nnot_source_mac = \"{other}\"\ndestination = \"{VIP}/32\"\n\
         protocol = \"tcp\"\ndestination_port = 80\n\n[[service]]\nfwmark = 1\nscheduler = \"rr\"\n"
    );
    for server in servers {
        text += &format!("\n[[service.server]]\naddress = \"{server}\"\nforward = \"dr\"\n");
    }
    text
}

/// The other director, in the room of the third server.
struct Other {
    _process: Process,
    operator: Operator,
}

impl Other {
    fn start(lab: &Lab) -> Self {
        for interface in ["eth0", "eth1"] {
            lab.ip("rs3", &["address", "flush", "dev", interface]);
            lab.ip("rs3", &["link", "set", interface, "arp", "off"]);
        }
        lab.run("rs3", &["sysctl", "-qw", "net.ipv4.ip_forward=0"]).good();
        lab.ip("rs3", &["link", "set", "eth1", "address", MACS[1]]);
        let operator = Operator::at(lab.path("other.sock"));
        let devices = ["af_packet:eth1", "af_packet:eth0"].map(str::to_owned);
        let services = services(MACS[0], "10.1.0.12", ["10.0.0.1", "10.1.0.12"]);
        let text = Shape { devices, ..Shape::default() }.director(&operator.socket(), &services);
        let text = text.replace("10.0.0.1/24", "10.0.0.2/24").replace("10.1.0.1/24", "10.1.0.3/24");
        let file = lab.path("other.toml");
        fs::write(&file, text).expect("a configuration");
        let mut process = lab.start("rs3", "other", &[ready::sluiced(), "--config", utf8(&file)]);
        let up = || match process.ended() {
            Some(status) => panic!("sluiced ended, {status}: {}", process.said()),
            None => (operator.socket().exists() && operator.tool(&["status"]).code == Some(0)).then_some(()),
        };
        until(Duration::from_secs(30), up).expect("the other sluiced is up");
        Self { _process: process, operator }
    }
}

#[test]
fn directors_that_serve_each_other_do_not_play_ping_pong() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    for number in 1..=2 {
        lab.start_web_on(number, 80);
        lab.ip(&format!("rs{number}"), &["address", "add", &format!("{VIP}/32"), "dev", "lo"]);
    }
    lab.ip("rs2", &["route", "replace", "default", "via", "10.1.0.3"]);
    lab.ip("client", &["route", "add", &format!("{VIP}/32"), "via", "10.0.0.1"]);
    lab.ip("director", &["link", "set", "wan", "address", MACS[0]]);
    lab.start_director(&services(MACS[1], "10.1.0.11", ["10.1.0.11", "10.0.0.2"]));
    let Other { operator: other, _process } = Other::start(&lab);

    let pages: Vec<_> = lab.fetch(20, 4).into_iter().collect();
    assert_eq!(pages, [("rs1".to_owned(), 10), ("rs2".to_owned(), 10)]);
    assert_eq!((lab.counter("connections_made"), other.counter("connections_made")), (20, 0));
    assert_eq!((lab.service("FWM 1").totals.connections, other.counter("answer_ttl_exceeded")), (20, 0));
    assert!(other.counter("forward_routed") >= 60, "to its own real server, and its answers to the client");
    lab.assert_nothing_dropped();
    other.assert_nothing_dropped();

    // What the exception is for: without it, the other balances again what came from here, and sends some of it back.
    let rule = ["--interface", "wan", "--destination", VIP, "--protocol", "tcp", "--destination-port", "80"];
    other.tool(&[&["mark", "add", "1"], &rule[..]].concat()).good();
    let listed = other.tool(&["mark", "list"]).good().out;
    assert!(listed.contains("not 02:00:00:00:0a:0a") && listed.contains("runtime"), "{listed}");
    let url = format!("http://{VIP}/");
    let reached = |lab: &Lab| lab.run("client", &["curl", "-sf", "--noproxy", "*", "-m", "1", &url]).code == Some(0);
    let pages = (0..4).filter(|_| reached(&lab)).count();
    let expired = lab.counter("answer_ttl_exceeded") + other.counter("answer_ttl_exceeded");
    assert!(pages == 3 && expired > 0, "one of four goes to and fro: {pages} pages, {expired} expired");
    other.tool(&[&["mark", "del", "1"], &rule[..]].concat()).good();
    assert!((0..4).all(|_| reached(&lab)), "with the exception again");
}
