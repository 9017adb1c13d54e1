//! Persistent services: what leads a client's connections to one server, and what becomes of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;

use dataplane::clock::ticks;
use dataplane::conn::NONE;
use dataplane::flow::{Direction, Protocol, ServiceKey};
use dataplane::method::ForwardMethod::{Dr, Nat};
use dataplane::sched::Scheduler::Rr;
use dataplane::service::{Manner, Persistent};
use dataplane::template::{Template, Templates};
use dataplane::wire::tcp::SYN;

use crate::frames::{Body, ends, packet};
use crate::lab::{LAN, Lab, SECOND, VIP, WAN, client, server};

/// Connections of a client stay together for five minutes.
const TOGETHER: Manner = Manner {
    one_packet: false,
    persistent: Some(Persistent { timeout: ticks(300), mask4: u32::MAX, mask6: u128::MAX, engine: None }),
};

fn syn(n: u8, sport: u16, dport: u16) -> Vec<u8> {
    packet(client(n), VIP, Body::Tcp(sport, dport, SYN, 0)).frame()
}

/// A persistent service of one port, with servers of NAT.
fn service(lab: &mut Lab, port: u16, servers: &[(Ipv4Addr, u16)]) -> ServiceKey {
    let listed: Vec<_> = servers.iter().map(|(address, port)| (*address, *port, Nat, 1)).collect();
    let key = lab.service(Protocol::Tcp, VIP, port, Rr, &listed);
    lab.manner(key, TOGETHER);
    key
}

fn lab() -> Lab {
    let mut lab = Lab::new(100);
    lab.know_servers(11..=13);
    lab
}

/// Where a client's packet to a port of the virtual address is sent.
fn destination(lab: &mut Lab, frame: &[u8]) -> Option<SocketAddr> {
    lab.feed(WAN, frame);
    lab.sent(LAN).first().map(|frame| ends(frame)[1])
}

#[test]
fn ftp_and_all_ports_of_one_address_share_their_clients() {
    for first in [21, 22] {
        let mut lab = lab();
        service(&mut lab, 21, &[(server(11), 21)]);
        let all = service(&mut lab, 0, &[(server(12), 0), (server(13), 0)]);
        let to = |lab: &mut Lab, port| destination(lab, &syn(2, 4000 + port, port)).map(|end| end.ip());
        let chosen = to(&mut lab, first);
        for port in [21, 22, 20, 5000, 80] {
            assert_eq!(to(&mut lab, port), chosen, "port {port} after port {first}");
        }
        let elsewhere = lab.tables.services[&all].state.elsewhere.load(Relaxed);
        let guests = lab.crew().filter_map(|worker| worker.link().totals.get(0)).map(|totals| totals.read().guests);
        assert_eq!((elsewhere, guests.sum::<u64>()), if first == 21 { (2, 2) } else { (0, 0) });
        lab.check_accounts();
    }
}

#[test]
fn a_templates_server_is_taken_as_it_is_now() {
    let mut lab = lab();
    let key = service(&mut lab, 80, &[(server(11), 8080), (server(12), 8080)]);
    let first = destination(&mut lab, &syn(2, 4000, 80)).expect("it leaves");
    lab.list(key, |list| list.iter_mut().for_each(|server| server.forward = Dr));
    lab.turn();
    assert_eq!(destination(&mut lab, &syn(2, 4001, 80)).map(|end| end.ip()), Some(VIP.into()));
    let slot = u32::from(first.ip() != server(11));
    assert_eq!(lab.state(slot).connections(), 2, "by another way, to the same server");
    lab.state(slot).available.store(false, Relaxed);
    destination(&mut lab, &syn(2, 4002, 80));
    assert_eq!(lab.state(1 - slot).connections(), 1, "one that was removed leads nowhere");
}

#[test]
fn a_syn_to_the_port_of_active_data_is_for_persistent_ftp() {
    let mut lab = lab();
    let key = service(&mut lab, 21, &[(server(11), 21)]);
    let to = |lab: &mut Lab, port| destination(lab, &syn(2, 4000 + port, port));
    assert_eq!(to(&mut lab, 20), Some(SocketAddr::new(server(11).into(), 20)));
    assert_eq!(to(&mut lab, 19), None);
    lab.manner(key, Manner::default());
    assert_eq!(destination(&mut lab, &syn(3, 4000, 20)), None, "nobody can tell which server's");
    assert_eq!(lab.count("answer_tcp_reset"), 2);
}

fn datagram(from: Ipv4Addr, sport: u16) -> Vec<u8> {
    packet(from, VIP, Body::Udp(sport, 53, 4)).frame()
}

/// A persistent service of datagrams with two servers, and room for so many connections and templates.
fn datagrams(connections: u32, templates: usize) -> Lab {
    let mut lab = Lab::with_templates(connections, templates);
    lab.know_servers(11..=12);
    let key = lab.service(Protocol::Udp, VIP, 53, Rr, &[(server(11), 53, Nat, 1), (server(12), 53, Nat, 1)]);
    lab.manner(key, TOGETHER);
    lab.turn();
    lab
}

fn templates(lab: &Lab) -> Vec<Template> {
    (0..Templates::shards()).flat_map(|shard| lab.templates.page(shard, 0, usize::MAX).0).collect()
}

/// An address of nobody in particular.
fn stranger(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x2d00_0000 + n)
}

#[test]
fn a_template_goes_with_the_refusal_of_its_only_connection() {
    let mut lab = datagrams(2, 1 << 20);
    (0..2).for_each(|n| lab.feed(WAN, &datagram(client(n + 2), 4000)));
    (0..50).for_each(|n| lab.feed(WAN, &datagram(stranger(n), 4000)));
    assert_eq!((lab.count("drop_connections_full"), templates(&lab).len()), (50, 2));
    lab.feed(WAN, &datagram(client(2), 4001));
    assert_eq!(templates(&lab).len(), 2, "that of another connection stays");
    lab.check_accounts();
}

#[test]
fn a_second_packet_and_a_second_connection_are_noticed() {
    let mut lab = datagrams(10, 1 << 20);
    let heard = |lab: &Lab| templates(lab).iter().map(|t| (t.heard_again, t.assured)).collect::<Vec<_>>();
    lab.feed(WAN, &datagram(client(2), 4000));
    assert_eq!(heard(&lab), [(false, false)]);
    lab.feed(WAN, &datagram(client(2), 4000));
    assert_eq!(heard(&lab), [(true, false)]);
    let way = lab.connections()[0].1.hop(Direction::Request);
    assert_ne!(way, NONE, "and from the third on it is an usual connection");
    lab.feed(WAN, &datagram(client(3), 4000));
    lab.feed(WAN, &datagram(client(3), 4001));
    assert_eq!(heard(&lab), [(true, false); 2]);
    lab.feed(LAN, &packet(lab.connections()[0].1.server_address(), client(2), Body::Udp(53, 4000, 4)).frame());
    assert_eq!(heard(&lab).iter().filter(|(_, assured)| *assured).count(), 1);
}

#[test]
fn clients_that_were_heard_again_outlast_a_flood_of_those_that_were_not() {
    let mut lab = datagrams(5000, 4 * Templates::shards());
    lab.feed(WAN, &datagram(client(2), 4000));
    lab.feed(WAN, &datagram(client(2), 4000));
    let place = lab.connections()[0].1.server_address();
    (0..4000).for_each(|n| lab.feed(WAN, &datagram(stranger(n), 4000)));
    let left = templates(&lab).len();
    assert!(left <= 4 * Templates::shards(), "{left}");
    assert_eq!(lab.count("templates_evicted"), 4001 - left as u64);
    assert_eq!(lab.count("forward_nat_request"), 4002, "nobody new is refused");
    (0..2).for_each(|n| lab.feed(WAN, &datagram(client(2), 4001 + n)));
    assert!(
        lab.connections()
            .iter()
            .filter(|(_, conn)| conn.client_address() == client(2))
            .all(|c| c.1.server_address() == place)
    );
    lab.check_accounts();
    lab.pass(400 * SECOND);
    assert_eq!((lab.connections().len(), lab.state(0).connections(), lab.state(1).connections()), (0, 0, 0));
    lab.pass(400 * SECOND);
    assert_eq!(lab.state(0).persistent.load(Relaxed) + lab.state(1).persistent.load(Relaxed), 0);
}
