//! Packets in pieces: put together, balanced as a whole, cut again; and what becomes of those that never are whole.

use dataplane::flow::Protocol::Udp;
use dataplane::fragments::{MAX_DATAGRAMS, MAX_PER_SOURCE};
use dataplane::mailbox::Command;
use dataplane::method::ForwardMethod::{Dr, Nat, Tun};
use dataplane::sched::Scheduler::Rr;
use dataplane::steering::Steering;
use dataplane::wire::{be16, ipv4};
use std::net::{IpAddr, Ipv4Addr};

use crate::crew::{Device, crew, plan_of, settle};
use crate::frames::{Body, is_right, joined, packet, pieces, seal};
use crate::lab::{LAN, Lab, SECOND, THIN, VIP, VIP6, WAN, client, client6, server, server6};

const DF: u16 = 0x4000;

fn populated(mut lab: Lab) -> Lab {
    lab.know_servers(11..=12);
    lab.service(Udp, VIP, 80, Rr, &[(server(11), 8080, Nat, 1)]);
    lab.service(Udp, VIP, 81, Rr, &[(server(11), 81, Dr, 1)]);
    lab.service(Udp, VIP, 82, Rr, &[(server(11), 82, Tun, 1)]);
    lab.service(Udp, VIP6, 80, Rr, &[(server6(11), 8080, Nat, 1)]);
    lab.turn();
    lab
}

fn lab() -> Lab {
    populated(Lab::new(100))
}

fn request(port: u16, payload: usize) -> Vec<u8> {
    packet(client(2), VIP, Body::Udp(4000, port, payload)).frame()
}

fn request6(payload: usize) -> Vec<u8> {
    packet(client6(2), VIP6, Body::Udp(4000, 80, payload)).frame()
}

/// Feeds frames one after the other, and what left by a port then.
fn feed(lab: &mut Lab, frames: &[Vec<u8>], port: u16) -> Vec<Vec<u8>> {
    frames.iter().for_each(|frame| lab.feed(WAN, frame));
    lab.check_accounts();
    lab.sent(port)
}

fn lengths(frames: &[Vec<u8>]) -> Vec<usize> {
    frames.iter().map(|frame| frame.len() - 14).collect()
}

#[test]
fn a_datagram_is_balanced_whole_and_leaves_in_pieces_no_larger_than_it_came() {
    let mut lab = lab();
    let mut came = pieces(&request(80, 100), 7, &[16, 48, 24, 20]);
    for _ in 0..2 {
        let sent = feed(&mut lab, &came, LAN);
        assert_eq!(lengths(&sent), [68, 68, 32], "the largest that came had 68 bytes");
        let whole = joined(&sent).expect("a whole packet");
        assert!(is_right(&whole) && sent.iter().all(|piece| is_right(piece)));
        assert_eq!((be16(&whole, 36), whole[22], be16(&whole, 18)), (8080, 63, 7));
        came.reverse();
    }
    assert_eq!((lab.count("reassembled"), lab.count("gathered"), lab.count("sent_fragment")), (2, 8, 6));
    assert_eq!((lab.count("forward_nat_request"), lab.connections().len()), (2, 1));
    let answer = packet(server(11), client(2), Body::Udp(8080, 4000, 100)).frame();
    pieces(&answer, 9, &[16, 48, 24, 20]).iter().for_each(|piece| lab.feed(LAN, piece));
    let sent = lab.sent(WAN);
    assert_eq!(lengths(&sent), [36, 68, 44, 40], "what passes leaves as it came");
    assert!(is_right(&joined(&sent).expect("a whole packet")));
    assert_eq!(lab.count("forward_nat_reply"), 1);
}

#[test]
fn ipv6_leaves_as_it_came_with_an_identification_of_its_own() {
    let mut lab = lab();
    let came = pieces(&request6(100), 7, &[16, 48, 24, 20]);
    let sent = feed(&mut lab, &[3, 1, 0, 2].map(|n: usize| came[n].clone()), LAN);
    assert_eq!(lengths(&sent), [64, 96, 72, 68]);
    assert!(sent.iter().all(|piece| piece[58..62] == sent[0][58..62] && piece[58..62] != came[0][58..62]));
    let whole = joined(&sent).expect("a whole packet");
    assert!(is_right(&whole));
    assert_eq!((be16(&whole, 56), whole[21]), (8080, 63));
}

#[test]
fn direct_routing_keeps_and_tunnels_cut_the_outer_packet() {
    let mut lab = lab();
    let came = pieces(&request(81, 100), 7, &[48, 48, 12]);
    let sent = feed(&mut lab, &came, LAN);
    let mut expected = packet(client(2), VIP, Body::Udp(4000, 81, 100)).ttl(63).frame();
    expected[18..20].copy_from_slice(&[0, 7]);
    seal(&mut expected[14..]);
    assert_eq!(joined(&sent).expect("a whole packet")[14..], expected[14..]);
    let sent = feed(&mut lab, &pieces(&request(82, 100), 8, &[48, 48, 12]), LAN);
    let outer = joined(&sent).expect("a whole outer packet");
    let header = ipv4::Header::parse(&outer[14..]).expect("a right header");
    assert_eq!((header.protocol, header.dst, lengths(&sent)), (4, server(11).to_bits(), vec![68, 68, 52]));
    assert!(is_right(&[&outer[..14], &outer[34..]].concat()), "the packet in it");
}

#[test]
fn pieces_that_must_not_be_cut_make_a_packet_that_must_not_be() {
    let mut lab = lab();
    lab.service(Udp, VIP, 83, Rr, &[(Ipv4Addr::new(10, 2, 0, 9), 83, Nat, 1)]);
    let request = packet(client(2), VIP, Body::Udp(4000, 83, 700)).fragment(DF).frame();
    assert!(feed(&mut lab, &pieces(&request, 7, &[480, 228]), THIN).is_empty());
    let told = lab.sent(WAN);
    assert_eq!((told[0][34], told[0][35], be16(&told[0], 40), be16(&told[0], 44)), (3, 4, 600, 728));
    let sent = feed(
        &mut lab,
        &pieces(&packet(client(2), VIP, Body::Udp(4000, 83, 100)).fragment(DF).frame(), 8, &[48, 60]),
        THIN,
    );
    assert!(sent.iter().all(|piece| be16(piece, 20) & DF != 0));
}

#[test]
fn the_largest_datagram_is_more_than_a_buffer_holds() {
    let mut lab = lab();
    let sent = feed(&mut lab, &pieces(&request(80, 65_507), 7, &[1480; 45]), LAN);
    assert_eq!(sent.len(), 45);
    let whole = joined(&sent).expect("a whole packet");
    assert!(is_right(&whole) && whole.len() == 14 + 65_535);
    let mut more = pieces(&request(80, 65_507), 8, &[1480; 45]);
    let last = more.last_mut().expect("the last one");
    last.extend([0; 8]);
    let length = be16(last, 16) + 8;
    last[16..18].copy_from_slice(&length.to_be_bytes());
    seal(&mut last[14..]);
    assert!(feed(&mut lab, &more, LAN).is_empty());
    assert_eq!(lab.count("drop_fragment_oversize"), 45);
    // Nor is there a packet that holds it and the header of a tunnel.
    assert!(feed(&mut lab, &pieces(&request(82, 65_507), 9, &[1480; 45]), LAN).is_empty());
    assert_eq!((lab.count("drop_needs_fragmenting"), lab.count("forward_tun")), (1, 0));
    assert_eq!(feed(&mut lab, &pieces(&request(82, 65_487), 10, &[1480; 45]), LAN).len(), 45);
}

#[test]
fn what_overlaps_is_given_up_and_what_comes_twice_is_ignored() {
    let mut lab = lab();
    let [a, b, c] = &pieces(&request(80, 100), 7, &[48, 48, 12])[..] else { panic!("three pieces") };
    let twice = [a, a, b, c].map(Clone::clone);
    assert_eq!(feed(&mut lab, &twice, LAN).len(), 3);
    assert_eq!(lab.count("drop_fragment_duplicate"), 1);
    let over = &pieces(&request(80, 100), 7, &[40, 16])[1];
    assert!(feed(&mut lab, &[a, over, b, c].map(Clone::clone), LAN).is_empty());
    assert_eq!((lab.count("drop_fragment_overlap"), lab.count("gathering")), (2, 2));
}

#[test]
fn whoever_sent_the_first_piece_is_told_when_its_time_is_over() {
    let mut lab = lab();
    let came = pieces(&request(80, 100), 7, &[48, 48, 12]);
    lab.feed(WAN, &came[0]);
    lab.feed(WAN, &came[1]);
    lab.feed(WAN, &pieces(&request(80, 100), 8, &[48, 60])[1]);
    lab.feed(WAN, &pieces(&request6(100), 9, &[48, 60])[0]);
    lab.pass(29 * SECOND);
    assert!(lab.sent(WAN).is_empty());
    lab.pass(2 * SECOND);
    let [told] = &lab.sent(WAN)[..] else { panic!("one is told") };
    assert_eq!((told[34], told[35], &told[42..]), (11, 1, &came[0][14..]));
    assert_eq!((lab.count("answer_reassembly_time"), lab.count("drop_fragment_timeout")), (1, 2));
    lab.pass(30 * SECOND);
    let [told] = &lab.sent(WAN)[..] else { panic!("one is told") };
    assert_eq!((told[54], told[55]), (3, 1));
    lab.check_accounts();
}

#[test]
fn a_flood_starves_nobody() {
    let mut lab = lab();
    let first = pieces(&request(80, 100), 7, &[48, 60]);
    lab.feed(WAN, &first[0]);
    // One source: its own oldest go.
    for id in 0..1000 {
        let flood = packet(client(3), VIP, Body::Udp(1, 80, 1400)).frame();
        lab.inject(WAN, &pieces(&flood, id, &[1400, 8])[0]);
        lab.turn();
    }
    assert_eq!(lab.count("drop_fragment_evicted"), 1000 - MAX_PER_SOURCE as u64);
    lab.feed(WAN, &first[1]);
    assert_eq!((lab.count("reassembled"), lab.sent(LAN).len()), (1, 2));
    // Every source one: the oldest of all go.
    for n in 0..3000u32 {
        let flood = packet(Ipv4Addr::from_bits(0x0b00_0000 + n), VIP, Body::Udp(1, 80, 1400)).frame();
        lab.feed(WAN, &pieces(&flood, 1, &[1400, 8])[0]);
    }
    lab.check_accounts();
    assert!(lab.count("gathering") <= MAX_DATAGRAMS as u64);
    let fresh = pieces(&request(80, 100), 9, &[48, 60]);
    assert_eq!(feed(&mut lab, &fresh, LAN).len(), 2);
    // All of them end within a few turns, each within its budget.
    lab.limit(10);
    lab.now.0 += 31 * SECOND;
    let turns = (1..).find(|_| lab.turn() == 0).expect("an end");
    assert!(turns >= MAX_DATAGRAMS / 64 && lab.count("gathering") == 0, "{turns} turns");
    lab.check_accounts();
}

#[test]
fn a_turn_gives_up_fragments_not_datagrams() {
    let mut lab = lab();
    for id in 0..3 {
        let tiny = pieces(&request(80, 11_000), id, &[8; 1000]);
        tiny.iter().for_each(|fragment| lab.feed(WAN, fragment));
    }
    lab.feed(WAN, &pieces(&request(80, 100), 3, &[48, 60])[0]);
    lab.now.0 += 31 * SECOND;
    let left: Vec<u64> = std::iter::from_fn(|| (lab.turn() > 0).then(|| lab.count("gathering"))).collect();
    assert_eq!(left, [2001, 1001, 1, 0], "one large datagram a turn");
}

#[test]
fn pieces_wait_for_a_neighbour_and_are_lost_without_it() {
    let mut lab = lab();
    lab.service(Udp, VIP, 84, Rr, &[(server(19), 84, Nat, 1)]);
    assert!(feed(&mut lab, &pieces(&request(84, 2000), 7, &[1480, 528]), LAN).is_empty());
    assert_eq!((lab.parked(), lab.asked()), (2, vec![IpAddr::V4(server(19))]));
    lab.neighbor(LAN, server(19).into());
    lab.turn();
    assert!(is_right(&joined(&lab.sent(LAN)).expect("a whole packet")));
    lab.service(Udp, VIP, 85, Rr, &[(server(18), 85, Nat, 1)]);
    feed(&mut lab, &pieces(&request(85, 2000), 8, &[1480, 528]), LAN);
    lab.link.commands.push(Command::NeighborFailed { interface: LAN, address: server(18).into() }).expect("room");
    lab.turn();
    assert_eq!((lab.parked(), lab.count("sent_lost")), (0, 2));
    lab.check_accounts();
}

#[test]
fn a_large_ping_is_answered_in_pieces() {
    let mut lab = lab();
    let mut ping = packet(client(2), VIP, Body::Udp(0x0800, 0, 2000)).frame();
    ping[23] = 1;
    ping[38..42].fill(0);
    let sum = dataplane::wire::checksum::of(&[&ping[34..36], &[0, 0], &ping[38..]].concat());
    ping[36..38].copy_from_slice(&sum.to_be_bytes());
    seal(&mut ping[14..]);
    let sent = feed(&mut lab, &pieces(&ping, 7, &[1480, 528]), WAN);
    assert_eq!(lengths(&sent), [1500, 548]);
    let answer = joined(&sent).expect("a whole answer");
    assert!(is_right(&answer) && answer[42..] == ping[42..]);
    assert_eq!((lab.count("answer_echo"), lab.count("sent_echo_reply"), lab.count("sent_fragment")), (1, 1, 2));
}

#[test]
fn a_length_that_ipv6_does_not_allow_is_told_of() {
    let mut lab = lab();
    let came = pieces(&request6(100), 7, &[48, 44]);
    lab.feed(WAN, &came[0]);
    lab.feed(WAN, &came[1]);
    let [told] = &lab.sent(WAN)[..] else { panic!("one is told") };
    assert_eq!((told[54], told[55], told[61]), (4, 0, 4), "parameter problem: the payload length");
    assert_eq!((lab.count("answer_parameter_problem"), lab.count("drop_fragment_invalid")), (1, 1));
    lab.check_accounts();
}

#[test]
fn a_piece_that_is_all_there_is_leaves_without_its_header() {
    let mut lab = lab();
    lab.feed(WAN, &pieces(&request6(100), 7, &[48, 60])[0]);
    // RFC 6946: whatever else has its identification.
    let sent = feed(&mut lab, &pieces(&request6(100), 7, &[108]), LAN);
    assert_eq!((lengths(&sent), sent[0][20]), (vec![148], 17));
    assert!(is_right(&sent[0]));
    assert_eq!((lab.count("gathering"), lab.count("sent_fragment")), (1, 0));
}

#[test]
fn a_crew_gathers_on_one_worker_and_balances_at_home() {
    for (device, workers) in [(Device::Single, 2), (Device::Many, 3), (Device::Hashing, 4)] {
        let mut lab = populated(crew(&plan_of(device, workers, Steering::Tuple), 400));
        let queues = if matches!(device, Device::Single) { 1 } else { usize::from(workers) };
        let arrive = |lab: &mut Lab, at: usize, port: u16, frame: &[u8]| {
            let worker = lab.crew_mut().nth(at % queues).expect("a worker");
            worker.ports_mut()[usize::from(port)].inject(frame);
            settle(lab);
        };
        let left = |lab: &mut Lab, port: u16| -> Vec<Vec<u8>> {
            lab.crew_mut().flat_map(|worker| worker.ports_mut()[usize::from(port)].drain()).collect()
        };
        for sport in 0..30 {
            let request = packet(client(2), VIP, Body::Udp(4000 + sport, 80, 3000)).frame();
            for (n, piece) in pieces(&request, sport, &[1480, 1480, 48]).iter().enumerate() {
                arrive(&mut lab, n + usize::from(sport), WAN, piece);
            }
            assert!(is_right(&joined(&left(&mut lab, LAN)).expect("a whole packet")));
            let answer = packet(server(11), client(2), Body::Udp(8080, 4000 + sport, 3000)).frame();
            for (n, piece) in pieces(&answer, sport, &[1480, 1480, 48]).iter().enumerate() {
                arrive(&mut lab, n, LAN, piece);
            }
            assert!(is_right(&joined(&left(&mut lab, WAN)).expect("a whole packet")));
        }
        assert_eq!((lab.count("forward_nat_request"), lab.count("forward_nat_reply")), (30, 30), "{device:?}");
        assert_eq!((lab.connections().len(), lab.count("reassembled")), (30, 60));
        assert!(lab.count("handoff_landing") > 0 && lab.count("taken") > 0);
        lab.check_accounts();
        lab.check_counts();
    }
}
