//! The journal of a worker's connections: made, moved to another state, ended; not that packets came.

use dataplane::clock::TICKS_PER_SECOND;
use dataplane::conn::{Changes, MOST_CHANGES};
use dataplane::flow::Protocol::{Tcp, Udp};
use dataplane::method::ForwardMethod::Nat;
use dataplane::sched::Scheduler::Rr;
use dataplane::wire::tcp::{ACK, RST, SYN};

use crate::frames::{Body, packet};
use crate::lab::{LAN, Lab, SECOND, VIP, WAN, client, server};

/// Connections that changed since the last look, by index.
fn changes(lab: &mut Lab) -> (Vec<u32>, Changes) {
    let table = &mut lab.crew_mut().next().expect("a worker").shard_mut().table;
    let mut told = Vec::new();
    let changes = table.drain_journal(|index| told.push(index));
    (told, changes)
}

fn stage(capacity: u32) -> Lab {
    let mut lab = Lab::new(capacity);
    lab.know_servers(11..=11);
    lab.service(Tcp, VIP, 80, Rr, &[(server(11), 80, Nat, 1)]);
    lab.service(Udp, VIP, 53, Rr, &[(server(11), 53, Nat, 1)]);
    lab.crew_mut().for_each(|worker| worker.shard_mut().table.open_journal());
    lab
}

fn from_client(flags: u8) -> Vec<u8> {
    packet(client(1), VIP, Body::Tcp(4000, 80, flags, 0)).frame()
}

#[test]
fn it_tells_who_was_made_moved_or_ended_and_of_no_packet() {
    let mut lab = stage(100);
    let nothing = (vec![], Changes::Told);
    assert_eq!(changes(&mut lab), nothing);
    lab.feed(WAN, &from_client(SYN));
    let index = lab.connections()[0].0;
    let only = (vec![index], Changes::Told);
    assert_eq!(changes(&mut lab), only, "made");
    lab.feed(LAN, &packet(server(11), client(1), Body::Tcp(80, 4000, SYN | ACK, 0)).frame());
    lab.feed(WAN, &from_client(ACK));
    assert_eq!(changes(&mut lab), only, "established, once though it moved twice");
    (0..10).for_each(|_| lab.feed(WAN, &from_client(ACK)));
    assert_eq!(changes(&mut lab), nothing, "packets change no state");
    lab.feed(WAN, &from_client(RST));
    assert_eq!(changes(&mut lab), only, "reset");
    let timeout = lab.connections()[0].1.timeout() / TICKS_PER_SECOND;
    lab.pass(u64::from(timeout + 2) * SECOND);
    assert!(lab.connections().is_empty());
    assert_eq!(changes(&mut lab), only, "ended");
}

#[test]
fn more_changes_than_it_holds_may_be_of_any_connection() {
    let mut lab = stage(2 * MOST_CHANGES as u32);
    let datagram = |sport: u16| packet(client(1), VIP, Body::Udp(sport, 53, 1)).frame();
    (0..=MOST_CHANGES as u16).for_each(|n| lab.feed(WAN, &datagram(2000 + n)));
    assert_eq!(changes(&mut lab), (vec![], Changes::Any));
    lab.feed(LAN, &packet(server(11), client(1), Body::Udp(53, 2000, 1)).frame());
    assert_eq!(changes(&mut lab).0.len(), 1, "an answer makes a conversation of it");
}
