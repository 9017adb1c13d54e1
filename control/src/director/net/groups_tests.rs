//! Groups with frames by hand: what a switch that watches listeners hears of the director.

use dataplane::flow::ServiceKey;
use dataplane::wire::ethernet::{self, MacAddr};
use dataplane::wire::vlan::Lan;
use dataplane::wire::{icmpv6, put};

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
addresses = ["fd00::1/64"]
mac = "02:00:00:00:00:01"
[[interface]]
name = "wan.100"
parent = "wan"
vlan = 100
addresses = ["fd00:100::5/64"]
[[interface]]
name = "old"
device = "vdev:net_null1"
addresses = ["10.2.0.1/24"]
"#;
const WAN: Lan = Lan::untagged(0);
const ASKS: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
/// The groups of `fd00::1` and `fd00:100::5`, and of the link-local address that both interfaces have.
const ONE: &str = "ff02::1:ff00:1";
const FIVE: &str = "ff02::1:ff00:5";

fn at(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// One that has said all that it says at the start.
fn director() -> Director {
    lab::quiet(FILE)
}

/// What is reported: by which VLAN of the first port, the kind of message or record, and the group. In their order.
fn reports(director: &Director) -> Vec<(u16, u8, Ipv6Addr)> {
    let mut told = Vec::new();
    for (port, frame) in lab::sent(director) {
        let (vlan, l3) = if frame[12..14] == [0x81, 0] { (u16::from(frame[15]), 18) } else { (0, ethernet::HEADER) };
        let Some(body) = (frame[l3 - 2..l3] == [0x86, 0xdd]).then(|| mld::body(&frame[l3..])).flatten() else {
            continue;
        };
        assert_eq!((port, frame[l3 + 7], body[0] == 143), (0, 1, frame[..6] == [0x33, 0x33, 0, 0, 0, 0x16]));
        assert_eq!(frame[l3 + 8..l3 + 24], at("fe80::ff:fe00:1").octets());
        let group = |bytes: &[u8]| Ipv6Addr::from(*bytes.first_chunk::<16>().unwrap());
        match body[0] {
            143 => told.extend(body[8..].chunks(20).map(|record| (vlan, record[0], group(&record[4..])))),
            old => told.push((vlan, old, group(&body[8..]))),
        }
    }
    told
}

fn service(address: &str) -> String {
    format!(r#"{{"protocol":"tcp","address":"{address}","port":80}}"#)
}

fn add(director: &mut Director, address: &str) {
    let text = format!(r#"{{"key":{},"scheduler":"rr"}}"#, service(address));
    director.apply(Edit::AddService { service: serde_json::from_str(&text).unwrap() }, true, &mut || false).unwrap();
    director.publish();
}

fn remove(director: &mut Director, address: &str) {
    let key: ServiceKey = serde_json::from_str(&service(address)).unwrap();
    director.apply(Edit::DeleteService { key }, true, &mut || false).unwrap();
    director.publish();
    director.apply(Edit::DeleteVip { address: address.parse().unwrap() }, true, &mut || false).unwrap();
    director.publish();
}

/// A query as routers send it, with a second to answer; all groups where none is given.
fn query(lan: Lan, director: &mut Director, group: Option<&str>, old: bool) {
    let group = group.map_or(Ipv6Addr::UNSPECIFIED, at);
    let mut frame = mld::old_report(at("fe80::9"), ASKS, RecordChange::Leaves, group);
    put(&mut frame, 62, &[mld::QUERY, 0, 0, 0, 3, 0xe8]);
    if !old {
        frame.extend([0; 4]);
        put(&mut frame, ethernet::HEADER + 4, &[0, 36]);
    }
    let [src, dst] = [22, 38].map(|at| *frame[at..].first_chunk::<16>().unwrap());
    icmpv6::seal(&mut frame[62..], &src, &dst);
    director.net.frame(lan, &frame, director.now);
}

/// What is reported within so many milliseconds, a round of housekeeping at a time.
fn within(director: &mut Director, milliseconds: u64) -> Vec<(u16, u8, Ipv6Addr)> {
    let begin = director.now.0;
    let rounds = (0..=milliseconds).step_by(100);
    rounds.for_each(|later| _ = director.turn(Nanos(begin + later * MILLISECOND)));
    reports(director)
}

#[test]
fn what_is_listened_to_is_told_three_times_at_the_start() {
    let mut director = lab::fresh(FILE);
    for second in 1..=3 {
        director.turn(Nanos(second * SECOND));
        let mut told = reports(&director);
        told.sort();
        assert_eq!(told, [(0, 4, at(ONE)), (0, 4, at(ONE)), (100, 4, at(ONE)), (100, 4, at(FIVE))], "{second}");
    }
    director.turn(Nanos(9 * SECOND));
    assert_eq!(reports(&director), []);
}

#[test]
fn an_address_joins_its_group_and_the_last_one_leaves_it() {
    let mut director = director();
    add(&mut director, "fd00::7:5");
    add(&mut director, "fd00::8:5");
    assert_eq!(within(&mut director, 100), [(0, 4, at("ff02::1:ff07:5")), (0, 4, at("ff02::1:ff08:5"))]);
    within(&mut director, 5000);
    add(&mut director, "fd00::9:0:5");
    assert_eq!(within(&mut director, 5000), [(0, 4, at(FIVE)); 3]);
    add(&mut director, "fd00::a:0:5");
    within(&mut director, 5000);
    remove(&mut director, "fd00::9:0:5");
    assert_eq!(within(&mut director, 5000), [], "another address is in that group");
    remove(&mut director, "fd00::a:0:5");
    assert_eq!(within(&mut director, 5000), [(0, 3, at(FIVE)); 3]);
    remove(&mut director, "fd00::7:5");
    add(&mut director, "fd00::7:5");
    assert!(within(&mut director, 5000).iter().all(|told| told.1 == 4), "it is back before anybody was told");
}

#[test]
fn queries_are_answered_on_their_vlan_within_their_time() {
    let mut director = director();
    add(&mut director, "fd00::100");
    within(&mut director, 5000);
    query(WAN, &mut director, None, false);
    assert_eq!(within(&mut director, 900), [(0, 2, at(ONE)), (0, 2, at("ff02::1:ff00:100"))]);
    query(Lan::new(0, 100), &mut director, None, false);
    query(Lan::new(0, 100), &mut director, None, false);
    assert_eq!(within(&mut director, 900), [(100, 2, at(ONE)), (100, 2, at(FIVE))], "once");
    query(WAN, &mut director, Some("ff02::1:ff00:100"), false);
    query(WAN, &mut director, Some(FIVE), false);
    assert_eq!(within(&mut director, 900), [(0, 2, at("ff02::1:ff00:100"))]);
    query(Lan::untagged(1), &mut director, None, false);
    assert_eq!(within(&mut director, 900), [], "no IPv6 is there");
    assert_eq!(within(&mut director, 9000), []);
}

#[test]
fn who_speaks_version_1_is_answered_so() {
    let mut director = director();
    query(Lan::new(0, 100), &mut director, None, true);
    assert_eq!(within(&mut director, 900), [(100, 131, at(ONE)), (100, 131, at(FIVE))]);
    query(Lan::new(0, 100), &mut director, Some(FIVE), true);
    assert_eq!(within(&mut director, 900), [(100, 131, at(FIVE))]);
}

#[test]
fn answers_of_many_groups_are_spread_over_rounds() {
    let mut director = director();
    let many = FRAMES * GROUPS_MAX + 30;
    (0..many)
        .for_each(|n| director.net.listeners[0].add(Ipv6Addr::from_bits((1 << 64) + 0x10_0000 + n as u128).into()));
    query(WAN, &mut director, None, false);
    let due = director.net.listeners[0].general.expect("an answer is owed").due;
    director.turn(Nanos(due.0.max(director.next_round.0)));
    let first = reports(&director);
    assert_eq!(first.len(), FRAMES * GROUPS_MAX);
    let rest = within(&mut director, 100);
    let told: std::collections::BTreeSet<_> = first.iter().chain(&rest).map(|told| told.2).collect();
    assert_eq!((told.len(), first.len() + rest.len()), (many + 1, many + 1), "each once");
}

#[test]
fn the_kernels_silence_is_kept_but_questions_are_answered() {
    let mut director = lab::fresh(&format!("{FILE}{}", "[ipvs]\nstrict_parity = true\n"));
    assert_eq!(within(&mut director, 5000), []);
    query(WAN, &mut director, None, false);
    assert_eq!(within(&mut director, 900), [(0, 2, at(ONE))]);
}
