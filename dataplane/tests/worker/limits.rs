//! What is bounded: answers a second, connections, output queues, work per turn.

use dataplane::clock::ticks;
use dataplane::flow::Protocol;
use dataplane::limiter::Limits;
use dataplane::mailbox::{Command, Page, Report};
use dataplane::method::ForwardMethod::{Dr, Nat};
use dataplane::sched::Scheduler;
use dataplane::service::{Manner, Persistent};
use dataplane::wire::be16;
use dataplane::wire::tcp::{ACK, RST, SYN};
use dataplane::worker::{COMMAND_BUDGET, EXPIRE_BUDGET};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::frames::{Body, packet};
use crate::lab::{LAN, Lab, SECOND, VIP, WAN, client, server};

const ECHO: Body = Body::Icmp(8);

/// A lab with one service and one known server.
fn lab(capacity: u32) -> Lab {
    let mut lab = Lab::new(capacity);
    lab.know_servers(11..=12);
    lab.service(Protocol::Tcp, VIP, 80, Scheduler::Rr, &[(server(11), 80, Nat, 1)]);
    lab.turn();
    lab
}

fn tcp(from: Ipv4Addr, n: u16, flags: u8) -> Vec<u8> {
    packet(from, VIP, Body::Tcp(1024 + n % 60_000, 80, flags, 0)).frame()
}

#[test]
fn answers_of_its_own_are_limited() {
    let mut lab = lab(4);
    lab.limit(50);
    lab.pass(5 * SECOND);
    let stray = packet(client(2), VIP, Body::Udp(1, 99, 0)).frame();
    let burst = |lab: &mut Lab, n: usize| {
        (0..n).for_each(|_| lab.inject(WAN, &stray));
        lab.turn();
        lab.sent(WAN).len()
    };
    assert_eq!(burst(&mut lab, 60), 5, "a tenth of a second's worth at once, however long it was quiet");
    assert_eq!(lab.count("drop_icmp_limited"), 55);
    lab.pass(SECOND / 10);
    assert_eq!(burst(&mut lab, 60), 5);
    let mut answered = 0;
    for _ in 0..1000 {
        lab.pass(SECOND / 100);
        answered += burst(&mut lab, 2);
    }
    assert_eq!(answered, 500, "ten seconds at fifty");
    lab.check_accounts();
    lab.limit(0);
    assert_eq!(burst(&mut lab, 60), 60, "0 = no limit");
}

/// Ten seconds of 3000 SYNs a second to closed ports and 3000 datagrams to nobody, of one address or of many. Beside them
/// others ping, send what is too large and must not be cut, and try a closed port, ten times a second each.
#[test]
fn a_flood_that_is_answered_costs_nobody_else_an_answer() {
    for sources in [1, 200] {
        let mut lab = Lab::new(4);
        lab.tables.options.limits = Limits::default();
        lab.publish();
        let flooder = |n: u32| Ipv4Addr::new(8, 8, 8, (n % sources) as u8);
        let large = packet(client(2), Ipv4Addr::new(10, 2, 0, 9), Body::Udp(1, 1, 800)).fragment(0x4000).frame();
        let refused = packet(client(2), VIP, Body::Tcp(1, 99, SYN, 0)).frame();
        let good = [packet(client(2), VIP, ECHO).frame(), large, refused];
        for tenth in 0..100 {
            for n in (tenth * 300)..(tenth + 1) * 300 {
                lab.feed(WAN, &packet(flooder(n), VIP, Body::Tcp(n as u16, 99, SYN, 0)).frame());
                lab.feed(WAN, &packet(flooder(n), VIP, Body::Udp(n as u16, 99, 0)).frame());
            }
            good.iter().for_each(|frame| lab.feed(WAN, frame));
            lab.pass(SECOND / 10);
        }
        let answered = ["answer_echo", "answer_too_big", "answer_tcp_reset"].map(|name| lab.count(name));
        assert_eq!(answered, [100, 100, 30_100], "{sources} sources");
        assert!(lab.count("answer_port_unreachable") < 60 + 100 * u64::from(sources).min(110), "errors are few");
        lab.check_accounts();
    }
}

#[test]
fn what_may_not_be_answered_takes_nothing_of_what_may_be() {
    let mut lab = Lab::new(4);
    lab.limit(1);
    let error = packet(client(2), server(11), Body::Icmp(3)).ttl(1).frame();
    (0..5).for_each(|_| lab.feed(WAN, &error));
    lab.feed(WAN, &packet(client(2), VIP, Body::Udp(1, 99, 0)).frame());
    assert_eq!((lab.count("drop_unanswerable"), lab.count("answer_port_unreachable")), (5, 1));
}

#[test]
fn a_worker_that_just_started_answers() {
    let mut lab = Lab::new(4);
    lab.limit(1);
    lab.feed(WAN, &packet(client(2), VIP, ECHO).frame());
    assert_eq!(lab.sent(WAN).len(), 1, "the first answer does not wait for a second to pass");
}

#[test]
fn a_full_table_drops_what_is_new_and_serves_what_is_old() {
    let mut lab = lab(3);
    (1..=5).for_each(|sport| lab.feed(WAN, &tcp(client(2), sport, SYN)));
    assert_eq!((lab.sent(LAN).len(), lab.count("drop_connections_full")), (3, 2));
    lab.feed(WAN, &tcp(client(2), 3, ACK));
    assert_eq!(lab.sent(LAN).len(), 1);
    lab.check_accounts();
    lab.check_counts();
    lab.pass(901 * SECOND);
    lab.feed(WAN, &tcp(client(2), 5, SYN));
    assert_eq!(lab.sent(LAN).len(), 1, "room comes back");
    lab.check_counts();
}

/// A client's next connection goes where the first went, above the threshold too; one that finds no room leaves the
/// threshold as it was.
#[test]
fn a_place_that_is_given_back_opens_no_server() {
    let mut lab = lab(3);
    let key = *lab.tables.services.keys().next().expect("a service");
    lab.manner(
        key,
        Manner {
            one_packet: false,
            persistent: Some(Persistent { timeout: ticks(300), mask4: u32::MAX, mask6: u128::MAX, engine: None }),
        },
    );
    lab.turn();
    lab.state(0).upper.store(3, Relaxed);
    lab.state(0).lower.store(1, Relaxed);
    (1..=3).for_each(|sport| lab.feed(WAN, &tcp(client(2), sport, SYN)));
    assert!(lab.state(0).is_overloaded());
    lab.feed(WAN, &tcp(client(2), 4, SYN));
    assert_eq!((lab.count("drop_connections_full"), lab.state(0).is_overloaded()), (1, true));
    lab.feed(WAN, &tcp(client(3), 1, SYN));
    assert_eq!(lab.count("answer_no_server"), 1, "nobody else gets in");
    lab.check_counts();
}

/// Connections come and go in a table that is never more than nine tenths full.
#[test]
fn a_table_that_is_not_full_takes_a_connection_however_many_came_before() {
    let capacity = 1000;
    let mut lab = lab(capacity);
    lab.tables.timeouts = Arc::new(dataplane::proto::Timeouts { initial: ticks(1), ..Default::default() });
    Arc::make_mut(&mut lab.tables.timeouts).tcp = [ticks(9); dataplane::proto::tcp::STATES];
    lab.publish();
    let mut ports = (0u32..).map(|n| (client((n % 9) as u8 + 1), (n.wrapping_mul(7919) >> 3) as u16, n));
    for second in 0..3000 {
        for (from, sport, _) in ports.by_ref().take(80) {
            lab.feed(WAN, &tcp(from, sport, SYN));
        }
        lab.sent(LAN);
        let (live, refused) = (lab.worker.shard().table.len(), lab.count("drop_connections_full"));
        assert_eq!(refused, 0, "refused after {second} seconds with {live} of {capacity} connections");
        lab.pass(SECOND);
    }
}

#[test]
fn a_device_that_takes_no_more_fills_its_queue_and_then_drops() {
    let mut lab = lab(2000);
    lab.worker.ports_mut()[usize::from(LAN)].tx_limit = Some(10);
    (0..600).for_each(|sport| lab.feed(WAN, &tcp(client(2), sport, SYN)));
    let queued = lab.worker.shard().output.queues[usize::from(LAN)].len();
    assert_eq!((queued, lab.count("drop_transmit_full")), (512, 600 - 512 - 10));
    assert_eq!(lab.count("forward_nat_request"), 512 + 10);
    lab.check_accounts();
    let mut sports: Vec<u16> = lab.sent(LAN).iter().map(|frame| be16(frame, 34)).collect();
    lab.worker.ports_mut()[usize::from(LAN)].tx_limit = None;
    lab.turn();
    sports.extend(lab.sent(LAN).iter().map(|frame| be16(frame, 34)));
    assert_eq!(sports, (1024..1024 + 522).collect::<Vec<u16>>(), "in order");
    lab.check_accounts();
}

#[test]
fn an_answer_that_the_device_takes_no_more_of_is_lost() {
    let mut lab = lab(4);
    lab.worker.ports_mut()[usize::from(WAN)].tx_limit = Some(0);
    (0..513).for_each(|_| lab.feed(WAN, &packet(client(2), VIP, ECHO).frame()));
    let counts = ["answer_echo", "sent_echo_reply", "sent_lost"].map(|name| lab.count(name));
    assert_eq!(counts, [513, 512, 1]);
    lab.check_accounts();
}

#[test]
fn packets_of_a_removed_server_are_dropped_and_its_memory_stays() {
    let mut lab = lab(4);
    let key = *lab.tables.services.keys().next().expect("a service");
    lab.feed(WAN, &tcp(client(2), 1, SYN));
    lab.state(0).available.store(false, Relaxed);
    lab.list(key, Vec::clear);
    lab.feed(WAN, &tcp(client(2), 1, ACK));
    assert_eq!(lab.count("drop_server_gone"), 1);
    lab.feed(WAN, &tcp(client(2), 2, SYN));
    assert_eq!(lab.count("answer_no_server"), 1);
    lab.check_counts();
    assert_eq!(lab.state(0).names(), 2, "its connection names it");
    lab.pass(901 * SECOND);
    assert_eq!(lab.state(0).names(), 1);
    lab.check_counts();
}

#[test]
fn a_turn_ends_no_more_connections_than_its_budget() {
    let mut lab = lab(2000);
    (0..1000).for_each(|sport| lab.feed(WAN, &tcp(client(2), sport, SYN)));
    lab.sent(LAN);
    lab.now.0 += 3600 * SECOND;
    let mut left = 1000;
    for _ in 0..1000usize.div_ceil(EXPIRE_BUDGET) {
        assert!(lab.turn() <= EXPIRE_BUDGET);
        let live = lab.worker.shard().table.len() as usize;
        assert!(live < left && left - live <= EXPIRE_BUDGET, "{left} became {live}");
        left = live;
    }
    assert_eq!((left, lab.count("connections_ended")), (0, 1000));
    lab.check_counts();
}

#[test]
fn a_turn_carries_out_no_more_commands_than_its_budget() {
    let mut lab = lab(4);
    for _ in 0..COMMAND_BUDGET + 8 {
        lab.link.commands.push(Command::Send { port: WAN, frame: vec![0; 60] }).expect("room for a command");
    }
    lab.turn();
    assert_eq!((lab.sent(WAN).len(), lab.link.commands.len()), (COMMAND_BUDGET, 8));
    lab.turn();
    assert_eq!((lab.sent(WAN).len(), lab.count("sent_control")), (8, COMMAND_BUDGET as u64 + 8));
    lab.check_accounts();
}

#[test]
fn a_listing_comes_in_pieces() {
    let mut lab = lab(100);
    (0..50).for_each(|sport| lab.feed(WAN, &tcp(client(2), sport, SYN)));
    let (mut from, mut listed, mut pieces) = (Some(0), 0, 0);
    while let Some(at) = from {
        lab.link.commands.push(Command::List { question: 1, from: at, most: 20 }).expect("room for a command");
        lab.turn();
        let Some(Report::Listed(Page { connections, next, .. })) = lab.reports().pop() else { panic!("no answer") };
        assert!(connections.iter().all(|(_, left)| (5900..=6000).contains(left)), "SYN_RECV lives for a minute");
        (from, listed, pieces) = (next, listed + connections.len(), pieces + 1);
    }
    assert_eq!((listed, pieces), (50, 3));
}

#[test]
fn a_connection_without_replies_is_closed_by_its_client_alone() {
    let mut lab = lab(4);
    lab.service(Protocol::Tcp, VIP, 81, Scheduler::Rr, &[(server(12), 0, Dr, 1)]);
    let frame = |flags| packet(client(2), VIP, Body::Tcp(1, 81, flags, 0)).frame();
    [SYN, ACK, RST].map(frame).iter().for_each(|frame| lab.feed(WAN, frame));
    assert_eq!(lab.state(1).inactive(), 1, "reset: counted inactive");
    lab.pass(11 * SECOND);
    assert!(lab.connections().is_empty(), "ten seconds after the reset");
    lab.check_counts();
}
