//! The part of the story in which the director is a router, and a tunnel's end.

use dataplane::wire::{ecn, put};
use std::net::Ipv4Addr;

use super::{DF, Story, datagram};
use crate::frames::{Body, packet};
use crate::lab::{Lab, VIP, WAN, client, server};

pub(super) fn for_others(story: &mut Story) {
    let thin = packet(client(2), Ipv4Addr::new(10, 2, 0, 9), Body::Udp(1, 1, 800));
    let error = "sent_icmp_error";
    story.frame("to a server itself", &datagram(server(11)).frame(), &["forward_routed"]);
    story.frame("at the end of its life", &datagram(server(11)).ttl(1).frame(), &["answer_ttl_exceeded", error]);
    story.frame("long, not to be cut", &thin.fragment(DF).frame(), &["answer_too_big", error]);
    let cut = [("received", 1), ("forward_routed", 1), ("sent_fragment", 2)];
    story.moves(&cut, "long", |lab| lab.feed(WAN, &thin.frame()));
    let mut back = datagram([10, 9, 0, 9]).frame();
    put(&mut back, 6, &[2, 1, 172, 16, 0, 1]);
    story.frame("of the router to the router", &back, &["drop_back_to_sender"]);
    story.frame("to nowhere", &datagram([198, 51, 100, 1]).frame(), &["answer_net_unreachable", error]);
    story.frame("into a blackhole", &datagram([192, 0, 2, 1]).frame(), &["drop_blackhole"]);
    story.lab.tables.options.ip_forward = false;
    story.lab.publish();
    story.frame("to a server itself, unwanted", &datagram(server(11)).frame(), &["drop_forwarding_off"]);
    story.lab.tables.options.ip_forward = true;
    story.lab.publish();
}

pub(super) fn unwrapped(story: &mut Story) {
    story.lab.tables.options.unwrap_ipip = true;
    story.lab.publish();
    let inside = datagram(VIP).frame();
    let mut marked = packet(client(2), VIP, Body::Other(4, inside.len() - 14)).frame();
    marked[34..].copy_from_slice(&inside[14..]);
    ecn::write4(&mut marked[14..34], 3);
    story.frame("a tunnel that is congested", &marked, &["drop_congestion"]);
    story.lab.tables.options.unwrap_ipip = false;
    story.lab.publish();
}

#[test]
fn what_may_not_be_answered_is_not_called_a_shortage_of_buffers() {
    let mut lab = Lab::new(3);
    lab.feed(WAN, &packet(client(2), server(11), Body::Icmp(3)).ttl(1).frame());
    assert_eq!(lab.count("drop_no_buffer"), 0, "there was no shortage: no error answers an error (RFC 1122 3.2.2)");
}

#[test]
fn a_later_fragment_is_not_answered_with_an_error() {
    let mut lab = Lab::new(3);
    lab.feed(WAN, &datagram(server(11)).ttl(1).fragment(0x0010).frame());
    assert_eq!(lab.sent(WAN).len(), 0, "RFC 1122 3.2.2: only the first fragment is");
    lab.check_accounts();
}
