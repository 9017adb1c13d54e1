//! Real servers whose address resolves late, or never.

use std::thread;
use std::time::Duration;

use crate::config::{self, VIP, WEB};
use crate::lab::{Lab, Load};
use crate::process::until;

const KEY: &str = "TCP 10.0.0.100:80";

/// Whether the director's log has a line, now or soon.
fn is_told(lab: &mut Lab, text: &str) -> bool {
    until(Duration::from_secs(20), || lab.process("sluiced").said().contains(text).then_some(())).is_some()
}

#[test]
fn a_neighbour_that_appears_late_gets_the_packets_that_waited() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    lab.start_web(1);
    lab.start_director(&config::service("tcp", 80, "rr", &WEB[..1]));
    // The far end of the server's cable: it loses its link and keeps its routes.
    lab.ip("switch", &["link", "set", "p1", "down"]);
    let url = format!("http://{VIP}/");
    let mut curl = lab.start("client", "curl", &["curl", "-sSf", "--noproxy", "*", "--max-time", "15", &url]);
    // The director asks three times, a second apart; the third question finds somebody.
    thread::sleep(Duration::from_millis(1500));
    assert!(curl.ended().is_none(), "too early: {}", curl.said());
    assert_eq!(lab.counter("forward_nat_request"), 0);
    lab.ip("switch", &["link", "set", "p1", "up"]);
    assert_eq!(curl.wait_good(Duration::from_secs(15)), "served by rs1\n");
    assert_eq!(lab.counter("parked"), 0);
    assert_eq!(lab.server(KEY, WEB[0]).unresolved, 0);
    lab.assert_nothing_dropped();
}

#[test]
fn a_neighbour_that_never_appears_fails_its_connections_fast() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    let nobody = "10.1.0.99:8080";
    lab.start_director(&config::service("tcp", 80, "rr", &[nobody]));
    let curl = lab.curl(&format!("http://{VIP}/"));
    assert_eq!(curl.code, Some(7), "{curl:?}");
    assert!(curl.err.contains("No route to host") || curl.err.contains("Couldn't connect"), "{curl:?}");
    assert!(curl.took < Duration::from_secs(8), "{curl:?}");

    assert!(lab.server(KEY, nobody).unresolved >= 1);
    assert!(lab.counter("answer_host_unreachable") >= 1);
    let told = "real server 10.1.0.99 (lan) does not answer ARP; 1 server entry uses it";
    assert!(is_told(&mut lab, told));
    let neighbors = lab.tool(&["neigh"]).good().out;
    let line = neighbors.lines().find(|line| line.starts_with("10.1.0.99")).unwrap_or_default();
    assert!(line.contains("failed") || line.contains("incomplete"), "{neighbors}");
}

#[test]
fn a_server_that_fails_and_comes_back_is_told_of() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    lab.start_web(1);
    lab.start_director(&config::service("tcp", 80, "rr", &WEB[..1]));
    lab.ip("switch", &["link", "set", "p1", "down"]);
    let url = format!("http://{VIP}/");
    assert_eq!(lab.curl(&url).code, Some(7));
    assert!(is_told(&mut lab, "real server 10.1.0.11 (lan) does not answer ARP; 1 server entry uses it"));
    lab.ip("switch", &["link", "set", "p1", "up"]);
    lab.curl(&url).good();
    assert!(is_told(&mut lab, "real server 10.1.0.11 (lan) answers again after "));
}
