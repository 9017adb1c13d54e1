//! Packets that rules mark, services by mark, and what goes past them. The director is not whom most of these packets are
//! addressed to.

use std::net::Ipv4Addr;
use std::sync::Arc;

use dataplane::flow::{Family, Protocol, ServiceKey};
use dataplane::mark::{Mark, Marks, Rule, Sender};
use dataplane::method::ForwardMethod::{Dr, Nat};
use dataplane::proto::state_name;
use dataplane::route::Prefix;
use dataplane::sched::Scheduler::Rr;
use dataplane::wire::be32;
use dataplane::wire::ethernet::{self, MacAddr};
use dataplane::wire::tcp::{ACK, FIN, SYN};

use crate::frames::{Body, packet};
use crate::lab::{LAN, Lab, NONE, SECOND, VIP, WAN, client, server};

/// Somebody on the far side of the default route.
pub(crate) const REMOTE: Ipv4Addr = Ipv4Addr::new(10, 3, 0, 9);

/// A rule for packets to a host.
pub(crate) fn to(host: Ipv4Addr, number: u32, local: bool) -> Rule {
    let destination = Some(Prefix { address: host.into(), length: 32 });
    Rule { destination, mark: Mark { number, local }, ..Rule::default() }
}

pub(crate) fn by_mark(fwmark: u32) -> ServiceKey {
    ServiceKey::Mark { fwmark, family: Family::Ipv4 }
}

fn mark(lab: &mut Lab, rules: Vec<Rule>) {
    lab.tables.marks = Marks::new(rules);
    lab.publish();
}

fn sysctl(lab: &mut Lab, name: &str, value: &str) {
    Arc::make_mut(&mut lab.tables.sysctls).set(name, value).expect("it takes that");
    lab.publish();
}

/// A segment of a client to somebody.
fn segment(host: Ipv4Addr, sport: u16, flags: u8) -> Vec<u8> {
    packet(client(2), host, Body::Tcp(sport, 80, flags, 0)).frame()
}

/// A lab whose servers 11 to 13 are known.
fn lab() -> Lab {
    let mut lab = Lab::new(20);
    lab.know_servers(11..=13);
    lab
}

/// To whom a packet that left by the servers' port went.
fn destination(lab: &mut Lab) -> Ipv4Addr {
    let sent = lab.sent(LAN);
    assert_eq!(sent.len(), 1);
    be32(&sent[0], ethernet::HEADER + 16).into()
}

#[test]
fn the_mark_counts_before_the_address() {
    let mut lab = lab();
    lab.service(Protocol::Tcp, VIP, 80, Rr, &[(server(11), 80, Nat, 1)]);
    lab.service_by(by_mark(5), Rr, &[(server(12), 0, Nat, 1)]);
    let mut goes = |rules, sport| {
        mark(&mut lab, rules);
        lab.feed(WAN, &segment(VIP, sport, SYN));
        destination(&mut lab)
    };
    assert_eq!(goes(vec![], 1), server(11));
    assert_eq!(goes(vec![to(VIP, 5, true)], 2), server(12));
    assert_eq!(goes(vec![to(VIP, 6, true)], 3), server(11), "no service has mark 6");
    assert_eq!(goes(vec![to(VIP, 5, true), to(VIP, 6, true)], 4), server(11), "the last rule counts");
    assert_eq!(goes(vec![to(VIP, 6, true), to(VIP, 5, false)], 5), server(12), "the VIP is local anyway");
    assert_eq!(goes(vec![to(VIP, 5, true), to(VIP, 0, false)], 6), server(11), "0 takes the mark away");
}

#[test]
fn a_mark_makes_local_or_not() {
    let mut lab = lab();
    lab.service_by(by_mark(5), Rr, &[(server(12), 0, Dr, 1)]);
    mark(&mut lab, vec![to(REMOTE, 5, false)]);
    let moved = lab.moved(|lab| lab.feed(WAN, &segment(REMOTE, 1, SYN)));
    assert_eq!(moved, [("received", 1), ("forward_routed", 1)]);
    mark(&mut lab, vec![to(REMOTE, 5, true)]);
    let moved = lab.moved(|lab| lab.feed(WAN, &segment(REMOTE, 1, SYN)));
    assert_eq!(moved, [("received", 1), ("connections_made", 1), ("forward_dr", 1)]);
    assert_eq!(destination(&mut lab), REMOTE);
    let [(_, conn)] = lab.connections()[..] else { panic!("one connection") };
    let [_, vip, there] = conn.ends();
    assert_eq!((vip, there), ((REMOTE, 80).into(), (server(12), 80).into()), "as the client used them");
    let moved = lab.moved(|lab| lab.feed(WAN, &packet(client(2), REMOTE, Body::Udp(1, 2, 3)).fragment(0x2000).frame()));
    assert_eq!(moved, [("received", 1), ("gathering", 1)], "local, so not routed on");
}

#[test]
fn rules_see_who_sent_the_frame() {
    let mut lab = lab();
    let mut frame = segment(REMOTE, 1, SYN);
    let sender = MacAddr([2, 0, 0, 0, 0, 9]);
    frame[6..12].copy_from_slice(&sender.0);
    lab.service_by(by_mark(5), Rr, &[(server(12), 0, Dr, 1)]);
    mark(&mut lab, vec![Rule { sender: Some(Sender::IsNot(sender)), ..to(REMOTE, 5, true) }]);
    lab.feed(WAN, &frame);
    assert_eq!(lab.count("forward_routed"), 1);
    lab.feed(WAN, &segment(REMOTE, 1, SYN));
    assert_eq!(lab.count("forward_dr"), 1);
    lab.feed(LAN, &segment(REMOTE, 2, SYN));
    mark(&mut lab, vec![Rule { interface: Some(WAN), ..to(REMOTE, 5, true) }]);
    lab.feed(LAN, &segment(REMOTE, 3, SYN));
    assert_eq!((lab.count("forward_dr"), lab.count("forward_routed")), (2, 2));
}

/// Whoever it is addressed to says nothing, and the director has no name to say it in.
#[test]
fn nothing_is_said_in_the_name_of_others() {
    let mut lab = lab();
    mark(&mut lab, vec![to(REMOTE, 5, true)]);
    let echo = packet(client(2), REMOTE, Body::Icmp(8)).frame();
    let frames = [segment(REMOTE, 1, SYN), echo, packet(client(2), REMOTE, Body::Udp(1, 2, 3)).frame()];
    for frame in &frames {
        assert_eq!(lab.moved(|lab| lab.feed(WAN, frame)), [("received", 1), ("drop_unanswerable", 1)]);
    }
    lab.service_by(by_mark(5), Rr, NONE);
    let moved = lab.moved(|lab| lab.feed(WAN, &frames[0]));
    assert_eq!(moved, [("received", 1), ("drop_unanswerable", 1)], "no server");
    mark(&mut lab, vec![to(VIP, 5, true)]);
    let moved = lab.moved(|lab| lab.feed(WAN, &segment(VIP, 1, SYN)));
    assert_eq!(moved, [("received", 1), ("answer_no_server", 1), ("sent_icmp_error", 1)], "in our own name");
}

#[test]
fn routers_words_about_marked_packets_are_said() {
    let mut lab = lab();
    lab.service_by(by_mark(5), Rr, &[(server(12), 0, Dr, 1)]);
    mark(&mut lab, vec![to(REMOTE, 5, true)]);
    let last = packet(client(2), REMOTE, Body::Tcp(1, 80, SYN, 0)).ttl(1).frame();
    let moved = lab.moved(|lab| lab.feed(WAN, &last));
    assert_eq!(moved, [("received", 1), ("connections_made", 1), ("answer_ttl_exceeded", 1), ("sent_icmp_error", 1)]);
    let said = &lab.sent(WAN)[0];
    assert_eq!(be32(said, ethernet::HEADER + 12), Ipv4Addr::new(172, 16, 0, 254).to_bits(), "by the interface");
}

#[test]
fn what_finds_no_server_goes_on_to_whom_it_was_sent() {
    let mut lab = lab();
    lab.service_by(by_mark(5), Rr, &[(server(12), 0, Dr, 0)]);
    sysctl(&mut lab, "cache_bypass", "1");
    sysctl(&mut lab, "expire_nodest_conn", "1");
    mark(&mut lab, vec![to(REMOTE, 5, true), to(VIP, 5, true), to(server(19), 5, true)]);
    let state = |lab: &Lab| {
        let (_, conn) = lab.connections()[0];
        let [client_end, vip, there] = conn.ends();
        assert_eq!((client_end, vip, there), ((client(2), 1).into(), (REMOTE, 80).into(), ([0; 4], 0).into()));
        state_name(conn.protocol_number(), conn.state())
    };
    lab.feed(WAN, &segment(REMOTE, 1, SYN));
    assert_eq!(state(&lab), "SYN_RECV");
    lab.feed(WAN, &segment(REMOTE, 1, ACK));
    assert_eq!(state(&lab), "ESTABLISHED");
    lab.feed(WAN, &segment(REMOTE, 1, FIN | ACK));
    assert_eq!(state(&lab), "CLOSE_WAIT");
    assert_eq!((lab.count("forward_bypass"), lab.count("connections_made")), (3, 1));
    assert_eq!(lab.sent(WAN).len(), 3, "by the way to the destination");
    assert!(lab.slots().all(|slot| lab.link.totals.get(slot).is_none_or(|t| t.read().in_packets == 0)));

    lab.feed(WAN, &segment(VIP, 1, SYN));
    assert_eq!(lab.count("answer_no_server"), 1, "what is ours goes nowhere else");
    lab.feed(WAN, &segment(server(19), 1, SYN));
    assert_eq!((lab.parked(), lab.asked()), (1, vec![server(19).into()]), "it waits for its destination");
    lab.neighbor(LAN, server(19).into());
    lab.pass(SECOND);
    assert_eq!(destination(&mut lab), server(19));
    lab.check_accounts();
    lab.pass(3600 * SECOND);
    assert!(lab.connections().is_empty());
}
