//! `ipvsadm -R` of a large table: bounded requests, few publications; and what is announced after it.

use std::fmt::Write;

use control::api::{Answer, ApiError, Batch, Client, MAX_REQUEST, Query, Request};
use control::ipvsadm;
use dataplane::mailbox::Command;

use crate::lab::{Lab, MS, add_service, key};

/// Hands requests on and measures them.
struct Measured<'a> {
    lab: &'a mut Lab,
    requests: usize,
    largest: usize,
}

impl Client for Measured<'_> {
    fn ask(&mut self, request: Request) -> Result<Answer, ApiError> {
        self.requests += 1;
        self.largest = self.largest.max(serde_json::to_vec(&request).expect("it is JSON").len());
        self.lab.now.0 += MS;
        let answer = self.lab.ask(request);
        self.lab.turn();
        answer
    }
}

#[test]
fn a_restore_is_few_publications() {
    let (services, servers) = (5000, 10);
    let mut text = String::new();
    for service in 0..services {
        let vip = std::net::Ipv4Addr::from_bits(0x1400_0000 + service);
        _ = writeln!(text, "-A -t {vip}:80 -s wrr");
        (0..servers).for_each(|server| _ = writeln!(text, "-a -t {vip}:80 -r 10.1.1.{server}:8080 -m -w 1"));
    }
    let mut lab = Lab::new();
    let before = lab.publications();
    let mut client = Measured { lab: &mut lab, requests: 0, largest: 0 };
    let outcome = ipvsadm::run(&["-R".to_owned()], &mut text.as_bytes(), &mut client);
    let (requests, largest) = (client.requests, client.largest);
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
    assert!(largest <= MAX_REQUEST && requests > 5, "{requests} requests, {largest} bytes");
    assert_eq!(lab.publications() - before, 1, "{requests} requests");
    let Ok(Answer::Status(status)) = lab.ask(Query::Status.into()) else { panic!("not a status") };
    assert_eq!((status.services, status.servers), (services, services * servers));
    assert_eq!(lab.seat.reader.tables().services.len(), services as usize, "the worker has seen them");
}

/// Who sends a batch and then nothing more does not keep it back.
#[test]
fn what_was_to_be_followed_is_published_all_the_same() {
    let mut lab = Lab::new();
    lab.done(Batch { requests: vec![add_service(1)], more: true });
    lab.turn();
    assert!(lab.seat.reader.tables().services.is_empty());
    lab.now.0 += 999 * MS;
    lab.turn();
    assert!(lab.seat.reader.tables().services.is_empty());
    lab.now.0 += MS;
    lab.turn();
    assert!(lab.seat.reader.tables().services.contains_key(&key(1)));
    // Others do not wait for it.
    lab.done(Batch { requests: vec![add_service(2)], more: true });
    lab.done(add_service(3));
    assert_eq!(lab.seat.reader.tables().services.len(), 3);
}

/// Every address is announced three times on both interfaces, and never so many at once that the mailbox overflows.
#[test]
fn announcements_are_spread() {
    let mut lab = Lab::filled(3000, 0);
    let (mut announced, mut most) = (0, 0);
    for _ in 0..1000 {
        lab.now.0 += 10 * MS;
        lab.director.turn(lab.now);
        let mut now = 0;
        while let Some(Command::Send { .. }) = lab.seat.link.commands.pop() {
            now += 1;
        }
        (announced, most) = (announced + now, most.max(now));
    }
    // The director's own two addresses had their first time before.
    assert_eq!(announced, 3 * 2 * 3000 + 2 * 2);
    assert!(most <= 256, "{most}");
}
