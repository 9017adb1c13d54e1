//! Persistence: netmasks, all ports, FTP, marks, servers that are quiesced or removed while templates name them.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::generate::Draft;
use crate::kinds::clients::Clients;
use crate::words::{Family, SERVERS, at, dump, ipvsadm, shell, sleep, sysctl};

/// One or two persistent services, clients that come back, and edits in between.
pub(crate) fn draft(dice: &mut Dice) -> Draft {
    let family = Family::roll(dice, 20);
    let method = dice.pick(&['m', 'm', 'g']);
    let mut steps = Vec::new();
    for setting in ["expire_quiescent_template", "expire_nodest_conn"] {
        if dice.percent(35) {
            steps.push(sysctl(setting, 1));
        }
    }
    let count = dice.number(1..=2) as usize;
    let services: Vec<Service> = dice.sample(&kinds(family), count);
    let mut servers = Vec::new();
    for service in &services {
        let here = dice.sample(&SERVERS[..3], 2);
        steps.extend(service.make(dice, family, method, &here));
        servers.extend(here.into_iter().map(|n| (service.option.clone(), service.server(family, method, n))));
    }
    let targets = services.iter().flat_map(|service| service.targets.clone()).collect();
    let mut clients = Clients::new(neighbours(dice, family), targets, method == 'm');
    for _ in 0..2 {
        let count = dice.number(4..=10);
        steps.push(json!({ "conns": { "vip": family.vip(), "ops": clients.batch(dice, count) } }));
        steps.push(edit(dice, &servers, method));
        if dice.percent(30) {
            steps.push(sleep(1.2));
        }
    }
    steps.pop();
    steps.push(dump(&["-Lnc", "-Ln", "-Ln --persistent-conn"]));
    let names: Vec<&str> = services.iter().map(|service| service.option.as_str()).collect();
    Draft { about: format!("persistence of {}", names.join(", ")), net: json!({}), steps }
}

/// A persistent service.
#[derive(Clone)]
struct Service {
    option: String,
    /// The servers' port; 0 takes what the client asked for.
    port: u64,
    targets: Vec<(String, bool)>,
}

/// Services that do not take each other's clients.
fn kinds(family: Family) -> Vec<Service> {
    let vip = family.vip();
    let service = |option: String, port, ports: &[(u64, bool)]| Service {
        option,
        port,
        targets: ports.iter().map(|(port, datagrams)| (at(&vip, *port), *datagrams)).collect(),
    };
    let mut list = vec![
        service(format!("-t {}", at(&vip, 80)), 80, &[(80, false)]),
        service(format!("-u {}", at(&vip, 53)), 53, &[(53, true)]),
        service(format!("-t {}", at(&vip, 0)), 0, &[(22, false), (8443, false)]),
    ];
    if family == Family::V4 {
        list.push(service("-t 10.0.0.100:21".into(), 21, &[(21, false)]));
        list.push(service("-f 5".into(), 0, &[(8000, false), (8001, false), (8053, true)]));
    }
    list
}

impl Service {
    fn server(&self, family: Family, method: char, n: u64) -> String {
        let port = if method == 'm' && self.port == 80 { 8080 } else { self.port };
        format!("-r {}", at(&family.server(n), port))
    }

    fn make(&self, dice: &mut Dice, family: Family, method: char, servers: &[u64]) -> Vec<Value> {
        let mut steps = Vec::new();
        if self.option.starts_with("-f") {
            let prefix = "iptables -t mangle -A PREROUTING -d 10.0.0.100";
            steps.push(shell(&format!("{prefix} -p tcp -m multiport --dports 8000,8001 -j MARK --set-mark 5")));
            steps.push(shell(&format!("{prefix} -p udp --dport 8053 -j MARK --set-mark 5")));
        }
        let scheduler = dice.pick(&["rr", "wrr", "wlc", "lc", "sh"]);
        let timeout = dice.pick(&[60, 100, 300, 600]);
        let netmask = netmask(dice, family);
        steps.push(ipvsadm(format!("-A {} -s {scheduler} -p {timeout}{netmask}", self.option)));
        for n in servers {
            let (server, weight) = (self.server(family, method, *n), dice.number(1..=3));
            steps.push(ipvsadm(format!("-a {} {server} -{method} -w {weight}", self.option)));
        }
        steps
    }
}

fn netmask(dice: &mut Dice, family: Family) -> String {
    match (dice.percent(50), family) {
        (false, _) => String::new(),
        (true, Family::V4) => format!(" -M {}", dice.pick(&["255.255.255.0", "255.255.255.240", "255.255.0.0"])),
        (true, Family::V6) => format!(" -M {}", dice.pick(&[32, 48, 64, 120])),
    }
}

/// Clients some of which share a network, by any netmask.
fn neighbours(dice: &mut Dice, family: Family) -> Vec<String> {
    (0..5).map(|_| family.client(dice.number(0..=1), dice.pick(&[1, 2, 17, 40]))).collect()
}

/// A server is quiesced, removed, or weighed anew.
fn edit(dice: &mut Dice, servers: &[(String, String)], method: char) -> Value {
    let (service, server) = dice.pick(servers);
    match dice.number(0..=3) {
        0 => ipvsadm(format!("-d {service} {server}")),
        1 | 2 => ipvsadm(format!("-e {service} {server} -{method} -w 0")),
        _ => ipvsadm(format!("-e {service} {server} -{method} -w 4")),
    }
}
