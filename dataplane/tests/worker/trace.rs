//! Watches: what a trace says of a packet, what a capture holds of it, and where both end. That a watch changes nothing
//! is a property in `burst.rs`.

use dataplane::clock::Nanos;
use dataplane::flow::{Direction, Protocol, Tuple};
use dataplane::mailbox::Command;
use dataplane::method::ForwardMethod::{Dr, Nat};
use dataplane::packet::{Arrival, Step};
use dataplane::parking::MAX_PARKED_PER_HOP;
use dataplane::proto::tcp::State;
use dataplane::sched::Scheduler;
use dataplane::steering::Steering;
use dataplane::trace::{Frame, Later, PacketEnd, Record, Sight, TRAY_RECORDS, Term, Trace, Tray, Wanted, Way, Why};
use dataplane::verdict::{Answer, Drop};
use dataplane::wire::ethernet::MacAddr;
use dataplane::wire::tcp::{ACK, RST, SYN};
use dataplane::wire::vlan::Lan;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use crate::crew::{Device, KEYS, crew, plan_of, settle};
use crate::frames::{Body, arp, ether, packet};
use crate::lab::{LAN, Lab, OTHER_VIP, SECOND, VIP, WAN, client, server};

/// A lab with a NAT service, a DR service and one whose only server nobody knows.
fn lab() -> Lab {
    let mut lab = Lab::new(100);
    lab.know_servers(11..=12);
    lab.service(Protocol::Tcp, VIP, 80, Scheduler::Wlc, &[(server(11), 8080, Nat, 1), (server(12), 8080, Nat, 0)]);
    lab.service(Protocol::Tcp, OTHER_VIP, 80, Scheduler::Rr, &[(server(12), 0, Dr, 1)]);
    lab.service(Protocol::Tcp, VIP, 82, Scheduler::Rr, &[(server(15), 82, Nat, 1)]);
    lab.turn();
    lab
}

/// Starts a watch for as many packets, and a minute.
fn watch(lab: &mut Lab, filter: &[Term], wanted: Wanted, most: u64) -> Arc<Tray> {
    let until = Nanos(lab.now.0 + 60 * SECOND);
    lab.watch(Tray::new(most), filter, wanted, until)
}

fn records(tray: &Tray) -> Vec<Record> {
    std::iter::from_fn(|| tray.pop()).collect()
}

/// The one trace in a tray.
fn only(tray: &Tray) -> Trace {
    let all = records(tray);
    let [Record { sight: Sight::Packet(trace), worker: 0, .. }] = &all[..] else { panic!("{all:?}") };
    Trace::clone(trace)
}

fn later(tray: &Tray) -> Later {
    let all = records(tray);
    let [Record { sight: Sight::Later(later), .. }] = &all[..] else { panic!("{all:?}") };
    Later::clone(later)
}

fn segment(vip: Ipv4Addr, port: u16, flags: u8) -> Vec<u8> {
    packet(client(2), vip, Body::Tcp(4000, port, flags, 0)).frame()
}

/// Feeds a frame under a trace; what it said.
fn traced(lab: &mut Lab, port: u16, frame: &[u8]) -> Trace {
    let tray = watch(lab, &[], Wanted::Trace, 1);
    lab.feed(port, frame);
    only(&tray)
}

fn socket(address: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddr::new(address.into(), port)
}

#[test]
fn a_connection_by_nat_from_its_first_packet_to_a_reply() {
    let mut lab = lab();
    let first = traced(&mut lab, WAN, &segment(VIP, 80, SYN));
    let decided = first.decided.expect("a decision");
    let service = decided.service.expect("a service");
    assert_eq!(
        (first.lan.port(), first.length, first.parsed.step, first.candidate),
        (WAN, 54, Step::Undecided, Some(false))
    );
    assert!(decided.found.is_none() && !decided.ends);
    assert_eq!((service.scheduler, service.servers, service.usable), (Scheduler::Wlc, 2, 1), "one has weight 0");
    let conn = decided.conn.expect("a connection");
    assert_eq!(conn.ends(), [socket(client(2), 4000), socket(VIP, 80), socket(server(11), 8080)]);
    assert_eq!((State::from_number(conn.state()), decided.counts), (Some(State::SynRecv), (1, 0)));
    let route = decided.route.expect("a route");
    assert_eq!((route.interface, route.neighbor, route.remembered), (LAN, server(11).into(), false));
    let rewritten = first.rewritten.expect("NAT");
    assert_eq!((rewritten.ends.map(|ends| ends.1), rewritten.ttl), (Some(server(11).into()), 63));
    assert_eq!(rewritten.ports, Some((4000, 8080)));
    assert_eq!(first.outcome.counters.as_slice(), ["forward_nat_request"]);
    let sent = &first.outcome.sent;
    assert_eq!((sent.len(), sent[0].lan.port(), sent[0].mac), (1, LAN, MacAddr([2, 1, 10, 1, 0, 11])));
    assert_eq!(first.outcome.waits, None);

    let reply = packet(server(11), client(2), Body::Tcp(8080, 4000, SYN | ACK, 0)).frame();
    let reply = traced(&mut lab, LAN, &reply);
    let decided = reply.decided.expect("a decision");
    assert!(matches!(decided.found, Some((Direction::Reply, _))), "{decided:?}");
    let now = reply.rewritten.expect("NAT");
    assert_eq!((now.ends.map(|ends| ends.0), now.ports), (Some(VIP.into()), Some((80, 4000))));
    assert_eq!(reply.outcome.counters.as_slice(), ["forward_nat_reply"]);

    let second = traced(&mut lab, WAN, &segment(VIP, 80, ACK));
    let decided = second.decided.expect("a decision");
    let (direction, before) = decided.found.expect("the connection");
    let after = decided.conn.expect("it is still there");
    assert_eq!((direction, second.candidate), (Direction::Request, Some(true)));
    assert!(decided.service.is_none(), "nobody is scheduled");
    let states = [before.state(), after.state()].map(State::from_number);
    assert_eq!(states, [Some(State::SynRecv), Some(State::Established)]);
    assert_eq!((before.timeout(), after.timeout()), (60 * 100, 900 * 100));
    assert!(decided.route.expect("a route").remembered);
}

#[test]
fn a_connection_that_begins_anew() {
    let mut lab = lab();
    [SYN, ACK, RST].iter().for_each(|flags| lab.feed(WAN, &segment(VIP, 80, *flags)));
    let trace = traced(&mut lab, WAN, &segment(VIP, 80, SYN));
    let decided = trace.decided.expect("a decision");
    let (_, before) = decided.found.expect("the old one");
    assert!(decided.ends && decided.service.is_some());
    assert_eq!(State::from_number(before.state()), Some(State::Close));
    assert_eq!(decided.conn.map(|conn| conn.in_packets()), Some(1), "the new one");
}

#[test]
fn direct_routing_changes_only_the_time_to_live() {
    let mut lab = lab();
    let trace = traced(&mut lab, WAN, &segment(OTHER_VIP, 80, SYN));
    let now = trace.rewritten.expect("the time to live");
    assert_eq!((now.ttl, now.ends, now.ports), (63, trace.outline.ends, trace.outline.ports));
    assert_eq!(trace.outcome.counters.as_slice(), ["forward_dr"]);
    assert_eq!(trace.outcome.sent[0].mac, MacAddr([2, 1, 10, 1, 0, 12]));
}

#[test]
fn nobody_listens_and_the_answer_is_shown_or_held_back() {
    let mut lab = lab();
    let trace = traced(&mut lab, WAN, &segment(VIP, 99, SYN));
    let decided = trace.decided.expect("a decision");
    assert!(decided.service.is_none() && decided.conn.is_none());
    assert_eq!(decided.step, Step::Answer(Answer::TcpReset));
    assert_eq!(trace.outcome.counters.as_slice(), ["answer_tcp_reset", "sent_tcp_reset"]);
    let reset = trace.outcome.sent[0];
    assert_eq!(reset.outline.ends, Some((VIP.into(), client(2).into())));
    assert_eq!((reset.lan.port(), reset.outline.detail as u8 & RST), (WAN, RST));
    lab.limit(1);
    lab.pass(2 * SECOND);
    lab.feed(WAN, &segment(VIP, 99, SYN));
    let trace = traced(&mut lab, WAN, &segment(VIP, 99, SYN));
    assert_eq!(trace.decided.map(|decided| decided.step), Some(Step::Answer(Answer::TcpReset)), "it was due");
    assert_eq!(trace.outcome.counters.as_slice(), ["drop_reset_limited"]);
    assert!(trace.outcome.sent.is_empty());
}

/// Its place goes to a packet that nobody follows; who follows it is told, and who follows the other one is not.
#[test]
fn a_packet_that_waits_and_loses_its_place() {
    let mut lab = lab();
    let tray = watch(&mut lab, &[], Wanted::Trace, 1);
    lab.feed(WAN, &segment(VIP, 82, SYN));
    assert!(only(&tray).outcome.waits.is_some());
    let next = |n: u16| packet(client(3), VIP, Body::Tcp(5000 + n, 82, SYN, 0)).frame();
    (1..MAX_PARKED_PER_HOP as u16).for_each(|n| lab.feed(WAN, &next(n)));
    let other = watch(&mut lab, &[], Wanted::Trace, 1);
    lab.feed(WAN, &next(100));
    let outcome = only(&other).outcome;
    assert!(outcome.waits.is_some() && outcome.counters.is_empty(), "it waits: {outcome:?}");
    lab.turn();
    let later = later(&tray);
    assert_eq!(later.outcome.counters.as_slice(), ["drop_park_full"]);
    assert!(matches!(later.why, Why::Waited(waiting, _) if waiting.neighbor == IpAddr::V4(server(15))));
    assert!(tray.is_over() && !other.is_over());
}

#[test]
fn a_packet_that_waits_and_then_leaves_or_not() {
    for known in [true, false] {
        let mut lab = lab();
        let tray = watch(&mut lab, &[], Wanted::Trace, 1);
        lab.feed(WAN, &segment(VIP, 82, SYN));
        let trace = only(&tray);
        let waits = trace.outcome.waits.expect("nobody knows the server");
        assert_eq!((waits.interface, waits.neighbor, waits.own), (LAN, server(15).into(), false));
        assert!(trace.outcome.counters.is_empty() && trace.outcome.sent.is_empty(), "no verdict yet");
        assert!(trace.rewritten.is_none(), "it waits as it came");
        assert!(tray.is_full() && !tray.is_over(), "it is still under way");
        lab.now.0 += SECOND;
        if known {
            lab.neighbor(LAN, server(15).into());
        } else {
            let failed = Command::NeighborFailed { interface: LAN, address: server(15).into() };
            lab.link.commands.push(failed).expect("room for a command");
        }
        lab.turn();
        let later = later(&tray);
        assert_eq!((later.why, later.outline), (Why::Waited(waits, 100), trace.outline));
        let (counters, port): (&[&str], _) = if known {
            (&["forward_nat_request"], LAN)
        } else {
            (&["answer_host_unreachable", "sent_icmp_error"], WAN)
        };
        assert_eq!((later.outcome.counters.as_slice(), later.outcome.sent[0].lan.port()), (counters, port));
        assert!(tray.is_over(), "one packet, seen twice");
    }
}

#[test]
fn what_parse_ends() {
    let mut lab = lab();
    let mut bent = segment(VIP, 80, SYN);
    bent[22] ^= 1;
    let trace = traced(&mut lab, WAN, &bent);
    assert_eq!(trace.parsed.step, Step::Drop(Drop::HeaderChecksum));
    assert!(trace.decided.is_none() && trace.candidate.is_none());
    assert_eq!(trace.outline.ports, Some((4000, 80)), "what it says of itself is shown all the same");
    assert_eq!(trace.outcome.counters.as_slice(), ["drop_header_checksum"]);
    assert_eq!(traced(&mut lab, WAN, &arp()).outcome.counters.as_slice(), ["punt_arp"]);
    assert_eq!(traced(&mut lab, WAN, &[1, 2]).outcome.counters.as_slice(), ["drop_runt"]);
}

#[test]
fn a_capture_has_frames_as_received_and_as_sent() {
    let mut lab = lab();
    let tray = watch(&mut lab, &[Term::Port(PacketEnd::Destination, 80)], Wanted::Frames { snaplen: 40 }, 10);
    let frame = segment(VIP, 80, SYN);
    lab.feed(WAN, &frame);
    let sent = lab.sent(LAN).remove(0);
    lab.feed(WAN, &segment(VIP, 81, SYN));
    let frames: Vec<Frame> = records(&tray).into_iter().map(|record| frame_of(record.sight)).collect();
    let wanted =
        |way, port, bytes: &[u8]| Frame { way, lan: Lan::untagged(port), length: 54, bytes: bytes[..40].into() };
    assert_eq!(frames, [wanted(Way::In, WAN, &frame), wanted(Way::Out, LAN, &sent)], "and nothing of port 81");
    assert_eq!(tray.packets(), 1);
}

fn frame_of(sight: Sight) -> Frame {
    if let Sight::Frame(frame) = sight { frame } else { panic!("{sight:?}") }
}

#[test]
fn a_capture_has_the_directors_own_frames() {
    let mut lab = lab();
    let answered = watch(&mut lab, &[Term::Icmp], Wanted::Frames { snaplen: 2000 }, 10);
    let asked = watch(&mut lab, &[Term::Arp], Wanted::Frames { snaplen: 2000 }, 10);
    lab.feed(WAN, &packet(client(2), VIP, Body::Icmp(8)).frame());
    let ways = |tray: &Tray| -> Vec<_> { records(tray).into_iter().map(|r| frame_of(r.sight).way).collect() };
    assert_eq!((ways(&answered), ways(&asked)), (vec![Way::In, Way::Out], vec![]));
    let frame = ether(MacAddr([0xff; 6]), 0x0806, &[0; 28]);
    lab.link.commands.push(Command::Send { port: LAN, frame: frame.clone() }).expect("room for a command");
    lab.turn();
    let own: Vec<Frame> = records(&asked).into_iter().map(|record| frame_of(record.sight)).collect();
    assert_eq!(own, [Frame { way: Way::Out, lan: Lan::untagged(LAN), length: 42, bytes: frame.into() }]);
}

#[test]
fn a_watch_ends_by_count_by_time_and_when_it_is_closed() {
    let frame = segment(VIP, 99, ACK);
    let seen = |lab: &mut Lab, tray: &Tray| {
        (0..3).for_each(|_| lab.inject(WAN, &frame));
        lab.turn();
        records(tray).len()
    };
    let mut lab = lab();
    let tray = watch(&mut lab, &[], Wanted::Trace, 4);
    assert_eq!((seen(&mut lab, &tray), seen(&mut lab, &tray), seen(&mut lab, &tray)), (3, 1, 0), "by count");
    assert!(!lab.worker.is_observed());
    let tray = watch(&mut lab, &[], Wanted::Trace, 100);
    lab.now.0 += 60 * SECOND - 1;
    assert_eq!(seen(&mut lab, &tray), 3);
    lab.now.0 += 1;
    assert_eq!(seen(&mut lab, &tray), 0, "by time");
    let tray = watch(&mut lab, &[], Wanted::Trace, 100);
    tray.close();
    assert_eq!(seen(&mut lab, &tray), 0, "closed");
    assert_eq!(Arc::strong_count(&tray), 1, "and the worker has let go of it");
}

/// Two workers behind devices with one queue, and a SYN that arrives on the first and belongs to the second.
fn crew_and_stray() -> (Lab, Vec<u8>) {
    let plan = plan_of(Device::Single, 2, Steering::Client);
    let mut lab = crew(&plan, 100);
    lab.know_servers(11..=11);
    lab.service(Protocol::Tcp, VIP, 80, Scheduler::Rr, &[(server(11), 8080, Nat, 1)]);
    settle(&mut lab);
    let tuple = |sport| Tuple { src: client(2).to_bits(), dst: VIP.to_bits(), sport, dport: 80, protocol: 6 };
    let landing = plan.landing(usize::from(WAN), &KEYS);
    let sport = (1024..).find(|sport| landing.worker(&tuple(*sport), None) == 1).expect("half of them");
    (lab, packet(client(2), VIP, Body::Tcp(sport, 80, SYN, 0)).frame())
}

#[test]
fn a_packet_that_is_handed_over_goes_on_with_a_new_record() {
    let (mut lab, frame) = crew_and_stray();
    let trays = [Wanted::Trace, Wanted::Frames { snaplen: 2000 }].map(|wanted| watch(&mut lab, &[], wanted, 1));
    settle(&mut lab);
    lab.inject(WAN, &frame);
    settle(&mut lab);
    let all = records(&trays[0]);
    let [Sight::Packet(first), Sight::Packet(home), Sight::Later(last)] =
        &all.iter().map(|r| &r.sight).collect::<Vec<_>>()[..]
    else {
        panic!("{all:?}")
    };
    assert_eq!(all.iter().map(|record| record.worker).collect::<Vec<_>>(), [0, 1, 0]);
    assert_eq!((first.steered, first.outcome.counters.as_slice()), (Some(1), &["handoff_landing"][..]));
    assert!(first.decided.is_none());
    assert_eq!((home.arrival, home.lan.port(), home.outline), (Arrival::Landed, WAN, first.outline));
    assert!(home.decided.as_ref().is_some_and(|decided| decided.service.is_some()));
    assert_eq!(home.outcome.counters.as_slice(), ["handoff_transmit"], "the first worker has the queue");
    assert_eq!((last.why, last.outcome.counters.as_slice()), (Why::Crossed, &["forward_nat_request"][..]));
    assert_eq!(last.outcome.sent[0].lan.port(), LAN);
    let sent = lab.sent(LAN).remove(0);
    let frames: Vec<_> = records(&trays[1]).into_iter().map(|r| frame_of(r.sight)).map(|f| (f.way, f.bytes)).collect();
    assert_eq!(frames, [(Way::In, frame.into()), (Way::Out, sent.into())]);
    assert!(trays.iter().all(|tray| tray.is_over()), "three records of one packet");
}

#[test]
fn workers_share_a_count() {
    let (mut lab, _) = crew_and_stray();
    let tray = watch(&mut lab, &[], Wanted::Trace, 3);
    settle(&mut lab);
    for _ in 0..2 {
        for worker in lab.crew_mut() {
            worker.ports_mut()[usize::from(WAN)].inject(&arp());
        }
    }
    settle(&mut lab);
    let workers: Vec<u32> = records(&tray).iter().map(|record| record.worker).collect();
    assert_eq!((workers, tray.packets(), tray.is_over()), (vec![0, 0, 1], 3, true));
}

#[test]
fn what_finds_no_room_is_counted_and_leaves_room_for_what_workers_have_to_say() {
    let mut lab = lab();
    let more = 10;
    let tray = watch(&mut lab, &[], Wanted::Trace, 100_000);
    for _ in 0..TRAY_RECORDS + more {
        lab.feed(WAN, &segment(VIP, 99, ACK));
        lab.sent(WAN);
    }
    assert_eq!((records(&tray).len(), tray.lost()), (TRAY_RECORDS, more as u64));
    lab.feed(WAN, &segment(VIP, 82, SYN));
    assert_eq!(lab.asked(), [IpAddr::V4(server(15))]);
    let large = watch(&mut lab, &[], Wanted::Frames { snaplen: 2000 }, 100_000);
    let frame = packet(client(2), server(99), Body::Udp(1, 1, 1400)).frame();
    let fit = dataplane::trace::TRAY_BYTES / frame.len();
    (0..=fit).for_each(|_| lab.feed(WAN, &frame));
    assert_eq!((records(&large).len(), large.lost()), (fit, 1), "bounded in bytes too");
}

#[test]
fn without_a_service_a_trace_finds_no_connection_either() {
    let mut lab = lab();
    lab.feed(WAN, &segment(VIP, 80, SYN));
    lab.tables.unhooked.v4 = true;
    lab.publish();
    let decided = traced(&mut lab, WAN, &segment(VIP, 80, ACK)).decided.expect("a decision");
    assert!(decided.found.is_none() && decided.conn.is_none());
    assert_eq!(decided.step, Step::Answer(Answer::TcpReset));
}
