//! Clients and servers on VLANs of the director's devices, with tags on the wire.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::lab::{Lab, Load, utf8};
use crate::process::{Process, Ran, until};

const VIP: &str = "10.100.0.100";

const NETWORK: &str = r#"
[[interface]]
name = "wan.100"
parent = "wan"
vlan = 100
addresses = ["10.100.0.1/24"]

[[interface]]
name = "lan.200"
parent = "lan"
vlan = 200
addresses = ["10.200.0.1/24"]

[[service]]
protocol = "tcp"
address = "10.100.0.100:80"
scheduler = "rr"

[[service.server]]
address = "10.200.0.11:8080"

[[service]]
protocol = "tcp"
address = "10.0.0.100:80"
scheduler = "rr"

[[service.server]]
address = "10.200.0.11:8080"
"#;

/// A VLAN of a station's device, made by `tagger.py`, which runs as long as what is returned.
pub(crate) fn tagger(lab: &Lab, room: &str, device: &str, vlan: &str) -> Process {
    let (name, script) = (format!("vlan{vlan}"), concat!(env!("CARGO_MANIFEST_DIR"), "/tests/outside/tagger.py"));
    let tagger = lab.start(room, &format!("{room}-{name}"), &["python3", script, device, vlan, &name]);
    until(Duration::from_secs(10), || tagger.said().contains("ready").then_some(())).expect("it is ready");
    tagger
}

/// A station in a VLAN, with an address and a router there.
pub(crate) fn station(lab: &Lab, room: &str, vlan: &str, address: &str, router: &str) -> Process {
    let tagger = tagger(lab, room, "eth0", vlan);
    lab.ip(room, &["address", "add", address, "dev", &format!("vlan{vlan}")]);
    lab.ip(room, &["route", "replace", "default", "via", router]);
    tagger
}

fn lab() -> Option<(Lab, [Process; 2])> {
    let mut lab = Lab::new(Load::Light)?;
    let client = station(&lab, "client", "100", "10.100.0.254/24", "10.100.0.1");
    let server = station(&lab, "rs1", "200", "10.200.0.11/24", "10.200.0.1");
    lab.start_web(1);
    lab.start_director(NETWORK);
    Some((lab, [client, server]))
}

/// Has the client send a broadcast with these tags, in hexadecimal.
fn send_tagged(lab: &Lab, tags: &str) {
    let frame = format!("bytes.fromhex('ffffffffffff020000000077{tags}0800' + '00' * 46)");
    let send =
        format!("import socket as s; w = s.socket(s.AF_PACKET, s.SOCK_RAW); w.bind(('eth0', 0)); w.send({frame})");
    lab.run("client", &["python3", "-c", &send]).good();
}

#[test]
fn a_service_between_two_vlans() {
    let Some((lab, _taggers)) = lab() else { return };
    let page = lab.curl(&format!("http://{VIP}/")).good().out;
    assert_eq!(page, "served by rs1\n");
    let file = lab.path("files/data");
    Ran::of(Command::new("sh").args(["-c", &format!("head -c 3000000 /dev/urandom > {}", utf8(&file))])).good();
    let got = lab.path("got");
    let url = format!("http://{VIP}/files/data");
    lab.run("client", &["curl", "-sSf", "--noproxy", "*", "--max-time", "20", "-o", utf8(&got), &url]).good();
    assert!(fs::read(&got).expect("a body") == fs::read(&file).expect("the file"), "whole, in frames of full size");
    let ping = ["ping", "-c", "3", "-i", "0.2", "-W", "2", "-s", "1472", "-M", "do", "10.100.0.1"];
    assert!(lab.run("client", &ping).good().out.contains(" 0% packet loss"));
    let seen = lab.run("client", &["ip", "neigh", "show", VIP]).good().out;
    assert!(seen.contains("dev vlan100 lladdr"), "{seen}");

    let neighbors = lab.tool(&["neigh"]).good().out;
    let on = |address: &str| neighbors.lines().find(|line| line.starts_with(address)).unwrap_or_default();
    assert!(on("10.200.0.11 ").contains("lan.200") && on("10.100.0.254 ").contains("wan.100"), "{neighbors}");
    let status = lab.tool(&["status"]).good().out;
    assert!(status.contains("VLAN 100 of wan") && status.contains("VLAN 200 of lan"), "{status}");
    lab.assert_nothing_dropped();
}

#[test]
fn from_no_vlan_to_one() {
    let Some((lab, _taggers)) = lab() else { return };
    // Through the untagged side: the server's answers have a tag, what the client gets has none.
    lab.ip("client", &["route", "del", "default"]);
    assert_eq!(lab.curl("http://10.0.0.100/").good().out, "served by rs1\n");
    lab.assert_nothing_dropped();
}

#[test]
fn tags_of_others_are_dropped_with_a_reason_and_a_trace_names_the_vlan() {
    let Some((lab, _taggers)) = lab() else { return };
    for (tags, reason) in [
        ("81000007", "drop_unknown_vlan"),
        ("8100006481000005", "drop_stacked_tags"),
        ("88a8000581000064", "drop_stacked_tags"),
    ] {
        let before = lab.counter(reason);
        send_tagged(&lab, tags);
        until(Duration::from_secs(2), || (lab.counter(reason) == before + 1).then_some(())).expect(reason);
    }

    let socket = lab.socket();
    let tool = utf8(crate::ready::sluice());
    let trace =
        [tool, "--socket", utf8(&socket), "trace", "interface", "wan.100", "icmp", "-n", "1", "--seconds", "20"];
    let mut trace = lab.start("director", "trace", &trace);
    let pinged = || {
        lab.run("client", &["ping", "-c", "1", "-W", "1", "10.0.0.1", "-I", "10.0.0.254"]);
        lab.run("client", &["ping", "-c", "1", "-W", "1", "10.100.0.1"]);
        trace.ended()
    };
    until(Duration::from_secs(10), pinged).expect("it has its packet");
    let said = trace.said();
    assert!(
        said.contains("  wan.100  ICMP 10.100.0.254 > 10.100.0.1") && said.contains("sent by wan.100 to"),
        "{said}"
    );
}
