//! The director as a router: what it refuses counts for no connection, what it would send back it does not send, and what it
//! need not read it passes on.

use dataplane::flow::Protocol::{Tcp, Udp};
use dataplane::method::ForwardMethod::{Dr, Nat, Tun};
use dataplane::sched::Scheduler::Rr;
use dataplane::service::TotalsRead;
use dataplane::wire::tcp::SYN;
use dataplane::wire::{ipv4, put};
use std::net::{IpAddr, Ipv4Addr};

use crate::frames::{Body, error, packet};
use crate::lab::{FAR6, LAN, Lab, SECOND, VIP, VIP6, WAN, client, client6, server, server6};

/// Hosts behind the link that takes 600 bytes.
const FAR: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 9);

/// What a server counts.
fn totals(lab: &Lab, slot: u32) -> TotalsRead {
    lab.link.totals.get(slot).expect("totals").read()
}

#[test]
fn a_reply_that_a_router_refuses_does_not_count_and_prolongs_nothing() {
    let ends: [[IpAddr; 3]; 2] =
        [[FAR.into(), VIP.into(), server(11).into()], [FAR6.into(), VIP6.into(), server6(11).into()]];
    for [client, vip, server] in ends {
        let mut lab = Lab::new(100);
        lab.know_servers(11..=11);
        lab.service(Udp, vip, 53, Rr, &[(server, 53, Nat, 1)]);
        lab.feed(WAN, &packet(client, vip, Body::Udp(5000, 53, 1)).frame());
        let began = lab.connections()[0].1.last_seen().0;
        lab.pass(20 * SECOND);
        let reply = |bytes| packet(server, client, Body::Udp(53, 5000, bytes)).fragment(ipv4::DF);
        for (refused, verdict) in
            [(reply(700).frame(), "answer_too_big"), (reply(9).ttl(1).frame(), "answer_ttl_exceeded")]
        {
            assert_eq!(lab.moved(|lab| lab.feed(LAN, &refused))[1].0, verdict);
            assert_eq!((totals(&lab, 0).out_packets, lab.connections()[0].1.last_seen().0), (0, began), "{verdict}");
        }
        lab.feed(LAN, &reply(9).frame());
        lab.feed(LAN, &reply(700).frame());
        assert_eq!(totals(&lab, 0).out_packets, 1, "by the next hop that it remembers, too");
        assert!(lab.connections()[0].1.last_seen().0 > began);
        lab.check_accounts();
    }
}

#[test]
fn an_error_that_a_router_refuses_does_not_count() {
    for (method, ends) in [(Nat, [client(2), server(11)]), (Dr, [client(2), VIP]), (Tun, [client(2), VIP])] {
        let mut lab = Lab::new(100);
        lab.know_servers(11..=11);
        lab.service(Tcp, VIP, 80, Rr, &[(server(11), 80, method, 1)]);
        lab.feed(WAN, &packet(client(2), VIP, Body::Tcp(4000, 80, SYN, 0)).frame());
        let quoted = packet(ends[0], ends[1], Body::Tcp(4000, 80, SYN, 0)).frame()[14..].to_vec();
        let mut about = error(server(11), client(2), (3, 1, 0), &quoted);
        let mut live = |ttl: u8| {
            put(&mut about, 22, &[ttl, 1, 0, 0]);
            let sum = dataplane::wire::checksum::of(&about[14..34]);
            put(&mut about, 24, &sum.to_be_bytes());
            lab.feed(LAN, &about);
            totals(&lab, 0).out_packets
        };
        assert_eq!([live(1), live(2)], [0, 1], "{method:?}");
        lab.check_accounts();
    }
}

/// A frame that a neighbour sent.
fn from_neighbour(lab: &Lab, neighbour: impl Into<IpAddr>, interface: u16, mut frame: Vec<u8>) -> Vec<u8> {
    let hops = &lab.tables.net.hops;
    let hop = hops.find(interface, neighbour.into()).and_then(|hop| hops.get(hop)).expect("a neighbour");
    put(&mut frame, 6, &hop.mac().0);
    frame
}

#[test]
fn nothing_goes_back_to_the_neighbour_that_it_came_from() {
    // Everybody is on one link, and a router there leads everywhere else.
    let mut lab = Lab::one_armed(100);
    lab.know_servers(11..=11);
    let remote = Ipv4Addr::new(10, 3, 0, 9);
    let passing = packet(client(9), remote, Body::Udp(7, 7, 9)).frame();
    let sent_by = |lab: &mut Lab, neighbour: Ipv4Addr| {
        let frame = from_neighbour(lab, neighbour, WAN, passing.clone());
        lab.moved(|lab| lab.feed(WAN, &frame))[1].0
    };
    assert_eq!(sent_by(&mut lab, client(1)), "drop_back_to_sender", "the router itself");
    assert_eq!(sent_by(&mut lab, client(2)), "forward_routed", "somebody who takes the director for a router");
    let six = packet(client6(9), client6(1), Body::Udp(7, 7, 9)).frame();
    let six = from_neighbour(&lab, client6(1), WAN, six);
    assert_eq!(lab.moved(|lab| lab.feed(WAN, &six))[1].0, "drop_back_to_sender");
    lab.tables.options.strict_parity = true;
    lab.publish();
    assert_eq!(sent_by(&mut lab, client(1)), "forward_routed", "as the kernel does");
    lab.check_accounts();
}

#[test]
fn connections_may_lead_back_where_their_packets_came_from() {
    let mut lab = Lab::one_armed(100);
    let router = client(1);
    let far = Ipv4Addr::new(10, 3, 0, 9);
    for (port, method) in [(80, Nat), (81, Dr)] {
        lab.service(Tcp, VIP, port, Rr, &[(far, port, method, 1)]);
        let request = packet(Ipv4Addr::new(10, 4, 0, 9), VIP, Body::Tcp(4000, port, SYN, 0)).frame();
        let request = from_neighbour(&lab, router, WAN, request);
        lab.feed(WAN, &request);
    }
    let by_nat = packet(far, Ipv4Addr::new(10, 4, 0, 9), Body::Tcp(80, 4000, SYN, 0)).frame();
    let past = packet(VIP, Ipv4Addr::new(10, 4, 0, 9), Body::Tcp(81, 4000, SYN, 0)).frame();
    for reply in [by_nat, past] {
        let reply = from_neighbour(&lab, router, WAN, reply);
        lab.feed(WAN, &reply);
    }
    let counted = ["forward_nat_request", "forward_dr", "forward_nat_reply"].map(|name| lab.count(name));
    assert_eq!((counted, lab.count("drop_back_to_sender")), ([1, 1, 1], 0));
    lab.check_accounts();
}

#[test]
fn what_is_cut_is_passed_on_and_not_answered() {
    let mut lab = Lab::new(100);
    lab.know_servers(11..=11);
    lab.service(Tcp, VIP, 80, Rr, &[(server(11), 80, Nat, 1)]);
    lab.service(Tcp, VIP6, 80, Rr, &[(server6(11), 80, Nat, 1)]);
    for (protocol, whole) in [(6, 20), (17, 8), (132, 12)] {
        for length in [0, 3, 4, whole - 1] {
            let ended = |lab: &mut Lab, src: IpAddr, dst: IpAddr| {
                let frame = packet(src, dst, Body::Other(protocol, length)).frame();
                lab.moved(|lab| lab.feed(WAN, &frame))[1].0
            };
            let passing = [
                ended(&mut lab, client(2).into(), server(11).into()),
                ended(&mut lab, client6(2).into(), server6(11).into()),
            ];
            assert_eq!(passing, ["forward_routed"; 2], "{length} bytes of {protocol}");
            let ours = [ended(&mut lab, client(2).into(), VIP.into()), ended(&mut lab, client6(2).into(), VIP6.into())];
            assert_eq!(ours, ["drop_transport"; 2], "{length} bytes of {protocol}");
        }
    }
    // What may be an error about a connection is read.
    let ping = |protocol, src: IpAddr, dst: IpAddr| packet(src, dst, Body::Other(protocol, 7)).frame();
    lab.feed(WAN, &ping(1, client(2).into(), server(11).into()));
    lab.feed(WAN, &ping(58, client6(2).into(), server6(11).into()));
    assert_eq!(lab.count("drop_transport"), 26);
    lab.check_accounts();
}
