//! `--check` says what the director will take, and the kernel says what it takes. Packets and connections have their
//! memory from the start, so it takes no more when all of them are in use.

use std::fmt::Write;
use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use crate::config;
use crate::lab::{Lab, Load};
use crate::process::{Process, Ran, until};
use crate::ready;

/// Services with ten servers each, on addresses of their own.
fn table(services: u32) -> String {
    let mut text = String::new();
    for service in 0..services {
        let vip = Ipv4Addr::from_bits(0x1400_0000 + service);
        _ = write!(text, "\n[[service]]\nprotocol = \"tcp\"\naddress = \"{vip}:80\"\nscheduler = \"wrr\"\n");
        for server in 0..10 {
            let server = Ipv4Addr::from_bits(0x1e00_0000 + 10 * service + server);
            _ = write!(text, "\n[[service.server]]\naddress = \"{server}:8080\"\nforward = \"nat\"\n");
        }
    }
    text
}

/// A line of what `--check` computes, in MiB.
fn computed(said: &str, name: &str) -> Option<f64> {
    let line = said.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What the kernel counts of a process, in MiB.
fn counted(process: &Process, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {status}"));
    line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).expect("a number of KiB") / 1024.0
}

/// What a director says that it will take.
fn check(lab: &Lab) -> String {
    let file = lab.path("sluice.toml");
    let ran = Ran::of(Command::new(ready::sluiced()).arg("--check").arg("--config").arg(file));
    // The virtual addresses of a large table are on no link, of which it warns.
    assert!(matches!(ran.code, Some(0 | 3)), "{ran:?}");
    ran.out
}

/// Starts a director with so many connections and these services, and compares.
fn agrees(lab: &Lab, connections: u32, services: &str) -> (Process, String) {
    lab.configure(services);
    let file = lab.path("sluice.toml");
    let text = fs::read_to_string(&file).expect("a configuration");
    fs::write(&file, text.replace("connections = 100_000", &format!("connections = {connections}"))).expect("another");
    let said = check(lab);
    let mut director = lab.spawn_director("sluiced");
    let up = || match director.ended() {
        Some(status) => panic!("sluiced ended, {status}: {}", director.said()),
        None => director.said().contains("is up").then_some(()),
    };
    until(Duration::from_secs(60), up).expect("sluiced is up");
    let (sum, taken) = (computed(&said, "total").expect("a sum"), resident(&director));
    assert!((0.95..1.05).contains(&(sum / taken)), "{said}{taken:.1} MiB taken");
    (director, said)
}

/// Resident pages of every kind, huge ones included.
fn resident(process: &Process) -> f64 {
    counted(process, "VmRSS:") + counted(process, "HugetlbPages:")
}

#[test]
fn a_small_director_takes_what_was_computed() {
    let Some(lab) = Lab::new(Load::Light) else { return };
    agrees(&lab, 100_000, &config::service("tcp", 80, "rr", &config::WEB));
}

#[test]
fn a_million_connections_take_what_was_computed() {
    let Some(lab) = Lab::new(Load::Light) else { return };
    agrees(&lab, 1_000_000, &config::service("tcp", 80, "rr", &config::WEB));
}

#[test]
fn several_workers_take_what_was_computed() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    lab.workers = config::workers(3);
    agrees(&lab, 300_000, &config::service("tcp", 80, "rr", &config::WEB));
}

/// And while somebody lists it all, others are answered.
#[test]
fn a_large_table_takes_what_was_computed_and_is_listed_beside_other_requests() {
    let Some(lab) = Lab::new(Load::Heavy) else { return };
    let (director, said) = agrees(&lab, 1000, &table(5000));
    lab.tool(&["reload"]).good();
    let [sum, reading] = ["total", "reading"].map(|name| computed(&said, name).expect("both are there"));
    let peak = counted(&director, "VmHWM:");
    assert!((0.9..1.1).contains(&((sum + reading) / peak)), "{said}\n{peak:.1} MiB taken during the reload");
    // What was read and what it replaced is freed when nobody waits for it.
    let after = || (0.95..1.05).contains(&(sum / resident(&director))).then_some(());
    let freed = until(Duration::from_secs(20), after);
    assert!(freed.is_some(), "{said}\n{:.1} MiB taken after the reload", resident(&director));
    let (tool, socket) = (ready::sluice(), lab.socket());
    let [tool, socket] = [tool, &socket].map(|path| path.to_str().expect("a path of ours"));
    let mut listing = lab.start("director", "listing", &[tool, "--socket", socket, "ipvsadm", "-Sn"]);
    let mut answered = 0;
    while listing.ended().is_none() {
        lab.tool(&["status"]).good();
        answered += 1;
    }
    assert_eq!(listing.said().lines().count(), 55_000);
    assert!(answered >= 5, "{answered} requests were answered while the table was listed");
}
