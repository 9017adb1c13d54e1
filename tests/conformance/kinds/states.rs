//! The states of TCP, UDP and SCTP: walks of single connections, every event observed, by every method.

use serde_json::json;

use crate::dice::Dice;
use crate::generate::Draft;
use crate::words::{Family, Service, dump, restore, shell, sysctl};

const FLAGS: [&str; 14] = ["S", "SA", "A", "PA", "F", "FA", "R", "RA", "0", "P", "SF", "SR", "FPU", "SFRPAU"];
const CHUNKS: [&str; 12] = [
    "INIT",
    "INIT_ACK",
    "COOKIE_ECHO",
    "COOKIE_ACK",
    "DATA",
    "SACK",
    "HEARTBEAT",
    "ABORT",
    "SHUTDOWN",
    "SHUTDOWN_ACK",
    "ERROR",
    "SHUTDOWN_COMPLETE",
];
/// The usual life of a connection, from both sides.
const TCP_LIFE: [&str; 8] = ["c:S", "s:SA", "c:A", "c:PA", "s:PA", "c:FA", "s:FA", "c:A"];
const SCTP_LIFE: [&str; 8] = [
    "c:INIT",
    "s:INIT_ACK",
    "c:COOKIE_ECHO",
    "s:COOKIE_ACK",
    "c:DATA",
    "c:SHUTDOWN",
    "s:SHUTDOWN_ACK",
    "c:SHUTDOWN_COMPLETE",
];

/// A few connections, each to a service of its own.
pub(crate) fn draft(dice: &mut Dice) -> Draft {
    let (protocol, name) =
        dice.pick(&[("t", "tcp"), ("t", "tcp"), ("t", "tcp"), ("u", "udp"), ("sctp-service", "sctp")]);
    let family = Family::roll(dice, 20);
    let method = dice.pick(&["m", "m", "g", "i"]);
    let count = dice.number(2..=4);
    let mut steps = if name == "sctp" { vec![shell("modprobe sctp")] } else { Vec::new() };
    for (setting, values) in [("sloppy_tcp", 0..=1), ("sloppy_sctp", 0..=1), ("secure_tcp", 0..=3)] {
        if dice.percent(25) {
            steps.push(sysctl(setting, dice.number(values)));
        }
    }
    steps.push(restore(&(0..count).flat_map(|i| service(family, protocol, method, i)).collect::<Vec<_>>()));
    let paths: Vec<String> = (0..count).map(|_| path(dice, name)).collect();
    steps.push(json!({ "flow": {
        "vip": family.vip(), "client": family.client(0, 0), "rs": family.server(11), "proto": name, "paths": paths,
    } }));
    steps.push(dump(&["-Ln", "-Lnc"]));
    Draft { about: format!("states of {name}, -{method}"), net: json!({}), steps }
}

/// Lines that make the service of path `i`, whose port is its own.
fn service(family: Family, protocol: &'static str, method: &str, i: u64) -> [String; 2] {
    let service = Service { family, protocol, port: 1000 + i, method: method.into(), server_port: 1000 + i };
    [service.added("rr"), service.put('a', 11, 1)]
}

/// A walk that mostly does the usual next thing.
fn path(dice: &mut Dice, protocol: &str) -> String {
    let mut usual = match protocol {
        "tcp" => TCP_LIFE.iter(),
        "sctp" => SCTP_LIFE.iter(),
        _ => ["c:U", "s:U", "c:U", "c:U"].iter(),
    };
    let odd: &[&str] = match protocol {
        "tcp" => &FLAGS,
        "sctp" => &CHUNKS,
        _ => &["U"],
    };
    let mut events: Vec<String> = Vec::new();
    for _ in 0..dice.number(3..=9) {
        let event = match usual.next() {
            Some(next) if dice.percent(75) => (*next).to_owned(),
            _ => format!("{}:{}", dice.pick(&['c', 'c', 's']), dice.pick(odd)),
        };
        // Whoever begins again after the end races with the timer of what ends now.
        let over = events.iter().any(|e| e.contains(['F', 'R']) || e.contains("ABORT") || e.contains("SHUTDOWN"));
        let begins = event == "c:S" || event == "c:INIT";
        events.push(if over && begins {
            "c:A".replace('A', if protocol == "tcp" { "A" } else { "DATA" })
        } else {
            event
        });
    }
    if dice.percent(20) {
        events.push("w:1".into());
    }
    events.join(" ")
}
