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
    assert_eq!((page(&lab), name(&lab)), (Ok(()), Ok(())));
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

/// A page over a connection of its own; a lost SYN is sent again by the client's kernel. What was wrong, if anything.
fn page(lab: &Lab) -> Result<(), String> {
    let url = format!("http://{VIP}/");
    let ran = lab.run("client", &["curl", "-sSf", "--noproxy", "*", "--max-time", "10", &url]);
    if ran.code == Some(0) { Ok(()) } else { Err(ran.err) }
}

/// A name, asked for from a port of its own, and once more after 2 s.
fn name(lab: &Lab) -> Result<(), String> {
    let at = format!("@{VIP}");
    let ran = lab.run("client", &["dig", "+short", "+tries=2", "+timeout=2", &at, "who.test", "TXT"]);
    if ran.out.contains("\"rs") { Ok(()) } else { Err(ran.out) }
}

/// Good clients beside a flood, and right after it.
fn good_clients_are_served(lab: &Lab, mut flood: Process, ask: impl Fn(&Lab) -> Result<(), String>) {
    let mut beside = Vec::new();
    while beside.len() < BESIDE && flood.ended().is_none() {
        beside.push(ask(lab));
    }
    let full = lab.status().workers[0].connections;
    let failed: Vec<_> = beside.iter().filter_map(|asked| asked.as_ref().err()).collect();
    assert!(beside.len() >= 10, "{} were served in the time: {failed:?}", beside.len());
    assert!(failed.len() * 20 <= beside.len(), "of {} failed {failed:?}", beside.len());
    assert!(full > u64::from(CONNECTIONS) * 3 / 4, "the table was full: {full}");
    flood.wait_good(Duration::from_secs(20));
    let after: Vec<_> = (0..AFTER).filter_map(|_| ask(lab).err()).collect();
    assert!(after.is_empty(), "right after it, every one is served: {after:?}");
    assert!(lab.counter("connections_dropped_early") > u64::from(CONNECTIONS));
}

#[test]
fn syns_from_sources_that_nobody_has() {
    let Some(lab) = lab() else { return };
    let flood = flood(&lab, "syn", "80");
    good_clients_are_served(&lab, flood, page);
}

#[test]
fn datagrams_from_sources_that_nobody_has() {
    let Some(lab) = lab() else { return };
    let flood = flood(&lab, "udp", "53");
    good_clients_are_served(&lab, flood, name);
}
