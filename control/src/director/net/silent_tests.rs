//! Neighbours that fail and come back, with a director turned by hand.

use dataplane::wire::ethernet::MacAddr;

use super::*;
use crate::director::Director;
use crate::director::lab::{self, SECOND};
use crate::neighbors::Heard;

const FILE: &str = r#"schema = 1
[dataplane]
workers = [1]
[[interface]]
name = "wan"
device = "vdev:a"
addresses = ["10.0.0.1/16"]
[[interface]]
name = "lan"
device = "vdev:b"
addresses = ["10.1.0.1/24", "fd00:1::1/64"]
[[route]]
to = "0.0.0.0/0"
via = "10.0.0.254"
[[route]]
to = "10.2.0.0/16"
via = "10.1.0.254"
"#;

/// Two services with these servers.
fn director(servers: &[&str]) -> Director {
    let mut file = FILE.to_owned();
    for port in [80, 81] {
        file += &format!("[[service]]\nprotocol = \"tcp\"\naddress = \"10.0.0.100:{port}\"\nscheduler = \"rr\"\n");
        for server in servers {
            file += &format!("[[service.server]]\naddress = \"{server}:8080\"\nforward = \"nat\"\n");
        }
    }
    lab::quiet(&file)
}

fn at(address: &str) -> Key {
    let address: IpAddr = address.parse().unwrap();
    (u16::from(!address.to_string().starts_with("10.0.")), address)
}

/// Has packets wait for these neighbours, and lets so many seconds pass.
fn want(director: &mut Director, wanted: &[&str], seconds: u64) {
    for address in wanted {
        director.net.resolve(at(address), director.now);
    }
    let begin = director.now.0;
    for tenth in 1..=seconds * 10 {
        director.turn(Nanos(begin + tenth * SECOND / 10));
        // A worker takes what it is told, so there is room for more questions.
        lab::sent(director);
    }
}

fn known(director: &Director) -> Vec<(Key, Role)> {
    director.net.silent.known.iter().map(|(key, (_, role))| (*key, *role)).collect()
}

#[test]
fn servers_and_gateways_that_fail_are_told_of_and_others_are_not() {
    let mut director = director(&["10.1.0.11", "10.2.0.12", "10.2.0.13"]);
    want(&mut director, &["10.1.0.11", "10.1.0.77", "10.1.0.254", "10.0.0.254", "10.0.7.7"], 2);
    assert_eq!(known(&director), [], "they are still asked");
    want(&mut director, &[], 2);
    let told = [("10.0.0.254", Role::Gateway), ("10.1.0.11", Role::Server), ("10.1.0.254", Role::Gateway)];
    assert_eq!(known(&director), told.map(|(address, role)| (at(address), role)));
}

#[test]
fn who_answers_again_is_told_of_once() {
    let mut director = director(&["10.1.0.11"]);
    want(&mut director, &["10.1.0.11"], 4);
    assert_eq!(known(&director), [(at("10.1.0.11"), Role::Server)]);
    // Its entry is forgotten, and it is asked for in vain again.
    want(&mut director, &[], 70);
    want(&mut director, &["10.1.0.11"], 4);
    assert_eq!((known(&director).len(), director.net.silent.lines.written()), (1, 1), "it was told of before");
    let effects = director.net.neighbors.learn(at("10.1.0.11"), MacAddr([2; 6]), Heard::Answer, director.now);
    director.net.carry_out(effects, director.now);
    want(&mut director, &[], 1);
    assert_eq!((known(&director), director.net.silent.lines.written()), (vec![], 1), "in a while of its own");
}

#[test]
fn lines_say_what_uses_a_neighbour() {
    let director = director(&["10.1.0.11"]);
    let line = |address, role, own, behind| director.net.silence(at(address), role, Uses { own, behind });
    assert_eq!(
        line("10.1.0.11", Role::Server, 2, 0),
        "real server 10.1.0.11 (lan) does not answer ARP; 2 server entries use it"
    );
    assert_eq!(
        line("fd00:1::254", Role::Gateway, 0, 1),
        "gateway fd00:1::254 (lan) does not answer neighbour discovery; 1 server entry needs it as a gateway"
    );
    assert_eq!(line("10.0.0.254", Role::Gateway, 0, 0), "gateway 10.0.0.254 (wan) does not answer ARP");
}

#[test]
fn servers_are_counted_across_pieces_of_the_walk() {
    let mut director = director(&["10.1.0.11", "10.2.0.12"]);
    let mut walk = Walk { next: Cursor::START, counted: BTreeMap::new() };
    walk.counted.insert(at("10.1.0.254"), (director.now, Uses::default()));
    let mut pieces = 1;
    while let Some(next) = director.net.walk_on(&mut walk, &director.services) {
        (walk.next, pieces) = (next, pieces + 1);
    }
    assert!(pieces > 1, "two services with two servers each are more than one piece");
    assert_eq!(walk.counted[&at("10.1.0.254")].1, Uses { own: 0, behind: 2 });
    director.net.tell_of_silence(walk, director.now);
    assert_eq!(known(&director), [(at("10.1.0.254"), Role::Gateway)]);
}

/// A scan of a prefix fills neither the log nor memory.
#[test]
fn a_scan_is_not_told_of() {
    let mut director = director(&["10.1.0.11"]);
    let scanned: Vec<String> = (0..5000).map(|host| format!("10.0.{}.{}", 16 + host / 250, 1 + host % 250)).collect();
    let scanned: Vec<&str> = scanned.iter().map(String::as_str).collect();
    want(&mut director, &scanned, 0);
    want(&mut director, &["10.1.0.11"], 60);
    assert_eq!(known(&director), [(at("10.1.0.11"), Role::Server)]);
    assert_eq!((director.net.silent.noted.len(), director.net.silent.walk.is_none()), (0, true));
}
