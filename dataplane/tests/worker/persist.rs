//! Persistent services: what leads a client's connections to one server, and what becomes of it.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;

use dataplane::clock::ticks;
use dataplane::flow::ForwardMethod::{Dr, Nat};
use dataplane::flow::{Protocol, ServiceKey};
use dataplane::sched::Scheduler::Rr;
use dataplane::service::{Manner, Persistent};
use dataplane::wire::tcp::SYN;

use crate::frames::{Body, ends, packet};
use crate::lab::{LAN, Lab, VIP, WAN, client, server};

/// Connections of a client stay together for five minutes.
const TOGETHER: Manner = Manner {
    one_packet: false,
    persistent: Some(Persistent { timeout: ticks(300), mask4: u32::MAX, mask6: u128::MAX, engine: None }),
};

fn syn(n: u8, sport: u16, dport: u16) -> Vec<u8> {
    packet(client(n), VIP, Body::Tcp(sport, dport, SYN, 0)).frame()
}

/// A persistent service of one port, with servers of NAT.
fn service(lab: &mut Lab, port: u16, servers: &[(std::net::Ipv4Addr, u16)]) -> ServiceKey {
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
