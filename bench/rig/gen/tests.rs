//! The generator between a toy director's doors: all is well with a good one, and every fault of a bad one is found.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Parser;
use dataplane::wire::{ipv4, tcp};

use crate::args::{Args, Direction};
use crate::arp::Arp;
use crate::check::{self, Wrong};
use crate::conns::Conns;
use crate::door::Door;
use crate::engine::{Engine, Limits, Manner};
use crate::frame::{Order, Writer};
use crate::opening::Opening;
use crate::plan::{End, Plan};
use crate::report::Report;
use crate::seen::{Packet, Seen};
use crate::steady::Steady;
use crate::syn::Syn;
use crate::tally::Tally;
use crate::toy::{Fault, MACS, Toy, ToyPort};
use crate::traffic::Traffic;

static GO: AtomicBool = AtomicBool::new(false);

fn args(more: &str) -> Args {
    Args::try_parse_from(format!("sluice-gen flows --client a --server b {more}").split_whitespace()).unwrap()
}

fn plan(more: &str) -> Plan {
    args(more).plan().unwrap()
}

/// An engine between a toy's two sides, acquainted with it.
fn engine(plan: Plan) -> (Engine<ToyPort>, Rc<RefCell<Toy>>) {
    let toy = Toy::new(plan);
    let door = |side| Door::new(vec![ToyPort { side, toy: toy.clone() }, ToyPort { side, toy: toy.clone() }]);
    let manner = Manner { spread: args("").spread, verify: 1, blind: false, share: true };
    let writer = Writer::new(plan, 60, MACS);
    let mut engine = Engine::new(vec![door(0), door(1)], plan, writer, Arp::new(plan, None), manner);
    assert_eq!(engine.meet(Duration::from_secs(5), &GO), Some(MACS));
    (engine, toy)
}

fn limits(ms: u64) -> Limits {
    Limits { time: Duration::from_millis(ms), rate: 0, window: 64, patience: Duration::from_millis(200) }
}

/// Opens 200 flows and sends packets of them for a moment.
fn flows(plan: Plan, fault: Option<(Fault, u64)>) -> Tally {
    let (mut engine, toy) = engine(plan);
    let mut opening = Opening::new(plan, 200, limits(0).silence());
    engine.run(&mut opening, limits(5000), &GO);
    assert_eq!((opening.closed(), engine.tally.lost(), engine.tally.all_wrong()), (0, 0, 0));
    toy.borrow_mut().fault = fault;
    let direction = if plan.method == crate::plan::Method::Dr { Direction::Request } else { Direction::Both };
    engine.run(&mut Steady::new(plan, opening.homes(), direction), limits(100), &GO);
    assert!(engine.tally.all_sent() > 200, "{:?}", engine.tally);
    engine.tally
}

#[test]
fn nothing_is_wrong_with_a_good_director() {
    for more in ["", "--protocol tcp", "--method dr", "--method dr --protocol tcp"] {
        let tally = flows(plan(more), None);
        assert_eq!((tally.lost(), tally.all_wrong(), tally.other), (0, 0, 0), "{more}: {tally:?}");
        assert_eq!((tally.verified, tally.all_received()), (tally.all_sent(), tally.all_sent()), "{more}");
        assert_eq!(tally.sent[1] > 0, !more.contains("dr"), "{more}");
    }
}

#[test]
fn every_fault_is_found_and_named() {
    let byte = |at| Fault::Spoil(at);
    for (fault, wrong) in [
        (byte(4), Wrong::Mac),
        (byte(11), Wrong::Mac),
        (byte(18), Wrong::Header),
        (byte(22), Wrong::Ttl),
        (byte(24), Wrong::Header),
        (byte(47), Wrong::Checksum),
        (byte(44), Wrong::Mark),
        (Fault::Move, Wrong::Moved),
    ] {
        // A flow that moves does so on its way to the servers.
        let tally = flows(plan(""), Some((fault, 7)));
        assert!(tally.wrong[wrong as usize] > 5, "{fault:?} is {wrong:?}: {tally:?}");
        assert_eq!((tally.all_wrong(), tally.lost()), (tally.wrong[wrong as usize], 0), "{fault:?}: {tally:?}");
    }
    let lossy = flows(plan(""), Some((Fault::Lose, 10)));
    assert_eq!((lossy.lost(), lossy.all_wrong()), (lossy.all_sent() / 10, 0), "{lossy:?}");
}

#[test]
fn flows_open_in_spite_of_losses() {
    let plan = plan("--protocol tcp");
    let (mut engine, toy) = engine(plan);
    toy.borrow_mut().fault = Some((Fault::Lose, 10));
    let mut opening = Opening::new(plan, 100, limits(0).silence());
    engine.run(&mut opening, limits(10_000), &GO);
    assert!(opening.closed() == 0 && engine.tally.lost() > 9, "{:?}", engine.tally);
}

fn conns(method: &str, fault: Option<(Fault, u64)>) -> (Tally, String) {
    let plan = plan(&format!("--protocol tcp --method {method}"));
    let (mut engine, toy) = engine(plan);
    toy.borrow_mut().fault = fault;
    let (mut conns, mut report) = (Conns::new(plan, 20, 1_000_000_000), Report::default());
    engine.run(&mut conns, limits(100), &GO);
    conns.report(1.0, &mut report);
    (engine.tally, report.lines())
}

fn figure(lines: &str, name: &str) -> u64 {
    let line = lines.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|line| line.split(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("no {name} in {lines}"))
}

#[test]
fn connections_are_complete() {
    for (method, packets) in [("nat", 6), ("dr", 4)] {
        let (tally, lines) = conns(method, None);
        let begun = figure(&lines, "connections_begun");
        assert!(begun > 100 && figure(&lines, "connections_completed") == begun, "{lines}");
        assert_eq!((tally.all_sent(), tally.all_received(), tally.all_wrong()), (packets * begun, packets * begun, 0));
        assert_eq!(figure(&lines, "packets_late"), 0);
    }
}

#[test]
fn connections_that_are_refused_or_lost_are_told_apart() {
    let (_, lines) = conns("nat", Some((Fault::Refuse, 50)));
    assert!(figure(&lines, "connections_refused") > 2, "{lines}");
    assert_eq!(figure(&lines, "connections_lost"), 0, "{lines}");
    let (tally, lines) = conns("nat", Some((Fault::Lose, 50)));
    assert!(figure(&lines, "connections_lost") > 2 && tally.lost() > 2, "{lines}");
    assert_eq!(figure(&lines, "connections_refused"), 0, "{lines}");
}

#[test]
fn every_syn_is_another_flow() {
    let plan = plan("--protocol tcp");
    let (mut engine, _) = engine(plan);
    engine.run(&mut Syn::new(plan, 5000), limits(5000), &GO);
    let tally = engine.tally;
    assert_eq!((tally.sent, tally.received, tally.all_wrong()), ([5000, 0], [0, 5000], 0));
    let mut syn = Syn::new(plan, 3);
    let flows: Vec<_> = std::iter::from_fn(|| syn.next(0)).map(|order| (order.flow, order.flags)).collect();
    assert_eq!(flows, [(0, tcp::SYN), (1, tcp::SYN), (2, tcp::SYN)]);
}

#[test]
fn a_rate_is_kept() {
    let plan = plan("");
    let (mut engine, _) = engine(plan);
    let limits = Limits { rate: 10_000, ..limits(200) };
    let homes = crate::opening::Homes::dealt(10, plan.servers);
    engine.run(&mut Steady::new(plan, homes, Direction::Both), limits, &GO);
    assert!((1000..=2000).contains(&engine.tally.all_sent()), "{:?}", engine.tally);
}

#[test]
fn frames_are_what_their_headers_say() {
    for (more, size) in [("", 60), ("--protocol tcp", 60), ("", 1514)] {
        let plan = plan(more);
        let writer = Writer::new(plan, size, MACS);
        for order in [Order::request(12_345, tcp::SYN, 0), Order::reply(12_345, 2, tcp::ACK, 1)] {
            let mut frame = vec![0xee; usize::from(size)];
            writer.write(&order, &mut frame);
            let header = ipv4::Header::parse(&frame[14..]).unwrap();
            let server = order.from == End::Servers;
            let (client, there) = (plan.clients.of(12_345), if server { 0x0a01_000d } else { 0x0a00_0064 });
            let addresses = if server { (there, client.0) } else { (client.0, there) };
            assert_eq!((header.src, header.dst, header.ttl), (addresses.0, addresses.1, 64));
            assert_eq!(header.total, if more.is_empty() { usize::from(size) - 14 } else { 40 });
            let Seen::Packet(packet) = Seen::read(&frame) else { panic!("{frame:02x?}") };
            assert_eq!(check::sums(&packet), Ok(()), "{more} {order:?}");
            let ports = if server { (8080, client.1) } else { (client.1, 80) };
            assert_eq!((packet.sport, packet.dport), ports);
            assert_eq!(packet.dst_mac, MACS[order.from as usize]);
            assert_eq!(packet.src_mac.0, if server { [2, 0, 0, 0, 2, 3] } else { [2, 0, 0, 0, 1, 0xfe] });
        }
    }
}

#[test]
fn garbage_is_read_without_a_panic() {
    let frame = [0x45; 80];
    for len in 0..frame.len() {
        for kind in [[8, 0], [8, 6], [0x86, 0xdd]] {
            for protocol in [1, 6, 17] {
                let mut frame = frame[..len].to_vec();
                dataplane::wire::put(&mut frame, 12, &kind);
                dataplane::wire::put(&mut frame, 23, &[protocol]);
                dataplane::wire::put(&mut frame, 34, &[3]);
                if let Seen::Packet(Packet { .. }) = Seen::read(&frame) {
                    assert!(len >= 46);
                }
                _ = Arp::new(plan(""), None).hear(&frame);
            }
        }
    }
}

#[test]
fn command_lines_that_cannot_be_are_refused() {
    let plan = |more: &str| args(more).plan();
    assert!(plan("--clients 10.9.9.9/32 --flows 64512").is_ok());
    assert!(plan("--clients 10.9.9.9/32 --flows 64513").unwrap_err().contains("64512 flows"));
    assert!(plan("--method dr --direction reply").unwrap_err().contains("--direction request"));
    for more in ["--flows 0", "--size 59", "--servers 0", "--director-mac 2:0", "--seconds -1"] {
        let line = format!("sluice-gen flows --client a {more}");
        assert!(Args::try_parse_from(line.split_whitespace()).is_err(), "{more}");
    }
    for (line, good) in [("distance --other-cpu 1", true), ("distance", false), ("conns --other-cpu 1", false)] {
        let line = format!("sluice-gen {line}");
        assert_eq!(Args::try_parse_from(line.split_whitespace()).is_ok(), good, "{line}");
    }
}

#[test]
fn figures_are_lines_or_json() {
    let mut report = Report::default();
    report.count("sent", 7, "packets");
    report.figure("rate", f64::NAN, "1/s");
    assert_eq!(report.lines(), "sent 7 packets\nrate 0.000 1/s\n");
    assert_eq!(report.json(), "{\"sent\": 7, \"rate\": 0.000}\n");
}
