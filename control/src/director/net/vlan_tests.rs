//! Interfaces on VLANs with frames by hand: what control hears and says there has the VLAN's tag, and no other.

use dataplane::wire::vlan::{Lan, Tagging};

use super::*;
use crate::api::{Answer, Query};
use crate::director::Director;
use crate::director::lab::{self, SECOND};

const FILE: &str = r#"
schema = 1
[dataplane]
workers = [1]
[[interface]]
name = "office"
parent = "wan"
vlan = 100
addresses = ["10.100.0.1/24", "fd00:100::1/64"]
[[interface]]
name = "wan"
device = "vdev:net_null0"
addresses = ["10.0.0.1/24"]
mac = "02:00:00:00:00:01"
[[interface]]
name = "lan"
device = "vdev:net_null1"
addresses = ["10.1.0.1/24"]
mac = "02:00:00:00:01:01"
[[interface]]
name = "guests"
parent = "lan"
vlan = 100
addresses = ["10.101.0.1/24"]
mtu = 1400
[[route]]
to = "0.0.0.0/0"
via = "10.100.0.254"
"#;
const OFFICE: u16 = 0;
const GUESTS: u16 = 3;
const WAN_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const STATION: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

/// What control wants sent: where, and the frame without its tag.
fn sent(director: &Director) -> Vec<(Lan, Vec<u8>)> {
    let mut frames = Vec::new();
    for (port, frame) in lab::sent(director) {
        let bare = if Tagging::of(&frame) == Tagging::Untagged {
            frame.clone()
        } else {
            [&frame[..12], &frame[16..]].concat()
        };
        frames.push((Lan::of(port, &frame), bare));
    }
    frames
}

fn question(target: [u8; 4]) -> Vec<u8> {
    neighbors::request(STATION, [10, 100, 0, 9].into(), target.into(), None)
}

#[test]
fn addresses_are_announced_and_answered_on_their_vlan() {
    let mut director = lab::fresh(FILE);
    director.turn(Nanos(2 * SECOND));
    let announced = sent(&director);
    let by =
        |lan| announced.iter().filter(|(there, _)| *there == lan).map(|(_, frame)| frame.clone()).collect::<Vec<_>>();
    let here = by(Lan::new(0, 100));
    assert_eq!(here[0], neighbors::announcement(WAN_MAC, [10, 100, 0, 1].into()), "with the parent's MAC");
    assert_eq!(here.len(), 5, "IPv4; IPv6 and the link-local address, each with its group");
    assert_eq!(by(Lan::new(1, 100)), [neighbors::announcement(MacAddr([2, 0, 0, 0, 1, 1]), [10, 101, 0, 1].into())]);
    assert_eq!(by(Lan::untagged(0)), [neighbors::announcement(WAN_MAC, [10, 0, 0, 1].into())]);

    let asked = question([10, 100, 0, 1]);
    for elsewhere in [Lan::untagged(0), Lan::new(1, 100), Lan::new(0, 7)] {
        director.net.frame(elsewhere, &asked, director.now);
        assert_eq!(sent(&director), [], "{elsewhere:?}");
    }
    director.net.frame(Lan::new(0, 100), &asked, director.now);
    let packet = Packet::parse(&asked[ethernet::HEADER..]).expect("a question");
    assert_eq!(sent(&director), [(Lan::new(0, 100), neighbors::reply(WAN_MAC, &packet))]);
}

#[test]
fn routes_lead_through_a_vlan_and_workers_know_where_it_is() {
    let mut director = lab::fresh(FILE);
    director.turn(Nanos(2 * SECOND));
    sent(&director);
    let gateway: IpAddr = [10, 100, 0, 254].into();
    let asked = director.net.neighbors.resolve((OFFICE, gateway), Nanos(2 * SECOND));
    director.net.carry_out(asked, director.now);
    let question = neighbors::request(WAN_MAC, [10, 100, 0, 1].into(), [10, 100, 0, 254].into(), None);
    assert_eq!(sent(&director), [(Lan::new(0, 100), question.clone())]);
    let mut answer = Packet::parse(&question[ethernet::HEADER..]).expect("a question");
    answer.target_mac = WAN_MAC;
    director.net.frame(Lan::new(0, 100), &neighbors::reply(STATION, &answer), director.now);
    director.publish();
    let net = &director.tables.net;
    let dataplane::tables::Path::Hop(hop) = net.path([8, 8, 8, 8].into()) else { panic!("{:?}", net.routes) };
    let hop = net.hops.get(hop).expect("it is there");
    assert_eq!((hop.lan, hop.mtu), (Lan::new(0, 100), 1500));
    assert_eq!(
        net.interfaces.at(Lan::new(1, 100)).map(|(index, interface)| (index, interface.mtu)),
        Some((GUESTS, 1400))
    );
    assert!(net.interfaces.at(Lan::new(1, 7)).is_none());
    let Answer::Status(status) = director.status() else { panic!("a status") };
    let shown: Vec<_> = status.interfaces.iter().map(|i| (&*i.name, i.vlan, &*i.device, &*i.mac)).collect();
    assert_eq!(shown[0], ("office", Some(100), "", "02:00:00:00:00:01"));
    assert_eq!(shown[1], ("wan", None, "vdev:net_null0", "02:00:00:00:00:01"));
    let Ok(Answer::Neighbors { neighbors }) =
        director.handle(Query::Neighbors.into(), Nanos(3 * SECOND), &mut || false)
    else {
        panic!("neighbours")
    };
    assert_eq!(neighbors[0].interface, "office");
}
