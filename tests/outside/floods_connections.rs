//! Floods of connections from sources that nobody has (`flood.py`), beside good clients: the table is full within a second,
//! and they are served all the same.

use std::time::Duration;

use crate::config::{self, NAMES, VIP, WEB};
use crate::lab::{Lab, Load};
use crate::process::{Process, until};

/// Connections that the table holds.
const CONNECTIONS: u32 = 2000;
/// Seconds that a flood lasts.
const SECONDS: &str = "8";
/// Packets of it a second: the table is full after a fifth of one.
const RATE: &str = "10000";
/// Requests of good clients beside it, and after it.
const BESIDE: usize = 60;
const AFTER: usize = 40;

/// A lab with three web servers and three name servers behind a director with a small table. The client knows its MAC.
fn lab() -> Option<Lab> {
    let mut lab = Lab::new(Load::Heavy)?;
    lab.connections = CONNECTIONS;
    for number in 1..=3 {
        lab.start_web(number);
        lab.start_names(number);
    }
    lab.start_director(&(config::service("tcp", 80, "rr", &WEB) + &config::service("udp", 53, "rr", &NAMES)));
    assert!(is_served(&lab) && is_answered(&lab));
    Some(lab)
}

/// A flood that has filled the table.
fn flood(lab: &Lab, kind: &str, port: &str) -> Process {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/outside/flood.py");
    let flood = lab.start("client", "flood", &["python3", script, kind, port, SECONDS, RATE]);
    let engaged = || lab.tool(&["sysctl", "drop_entry"]).out.contains("drop_entry = 2").then_some(());
    until(Duration::from_secs(10), engaged).expect("the table is nearly full");
    flood
}

fn is_served(lab: &Lab) -> bool {
    let url = format!("http://{VIP}/");
    lab.run("client", &["curl", "-sSf", "--noproxy", "*", "--max-time", "4", &url]).code == Some(0)
}

fn is_answered(lab: &Lab) -> bool {
    let at = format!("@{VIP}");
    let dig = lab.run("client", &["dig", "+short", "+tries=2", "+timeout=2", &at, "who.test", "TXT"]);
    dig.out.contains("rs")
}

/// Good clients beside a flood, and right after it.
fn good_clients_are_served(lab: &Lab, mut flood: Process, asks: impl Fn(&Lab) -> bool) {
    let mut good = 0;
    let mut beside = 0;
    while beside < BESIDE && flood.ended().is_none() {
        beside += 1;
        good += usize::from(asks(lab));
    }
    let at_the_end = lab.status().workers[0].connections;
    assert!(beside >= 10 && good * 100 >= beside * 95, "{good} of {beside} while it lasted");
    assert!(at_the_end > u64::from(CONNECTIONS) * 3 / 4, "the table was full: {at_the_end}");
    flood.wait_good(Duration::from_secs(20));
    assert_eq!((0..AFTER).filter(|_| asks(lab)).count(), AFTER, "right after it, every one");
    assert!(lab.counter("connections_dropped_early") > u64::from(CONNECTIONS));
}

#[test]
fn syns_from_sources_that_nobody_has() {
    let Some(lab) = lab() else { return };
    let flood = flood(&lab, "syn", "80");
    good_clients_are_served(&lab, flood, is_served);
}

#[test]
fn datagrams_from_sources_that_nobody_has() {
    let Some(lab) = lab() else { return };
    let flood = flood(&lab, "udp", "53");
    good_clients_are_served(&lab, flood, is_answered);
}
