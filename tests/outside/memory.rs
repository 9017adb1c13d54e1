//! `--check` says what the director will take, and the kernel says what it takes.

use std::fmt::Write;
use std::fs;
use std::time::Duration;

use crate::config;
use crate::lab::{Lab, Load};
use crate::process::{Process, Ran, until};
use crate::ready;

const MIB: f64 = 1024.0;

/// Services with so many servers each, on addresses of their own.
fn table(services: u32, servers: u32) -> String {
    let mut text = String::new();
    for service in 0..services {
        let vip = std::net::Ipv4Addr::from_bits(0x1400_0000 + service);
        _ = write!(text, "\n[[service]]\nprotocol = \"tcp\"\naddress = \"{vip}:80\"\nscheduler = \"wrr\"\n");
        for server in 0..servers {
            _ = write!(text, "\n[[service.server]]\naddress = \"10.1.0.{}:8080\"\nforward = \"nat\"\n", 10 + server);
        }
    }
    text
}

/// What `--check` computes in all, in MiB.
fn computed(lab: &Lab) -> f64 {
    let file = lab.path("sluice.toml");
    let file = file.to_str().expect("a path of ours");
    let ran = Ran::of(std::process::Command::new(ready::sluiced()).args(["--config", file, "--check"])).good();
    let line = ran.out.lines().find_map(|line| line.strip_prefix("in all")).unwrap_or_else(|| panic!("{ran:?}"));
    println!("{}", ran.out);
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number of MiB")
}

/// What the kernel counts of a process: resident pages of every kind, and huge ones, in MiB.
fn taken(process: &Process) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).expect("it runs");
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_else(|| panic!("{status}"))
    };
    println!("{} kB anonymous, {} kB of files, {} kB shared", kib("RssAnon:"), kib("RssFile:"), kib("RssShmem:"));
    (kib("VmRSS:") + kib("HugetlbPages:")) / MIB
}

/// A director with so many connections and these services, up; and what was computed for it.
fn director(lab: &Lab, connections: u32, services: &str) -> (Process, f64) {
    lab.configure(services);
    let file = lab.path("sluice.toml");
    let text = fs::read_to_string(&file).expect("a configuration");
    fs::write(&file, text.replace("connections = 100_000", &format!("connections = {connections}"))).expect("another");
    let computed = computed(lab);
    let mut director = lab.spawn_director("sluiced");
    let up = || match director.ended() {
        Some(status) => panic!("sluiced ended, {status}: {}", director.said()),
        None => director.said().contains("is up").then_some(()),
    };
    until(Duration::from_secs(120), up).expect("sluiced is up");
    (director, computed)
}

fn agrees(lab: &Lab, connections: u32, services: &str) -> Process {
    let (director, computed) = director(lab, connections, services);
    let taken = taken(&director);
    println!("{connections} connections: {computed} MiB computed, {taken:.1} taken");
    assert!((0.95..1.05).contains(&(computed / taken)), "{computed} MiB computed, {taken:.1} taken");
    director
}

#[test]
fn a_small_lab_takes_what_was_computed() {
    let Some(lab) = Lab::new(Load::Light) else { return };
    agrees(&lab, 200_000, &config::service("tcp", 80, "rr", &config::WEB));
}

#[test]
fn a_million_connections_take_what_was_computed() {
    let Some(lab) = Lab::new(Load::Light) else { return };
    agrees(&lab, 1_000_000, &config::service("tcp", 80, "rr", &config::WEB));
}

/// And while somebody lists it all, others are answered.
#[test]
fn a_million_servers_take_what_was_computed_and_are_listed_beside_other_requests() {
    let Some(lab) = Lab::new(Load::Heavy) else { return };
    let mut director = agrees(&lab, 1000, &table(100_000, 10));
    let tool = ready::sluice().to_str().expect("a path of ours");
    let socket = lab.socket();
    let socket = socket.to_str().expect("a path of ours");
    let mut listing = lab.start("director", "listing", &[tool, "--socket", socket, "ipvsadm", "-Sn"]);
    let mut answered = 0;
    while listing.ended().is_none() {
        lab.tool(&["status"]).good();
        answered += usize::from(listing.ended().is_none());
    }
    assert!(answered > 3, "{answered} requests were answered while the table was listed");
    assert_eq!(listing.said().lines().count(), 1_100_000);
    director.signal("TERM");
    assert_eq!(director.wait(Duration::from_secs(10)).code(), Some(0));
}
