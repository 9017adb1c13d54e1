//! Packets to addresses where nobody is, two thousand a second to unused ones and as many to servers that do not answer.
//! Everybody else is served meanwhile, and whoever is new is found.

use std::time::Duration;

use crate::config::{self, VIP, WEB};
use crate::lab::{Lab, Load};

/// Sixteen addresses from one on, with a port.
fn sixteen(from: u8, port: u16) -> Vec<String> {
    (from..from + 16).map(|n| format!("10.1.0.{n}:{port}")).collect()
}

#[test]
fn a_new_server_is_found_and_clients_are_served_while_nobody_answers_a_flood() {
    let Some(mut lab) = Lab::new(Load::Heavy) else { return };
    (1..=3).for_each(|number| lab.start_web(number));
    let dead = sixteen(60, 9);
    let dead: Vec<&str> = dead.iter().map(String::as_str).collect();
    lab.start_director(&(config::service("tcp", 80, "rr", &WEB[..2]) + &config::service("udp", 5300, "rr", &dead)));
    lab.fetch(4, 1);
    let unused = sixteen(100, 9);
    let unused: Vec<&str> = unused.iter().map(String::as_str).collect();
    let service = format!("{VIP}:5300");
    let routed = lab.start_pace("unused", &[&["udp", "2000", "10"][..], &unused].concat());
    let balanced = lab.start_pace("dead", &["udp", "2000", "10", &service]);
    let mut good = lab.start_requests("good", 80, 80);

    std::thread::sleep(Duration::from_secs(2));
    assert!(lab.counter("drop_park_full") > 0, "more wait than may");
    lab.tool(&["ipvsadm", "-A", "-t", "10.0.0.100:81", "-s", "rr"]).good();
    lab.tool(&["ipvsadm", "-a", "-t", "10.0.0.100:81", "-r", WEB[2], "-m"]).good();
    let url = format!("http://{VIP}:81/");
    lab.run("client", &["curl", "-sSf", "--noproxy", "*", "--max-time", "10", &url]).good();
    let unresolved = lab.server("TCP 10.0.0.100:81", WEB[2]).unresolved;
    assert_eq!(unresolved, 0, "a new server is asked for at once: no packet lost its place while it was");

    let served = good.wait_good(Duration::from_secs(40)).lines().filter(|line| *line == "200 0").count();
    assert!(served >= 76, "{served} of 80 requests were served");
    for mut flood in [routed, balanced] {
        flood.wait_good(Duration::from_secs(20));
    }
}
