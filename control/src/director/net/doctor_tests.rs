//! An examination with frames by hand.

use dataplane::wire::arp::{Operation, Packet};
use dataplane::wire::ethernet;
use dataplane::wire::ndisc::{ALL_NODES, Advertisement, Message};
use dataplane::wire::vlan::Lan;

use super::*;
use crate::director::Director;
use crate::director::lab::{self, sent};

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
addresses = ["10.1.0.1/24"]
mac = "02:00:00:00:01:01"
[[neighbor]]
address = "10.1.0.11"
interface = "lan"
mac = "02:00:00:00:02:0b"
[[vip]]
address = "10.0.0.100"
interfaces = ["wan"]
[[vip]]
address = "fd00::100"
interfaces = ["wan"]
"#;
const WAN: Lan = Lan::untagged(0);
const WAN_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const LAN_MAC: MacAddr = MacAddr([2, 0, 0, 0, 1, 1]);
const SERVER: MacAddr = MacAddr([2, 0, 0, 0, 2, 0x0b]);
const STRANGER: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const VIP6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x100);

fn at(milliseconds: u64) -> Nanos {
    Nanos(10_000_000_000 + milliseconds * 1_000_000)
}

/// A director that has said all that it says at the start.
fn director() -> Director {
    let mut director = lab::quiet(FILE);
    director.now = at(0);
    director
}

fn report(director: &mut Director, examination: Option<u64>) -> DoctorReport {
    let Ok(Answer::DoctorArp(report)) = director.net.doctor_arp(examination, director.now) else { panic!("a report") };
    report
}

/// A claim as the answer to a question that nobody's address has asked.
fn claim(mac: MacAddr, address: Ipv4Addr) -> Vec<u8> {
    let (operation, target) = (Operation::Reply, Ipv4Addr::UNSPECIFIED);
    Packet { operation, sender_mac: mac, sender: address, target_mac: WAN_MAC, target }.frame(WAN_MAC)
}

fn claim6(mac: MacAddr, target: Ipv6Addr) -> Vec<u8> {
    let (router, solicited, overrides) = (false, false, true);
    Advertisement { source: target, destination: ALL_NODES, target, mac: Some(mac), router, solicited, overrides }
        .frame(mac, group_mac(ALL_NODES))
}

#[test]
fn questions_are_asked_by_nobody_on_every_interface_twice() {
    let mut director = director();
    assert_eq!((report(&mut director, None).asked, director.net.examination.unasked), (3, 0), "lan has no IPv6");
    director.turn(at(0));
    let first = sent(&director);
    let mut asked = Vec::new();
    for (port, frame) in &first {
        let packet = &frame[ethernet::HEADER..];
        match Packet::parse(packet) {
            Some(Packet { operation: Operation::Request, sender_mac, sender, target, .. }) => {
                assert_eq!((sender, sender_mac), (Ipv4Addr::UNSPECIFIED, [WAN_MAC, LAN_MAC][usize::from(*port)]));
                asked.push((*port, IpAddr::from(target)));
            }
            _ => {
                let Some(Message::Solicitation(question)) = Message::parse(packet) else { panic!("{frame:02x?}") };
                assert_eq!((question.source, question.mac), (Ipv6Addr::UNSPECIFIED, None));
                asked.push((*port, question.target.into()));
            }
        }
    }
    assert_eq!(asked, [(0, VIP.into()), (1, VIP.into()), (0, VIP6.into())]);
    director.turn(at(300));
    assert_eq!(sent(&director), []);
    director.turn(at(500));
    assert_eq!(sent(&director), first);
    director.turn(at(1000));
    assert_eq!((report(&mut director, None).examination, report(&mut director, Some(1)).over), (1, false), "it is on");
    director.turn(at(1200));
    assert!(report(&mut director, Some(1)).over && sent(&director).is_empty());
    assert!(!report(&mut director, None).over && director.net.examination.id == 2, "another");
    let error = director.net.doctor_arp(Some(1), director.now).expect_err("it is forgotten");
    assert_eq!((error.code, &*error.place), (Code::NoEntry, "doctor run 1"));
}

#[test]
fn who_claims_a_virtual_address_is_named_and_nothing_is_learned() {
    let mut director = director();
    let known = |director: &Director| director.net.neighbors.iter().count();
    let before = known(&director);
    let id = report(&mut director, None).examination;
    director.turn(at(0));
    sent(&director);
    let lan = Lan::untagged(1);
    director.net.frame(lan, &claim(SERVER, VIP), director.now);
    director.net.frame(lan, &claim(SERVER, VIP), director.now);
    director.net.frame(WAN, &claim6(STRANGER, VIP6), director.now);
    director.net.frame(WAN, &claim(LAN_MAC, VIP), director.now);
    director.net.frame(WAN, &claim(STRANGER, Ipv4Addr::new(10, 0, 0, 55)), director.now);
    let found = report(&mut director, Some(id)).leaks;
    let shown: Vec<_> =
        found.iter().map(|leak| (&*leak.interface, leak.address, leak.mac.clone(), &*leak.servers)).collect();
    let server: IpAddr = [10, 1, 0, 11].into();
    assert_eq!(
        shown,
        [("wan", VIP6.into(), STRANGER.to_string(), &[][..]), ("lan", VIP.into(), SERVER.to_string(), &[server][..]),],
        "neither the director's other interface, nor who claims an address of his own"
    );
    assert_eq!((known(&director), sent(&director)), (before, vec![]));
    director.turn(at(500));
    director.turn(at(2000));
    director.net.frame(lan, &claim(STRANGER, VIP), director.now);
    assert_eq!(report(&mut director, Some(id)).leaks.len(), 2, "it is over");
}
