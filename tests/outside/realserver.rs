//! `conf/realserver/realserver.sh` makes servers of hosts, and `sluice doctor arp` finds those that it has not made.

use std::time::Duration;

use crate::config::{self, VIP};
use crate::lab::{Lab, Load, utf8};
use crate::process::{Ran, until};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/realserver/realserver.sh");
/// The end of the tunnel that `unwrap.py` makes.
const DEVICE: &str = "end";
const ARP: [&str; 3] =
    ["net.ipv4.conf.all.arp_ignore", "net.ipv4.conf.all.arp_announce", "net.ipv4.conf.all.rp_filter"];

/// Runs the script on a server, with a memory of its own.
fn script(lab: &Lab, number: u8, device: &str, words: &[&str]) -> Ran {
    let state = format!("STATE={}", utf8(&lab.path(&format!("realserver{number}"))));
    let device = format!("DEVICE={device}");
    lab.run(&format!("rs{number}"), &[&["env", &state, &device, "sh", SCRIPT], words].concat())
}

/// What the script may change on a server.
fn settings(lab: &Lab, number: u8) -> String {
    let room = format!("rs{number}");
    let all = lab.run(&room, &[&["sysctl"], &ARP[..]].concat()).good().out;
    all + &lab.run(&room, &["ip", "-br", "address"]).good().out
}

/// An arm on the clients' link.
fn arm(lab: &Lab, number: u8) {
    lab.ip(&format!("rs{number}"), &["address", "add", &format!("10.0.0.1{number}/24"), "dev", "eth1"]);
}

/// Whether somebody answers ARP for the VIP, asked by the client in nobody's name.
fn answers(lab: &Lab) -> bool {
    lab.ip("client", &["neigh", "flush", "dev", "eth0"]);
    lab.run("client", &["ping", "-c", "1", "-W", "1", VIP]);
    lab.run("client", &["ip", "neigh", "show", VIP]).good().out.contains("lladdr")
}

#[test]
fn a_server_for_direct_routing_and_back() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    arm(&lab, 1);
    let before = settings(&lab, 1);
    let status = script(&lab, 1, "", &["status"]);
    assert_eq!((status.code, &*status.out), (Some(3), "not started\n"));
    for _ in 0..2 {
        script(&lab, 1, "", &["dr", "start", VIP]).good();
    }
    let status = script(&lab, 1, "", &["status"]).good().out;
    assert_eq!(status, format!("{VIP} is on lo\narp_ignore is 1\narp_announce is 2\n"));
    assert!(!answers(&lab), "no director yet, and the server is silent");

    lab.start_web_on(1, 80);
    lab.start_director(&config::service_by("dr", "tcp", 80, "rr", &["10.1.0.11:80"]));
    assert_eq!(lab.fetch(5, 1).into_iter().collect::<Vec<_>>(), [("rs1".to_owned(), 5)]);
    assert!(lab.counter("forward_dr") >= 20);
    let doctor = lab.tool(&["doctor", "arp"]).good();
    assert!(doctor.out.starts_with("no other host answers for a virtual address: 2 requests"), "{doctor:?}");
    assert!(doctor.took < Duration::from_secs(4), "{doctor:?}");

    lab.run("rs1", &["sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=0"]).good();
    let status = script(&lab, 1, "", &["status"]);
    assert_eq!(status.code, Some(1), "{status:?}");
    assert!(status.out.contains("arp_ignore is 0, and should be 1"), "{status:?}");

    for _ in 0..2 {
        script(&lab, 1, "", &["stop"]).good();
    }
    assert_eq!(settings(&lab, 1), before);
    assert_eq!(script(&lab, 1, "", &["status"]).code, Some(3));
    lab.assert_nothing_dropped();
}

#[test]
fn a_server_that_answers_for_the_vip_is_named() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    arm(&lab, 1);
    lab.ip("rs1", &["address", "add", &format!("{VIP}/32"), "dev", "lo"]);
    lab.start_web_on(1, 80);
    lab.start_director(&config::service("tcp", 80, "rr", &["10.1.0.11:80"]));
    // The director learns who that is.
    lab.run("rs1", &["ping", "-c", "1", "-W", "2", "10.1.0.1"]).good();
    let neighbors = || lab.tool(&["neigh"]).good().out;
    let known = neighbors();
    let doctor = lab.tool(&["doctor", "arp"]);
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    let eth0 = lab.run("rs1", &["cat", "/sys/class/net/eth0/address"]).good().out;
    let line = format!("{VIP} is answered on lan by {} (10.1.0.11) too\n", eth0.trim());
    assert!(doctor.out.contains(&line) && doctor.out.contains(&format!("{VIP} is answered on wan by ")), "{doctor:?}");
    assert!(doctor.out.contains("arp_ignore = 1"), "{doctor:?}");
    let names =
        |text: &str| text.lines().map(|line| line.split_whitespace().next().map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(names(&neighbors()), names(&known), "nothing was learned");

    // The cure: the script takes over what it did not make, and leaves it there.
    script(&lab, 1, "", &["dr", "start", VIP]).good();
    lab.tool(&["doctor", "arp"]).good();
    lab.assert_nothing_dropped();
}

#[test]
fn a_server_behind_a_tunnel_and_back() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    arm(&lab, 1);
    for kind in ["all", "default", "eth0", "eth1"] {
        lab.run("rs1", &["sysctl", "-qw", &format!("net.ipv4.conf.{kind}.rp_filter=1")]).good();
    }
    lab.start_web_on(1, 80);
    // A device of a kernel without tunnels.
    lab.start_tunnel_end(1, "ipip");
    let before = settings(&lab, 1);
    let absent = script(&lab, 1, "tunl7", &["tun", "start", VIP]);
    assert_eq!((absent.code, &*absent.err), (Some(1), "realserver.sh: there is no device tunl7\n"));
    assert_eq!(settings(&lab, 1), before);
    for _ in 0..2 {
        script(&lab, 1, DEVICE, &["tun", "start", VIP]).good();
    }
    let status = script(&lab, 1, DEVICE, &["status"]).good().out;
    assert!(status.starts_with(&format!("{VIP} is on {DEVICE}\nrp_filter of {DEVICE} is 2\n")), "{status}");
    lab.start_director(&config::service_by("tun", "tcp", 80, "rr", &["10.1.0.11:80"]));
    assert_eq!(lab.fetch(5, 1).into_iter().collect::<Vec<_>>(), [("rs1".to_owned(), 5)]);
    assert!(lab.counter("forward_tun") >= 20);
    lab.tool(&["doctor", "arp"]).good();
    script(&lab, 1, DEVICE, &["stop", VIP]).good();
    assert_eq!(settings(&lab, 1), before);
    let rp_filter = format!("net.ipv4.conf.{DEVICE}.rp_filter");
    let restored = until(Duration::ZERO, || Some(lab.run("rs1", &["sysctl", "-n", &rp_filter]).good().out));
    assert_eq!(restored.as_deref(), Some("1\n"));
}

#[test]
fn mistakes_are_told_and_change_nothing() {
    let Some(lab) = Lab::new(Load::Light) else { return };
    let before = settings(&lab, 2);
    for (words, code, said) in [
        (&["dr", "start"][..], 2, "usage: "),
        (&["dance"], 2, "usage: "),
        (&["dr", "start", "10.0.0.999"], 1, "\"10.0.0.999\" is not an address as 10.0.0.100 or fd00::100"),
        (&["dr", "start", "www"], 1, "\"www\" is not an address"),
        (&["stop", "x"], 1, "\"x\" is not an address"),
    ] {
        let ran = script(&lab, 2, "", words);
        assert_eq!(ran.code, Some(code), "{words:?}: {ran:?}");
        assert!(ran.err.contains(said), "{words:?}: {ran:?}");
    }
    assert_eq!(settings(&lab, 2), before);
}
