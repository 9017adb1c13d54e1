//! Both families between two VLANs: a client in one, servers in another, by NAT and by direct routing, with one worker and
//! with two.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::config;
use crate::lab::{Lab, Load, utf8};
use crate::process::{Process, Ran};
use crate::vlan::{station, tagger};

const NETWORK: &str = r#"
[[interface]]
name = "wan.100"
parent = "wan"
vlan = 100
addresses = ["10.100.0.1/24", "fd00:100::1/64"]

[[interface]]
name = "lan.200"
parent = "lan"
vlan = 200
addresses = ["10.200.0.1/24", "fd00:200::1/64"]
"#;

/// A virtual address and the prefix of its servers, in each family; all as they stand in front of a port.
const FAMILIES: [(&str, [&str; 2]); 2] =
    [("10.100.0.100", ["10.200.0.11", "10.200.0.12"]), ("[fd00:100::100]", ["[fd00:200::11]", "[fd00:200::12]"])];

/// Kernels tell routers of the groups that they listen to (RFC 3810).
const NOISE: [&str; 1] = ["drop_group"];
const STRAY: &str = "drop_unknown_vlan";

/// What stands in two VLANs, for as long as it lives.
struct Lans {
    lab: Lab,
    _taggers: Vec<Process>,
    strays: u64,
}

impl Lans {
    /// Nothing was dropped but noise. In DPDK 22.11 a queue of af_packet takes frames of every device of the namespace until
    /// it is bound to its own: what kernels say of their groups while the director starts may seem to come from the other
    /// side, which has other VLANs. Once the director is up that is over.
    fn assert_nothing_dropped(&self) {
        self.lab.assert_only_dropped(&[NOISE[0], STRAY]);
        assert_eq!(self.lab.counter(STRAY), self.strays, "{STRAY} since it is up");
    }
}

/// A client in VLAN 100, servers in VLAN 200 that listen on `port`, and a director with a service of each family.
fn lans(load: Load, workers: usize, method: &str, port: u16) -> Option<Lans> {
    let mut lab = Lab::with_ipv6(load)?;
    lab.workers = config::workers(workers);
    let mut taggers = vec![both(&lab, "client", "100", "254")];
    for number in [1, 2] {
        let (room, host) = (format!("rs{number}"), format!("1{number}"));
        taggers.push(both(&lab, &room, "200", &host));
        if method == "dr" {
            taggers.push(answers_itself(&lab, &room, &host));
        }
        lab.start_web_on(number, port);
    }
    let services = FAMILIES.map(|(vip, servers)| {
        let servers = servers.map(|server| format!("{server}:{port}"));
        config::service_at(&format!("{vip}:80"), method, "tcp", "rr", &servers.each_ref().map(String::as_str))
    });
    lab.start_director(&(NETWORK.to_owned() + &services.concat()));
    let strays = lab.counter(STRAY);
    Some(Lans { lab, _taggers: taggers, strays })
}

/// A station of a VLAN with addresses of both families, and the director as its router.
fn both(lab: &Lab, room: &str, vlan: &str, host: &str) -> Process {
    let tagger = station(lab, room, vlan, &format!("10.{vlan}.0.{host}/24"), &format!("10.{vlan}.0.1"));
    add_ipv6(lab, room, vlan, host);
    lab.ip(room, &["-6", "route", "replace", "default", "via", &format!("fd00:{vlan}::1")]);
    tagger
}

fn add_ipv6(lab: &Lab, room: &str, vlan: &str, host: &str) {
    let device = format!("vlan{vlan}");
    let key = |key: &str| format!("net.ipv6.conf.{device}.{key}");
    lab.run(room, &["sysctl", "-qw", &key("accept_dad=0"), &key("accept_ra=0"), &key("disable_ipv6=0")]).good();
    lab.ip(room, &["address", "add", &format!("fd00:{vlan}::{host}/64"), "dev", &device, "nodad"]);
}

/// A server for direct routing: it holds the virtual addresses, is silent about them, and has a way of its own to the
/// clients' VLAN.
fn answers_itself(lab: &Lab, room: &str, host: &str) -> Process {
    let tagger = tagger(lab, room, "eth1", "100");
    lab.run(room, &["sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2"]).good();
    lab.ip(room, &["address", "add", &format!("10.100.0.{host}/24"), "dev", "vlan100"]);
    add_ipv6(lab, room, "100", host);
    for address in ["10.100.0.100/32", "fd00:100::100/128"] {
        lab.ip(room, &["address", "add", address, "dev", "lo"]);
    }
    tagger
}

/// A page by curl so many times, each over a connection of its own. Returns how often each server answered.
fn fetch(lab: &Lab, vip: &str, times: usize) -> BTreeMap<String, usize> {
    let fixed = ["curl", "-sSf", "--noproxy", "*", "-Z", "--parallel-max", "10", "--max-time", "20"];
    let url = format!("http://{vip}/?[1-{times}]");
    let url = url.replace("//[", "//\\[").replace("]/", "\\]/");
    let ran = lab.run("client", &[&fixed[..], &["-H", "Connection: close", &url]].concat()).good();
    let mut pages = BTreeMap::new();
    for server in ran.out.lines().filter_map(|line| line.strip_prefix("served by ")) {
        *pages.entry(server.to_owned()).or_default() += 1;
    }
    pages
}

/// A file that fills many frames comes whole.
fn fetch_large(lab: &Lab, vip: &str) {
    let (file, got) = (lab.path("files/data"), lab.path("got"));
    Ran::of(Command::new("sh").args(["-c", &format!("head -c 3000000 /dev/urandom > {}", utf8(&file))])).good();
    let url = format!("http://{vip}/files/data");
    let fixed = ["curl", "-sSfg", "--noproxy", "*", "--max-time", "20", "-o", utf8(&got), &url];
    lab.run("client", &fixed).good();
    assert!(fs::read(&got).expect("a body") == fs::read(&file).expect("the file"), "{vip}: whole");
}

#[test]
fn masqueraded_servers_in_another_vlan() {
    let Some(lans @ Lans { lab, .. }) = &lans(Load::Light, 1, "nat", 8080) else { return };
    for (vip, _) in FAMILIES {
        assert_eq!(fetch(lab, vip, 10), BTreeMap::from([("rs1".to_owned(), 5), ("rs2".to_owned(), 5)]), "{vip}");
        fetch_large(lab, vip);
    }
    let known = lab.tool(&["neigh"]).good().out;
    let on = |address: &str| known.lines().find(|line| line.starts_with(address)).unwrap_or_default();
    assert!(on("fd00:200::11 ").contains("lan.200") && on("fd00:100::254 ").contains("wan.100"), "{known}");
    assert!(lab.counter("forward_nat_request") > 0 && lab.counter("forward_nat_reply") > 0);
    lans.assert_nothing_dropped();
}

/// The servers are on both VLANs: requests come by one, and answers leave by the other, past the director.
#[test]
fn direct_routing_to_another_vlan() {
    let Some(lans @ Lans { lab, .. }) = &lans(Load::Light, 1, "dr", 80) else { return };
    for (vip, _) in FAMILIES {
        assert_eq!(fetch(lab, vip, 10), BTreeMap::from([("rs1".to_owned(), 5), ("rs2".to_owned(), 5)]), "{vip}");
        fetch_large(lab, vip);
    }
    assert!(lab.counter("forward_dr") > 0);
    assert_eq!(["forward_nat_request", "forward_routed"].map(|name| lab.counter(name)), [0, 0]);
    lans.assert_nothing_dropped();
}

#[test]
fn two_workers_share_the_connections_of_vlans() {
    const EACH: usize = 200;
    let Some(lans @ Lans { lab, .. }) = &lans(Load::Heavy, 2, "nat", 8080) else { return };
    let mut before = vec![0; 2];
    for (vip, _) in FAMILIES {
        let pages = fetch(lab, vip, EACH);
        assert_eq!(pages, BTreeMap::from([("rs1".to_owned(), EACH / 2), ("rs2".to_owned(), EACH / 2)]), "{vip}");
        let made = lab.by_worker("connections_made");
        let share: Vec<u64> = made.iter().zip(&before).map(|(now, before)| now - before).collect();
        assert!(share.iter().sum::<u64>() == EACH as u64 && share.iter().all(|n| *n > 40), "{vip}: {share:?}");
        fetch_large(lab, vip);
        before = lab.by_worker("connections_made");
    }
    let shown = lab.tool(&["stats", "--workers"]).good().out;
    let line = shown.lines().find(|line| line.trim_start().starts_with("connections_made")).unwrap_or_default();
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(before.iter().all(|made| numbers.contains(made)), "{before:?}: {shown}");
    assert!(lab.counter("handoff_landing") > 0 && lab.counter("handoff_transmit") > 0, "they crossed between workers");
    lans.assert_nothing_dropped();
}
