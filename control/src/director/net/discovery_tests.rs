//! Neighbour discovery with frames by hand: what comes in, and what control wants sent.

use dataplane::clock::Nanos;
use dataplane::route::Action;
use dataplane::wire::ethernet::{self, Header};
use dataplane::wire::mld;
use dataplane::wire::vlan::Lan;

use super::*;
use crate::api::Edit;
use crate::director::Director;
use crate::director::lab::{self, SECOND};

const FILE: &str = r#"
schema = 1
[dataplane]
workers = [1]
[[interface]]
name = "wan"
device = "vdev:net_null0"
addresses = ["10.0.0.1/24", "fd00::1/64"]
mac = "02:00:00:00:00:01"
[[interface]]
name = "lan"
device = "vdev:net_null1"
addresses = ["10.1.0.1/24", "fd00:1::1/64", "fe80::1/64"]
mac = "02:00:00:00:01:01"
[[interface]]
name = "old"
device = "vdev:net_null2"
addresses = ["10.2.0.1/24"]
mac = "02:00:00:00:02:01"
[[vip]]
address = "fd00::100"
interfaces = ["wan"]
[[route]]
to = "::/0"
via = "fe80::ff"
interface = "wan"
[[neighbor]]
address = "fd00:1::11"
interface = "lan"
mac = "02:00:00:00:02:0b"
"#;
const WAN: u16 = 0;
const LAN: u16 = 1;
const OLD: u16 = 2;
const WAN_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const STATION: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

/// A director that has said all that it says at the start.
fn director() -> Director {
    lab::quiet(FILE)
}

fn at(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// Frames of neighbour discovery that control wants sent: by which port, to which MAC, and what they say.
fn sent(director: &Director) -> Vec<(u16, MacAddr, Message)> {
    let mut frames = Vec::new();
    for (port, frame) in lab::sent(director) {
        let header = Header::parse(&frame).expect("a frame");
        if header.ethertype == ethernet::IPV6 && mld::body(&frame[ethernet::HEADER..]).is_none() {
            let message = Message::parse(&frame[ethernet::HEADER..]).expect("a right message");
            frames.push((port, header.dst, message));
        }
    }
    frames
}

fn question(target: &str) -> Solicitation {
    let target = at(target);
    Solicitation { source: at("fd00::9"), destination: solicited_node(target), target, mac: Some(STATION) }
}

/// What is answered to a question that comes by an interface.
fn answers(director: &mut Director, interface: u16, asked: Solicitation) -> Vec<(u16, MacAddr, Message)> {
    director.net.frame(Lan::untagged(interface), &asked.frame(STATION, group_mac(asked.destination)), director.now);
    sent(director)
}

fn told(target: &str, mac: MacAddr) -> Advertisement {
    let (source, destination, mac) = (at(target), at("fe80::ff:fe00:1"), Some(mac));
    Advertisement { source, destination, target: source, mac, router: false, solicited: true, overrides: true }
}

/// The MAC that workers know of a neighbour.
fn known(director: &mut Director, interface: u16, address: &str) -> Option<MacAddr> {
    director.publish();
    let hops = &director.tables.net.hops;
    let hop = hops.get(hops.find(interface, address.parse().unwrap())?)?;
    Some(MacAddr(*hop.macs.first_chunk().unwrap()))
}

#[test]
fn its_addresses_are_answered_for_where_they_are() {
    let mut director = director();
    for target in ["fd00::1", "fd00::100", "fe80::ff:fe00:1"] {
        for destination in [solicited_node(at(target)), at(target)] {
            let answer = Advertisement {
                source: at(target),
                destination: at("fd00::9"),
                target: at(target),
                mac: Some(WAN_MAC),
                router: true,
                solicited: true,
                overrides: true,
            };
            let got = answers(&mut director, WAN, Solicitation { destination, ..question(target) });
            assert_eq!(got, [(WAN, STATION, Message::Advertisement(answer))], "{target}");
        }
    }
    let lan = |target| Solicitation { source: at("fd00:1::9"), ..question(target) };
    for target in ["fd00:1::1", "fe80::1"] {
        assert_eq!(answers(&mut director, LAN, lan(target)).len(), 1, "{target}");
    }
    for target in ["fd00::100", "fd00::1", "fe80::ff:fe00:1", "fe80::ff:fe00:101", "fd00:1::7"] {
        assert_eq!(answers(&mut director, LAN, lan(target)), [], "{target} is not there");
    }
}

#[test]
fn who_wants_an_address_of_ours_hears_it_with_everyone() {
    let mut director = director();
    let probe = Solicitation { source: Ipv6Addr::UNSPECIFIED, mac: None, ..question("fd00::100") };
    let [(WAN, mac, Message::Advertisement(answer))] = answers(&mut director, WAN, probe)[..] else {
        panic!("not one answer")
    };
    assert_eq!((mac, answer.destination, answer.solicited), (group_mac(ALL_NODES), ALL_NODES, false));
    assert!(answer.overrides && answer.mac == Some(WAN_MAC));
    assert_eq!(answers(&mut director, WAN, Solicitation { target: at("fd00::99"), ..probe }), []);
    assert_eq!(director.net.neighbors.iter().count(), 1, "the static one: nobody was learned");
}

#[test]
fn whoever_asks_us_is_learned_and_strangers_are_not() {
    let mut director = director();
    answers(&mut director, WAN, question("fd00::1"));
    assert_eq!(known(&mut director, WAN, "fd00::9"), Some(STATION));
    answers(&mut director, WAN, Solicitation { source: at("fe80::9"), ..question("fd00::1") });
    assert_eq!(known(&mut director, WAN, "fe80::9"), Some(STATION));
    answers(&mut director, WAN, Solicitation { source: at("fd00:7::9"), ..question("fd00::1") });
    assert_eq!(known(&mut director, WAN, "fd00:7::9"), None, "not of this link");
    answers(&mut director, WAN, Solicitation { source: at("fd00::8"), ..question("fd00::77") });
    assert_eq!(known(&mut director, WAN, "fd00::8"), None, "did not ask us");
    answers(&mut director, WAN, Solicitation { source: at("fd00::100"), ..question("fd00::1") });
    assert_eq!(known(&mut director, WAN, "fd00::100"), None, "claims what is ours");
}

#[test]
fn a_next_hop_is_asked_for_by_the_link_local_address() {
    let mut director = director();
    assert_eq!(
        director.tables.net.routes.lookup("fd77::1".parse().unwrap()),
        Some(Action::Via { interface: WAN, gateway: at("fe80::ff").into() })
    );
    for (interface, target, source) in [(WAN, "fe80::ff", "fe80::ff:fe00:1"), (LAN, "fd00:1::12", "fe80::1")] {
        director.net.resolve((interface, at(target).into()), director.now);
        let [(port, mac, Message::Solicitation(asked))] = sent(&director)[..] else { panic!("not one question") };
        assert_eq!((port, mac), (interface, group_mac(solicited_node(at(target)))));
        assert_eq!(
            (asked.source, asked.target, asked.destination),
            (at(source), at(target), solicited_node(at(target)))
        );
    }
    director.net.frame(Lan::untagged(WAN), &told("fe80::ff", STATION).frame(STATION, WAN_MAC), director.now);
    assert_eq!(known(&mut director, WAN, "fe80::ff"), Some(STATION));
    // Thirty seconds later it is stale; in use, it is asked at the address that it had.
    director.turn(Nanos(40 * SECOND));
    let used = director.net.neighbors.iter().find(|(key, _)| key.1 == at("fe80::ff")).unwrap().1.used.clone();
    used.store(Nanos(41 * SECOND).tick().0, std::sync::atomic::Ordering::Relaxed);
    director.turn(Nanos(41 * SECOND));
    sent(&director);
    director.turn(Nanos(47 * SECOND));
    let [(WAN, STATION, Message::Solicitation(asked))] = sent(&director)[..] else { panic!("not one question") };
    assert_eq!((asked.destination, asked.target), (at("fe80::ff"), at("fe80::ff")));
}

#[test]
fn an_interface_without_ipv6_asks_and_answers_nobody() {
    let mut director = director();
    director.net.solicit(OLD, at("fd00:2::9"), None);
    assert_eq!(sent(&director), []);
    let made = dataplane::wire::ndisc::link_local(MacAddr([2, 0, 0, 0, 2, 1]));
    assert_eq!(answers(&mut director, OLD, question(&made.to_string())), []);
}

#[test]
fn a_static_neighbour_stays_and_a_claim_changes_nothing() {
    let mut director = director();
    let set = MacAddr([2, 0, 0, 0, 2, 0x0b]);
    director.net.frame(
        Lan::untagged(LAN),
        &told("fd00:1::11", STATION).frame(STATION, MacAddr([2, 0, 0, 0, 1, 1])),
        director.now,
    );
    assert_eq!(known(&mut director, LAN, "fd00:1::11"), Some(set));
    director.net.frame(Lan::untagged(WAN), &told("fd00::100", STATION).frame(STATION, WAN_MAC), director.now);
    assert_eq!(known(&mut director, WAN, "fd00::100"), None);
    assert_eq!(answers(&mut director, WAN, question("fd00::100")).len(), 1, "still ours");
}

/// The addresses that everyone is told of, one each time, by port.
fn announced(director: &Director) -> Vec<(u16, Ipv6Addr)> {
    let mut told: Vec<_> = sent(director)
        .into_iter()
        .map(|(port, mac, message)| {
            let Message::Advertisement(news) = message else { panic!("{message:?}") };
            assert_eq!((mac, news.destination, news.solicited), (group_mac(ALL_NODES), ALL_NODES, false));
            assert!(news.overrides && news.source == news.target);
            (port, news.target)
        })
        .collect();
    told.sort();
    told
}

#[test]
fn addresses_are_announced_three_times_unless_the_kernels_silence_is_wanted() {
    let mut director = lab::fresh(FILE);
    let lan = ["fd00:1::1", "fe80::1"].map(|address| (LAN, at(address)));
    let mut all = ["fd00::1", "fd00::100", "fe80::ff:fe00:1"].map(|address| (WAN, at(address))).to_vec();
    all.extend(lan);
    for second in 1..=3 {
        director.turn(Nanos(second * SECOND));
        assert_eq!(announced(&director), all, "{second}");
    }
    director.turn(Nanos(9 * SECOND));
    assert_eq!(announced(&director), []);
    let service = r#"{"key":{"protocol":"tcp","address":"fd00::101","port":80},"scheduler":"rr"}"#;
    director.apply(Edit::AddService { service: serde_json::from_str(service).unwrap() }, true, &mut || false).unwrap();
    director.publish();
    director.turn(Nanos(10 * SECOND));
    assert_eq!(announced(&director), [(WAN, at("fd00::101"))]);

    let mut silent = lab::fresh(&format!("{FILE}{}", "[ipvs]\nstrict_parity = true\n"));
    silent.turn(Nanos(2 * SECOND));
    assert_eq!(announced(&silent), []);
}
