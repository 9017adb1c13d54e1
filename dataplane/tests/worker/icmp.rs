//! ICMP errors about connections: rewritten as NAT rewrote what they are about, sent on by DR and TUN, told to clients
//! whose packets were in a tunnel, steered by what they quote.

use dataplane::flow::Protocol::{Tcp, Udp};
use dataplane::flow::{Encapsulation, Family, ServiceKey};
use dataplane::mark::{Mark, Marks, Rule};
use dataplane::method::ForwardMethod::{Dr, Nat, Tun};
use dataplane::route::Prefix;
use dataplane::sched::Scheduler::Rr;
use dataplane::steering::Steering;
use dataplane::wire::checksum::Sum;
use dataplane::wire::quoted::Quote;
use dataplane::wire::tcp::{ACK, SYN};
use dataplane::wire::{be16, ipv4, put};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::crew::{Device, crew, plan_of, settle};
use crate::frames::{Body, error, is_right, packet};
use crate::lab::{LAN, Lab, NONE, SECOND, VIP, VIP6, WAN, client, client6, server, server6};

/// The director's address on the servers' link.
const OWN: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 254);
/// A router between director and servers.
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 19);
const PORT_UNREACHABLE: (u8, u8, u32) = (3, 3, 0);
const DF: u16 = 0x4000;

fn too_big(mtu: u16) -> (u8, u8, u32) {
    (3, 4, mtu.into())
}

/// A packet as an error quotes it.
fn segment(src: impl Into<IpAddr>, dst: impl Into<IpAddr>, sport: u16, dport: u16) -> Vec<u8> {
    packet(src, dst, Body::Tcp(sport, dport, ACK, 30)).frame()[14..].to_vec()
}

/// A lab with one connection of client 2, port 4000, to VIP port 80.
fn connected(method: dataplane::method::ForwardMethod, port: u16) -> Lab {
    let mut lab = Lab::new(100);
    lab.know_servers(11..=12);
    lab.service(Tcp, VIP, 80, Rr, &[(server(11), port, method, 1)]);
    lab.feed(WAN, &packet(client(2), VIP, Body::Tcp(4000, 80, SYN, 0)).frame());
    assert_eq!(lab.sent(LAN).len(), 1);
    lab
}

/// The only frame that left by a port.
fn one(lab: &mut Lab, port: u16) -> Vec<u8> {
    let sent = lab.sent(port);
    let [frame] = &sent[..] else { panic!("{} frames left", sent.len()) };
    assert!(is_right(frame), "{frame:02x?}");
    frame.clone()
}

/// Source and destination of an IPv4 error, and what it quotes.
fn read(frame: &[u8]) -> (Ipv4Addr, Ipv4Addr, Quote) {
    let header = ipv4::Header::parse(&frame[14..]).expect("IPv4");
    let quote = Quote::parse(&frame[14 + header.len..], 8).expect("a quote");
    (header.src.into(), header.dst.into(), quote)
}

fn ends(quote: &Quote) -> [(IpAddr, u16); 2] {
    let ([src, dst], [sport, dport]) = (quote.ends, quote.ports.expect("quoted ports"));
    [(src, sport), (dst, dport)]
}

#[test]
fn nat_rewrites_the_error_and_what_it_quotes() {
    let mut lab = connected(Nat, 8080);
    let (from, to) = (client(2), server(11));
    lab.feed(WAN, &error(from, VIP, PORT_UNREACHABLE, &segment(VIP, from, 80, 4000)));
    let (src, dst, quote) = read(&one(&mut lab, LAN));
    assert_eq!((src, dst), (from, to));
    assert_eq!(ends(&quote), [(to.into(), 8080), (from.into(), 4000)]);
    lab.feed(LAN, &error(ROUTER, from, too_big(1300), &segment(from, to, 4000, 8080)));
    let sent = one(&mut lab, WAN);
    let (src, dst, quote) = read(&sent);
    assert_eq!((src, dst), (VIP, from), "the client knows the VIP as one host");
    assert_eq!(ends(&quote), [(from.into(), 4000), (VIP.into(), 80)]);
    assert_eq!((sent[22], be16(&sent, 40)), (63, 1300), "time to live, and the MTU that was told");
    assert!(ipv4::Header::parse(&sent[42..]).is_ok(), "the quoted header's checksum is right again");
    let totals = lab.link.totals.get(lab.connections()[0].1.server_slot()).expect("totals").read();
    assert_eq!((totals.in_packets, totals.out_packets), (2, 1), "errors count as packets");
    lab.check_accounts();
}

#[test]
fn a_quote_is_read_as_far_as_its_ports() {
    let mut lab = connected(Nat, 8080);
    let quoted = segment(VIP, client(2), 80, 4000);
    for (length, leaves) in [(20, 0), (23, 0), (24, 1), (28, 1)] {
        lab.feed(WAN, &error(client(2), VIP, PORT_UNREACHABLE, &quoted[..length]));
        assert_eq!(lab.sent(LAN).len(), leaves, "{length} bytes");
    }
    // Options of the quoted packet stand before its ports, and are covered by its header's checksum.
    let options = [&[0x46], &quoted[1..20], &[1, 1, 1, 1], &quoted[20..]].concat();
    lab.feed(WAN, &error(client(2), VIP, PORT_UNREACHABLE, &options));
    let sent = one(&mut lab, LAN);
    assert_eq!(ends(&read(&sent).2)[0], (server(11).into(), 8080));
    assert_eq!(Sum::default().bytes(&sent[42..66]).fold(), 0xffff);
}

#[test]
fn what_is_bad_is_not_made_good() {
    let mut lab = connected(Nat, 8080);
    let bent = |mut frame: Vec<u8>| {
        frame[37] ^= 1;
        frame
    };
    let to_server = bent(error(client(2), VIP, PORT_UNREACHABLE, &segment(VIP, client(2), 80, 4000)));
    let to_client = bent(error(ROUTER, client(2), PORT_UNREACHABLE, &segment(client(2), server(11), 4000, 8080)));
    let moved = lab.moved(|lab| [(WAN, to_server), (LAN, to_client)].iter().for_each(|(port, f)| lab.feed(*port, f)));
    assert_eq!(moved, [("received", 2), ("drop_transport_checksum", 2)]);
}

#[test]
fn errors_about_nobody_are_like_any_packet() {
    let mut lab = connected(Nat, 8080);
    let moved = |lab: &mut Lab, port, frame: &[u8]| lab.moved(|lab| lab.feed(port, frame));
    let strange = segment(VIP, client(2), 81, 4000);
    assert_eq!(moved(&mut lab, WAN, &error(client(2), VIP, PORT_UNREACHABLE, &strange))[1].0, "drop_icmp");
    let strange = error(ROUTER, client(2), PORT_UNREACHABLE, &segment(client(2), server(11), 4000, 81));
    assert_eq!(moved(&mut lab, LAN, &strange)[1].0, "forward_routed");
    assert_eq!(lab.sent(WAN)[0][34..], strange[34..], "as it came");
    // A parameter problem is none of the kinds that follow a connection.
    let about = segment(client(2), server(11), 4000, 8080);
    assert_eq!(moved(&mut lab, LAN, &error(ROUTER, client(2), (12, 0, 0), &about))[1].0, "forward_routed");
}

#[test]
fn direct_routing_and_tunnels_change_nothing_in_it() {
    for (method, overhead) in [(Dr, 0), (Tun, 20)] {
        let mut lab = connected(method, 80);
        let sent = error(client(2), VIP, PORT_UNREACHABLE, &segment(VIP, client(2), 80, 4000));
        lab.feed(WAN, &sent);
        let left = lab.sent(LAN).remove(0);
        assert_eq!(left[34 + overhead..], sent[34..]);
        assert_eq!(lab.connections()[0].1.in_packets(), 2);
    }
    let mut lab = connected(Dr, 80);
    lab.feed(LAN, &error(ROUTER, client(2), PORT_UNREACHABLE, &segment(client(2), VIP, 4000, 80)));
    assert_eq!(read(&one(&mut lab, WAN)).0, ROUTER, "it is a router's word");
    let totals = lab.link.totals.get(0).expect("totals").read();
    assert_eq!(totals.out_packets, 1);
}

#[test]
fn icmpv6_errors_go_through_nat_too() {
    let mut lab = Lab::new(100);
    lab.know_servers(11..=11);
    lab.service(Tcp, VIP6, 80, Rr, &[(server6(11), 8080, Nat, 1)]);
    lab.feed(WAN, &packet(client6(2), VIP6, Body::Tcp(4000, 80, SYN, 0)).frame());
    lab.sent(LAN);
    let quote_of = |frame: &[u8]| Quote::parse6(&frame[54..], 8).expect("a quote");
    lab.feed(WAN, &error(client6(2), VIP6, (2, 0, 1400), &segment(VIP6, client6(2), 80, 4000)));
    let sent = one(&mut lab, LAN);
    assert_eq!(sent[38..54], server6(11).octets());
    assert_eq!(ends(&quote_of(&sent)), [(server6(11).into(), 8080), (client6(2).into(), 4000)]);
    lab.feed(LAN, &error(server6(11), client6(2), (1, 4, 0), &segment(client6(2), server6(11), 4000, 8080)));
    let sent = one(&mut lab, WAN);
    assert_eq!((&sent[22..38], sent[21]), (&VIP6.octets()[..], 63));
    assert_eq!(ends(&quote_of(&sent)), [(client6(2).into(), 4000), (VIP6.into(), 80)]);
}

/// A request of so many bytes inside the tunnel's headers, as they leave.
fn wrapped(lab: &mut Lab, length: usize) -> Vec<u8> {
    let request = packet(client(2), VIP, Body::Udp(4000, 80, length - 28)).fragment(DF).frame();
    lab.feed(WAN, &request);
    lab.sent(LAN).pop().map(|frame| frame[14..].to_vec()).unwrap_or_default()
}

#[test]
fn errors_about_tunnels_are_told_to_the_client() {
    for encapsulation in [
        Encapsulation::Ipip,
        Encapsulation::Gue { port: 6080, checksum: true },
        Encapsulation::Gre { checksum: false },
        Encapsulation::Gre { checksum: true },
    ] {
        let mut lab = Lab::new(100);
        lab.know_servers(11..=11);
        lab.service(Udp, VIP, 80, Rr, &[(server(11), 80, Tun, 1)]);
        lab.state(0).encapsulation.store(encapsulation.word(), Relaxed);
        let outer = wrapped(&mut lab, 128);
        let headers = outer.len() - 128;
        lab.feed(LAN, &error(ROUTER, OWN, (3, 1, 0), &outer));
        let (src, dst, quote) = read(&one(&mut lab, WAN));
        assert_eq!((src, dst), (VIP, client(2)), "{encapsulation:?}");
        assert_eq!(ends(&quote), [(client(2).into(), 4000), (VIP.into(), 80)]);
        lab.feed(LAN, &error(ROUTER, OWN, too_big(1300), &outer));
        assert_eq!(usize::from(be16(&one(&mut lab, WAN), 40)), 1300 - headers, "what is left for the client");
        assert_eq!(wrapped(&mut lab, 1301 - headers), [], "the path takes no more from now on");
        assert_eq!(usize::from(be16(&one(&mut lab, WAN), 40)), 1300 - headers);
        assert_eq!(wrapped(&mut lab, 1300 - headers).len(), 1300);
        // Ten minutes later it is asked again; the connection's end comes before.
        lab.pass(601 * SECOND);
        assert_eq!(wrapped(&mut lab, 1301 - headers).len(), 1301);
        lab.check_accounts();
    }
}

#[test]
fn only_errors_about_our_own_tunnels_are_told() {
    let mut lab = Lab::new(100);
    lab.know_servers(11..=12);
    lab.service(Udp, VIP, 80, Rr, &[(server(11), 80, Tun, 1)]);
    let outer = wrapped(&mut lab, 128);
    let silent = |lab: &mut Lab, dst: Ipv4Addr, quoted: &[u8]| {
        lab.feed(LAN, &error(ROUTER, dst, (3, 1, 0), quoted));
        lab.sent(WAN).is_empty()
    };
    let mut other = outer.clone();
    put(&mut other, 16, &server(12).octets());
    assert!(silent(&mut lab, OWN, &other), "another server");
    put(&mut other, 16, &server(11).octets());
    put(&mut other, 9, &[47]);
    assert!(silent(&mut lab, OWN, &other), "another kind of tunnel");
    assert!(silent(&mut lab, OWN, &outer[..43]), "cut within the client's ports");
    let mut later = outer.clone();
    put(&mut later, 6, &[0, 9]);
    assert!(silent(&mut lab, OWN, &later), "a later piece");
    lab.state(0).available.store(false, Relaxed);
    assert!(silent(&mut lab, OWN, &outer), "the server is gone");
    lab.state(0).available.store(true, Relaxed);
    assert!(!silent(&mut lab, OWN, &outer));
}

#[test]
fn what_comes_in_a_tunnel_is_balanced_only_where_that_is_wanted() {
    let mut lab = Lab::new(100);
    lab.know_servers(11..=11);
    lab.service(Tcp, VIP, 80, Rr, &[(server(11), 8080, Nat, 1)]);
    let inner = packet(client(2), VIP, Body::Tcp(4000, 80, SYN, 3)).frame();
    let mut frame = packet(client(9), VIP, Body::Other(4, inner.len() - 14)).frame();
    put(&mut frame, 34, &inner[14..]);
    let ended = |lab: &mut Lab, frame: &[u8]| {
        let moved = lab.moved(|lab| lab.feed(WAN, frame));
        lab.sent(WAN);
        moved[1].0
    };
    assert_eq!(ended(&mut lab, &frame), "answer_port_unreachable");
    lab.tables.options.unwrap_ipip = true;
    lab.publish();
    lab.feed(WAN, &frame);
    let sent = one(&mut lab, LAN);
    assert_eq!((sent.len(), be16(&sent, 12)), (inner.len(), 0x0800), "without the outer header");
    assert_eq!((&sent[30..34], sent[22]), (&server(11).octets()[..], 63));
    // One more around it is one too many.
    let mut twice = packet(client(9), VIP, Body::Other(4, frame.len() - 14)).frame();
    put(&mut twice, 34, &frame[14..]);
    assert_eq!(ended(&mut lab, &twice), "answer_port_unreachable");
    Arc::make_mut(&mut lab.tables.sysctls).set("ignore_tunneled", "1").expect("it takes that");
    lab.publish();
    assert_eq!(ended(&mut lab, &frame), "forward_nat_request", "that setting changes nothing any more");
    // A tunnel without a packet.
    let empty = packet(client(9), VIP, Body::Other(4, 0)).frame();
    assert_eq!(ended(&mut lab, &empty), "drop_malformed");
    lab.tables.options.unwrap_ipip = false;
    lab.publish();
    assert_eq!(ended(&mut lab, &empty), "drop_transport");
    lab.check_accounts();
}

#[test]
fn an_error_begins_a_connection_only_where_that_is_wanted() {
    let mut lab = Lab::new(100);
    lab.know_servers(11..=11);
    lab.service(Tcp, VIP, 80, Rr, &[(server(11), 8080, Nat, 1)]);
    let about = error(client(2), VIP, PORT_UNREACHABLE, &segment(VIP, client(2), 80, 4000));
    lab.feed(WAN, &about);
    assert_eq!((lab.connections().len(), lab.sent(LAN).len()), (0, 0));
    Arc::make_mut(&mut lab.tables.sysctls).set("schedule_icmp", "1").expect("it takes that");
    lab.publish();
    lab.feed(WAN, &about);
    assert_eq!((lab.connections().len(), lab.sent(LAN).len()), (1, 1));
    assert_eq!((lab.state(0).active(), lab.state(0).inactive()), (0, 1));
    lab.pass(4 * SECOND);
    assert_eq!(lab.connections().len(), 0, "nobody came");
    lab.check_counts();
}

#[test]
fn an_error_that_quotes_no_ports_begins_nothing_and_goes_nowhere_then() {
    let mut lab = Lab::new(100);
    lab.know_servers(11..=11);
    lab.service(Tcp, VIP, 80, Rr, &[(server(11), 8080, Nat, 1)]);
    lab.service(Tcp, VIP6, 80, Rr, &[(server6(11), 8080, Nat, 1)]);
    let (four, six) = (segment(VIP, client(2), 80, 4000), segment(VIP6, client6(2), 80, 4000));
    let short = [
        error(client(2), server(11), PORT_UNREACHABLE, &four[..20]),
        error(client(2), server(11), PORT_UNREACHABLE, &four[..23]),
        error(client6(2), server6(11), (1, 4, 0), &six[..40]),
        error(client6(2), server6(11), (1, 4, 0), &six[..43]),
    ];
    let ends = |lab: &mut Lab| short.each_ref().map(|frame| lab.moved(|lab| lab.feed(WAN, frame))[1].0);
    assert_eq!(ends(&mut lab), ["forward_routed"; 4]);
    Arc::make_mut(&mut lab.tables.sysctls).set("schedule_icmp", "1").expect("it takes that");
    lab.publish();
    assert_eq!(ends(&mut lab), ["drop_transport"; 4]);
    // Of what is not balanced nothing could begin.
    let mut other = four.clone();
    other[9] = 47;
    lab.feed(WAN, &error(client(2), server(11), PORT_UNREACHABLE, &other[..20]));
    assert_eq!((lab.count("forward_routed"), lab.connections().len()), (5, 0));
    lab.check_accounts();
}

#[test]
fn an_error_passes_by_no_service() {
    let mut lab = Lab::new(100);
    let remote = Ipv4Addr::new(10, 3, 0, 9);
    lab.service_by(ServiceKey::Mark { fwmark: 7, family: Family::Ipv4 }, Rr, NONE);
    let destination = Some(Prefix { address: remote.into(), length: 32 });
    let mark = Mark { number: 7, local: true };
    lab.tables.marks = Marks::new(vec![Rule { destination, mark, ..Rule::default() }]);
    for name in ["schedule_icmp", "cache_bypass"] {
        Arc::make_mut(&mut lab.tables.sysctls).set(name, "1").expect("it takes that");
    }
    lab.publish();
    let about = error(client(2), remote, PORT_UNREACHABLE, &segment(remote, client(2), 80, 4000));
    assert_eq!(lab.moved(|lab| lab.feed(WAN, &about))[1].0, "drop_unanswerable");
    assert_eq!(lab.connections().len(), 0, "only a packet begins one past the servers");
    lab.check_accounts();
}

#[test]
fn an_error_about_esp_follows_its_isakmp() {
    let mut lab = Lab::new(100);
    lab.know_servers(11..=11);
    lab.service(Udp, VIP, 500, Rr, &[(server(11), 500, Nat, 1)]);
    lab.feed(WAN, &packet(client(2), VIP, Body::Udp(500, 500, 9)).frame());
    lab.sent(LAN);
    let quoted = packet(VIP, client(2), Body::Other(50, 20)).frame()[14..].to_vec();
    for length in [20, 28] {
        lab.feed(WAN, &error(client(2), VIP, PORT_UNREACHABLE, &quoted[..length]));
        let sent = one(&mut lab, LAN);
        assert_eq!((&sent[30..34], &sent[54..58]), (&server(11).octets()[..], &server(11).octets()[..]));
    }
    lab.check_accounts();
}

#[test]
fn an_error_finds_its_connection_whatever_worker_it_lands_on() {
    for device in [Device::Single, Device::Many, Device::Hashing] {
        for steering in [Steering::Tuple, Steering::Client] {
            let plan = plan_of(device, 4, steering);
            let queues = plan.ports[0].rx_queues;
            let mut lab = crew(&plan, 1000);
            lab.know_servers(11..=11);
            lab.service(Tcp, VIP, 80, Rr, &[(server(11), 8080, Nat, 1)]);
            settle(&mut lab);
            for at in 0..200u16 {
                let sport = 2000 + at;
                let mut arrives = |port: u16, frame: &[u8]| {
                    let worker = lab.crew_mut().nth(usize::from(at * 7 % queues)).expect("there is such a worker");
                    worker.ports_mut()[usize::from(port)].inject(frame);
                    settle(&mut lab);
                };
                arrives(WAN, &packet(client(2), VIP, Body::Tcp(sport, 80, SYN, 0)).frame());
                arrives(WAN, &error(client(2), VIP, PORT_UNREACHABLE, &segment(VIP, client(2), 80, sport)));
                let about = segment(client(2), server(11), sport, 8080);
                arrives(LAN, &error(server(11), client(2), PORT_UNREACHABLE, &about));
            }
            let counted = ["forward_icmp_request", "forward_icmp_reply", "drop_icmp"].map(|name| lab.count(name));
            assert_eq!(counted, [200, 200, 0], "{device:?} {steering:?}");
        }
    }
}
