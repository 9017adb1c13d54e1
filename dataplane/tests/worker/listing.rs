//! Large tables: listed page by page while packets pass and connections come and go, and ended piece by piece.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

use dataplane::flow::Protocol;
use dataplane::mailbox::{Command, Page, Report};
use dataplane::method::ForwardMethod::Nat;
use dataplane::port::BURST;
use dataplane::sched::Scheduler;
use dataplane::wire::tcp::{ACK, RST, SYN};
use dataplane::worker::{COMMAND_BUDGET, EXPIRE_BUDGET, LIST_BUDGET};

use crate::frames::{Body, packet};
use crate::lab::{LAN, Lab, SECOND, VIP, WAN, client, server};

const CONNECTIONS: u32 = 200_000;

fn lab() -> Lab {
    let mut lab = Lab::new(CONNECTIONS + CONNECTIONS / 4);
    lab.know_servers(11..=11);
    lab.service(Protocol::Tcp, VIP, 80, Scheduler::Rr, &[(server(11), 80, Nat, 1)]);
    lab.service(Protocol::Udp, VIP, 53, Scheduler::Rr, &[(server(11), 53, Nat, 1)]);
    lab.turn();
    lab
}

/// Who connection `n` is from.
fn end(n: u32) -> (Ipv4Addr, u16) {
    (client((n / 10_000) as u8 + 1), (1000 + n % 10_000) as u16)
}

fn tcp(n: u32, flags: u8) -> Vec<u8> {
    let (from, port) = end(n);
    packet(from, VIP, Body::Tcp(port, 80, flags, 0)).frame()
}

fn udp(n: u32) -> Vec<u8> {
    let (from, port) = end(n);
    packet(from, VIP, Body::Udp(port, 53, 4)).frame()
}

/// Has packets arrive, a burst at a turn, and wants them all forwarded.
fn forwards(lab: &mut Lab, packets: impl Iterator<Item = Vec<u8>>) {
    let before = lab.count("forward_nat_request");
    let mut sent = 0;
    for frame in packets {
        lab.inject(WAN, &frame);
        sent += 1;
        if sent % BURST == 0 {
            lab.turn();
        }
    }
    if sent % BURST > 0 {
        lab.turn();
    }
    assert_eq!(lab.count("forward_nat_request") - before, sent as u64);
    lab.sent(LAN);
}

/// Established connections.
fn open(lab: &mut Lab, numbers: Range<u32>) {
    forwards(lab, numbers.clone().map(|n| tcp(n, SYN)));
    forwards(lab, numbers.map(|n| tcp(n, ACK)));
}

/// Has the worker list a page in a turn in which a burst of these connections is forwarded.
fn page(lab: &mut Lab, from: u32, busy: impl Iterator<Item = u32>) -> Page {
    lab.link.longest_turn.store(0, Relaxed);
    lab.link.commands.push(Command::List { question: 1, from, most: u32::MAX }).expect("room for a command");
    forwards(lab, busy.take(BURST).map(|n| tcp(n, ACK)));
    let most = LIST_BUDGET as usize + COMMAND_BUDGET + BURST + EXPIRE_BUDGET;
    assert!(lab.link.longest_turn.load(Relaxed) <= most as u64);
    let Some(Report::Listed(page)) = lab.reports().pop() else { panic!("no answer") };
    assert!(page.connections.len() <= LIST_BUDGET as usize);
    page
}

#[test]
fn who_lives_through_a_listing_is_listed_once() {
    let mut lab = lab();
    open(&mut lab, 0..CONNECTIONS);
    // One in four ends meanwhile: some before their slot is looked at, some after.
    let ends = |n: &u32| n % 4 == 1;
    let (mut listed, mut pages, mut fresh) = (HashMap::<_, u32>::new(), 0, CONNECTIONS);
    let mut from = Some(0);
    while let Some(at) = from {
        let busy = (0..CONNECTIONS).skip(pages * 997).filter(|n| !ends(n));
        let Page { connections, next, .. } = page(&mut lab, at, busy);
        for (conn, _) in connections {
            *listed.entry(conn.ends()[0]).or_default() += 1;
        }
        (from, pages) = (next, pages + 1);
        let ending = (0..CONNECTIONS).filter(ends).skip(pages * 251).take(251);
        forwards(&mut lab, ending.map(|n| tcp(n, RST)));
        lab.pass(SECOND);
        // Others take their slots, or new ones.
        open(&mut lab, fresh..fresh + 100);
        fresh += 100;
    }
    let ended = lab.count("connections_ended");
    assert!(pages as u32 >= CONNECTIONS / LIST_BUDGET && ended > 40_000, "{pages} pages, {ended} ended");
    let wrong: Vec<u32> = (0..CONNECTIONS).filter(|n| !ends(n) && listed.get(&end(*n).into()) != Some(&1)).collect();
    assert_eq!(wrong, [0; 0], "they lived through it all");
    lab.check_accounts();
}

/// Datagrams' connections that time out in the same second, beside those of TCP that go on.
#[test]
fn many_that_end_together_do_not_hold_up_the_others() {
    let mut lab = lab();
    let lasting = 1000;
    open(&mut lab, 0..lasting);
    forwards(&mut lab, (0..CONNECTIONS).map(udp));
    assert_eq!(lab.worker.shard().table.len(), lasting + CONNECTIONS);
    lab.now.0 += 305 * SECOND;
    lab.link.longest_turn.store(0, Relaxed);
    let mut turns = 0;
    while lab.worker.shard().table.len() > lasting {
        let first = turns * 17 % 900;
        forwards(&mut lab, (first..first + BURST as u32).map(|n| tcp(n, ACK)));
        turns += 1;
    }
    assert!(turns >= CONNECTIONS / EXPIRE_BUDGET as u32, "{turns} turns");
    assert!(lab.link.longest_turn.load(Relaxed) <= (BURST + EXPIRE_BUDGET) as u64);
    assert_eq!(lab.count("connections_ended"), u64::from(CONNECTIONS));
    lab.check_counts();
}

#[test]
fn lists_asked_for_together_take_turns() {
    let mut lab = lab();
    open(&mut lab, 0..3000);
    for from in [0, 1000, 0] {
        lab.link.commands.push(Command::List { question: 1, from, most: u32::MAX }).expect("room for a command");
    }
    for _ in 0..3 {
        lab.turn();
        assert!(matches!(lab.reports()[..], [Report::Listed(_)]), "one page a turn");
    }
}
