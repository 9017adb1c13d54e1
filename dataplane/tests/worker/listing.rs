//! Large tables: listed page by page while packets pass and connections come and go, and ended piece by piece.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::Ordering::Relaxed;

use dataplane::flow::ForwardMethod::Nat;
use dataplane::flow::Protocol;
use dataplane::mailbox::{Command, Page, Report};
use dataplane::port::BURST;
use dataplane::sched::Scheduler;
use dataplane::wire::tcp::{ACK, RST, SYN};
use dataplane::worker::{COMMAND_BUDGET, EXPIRE_BUDGET, LIST_BUDGET};

use crate::frames::{Body, packet};
use crate::lab::{LAN, Lab, SECOND, VIP, WAN, client, server};

const CONNECTIONS: u32 = 30_000;

fn lab() -> Lab {
    let mut lab = Lab::new(2 * CONNECTIONS);
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

fn open(lab: &mut Lab, numbers: std::ops::Range<u32>) {
    for n in numbers {
        lab.inject(WAN, &tcp(n, SYN));
        if n % BURST as u32 == 0 {
            lab.turn();
        }
    }
    lab.pass(0);
    lab.sent(LAN);
}

/// Turns once with a burst of segments of these connections, and wants them all forwarded.
fn forwards(lab: &mut Lab, numbers: impl Iterator<Item = u32>) {
    let before = lab.count("forward_nat_request");
    let sent = numbers.take(BURST).map(|n| lab.inject(WAN, &tcp(n, ACK))).count();
    lab.turn();
    assert_eq!(lab.count("forward_nat_request") - before, sent as u64);
    lab.sent(LAN);
}

#[test]
fn who_lives_through_a_listing_is_listed_once() {
    let mut lab = lab();
    open(&mut lab, 0..CONNECTIONS);
    let ends = |n: u32| n % 3 == 1;
    let mut listed: BTreeMap<(Ipv4Addr, u16), u32> = BTreeMap::new();
    let (mut from, mut page, mut fresh) = (Some(0), 0, CONNECTIONS);
    while let Some(at) = from {
        lab.link.longest_turn.store(0, Relaxed);
        lab.link.commands.push(Command::List { from: at, most: u32::MAX }).expect("room for a command");
        forwards(&mut lab, (0..CONNECTIONS).filter(|n| !ends(*n)).skip(page * 61));
        let most = LIST_BUDGET as usize + 1 + COMMAND_BUDGET + BURST + EXPIRE_BUDGET;
        assert!(lab.link.longest_turn.load(Relaxed) <= most as u64);
        let Some(Report::Listed(Page { connections, next })) = lab.reports().pop() else { panic!("no answer") };
        assert!(connections.len() <= LIST_BUDGET as usize);
        for (conn, _) in connections {
            *listed.entry((Ipv4Addr::from_bits(conn.client), conn.client_port)).or_default() += 1;
        }
        // Some end before their slot is looked at, some after; others take their slots, or new ones.
        let round = page as u32;
        (0..CONNECTIONS).filter(|n| ends(*n) && n % 31 == round % 31).for_each(|n| lab.inject(WAN, &tcp(n, RST)));
        lab.pass(SECOND);
        open(&mut lab, fresh..fresh + 100);
        (from, page, fresh) = (next, page + 1, fresh + 100);
    }
    assert!(page > 25 && lab.count("connections_ended") > 1000, "{page} pages");
    let wrong: Vec<u32> = (0..CONNECTIONS).filter(|n| !ends(*n) && listed.get(&end(*n)) != Some(&1)).collect();
    assert_eq!(wrong, [0; 0], "they lived through it all");
    lab.check_accounts();
}

/// Datagrams' connections whose time is over in the same second, beside those of TCP that go on.
#[test]
fn many_that_end_together_do_not_hold_up_the_others() {
    let mut lab = lab();
    let lasting = 1000;
    open(&mut lab, 0..lasting);
    (0..lasting).for_each(|n| lab.feed(WAN, &tcp(n, ACK)));
    for n in 0..CONNECTIONS {
        let (from, port) = end(n);
        lab.inject(WAN, &packet(from, VIP, Body::Udp(port, 53, 4)).frame());
        if n % BURST as u32 == 0 {
            lab.turn();
        }
    }
    lab.pass(0);
    lab.sent(LAN);
    let before = lab.worker.shard().table.len();
    assert_eq!(before, lasting + CONNECTIONS);
    lab.now.0 += 305 * SECOND;
    lab.link.longest_turn.store(0, Relaxed);
    let mut turns = 0;
    while lab.worker.shard().table.len() > lasting {
        forwards(&mut lab, (turns * 17 % 900)..lasting);
        turns += 1;
    }
    assert!(turns >= CONNECTIONS / EXPIRE_BUDGET as u32, "{turns} turns");
    assert!(lab.link.longest_turn.load(Relaxed) <= (BURST + EXPIRE_BUDGET) as u64);
    assert_eq!(lab.count("connections_ended"), u64::from(CONNECTIONS));
    lab.check_counts();
}
