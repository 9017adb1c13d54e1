//! Floods from sources that nobody has: the table fills, and good clients get in all the same.

use std::net::Ipv4Addr;
use std::sync::Arc;

use dataplane::conn::Snapshot;
use dataplane::flow::Protocol;
use dataplane::method::ForwardMethod;
use dataplane::method::ForwardMethod::{Dr, Nat};
use dataplane::proto::{Timeouts, tcp};
use dataplane::sched::Scheduler;
use dataplane::service::{Manner, Persistent};
use dataplane::steering::Steering;
use dataplane::wire::tcp::{ACK, RST, SYN};

use crate::crew::{Device, crew, plan_of, settle};
use crate::frames::{Body, packet};
use crate::lab::{LAN, Lab, SECOND, VIP, WAN, client, server};

/// Connections that the table holds.
const CAPACITY: u32 = 4096;
/// Packets of the flood between two steps of a good client.
const FLOOD: u32 = 100;
/// Nanoseconds between two steps: the flood is one of 100,000 packets a second.
const STEP: u64 = 1_000_000;
/// Good clients, one every step.
const GOOD: u16 = 600;

/// A director that defends itself near full, with a service that leads to one server.
fn lab(protocol: Protocol, forward: ForwardMethod) -> Lab {
    let mut lab = Lab::new(CAPACITY);
    defend(&mut lab);
    lab.know_servers(11..=11);
    lab.service(protocol, VIP, 80, Scheduler::Rr, &[(server(11), 80, forward, 1)]);
    settle(&mut lab);
    lab
}

fn defend(lab: &mut Lab) {
    Arc::make_mut(&mut lab.tables.sysctls).set("drop_entry", "1").expect("it takes that");
    lab.publish();
}

/// The nth packet of a flood: of a source of its own, with a port of its own.
fn spoofed(protocol: Protocol, n: u32) -> Vec<u8> {
    let (source, port) = (Ipv4Addr::from_bits(0xcb00_0000 | n & 0x00ff_ffff), (n % 60_000) as u16 + 1024);
    let body = if protocol == Protocol::Udp { Body::Udp(port, 80, 30) } else { Body::Tcp(port, 80, SYN, 0) };
    packet(source, VIP, body).frame()
}

/// Packets of a flood, and whatever the director did with them.
fn flood(lab: &mut Lab, protocol: Protocol, packets: std::ops::Range<u32>) {
    for n in packets {
        lab.inject(WAN, &spoofed(protocol, n));
        if n % 32 == 31 {
            lab.turn();
        }
    }
    lab.now.0 += STEP;
    lab.turn();
    lab.sent(LAN);
}

fn good(sport: u16, flags: u8) -> Vec<u8> {
    packet(client(2), VIP, Body::Tcp(sport, 80, flags, 0)).frame()
}

fn answer(sport: u16, flags: u8) -> Vec<u8> {
    packet(server(11), client(2), Body::Tcp(80, sport, flags, 0)).frame()
}

/// Connections of good clients in a state.
fn good_ones(lab: &Lab, is: impl Fn(&Snapshot) -> bool) -> usize {
    lab.connections().iter().filter(|(_, conn)| conn.client_address() == client(2) && is(conn)).count()
}

fn is_established(conn: &Snapshot) -> bool {
    conn.state() == tcp::State::Established as u8
}

/// Good clients whose handshakes take three steps, a new one at each, beside a flood.
fn open_beside(lab: &mut Lab, clients: u16, flood: impl Fn(&mut Lab, u32)) {
    for step in 0..clients + 2 {
        let of = |late: u16| step.checked_sub(late).filter(|n| *n < clients).map(|n| 2000 + n);
        of(0).into_iter().for_each(|sport| lab.feed(WAN, &good(sport, SYN)));
        of(1).into_iter().for_each(|sport| lab.feed(LAN, &answer(sport, SYN | ACK)));
        of(2).into_iter().for_each(|sport| lab.feed(WAN, &good(sport, ACK)));
        flood(lab, step.into());
    }
}

#[test]
fn good_clients_connect_and_stay_through_a_flood_of_syns() {
    for forward in [Nat, Dr] {
        let mut lab = lab(Protocol::Tcp, forward);
        flood(&mut lab, Protocol::Tcp, 0..2 * CAPACITY);
        open_beside(&mut lab, GOOD, |lab, step| {
            flood(lab, Protocol::Tcp, 2 * CAPACITY + step * FLOOD..2 * CAPACITY + (step + 1) * FLOOD);
        });
        let served = good_ones(&lab, is_established);
        assert!(served >= usize::from(GOOD) * 95 / 100, "{forward:?}: {served} of {GOOD}");
        lab.check_counts();
        lab.check_accounts();
        open_beside(&mut lab, GOOD, |_, _| {});
        open_beside(&mut lab, 2 * GOOD, |_, _| {});
        assert_eq!(good_ones(&lab, is_established), usize::from(2 * GOOD), "{forward:?}: right after it, every one");
    }
}

/// Connections that a flood opens and closes at once are half open no more, and worth as little.
#[test]
fn a_flood_that_resets_what_it_opened_fills_nothing() {
    let mut lab = lab(Protocol::Tcp, Nat);
    for n in 0..3 * CAPACITY {
        lab.inject(WAN, &spoofed(Protocol::Tcp, n));
        let source = Ipv4Addr::from_bits(0xcb00_0000 | n);
        lab.inject(LAN, &packet(server(11), source, Body::Tcp(80, n as u16 % 60_000 + 1024, RST, 0)).frame());
        lab.turn();
    }
    assert_eq!(lab.count("drop_connections_full"), 0);
    open_beside(&mut lab, 50, |_, _| {});
    assert_eq!(good_ones(&lab, is_established), 50);
}

#[test]
fn good_clients_are_answered_through_a_flood_of_datagrams() {
    let question = |sport: u16| packet(client(2), VIP, Body::Udp(sport, 80, 30)).frame();
    let reply = |sport: u16| packet(server(11), client(2), Body::Udp(80, sport, 60)).frame();
    let mut lab = lab(Protocol::Udp, Nat);
    flood(&mut lab, Protocol::Udp, 0..2 * CAPACITY);
    let mut answered = 0;
    for n in 0..GOOD {
        lab.feed(WAN, &question(2000 + n));
        let first = 2 * CAPACITY + u32::from(n) * FLOOD;
        flood(&mut lab, Protocol::Udp, first..first + FLOOD);
        let translated = lab.count("forward_nat_reply");
        lab.feed(LAN, &reply(2000 + n));
        answered += lab.count("forward_nat_reply") - translated;
    }
    assert!(answered >= u64::from(GOOD) * 95 / 100, "{answered} of {GOOD}");
    assert_eq!(good_ones(&lab, |_| true) as u64, answered, "whoever was answered stays");
    lab.check_counts();
}

/// Name servers answer whoever asks: an answered question is worth more than an unanswered one, and less than a
/// conversation.
#[test]
fn good_clients_are_answered_through_a_flood_of_questions_that_are_answered() {
    let mut lab = lab(Protocol::Udp, Nat);
    let talk = |lab: &mut Lab, n: u32| {
        let (source, port) = (Ipv4Addr::from_bits(0xcb00_0000 | n), (n % 60_000) as u16 + 1024);
        lab.feed(WAN, &spoofed(Protocol::Udp, n));
        lab.feed(LAN, &packet(server(11), source, Body::Udp(80, port, 60)).frame());
    };
    for _ in 0..2 {
        (0..100).for_each(|sport| lab.feed(WAN, &packet(client(3), VIP, Body::Udp(3000 + sport, 80, 9)).frame()));
        (0..100).for_each(|sport| {
            lab.feed(LAN, &packet(server(11), client(3), Body::Udp(80, 3000 + sport, 9)).frame());
        });
    }
    (0..2 * CAPACITY).for_each(|n| talk(&mut lab, n));
    let translated = lab.count("forward_nat_reply");
    for n in 0..500 {
        lab.feed(WAN, &packet(client(2), VIP, Body::Udp(2000 + n, 80, 30)).frame());
        lab.feed(LAN, &packet(server(11), client(2), Body::Udp(80, 2000 + n, 60)).frame());
        (0..10).for_each(|more| talk(&mut lab, 2 * CAPACITY + u32::from(n) * 10 + more));
    }
    let answered = lab.count("forward_nat_reply") - translated;
    assert!(answered >= 5500 * 95 / 100, "{answered} of 5500");
    let talks = lab.connections().iter().filter(|(_, conn)| conn.client_address() == client(3)).count();
    assert_eq!(talks, 100, "conversations stay");
    lab.check_counts();
}

#[test]
fn a_new_connection_ends_two_others_at_most_and_none_that_is_of_value() {
    let mut lab = lab(Protocol::Tcp, Nat);
    open_beside(&mut lab, 2000, |_, _| {});
    flood(&mut lab, Protocol::Tcp, 0..CAPACITY);
    let ended = |lab: &mut Lab, n: u32| {
        let moved = lab.moved(|lab| lab.feed(WAN, &spoofed(Protocol::Tcp, n)));
        moved.iter().find(|(name, _)| *name == "connections_dropped_early").map_or(0, |(_, by)| *by)
    };
    let most = (CAPACITY..2 * CAPACITY).map(|n| ended(&mut lab, n)).max();
    assert_eq!((most, good_ones(&lab, is_established)), (Some(2), 2000));
}

#[test]
fn handshakes_are_left_alone_while_room_is_short_but_there() {
    let mut lab = lab(Protocol::Tcp, Nat);
    (0..CAPACITY - 600).for_each(|n| lab.feed(WAN, &spoofed(Protocol::Tcp, n)));
    assert_eq!(lab.count("connections_dropped_early"), 0, "nobody has asked again yet");
    lab.pass(3 * SECOND);
    (CAPACITY..CAPACITY + 100).for_each(|n| lab.feed(WAN, &spoofed(Protocol::Tcp, n)));
    assert!(lab.count("connections_dropped_early") > 90);
}

#[test]
fn under_strict_parity_nothing_makes_room() {
    let mut lab = lab(Protocol::Tcp, Nat);
    lab.tables.options.strict_parity = true;
    lab.publish();
    flood(&mut lab, Protocol::Tcp, 0..CAPACITY + 100);
    assert_eq!((lab.count("connections_dropped_early"), lab.count("drop_connections_full")), (0, 100));
}

#[test]
fn templates_of_a_flood_go_with_its_connections() {
    let mut lab = lab(Protocol::Tcp, Nat);
    let key = *lab.tables.services.keys().next().expect("a service");
    let persistent = Persistent { timeout: 100 * 100, mask4: u32::MAX, mask6: u128::MAX, engine: None };
    lab.manner(key, Manner { one_packet: false, persistent: Some(persistent) });
    settle(&mut lab);
    flood(&mut lab, Protocol::Tcp, 0..3 * CAPACITY);
    lab.pass(SECOND);
    lab.check_counts();
    let kept = lab.state(0).persistent.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(kept, lab.connections().len() as u32, "one for each connection that is left");
}

/// Signposts of what was displaced are taken down by the worker that told of them.
#[test]
fn several_workers_displace_what_has_signposts() {
    let mut lab = crew(&plan_of(Device::Many, 2, Steering::Tuple), 256);
    defend(&mut lab);
    lab.know_servers(11..=11);
    lab.service(Protocol::Tcp, VIP, 80, Scheduler::Rr, &[(server(11), 80, Nat, 1)]);
    settle(&mut lab);
    for n in 0..4000 {
        lab.feed(WAN, &spoofed(Protocol::Tcp, n));
        settle(&mut lab);
    }
    assert!(lab.count("connections_dropped_early") > 3000 && lab.count("drop_connections_full") == 0);
    lab.check_counts();
    let away = lab.connections().iter().filter(|(_, conn)| conn.has(dataplane::conn::flag::REPLY_AWAY)).count();
    let posts: u32 = lab.crew().map(|worker| worker.shard().table.signposts()).sum();
    assert_eq!(posts as usize, away);
}

#[test]
fn appliances_wait_half_a_minute_for_an_answer_to_a_datagram() {
    for (forward, in_between, seconds) in [(Nat, None, 30), (Nat, Some(LAN), 300), (Dr, None, 30), (Dr, Some(WAN), 300)]
    {
        for (timeouts, seconds) in [(Timeouts::appliance(), seconds), (Timeouts::default(), 300)] {
            let mut lab = lab(Protocol::Udp, forward);
            lab.tables.timeouts = Arc::new(timeouts);
            lab.publish();
            let question = packet(client(2), VIP, Body::Udp(2000, 80, 30)).frame();
            let reply = packet(server(11), client(2), Body::Udp(80, 2000, 60)).frame();
            lab.feed(WAN, &question);
            if forward == Nat {
                lab.feed(WAN, &question);
            }
            in_between.into_iter().for_each(|port| lab.feed(port, if port == LAN { &reply } else { &question }));
            let what = format!("{forward:?}, {in_between:?}, {seconds} s");
            lab.pass((seconds - 1) * SECOND);
            assert_eq!(lab.connections().len(), 1, "{what}");
            lab.pass(2 * SECOND);
            assert_eq!(lab.connections().len(), 0, "{what}");
        }
    }
}
