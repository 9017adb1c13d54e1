//! Servers that are the director itself: nobody listens there, and a client is told so in the name of the virtual address.

use dataplane::flow::Protocol;
use dataplane::method::ForwardMethod::{self, Dr, Nat};
use dataplane::sched::Scheduler;
use dataplane::wire::ethernet;
use dataplane::wire::ipv4::Header;
use dataplane::wire::tcp::{RST, SYN};
use std::net::Ipv4Addr;

use crate::frames::{Body, packet};
use crate::lab::{Lab, VIP, WAN, client};

const OWN: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 254);

fn lab(protocol: Protocol, server: Ipv4Addr, forward: ForwardMethod) -> Lab {
    let mut lab = Lab::new(4);
    lab.service(protocol, VIP, 80, Scheduler::Rr, &[(server, 80, forward, 1)]);
    lab.turn();
    lab
}

fn tcp(flags: u8) -> Vec<u8> {
    packet(client(2), VIP, Body::Tcp(4000, 80, flags, 0)).frame()
}

/// From where the only frame on the client's side came.
fn told_by(lab: &mut Lab) -> Ipv4Addr {
    let sent = lab.sent(WAN);
    assert_eq!(sent.len(), 1);
    Ipv4Addr::from_bits(Header::parse(&sent[0][ethernet::HEADER..]).expect("an IPv4 packet").src)
}

#[test]
fn a_connection_is_reset_and_closed() {
    for forward in [Nat, Dr] {
        let mut lab = lab(Protocol::Tcp, OWN, forward);
        lab.feed(WAN, &tcp(SYN));
        assert_eq!(told_by(&mut lab), VIP);
        let state = lab.state(0);
        assert_eq!((state.active(), state.inactive()), (0, 1), "{forward:?}: it is over");
        let moved = lab.moved(|lab| lab.feed(WAN, &tcp(RST)));
        assert_eq!(moved, [("received", 1), ("drop_stray_reset", 1)], "nobody answers a reset");
        lab.check_accounts();
    }
}

#[test]
fn a_datagram_is_answered() {
    let mut lab = lab(Protocol::Udp, OWN, Nat);
    let datagram = packet(client(2), VIP, Body::Udp(4000, 80, 10)).frame();
    let moved = lab.moved(|lab| lab.feed(WAN, &datagram));
    let wanted = [("received", 1), ("connections_made", 1), ("answer_port_unreachable", 1), ("sent_icmp_error", 1)];
    assert_eq!(moved, wanted);
    assert_eq!(told_by(&mut lab), VIP);
}

#[test]
fn nothing_is_translated_to_a_loopback_address() {
    let mut lab = lab(Protocol::Tcp, Ipv4Addr::LOCALHOST, Nat);
    let moved = lab.moved(|lab| lab.feed(WAN, &tcp(SYN)));
    assert_eq!(moved, [("received", 1), ("connections_made", 1), ("drop_martian", 1)]);
    assert_eq!(lab.state(0).active(), 1, "its connection waits, as in the kernel");
}
