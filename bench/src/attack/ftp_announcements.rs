//! Data connections of FTP are announced, and begin, where as much is announced as can be, by thousands of control connections
//! that announce and never use it. As usual nothing else is announced.

use std::net::{IpAddr, Ipv4Addr};

use dataplane::expected::MOST_ANNOUNCED;
use dataplane::flow::{Protocol, ServiceKey};
use dataplane::sched::Scheduler;
use dataplane::service::VirtualService;
use dataplane::wire::tcp::{ACK, SYN};

use super::measured;
use crate::stage::Stage;
use crate::traffic::Traffic;

const TRAFFIC: Traffic = Traffic::NAT4;
/// Bytes of a frame with an announcement, spaces included.
const LONG: usize = 54 + 32;
/// Control connections of the attack: their announcements are twice as many as there can be.
const HOSTILE: u32 = 2 * 65_536 / MOST_ANNOUNCED as u32;
const CLIENTS: u32 = 500;

/// A client, from 45.0.0.0 on.
fn client(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x2d00_0000 + n)
}

/// A segment of a client to the control port.
fn says(n: u32, flags: u8, text: &[u8]) -> [u8; LONG] {
    TRAFFIC.segment(0, [(client(n).into(), 4000), (TRAFFIC.vip(0), 21)], flags, text)
}

/// Where a client announces that it listens.
fn announces(n: u32, port: u16) -> [u8; LONG] {
    let ([a, b, c, d], [high, low]) = (client(n).octets(), port.to_be_bytes());
    let text = format!("PORT {:>25}\r\n", format!("{a},{b},{c},{d},{high},{low}"));
    says(n, ACK, text.as_bytes())
}

/// Control connections are established: with rr, client n's server is n modulo ten.
fn open(stage: &mut Stage<LONG>, clients: std::ops::Range<u32>) {
    stage.take(0, clients.clone().map(|n| says(n, SYN, b"")));
    stage.take(1, clients.clone().map(|n| of_server(n, 21, 4000, SYN | ACK)));
    stage.take(0, clients.map(|n| says(n, ACK, b"")));
}

fn of_server(n: u32, from: u16, to: u16, flags: u8) -> [u8; LONG] {
    let server: IpAddr = TRAFFIC.server((n % 10) as u8);
    TRAFFIC.segment(1, [(server, from), (client(n).into(), to)], flags, b"")
}

pub(super) fn run(attacked: bool) -> u64 {
    let mut stage = Stage::<LONG>::changed(TRAFFIC, 4 * HOSTILE, Scheduler::Rr, 1, |tables, _, _| {
        let old = *tables.services.keys().next().expect("a service");
        let key = ServiceKey::Address { protocol: Protocol::Tcp, address: TRAFFIC.vip(0), port: 21 };
        let mut service = VirtualService { key, ..VirtualService::clone(&tables.services[&old]) };
        service.servers.iter_mut().for_each(|server| server.port = 21);
        tables.services.insert(key, std::sync::Arc::new(service));
    });
    open(&mut stage, 0..HOSTILE);
    if attacked {
        let all = (0..MOST_ANNOUNCED as u16).flat_map(|turn| (0..HOSTILE).map(move |n| announces(n, 5000 + turn)));
        stage.take(0, all);
    }
    let ours = HOSTILE..HOSTILE + CLIENTS;
    open(&mut stage, ours.clone());
    let before = stage.connections();
    measured(&mut || {
        stage.take(0, ours.clone().map(|n| announces(n, 6000)));
        stage.take(1, ours.clone().map(|n| of_server(n, 20, 6000, SYN)));
    });
    assert_eq!(stage.connections(), before + CLIENTS, "nobody is kept waiting");
    CLIENTS.into()
}
