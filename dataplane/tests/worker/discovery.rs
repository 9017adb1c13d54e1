//! Neighbour discovery at the door: what goes to control, what is nobody's business here.

use std::net::Ipv6Addr;

use dataplane::wire::checksum::Sum;
use dataplane::wire::ethernet::{self, MacAddr};
use dataplane::wire::mld::{self, RecordChange};
use dataplane::wire::ndisc::{self, Advertisement, Solicitation, group_mac, solicited_node};
use dataplane::wire::{icmpv6, ipv6, put};

use crate::frames::{DIRECTOR, SENDER};
use crate::lab::{LAN, Lab, VIP6, WAN};

const NEIGHBOR: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 9);
const STRANGER: Ipv6Addr = Ipv6Addr::new(0xfd00, 9, 0, 0, 0, 0, 0, 9);

fn asked(target: Ipv6Addr, destination: Ipv6Addr, mac: MacAddr) -> Vec<u8> {
    Solicitation { source: NEIGHBOR, destination, target, mac: Some(SENDER) }.frame(SENDER, mac)
}

/// Who has this address?
pub(crate) fn question(target: Ipv6Addr) -> Vec<u8> {
    let group = solicited_node(target);
    asked(target, group, group_mac(group))
}

/// A message with other bytes in the IPv6 packet, and its checksum right again.
fn patched(frame: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut packet = frame[ethernet::HEADER..].to_vec();
    put(&mut packet, at, bytes);
    put(&mut packet, ipv6::HEADER + 2, &[0, 0]);
    let (header, body) = packet.split_at(ipv6::HEADER);
    let sum = Sum::default().pseudo(&header[8..24], &header[24..], icmpv6::PROTOCOL, body.len()).bytes(body).finish();
    put(&mut packet, ipv6::HEADER + 2, &sum.to_be_bytes());
    [&frame[..ethernet::HEADER], &packet].concat()
}

/// A question with a hop limit of 64: not from this link.
pub(crate) fn stale(target: Ipv6Addr) -> Vec<u8> {
    patched(question(target), 7, &[64])
}

fn news(destination: Ipv6Addr, mac: MacAddr) -> Vec<u8> {
    let (target, mac_told) = (NEIGHBOR, Some(SENDER));
    let (router, solicited, overrides) = (false, false, true);
    let told = Advertisement { source: NEIGHBOR, destination, target, mac: mac_told, router, solicited, overrides };
    told.frame(SENDER, mac)
}

/// A router tells everyone of itself.
pub(crate) fn router() -> Vec<u8> {
    let frame = news(ndisc::ALL_NODES, group_mac(ndisc::ALL_NODES));
    patched(frame, ipv6::HEADER, &[ndisc::ROUTER_ADVERTISEMENT])
}

/// A switch asks about a group, or about all (unspecified), with so many hops to go.
pub(crate) fn query(group: Ipv6Addr, to: Ipv6Addr, hops: u8) -> Vec<u8> {
    // A version 1 report, whose message is made a query.
    let near = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);
    let mut frame = mld::old_report(near, SENDER, RecordChange::Listens, to);
    let message = ethernet::HEADER + ipv6::HEADER + 8;
    put(&mut frame, ethernet::HEADER + ipv6::HOP_LIMIT, &[hops]);
    put(&mut frame, message, &[mld::QUERY, 0, 0, 0, 3, 0xe8]);
    put(&mut frame, message + 8, &group.octets());
    icmpv6::seal(&mut frame[message..], &near.octets(), &to.octets());
    frame
}

/// The counter that a frame moves, beside `received`.
fn fate(lab: &mut Lab, frame: &[u8]) -> Vec<&'static str> {
    lab.reports();
    let moved = lab.moved(|lab| lab.feed(WAN, frame));
    moved.into_iter().map(|(name, _)| name).filter(|name| *name != "received").collect()
}

#[test]
fn what_concerns_us_goes_to_control_whole() {
    let mut lab = Lab::new(1);
    let all = ndisc::ALL_NODES;
    for (what, frame) in [
        ("to the group of an address", question(VIP6)),
        ("to the address itself", asked(VIP6, VIP6, DIRECTOR)),
        ("to the group, by our MAC", asked(VIP6, solicited_node(VIP6), DIRECTOR)),
        ("an answer", news(VIP6, DIRECTOR)),
        ("news for everyone", news(all, group_mac(all))),
    ] {
        assert_eq!(fate(&mut lab, &frame), ["punt_neighbor6"], "{what}");
    }
    lab.check_accounts();
}

#[test]
fn questions_about_groups_go_to_control() {
    let mut lab = Lab::new(1);
    let (all, group, nobody) = (ndisc::ALL_NODES, solicited_node(VIP6), Ipv6Addr::UNSPECIFIED);
    let routers = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
    let mut other_mac = query(nobody, all, 1);
    put(&mut other_mac, 0, &group_mac(group).0);
    let mut tagged = query(nobody, all, 1);
    tagged.splice(12..12, [0x81, 0, 0, 0]);
    let report = mld::report(Ipv6Addr::LOCALHOST, SENDER, RecordChange::Joins, &[group]);
    for (what, frame, end) in [
        ("about all", query(nobody, all, 1), "punt_group_query"),
        ("with a tag of no VLAN", tagged, "punt_group_query"),
        ("about one, to those who are in it", query(group, group, 1), "punt_group_query"),
        ("that a router has passed on", query(nobody, all, 2), "drop_invalid_discovery"),
        ("to routers", query(nobody, routers, 1), "drop_group"),
        ("to a MAC that is not this group's", other_mac, "drop_group"),
        ("what somebody else reports", report, "drop_group"),
        ("in version 1", mld::old_report(Ipv6Addr::LOCALHOST, SENDER, RecordChange::Joins, group), "drop_group"),
    ] {
        assert_eq!(fate(&mut lab, &frame), [end], "{what}");
    }
    lab.check_accounts();
}

#[test]
fn what_does_not_concern_us_is_left_at_the_door() {
    let mut lab = Lab::new(1);
    let all = ndisc::ALL_NODES;
    let elsewhere = MacAddr([0x33, 0x33, 0xff, 9, 9, 9]);
    for (what, frame, end) in [
        ("a question for others", question(NEIGHBOR), "drop_group"),
        ("a group's MAC that is not this group's", asked(VIP6, solicited_node(VIP6), elsewhere), "drop_group"),
        ("the group of routers", asked(VIP6, Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2), group_mac(all)), "drop_group"),
        ("another station's frame", asked(VIP6, VIP6, MacAddr([2; 6])), "drop_other_mac"),
        ("multicast that is no discovery", patched(question(VIP6), ipv6::HEADER, &[130]), "drop_group"),
        ("a redirect", patched(news(VIP6, DIRECTOR), ipv6::HEADER, &[ndisc::REDIRECT]), "drop_router_discovery"),
        ("a router's question", patched(news(VIP6, DIRECTOR), ipv6::HEADER, &[133]), "drop_router_discovery"),
        ("with a code", patched(question(VIP6), ipv6::HEADER + 1, &[1]), "drop_invalid_discovery"),
    ] {
        assert_eq!(fate(&mut lab, &frame), [end], "{what}");
    }
    let passing = fate(&mut lab, &asked(VIP6, STRANGER, DIRECTOR));
    assert!(!passing.contains(&"punt_neighbor6"), "for a station elsewhere, to be routed or not: {passing:?}");
    lab.check_accounts();
}

/// An echo request.
fn ping(src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
    let frame = Solicitation { source: src, destination: dst, target: dst, mac: None }.frame(SENDER, DIRECTOR);
    patched(patched(frame, 7, &[64]), ipv6::HEADER, &[icmpv6::ECHO])
}

#[test]
fn a_link_local_address_is_answered_on_its_link_and_never_passed_on() {
    let near = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);
    let mut lab = Lab::new(1);
    lab.neighbor(LAN, near.into());
    lab.publish();
    lab.turn();
    lab.feed(WAN, &ping(near, VIP6));
    assert_eq!((lab.count("answer_echo"), lab.count("sent_echo_reply")), (1, 0), "nobody is known by that name on wan");
    assert_eq!(lab.count("parked"), 1);
    lab.feed(LAN, &ping(near, VIP6));
    assert_eq!((lab.count("answer_echo"), lab.count("sent_echo_reply")), (2, 1));
    let [reply] = &lab.sent(LAN)[..] else { panic!("not one reply") };
    assert_eq!(reply[ethernet::HEADER + 24..][..16], near.octets());
    assert_eq!(fate(&mut lab, &ping(NEIGHBOR, near)), ["drop_martian"]);
    assert_eq!(fate(&mut lab, &ping(near, STRANGER)), ["drop_martian"]);
}
