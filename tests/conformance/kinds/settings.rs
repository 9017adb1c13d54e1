//! Settings of net.ipv4.vs: which values are taken, and what they do to connections of servers that come and go.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::generate::Draft;
use crate::kinds::clients::Clients;
use crate::words::{Family, Service, at, dump, ipvsadm, sleep, sysctl};

/// Those that change what becomes of packets, with values that do.
const EFFECTIVE: [(&str, u64); 9] = [
    ("expire_nodest_conn", 1),
    ("conn_reuse_mode", 3),
    ("sloppy_tcp", 1),
    ("nat_icmp_send", 1),
    ("schedule_icmp", 1),
    ("snat_reroute", 1),
    ("drop_packet", 2),
    ("secure_tcp", 3),
    ("backup_only", 1),
];
/// Those whose value is of interest, whatever they do.
const OTHERS: [&str; 14] = [
    "am_droprate",
    "amemthresh",
    "cache_bypass",
    "drop_packet",
    "ignore_tunneled",
    "lblc_expiration",
    "pmtu_disc",
    "run_estimation",
    "sync_persist_mode",
    "sync_ports",
    "sync_refresh_period",
    "sync_retries",
    "sync_threshold",
    "sync_version",
];
const VALUES: [&str; 14] = ["0", "1", "2", "3", "4", "-1", "9", "100", "3 50", "5 2", "x", "-", "2147483648", " 7"];

/// Settings, then connections that show what they do.
pub(crate) fn draft(dice: &mut Dice) -> Draft {
    let mut steps = Vec::new();
    for _ in 0..dice.number(1..=3) {
        let name = dice.pick(&OTHERS);
        steps.push(sysctl(name, dice.pick(&VALUES)));
    }
    let mut names = Vec::new();
    for _ in 0..dice.number(1..=2) {
        let (name, most) = dice.pick(&EFFECTIVE);
        steps.push(sysctl(name, dice.number(0..=most)));
        names.push(name);
    }
    steps.extend(traffic(dice));
    Draft { about: format!("settings: {}", names.join(", ")), net: json!({}), steps }
}

/// Connections to a server that is then removed, or has no weight any more, and what comes after.
fn traffic(dice: &mut Dice) -> Vec<Value> {
    let family = Family::roll(dice, 20);
    let method = dice.pick(&["m", "m", "g"]);
    let server_port = if method == "m" { 8080 } else { 80 };
    let service = Service { family, protocol: "t", port: 80, method: method.into(), server_port };
    let addresses = (0..3).map(|i| family.client(i, i)).collect();
    let mut clients = Clients::new(addresses, vec![(at(&family.vip(), 80), false)], method == "m");
    let mut conns = |dice: &mut Dice| json!({ "conns": { "vip": family.vip(), "ops": clients.batch(dice, 8) } });
    let scheduler = dice.pick(&["rr", "wlc"]);
    let change = match dice.number(0..=2) {
        0 => format!("-d {} {}", service.option(), service.server(11)),
        1 => service.put('e', 11, 0),
        _ => service.put('e', 11, 5),
    };
    vec![
        ipvsadm(service.added(scheduler)),
        ipvsadm(service.put('a', 11, 1)),
        ipvsadm(service.put('a', 12, 1)),
        conns(dice),
        ipvsadm(change),
        conns(dice),
        sleep(1.0),
        dump(&["-Ln", "-Lnc"]),
    ]
}
