//! Connections whose sequence numbers are shifted by constants, both ways, through NAT: numbers, acknowledgements,
//! selective ones too, whatever way a packet takes through the stages.

use std::net::{IpAddr, SocketAddr};

use dataplane::conn::{Shift, Shifts, flag};
use dataplane::flow::Protocol;
use dataplane::method::ForwardMethod::Nat;
use dataplane::sched::Scheduler::Rr;
use dataplane::wire::tcp::{ACK, FIN, SYN};
use dataplane::wire::{be16, be32, put};

use crate::frames::{ends, is_right, say};
use crate::ftp::segment;
use crate::lab::{LAN, Lab, VIP, VIP6, WAN, client, client6, server, server6};

/// By how much the client's numbers are shifted, and the server's.
const BY: [i32; 2] = [0x7000_0000, -1000];

/// A connection that is established, and then shifted.
struct Stage {
    lab: Lab,
    client: SocketAddr,
    vip: SocketAddr,
    server: SocketAddr,
}

impl Stage {
    fn new(six: bool) -> Self {
        let mut lab = Lab::new(100);
        lab.know_servers(11..=11);
        let [client, vip, server]: [IpAddr; 3] = match six {
            true => [client6(2).into(), VIP6.into(), server6(11).into()],
            false => [client(2).into(), VIP.into(), server(11).into()],
        };
        let [client, vip, server] = [(client, 4000), (vip, 80), (server, 8080)].map(SocketAddr::from);
        lab.service(Protocol::Tcp, vip.ip(), 80, Rr, &[(server.ip(), 8080, Nat, 1)]);
        lab.turn();
        let mut stage = Self { lab, client, vip, server };
        stage.asks(SYN, [1, 0], "", &[]);
        stage.answers(SYN | ACK, [1, 2], "", &[]);
        stage.asks(ACK, [2, 2], "", &[]);
        let table = &mut stage.lab.worker.shard_mut().table;
        let index = (0..table.walk_end()).find(|index| table[*index].has(flag::LIVE)).expect("the connection");
        let [request, reply] = BY.map(Shift::constant);
        *table.shifts_mut(index) = Shifts { request, reply };
        stage
    }

    /// A packet of the client, and its numbers when it leaves, those of its options behind.
    fn asks(&mut self, flags: u8, numbers: [u32; 2], text: &str, sack: &[u32]) -> Vec<u32> {
        let (from, to) = ((self.client, self.server), (WAN, LAN));
        let frame = with_sack(segment(self.client, self.vip, flags, numbers, text), text, sack);
        self.passes(&frame, from, to, text)
    }

    /// A packet of the server, and its numbers when it leaves.
    fn answers(&mut self, flags: u8, numbers: [u32; 2], text: &str, sack: &[u32]) -> Vec<u32> {
        let (from, to) = ((self.vip, self.client), (LAN, WAN));
        let frame = with_sack(segment(self.server, self.client, flags, numbers, text), text, sack);
        self.passes(&frame, from, to, text)
    }

    fn passes(
        &mut self,
        frame: &[u8],
        (from, to): (SocketAddr, SocketAddr),
        (port, other): (u16, u16),
        text: &str,
    ) -> Vec<u32> {
        self.lab.feed(port, frame);
        let sent = self.lab.sent(other);
        let [sent] = &sent[..] else { panic!("{} frames", sent.len()) };
        assert!(is_right(sent) && sent.ends_with(text.as_bytes()));
        assert_eq!(ends(sent), [from, to]);
        let l4 = if from.is_ipv4() { 34 } else { 54 };
        let edges = (l4 + 24..l4 + usize::from(sent[l4 + 12] >> 4) * 4).step_by(4).map(|at| be32(sent, at));
        [be32(sent, l4 + 4), be32(sent, l4 + 8)].into_iter().chain(edges).collect()
    }
}

/// A segment with selective acknowledgements between its header and its text.
fn with_sack(frame: Vec<u8>, text: &str, edges: &[u32]) -> Vec<u8> {
    if edges.is_empty() {
        return frame;
    }
    let four = frame[14] >> 4 == 4;
    let (l4, length) = if four { (34, 16) } else { (54, 18) };
    let edges: Vec<u8> = edges.iter().flat_map(|edge| edge.to_be_bytes()).collect();
    let options = [&[1, 1, 5, edges.len() as u8 + 2][..], &edges].concat();
    let mut frame = [&frame[..l4 + 20], &options, text.as_bytes()].concat();
    frame[l4 + 12] = ((20 + options.len()) as u8 / 4) << 4;
    let longer = be16(&frame, length) + options.len() as u16;
    put(&mut frame, length, &longer.to_be_bytes());
    if four {
        put(&mut frame, 24, &[0, 0]);
        let sum = dataplane::wire::checksum::of(&frame[14..34]);
        put(&mut frame, 24, &sum.to_be_bytes());
    }
    say(&mut frame, text);
    frame
}

#[test]
fn data_and_acknowledgements_are_shifted_both_ways() {
    for six in [false, true] {
        let mut stage = Stage::new(six);
        let [request, reply] = BY;
        let forth = |seq: u32, by: i32| seq.wrapping_add_signed(by);
        assert_eq!(stage.asks(ACK, [2, 2], "hello", &[]), [forth(2, request), forth(2, -reply)]);
        assert_eq!(stage.answers(ACK, [1002, forth(7, request)], "hi", &[]), [2, 7], "odd bytes");
        assert_eq!(stage.answers(FIN | ACK, [1004, forth(7, request)], "", &[]), [4, 7]);
        assert_eq!(stage.asks(FIN | ACK, [7, 5], "", &[]), [forth(7, request), 1005]);
        assert_eq!(stage.lab.count("forward_nat_request"), 4, "all of them by the table");
    }
}

#[test]
fn numbers_go_around_the_end() {
    for six in [false, true] {
        let mut stage = Stage::new(six);
        let [request, reply] = BY.map(|by| by.cast_unsigned());
        for start in [0, 999, 1000, 0x8fff_ffff, 0x9000_0000, u32::MAX] {
            let there = stage.asks(ACK, [start, start], "x", &[]);
            assert_eq!(there, [start.wrapping_add(request), start.wrapping_sub(reply)]);
            assert_eq!(stage.answers(ACK, [there[1], there[0]], "y", &[]), [start, start]);
        }
    }
}

#[test]
fn selective_acknowledgements_are_shifted_by_the_other_sides() {
    for six in [false, true] {
        let mut stage = Stage::new(six);
        let edges = [5000, 6000, u32::MAX, 100];
        let back = |by: i32| edges.map(|edge: u32| edge.wrapping_sub(by.cast_unsigned()));
        assert_eq!(stage.asks(ACK, [2, 2], "x", &edges)[2..], back(BY[1]));
        assert_eq!(stage.answers(ACK, [2, 2], "", &edges)[2..], back(BY[0]));
    }
}

/// After an edit of the network every connection's next packet looks its next hop up anew.
#[test]
fn a_packet_that_is_routed_anew_is_shifted_too() {
    let mut stage = Stage::new(false);
    stage.lab.net(|_| ());
    assert_eq!(stage.asks(ACK, [2, 1002], "", &[]), [2_u32.wrapping_add_signed(BY[0]), 2002]);
    assert_eq!(stage.answers(ACK, [1002, 2], "", &[])[0], 2);
}
