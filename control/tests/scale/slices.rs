//! Nothing that is asked for keeps control from the network for long: between two chances to serve it, little is done,
//! counted in allocations, whatever the size of the table.

use std::fmt::Write;

use control::api::{Answer, ApiError, Batch, Edit, Query, Request};
use control::config::{self, Config};
use control::director::{Host, Prepared};
use dataplane::clock::Nanos;
use dataplane::mailbox::{Command, Report};
use dataplane::wire::arp::{Operation, Packet};
use dataplane::wire::ethernet::{self, Header, MacAddr};
use dataplane::wire::vlan::Lan;

use crate::allocations::{self, Allocations};
use crate::lab::{self, Lab, MS, add_server, add_service, address, key};

/// A host that counts what is allocated and freed between two questions whether the network is to be served.
struct Counting<'a> {
    seat: &'a mut control::director::WorkerSeat,
    last: Allocations,
    most: Allocations,
    /// Serve the network once in so many questions; never if 0.
    every: u32,
    asked: u32,
    now: Nanos,
}

impl<'a> Counting<'a> {
    fn new(lab: &'a mut Lab, every: u32) -> (Self, &'a mut control::director::Director) {
        let Lab { director, seat, now } = lab;
        let last = allocations::so_far();
        (Self { seat, last, most: Allocations::default(), every, asked: 0, now: *now }, director)
    }

    fn slice(&mut self) {
        let now = allocations::so_far();
        let slice = now.since(self.last);
        let most = &mut self.most;
        most.calls = most.calls.max(slice.calls);
        most.bytes = most.bytes.max(slice.bytes);
        most.frees = most.frees.max(slice.frees);
        self.last = now;
    }
}

impl Host for Counting<'_> {
    fn wait(&mut self) -> bool {
        self.slice();
        self.seat.reader.refresh();
        true
    }

    fn pause(&mut self) -> Option<Nanos> {
        self.slice();
        self.asked += 1;
        let serve = self.every > 0 && self.asked.is_multiple_of(self.every);
        serve.then_some(self.now)
    }
}

/// So many services with two servers each, these of a weight.
fn file(services: u32, weight: u32) -> Config {
    let mut text = lab::NETWORK.to_owned();
    for service in 0..services {
        _ = writeln!(
            text,
            "[[service]]\nprotocol = \"tcp\"\naddress = \"{}:80\"\nscheduler = \"wrr\"",
            lab::vip(service)
        );
        for server in 0..2 {
            _ = writeln!(
                text,
                "[[service.server]]\naddress = \"{}\"\nweight = {weight}",
                lab::address(service * 2 + server)
            );
        }
    }
    config::parse(&text, "slices.toml").expect("a right configuration")
}

/// The most that is done at once in a request.
fn most(lab: &mut Lab, request: impl Into<Request>) -> Allocations {
    let (mut host, director) = Counting::new(lab, 0);
    director.handle(request.into(), host.now, &mut host).expect("it is possible");
    host.slice();
    host.most
}

fn reload(lab: &mut Lab, config: Config) -> Allocations {
    let prepared = Prepared::of(config).expect("a possible configuration");
    let (mut host, director) = Counting::new(lab, 0);
    director.reload(prepared, false, &mut host).expect("it is possible");
    host.slice();
    host.most
}

/// The most of each long request in a table of so many services.
fn of_size(services: u32) -> Vec<(&'static str, Allocations)> {
    let mut lab = Lab::with_file(file(services, 1));
    let batch = |from: u32| {
        let added = (0..1000).map(|service| add_service(from + service));
        let servers = (0..1000).map(|service| add_server(from + service, service));
        Batch { requests: added.chain(servers).collect(), more: false }
    };
    let mut found = vec![
        ("reload, all changed", reload(&mut lab, file(services, 2))),
        ("reload, nothing changed", reload(&mut lab, file(services, 2))),
        ("reload, half of it gone", reload(&mut lab, file(services / 2, 2))),
        ("reload, half of it new", reload(&mut lab, file(services, 2))),
        ("batch", most(&mut lab, batch(services))),
        ("zero", most(&mut lab, Edit::Zero { key: None })),
        ("list", most(&mut lab, Query::Services { key: None, cursor: None, limit: None })),
        ("config show", most(&mut lab, Query::ConfigShow { cursor: None })),
        ("flush", most(&mut lab, Edit::Flush)),
    ];
    lab.now.0 += 100 * MS;
    let (_, turn) = allocations::of(|| lab.turn());
    found.push(("turn after a flush", turn));
    found
}

#[test]
fn what_is_done_at_once_does_not_grow_with_the_table() {
    let (small, large) = (of_size(4000), of_size(40_000));
    for ((name, few), (_, many)) in small.iter().zip(&large) {
        println!("{name}: at 4,000 services {few:?}, at 40,000 {many:?}");
        // Hash maps double now and then; their entries are small, and moving them is what the bytes show.
        assert!(many.calls <= few.calls.max(500) * 2, "{name}: {few:?} {many:?}");
        assert!(many.bytes <= few.bytes + (8 << 20), "{name}: {few:?} {many:?}");
        assert!(many.frees <= few.frees.max(3000) * 2, "{name}: {few:?} {many:?}");
    }
}

/// ARP and publication in the middle of a reload.
#[test]
fn the_network_is_served_in_the_middle_of_a_reload() {
    let mut lab = Lab::with_file(file(2000, 1));
    while lab.seat.link.commands.pop().is_some() {}
    let asker = MacAddr([2, 0, 0, 0, 0, 9]);
    let asked = Packet {
        operation: Operation::Request,
        sender_mac: asker,
        sender: [172, 16, 0, 1].into(),
        target_mac: MacAddr([0; 6]),
        target: [172, 16, 0, 254].into(),
    };
    let frame = asked.frame(MacAddr([0xff; 6]));
    lab.seat.link.reports.push(Report::Frame { lan: Lan::new(0, 0), frame }).expect("room for a report");
    let mut config = file(1000, 2);
    config.services.retain(|service| service.spec.key != key(1));
    let (mut host, director) = Counting::new(&mut lab, 100);
    host.now.0 += MS;
    let mut seen = Seen { host, answered_after: None, half_done: 0 };
    director.reload(Prepared::of(config).expect("possible"), false, &mut seen).expect("it is possible");
    assert_eq!(seen.answered_after, Some(100), "at the first chance to serve the network");
    assert_eq!(seen.half_done, 0, "workers saw the file of before or the new one, nothing between");
    lab.turn();
    assert_eq!(lab.seat.reader.tables().services.len(), 999);
}

/// Looks at what a worker would see at each pause.
struct Seen<'a> {
    host: Counting<'a>,
    answered_after: Option<u32>,
    half_done: usize,
}

impl Host for Seen<'_> {
    fn wait(&mut self) -> bool {
        self.host.wait()
    }

    fn pause(&mut self) -> Option<Nanos> {
        let now = self.host.pause();
        let seat = &mut *self.host.seat;
        seat.reader.refresh();
        let there = seat.reader.tables().services.len();
        self.half_done += usize::from(there != 2000 && there != 999);
        while let Some(command) = seat.link.commands.pop() {
            if let Command::Send { frame, .. } = command
                && Header::parse(&frame).is_some_and(|header| header.ethertype == ethernet::ARP)
                && Packet::parse(&frame[ethernet::HEADER..]).is_some_and(|arp| arp.operation == Operation::Reply)
            {
                self.answered_after.get_or_insert(self.host.asked - 1);
            }
        }
        now
    }
}

/// A worker that does not take over new tables: the reload is in force, and said to be.
#[test]
fn a_late_worker_does_not_hide_what_a_reload_changed() {
    let mut lab = Lab::with_file(file(3, 1));
    let mut patience = 3;
    let mut host = || {
        patience -= 1;
        patience > 0
    };
    let prepared = Prepared::of(file(2, 7)).expect("possible");
    let answer = lab.director.reload(prepared, false, &mut host).expect("it is applied");
    let Answer::Reloaded { changes, late } = answer else { panic!("{answer:?}") };
    assert_eq!(changes.len(), 5, "{changes:?}");
    let told = |line: &str| changes.iter().any(|change| change == line);
    assert!(told("service TCP 20.0.0.0:80: server 10.1.1.0:8080: weight 1 -> 7"), "{changes:?}");
    let late = late.expect("the worker is late");
    assert!(late.starts_with("applied; worker 0 (CPU 0) has not taken it over yet"), "{late}");
    let refused =
        lab.director.handle(Edit::DeleteServer { key: key(0), address: address(9) }.into(), lab.now, &mut || false);
    assert!(refused.is_err_and(|error| error.code == control::api::Code::NoEntry), "a refusal is not hidden by it");
}

/// A page of connections that comes too late answers no other question.
#[test]
fn a_late_page_answers_no_other_question() {
    use dataplane::mailbox::Page;

    let mut lab = Lab::new();
    let page = |question: u64, next| Report::Listed(Page { question, connections: Vec::new(), next });
    let ask = |lab: &mut Lab, answered: &[(u64, Option<u32>)]| -> Result<Answer, ApiError> {
        let Lab { director, seat, now } = lab;
        let mut answers = answered.iter();
        let mut host = || {
            let answer = answers.next();
            answer.inspect(|(question, next)| seat.link.reports.push(page(*question, *next)).expect("room"));
            answer.is_some()
        };
        director.handle(Query::Connections { cursor: None, limit: Some(1) }.into(), *now, &mut host)
    };
    let Ok(Answer::Connections { late: Some(late), next: Some(next), .. }) = ask(&mut lab, &[]) else {
        panic!("a worker that says nothing is told of")
    };
    assert_eq!((late.as_str(), next), ("worker 0 did not list its connections in time", 1 << 32));
    // The answer to the first question comes while the second waits.
    let Ok(Answer::Connections { late, .. }) = ask(&mut lab, &[(1, Some(77))]) else { panic!("an answer") };
    assert!(late.is_some(), "the page of the first question is none of the second");
    let Ok(Answer::Connections { late, next, .. }) = ask(&mut lab, &[(1, Some(77)), (3, None)]) else {
        panic!("an answer")
    };
    assert_eq!((late, next.is_some_and(|next| next >= 1 << 32)), (None, true));
}
