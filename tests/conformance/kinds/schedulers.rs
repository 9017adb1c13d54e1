//! Every scheduler: weights, thresholds, flags, and edits while connections come and go.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::generate::Draft;
use crate::kinds::clients::Clients;
use crate::words::{Family, SCHEDULERS, SERVERS, Service, at, dump, ipvsadm, mark};

/// A service whose scheduler, servers and clients change.
pub(crate) fn draft(dice: &mut Dice) -> Draft {
    let scheduler = dice.pick(&SCHEDULERS);
    let family = Family::roll(dice, 20);
    // What chooses by destination has something to choose where a mark gathers many of them.
    let caches = matches!(scheduler, "dh" | "lblc" | "lblcr") && family == Family::V4 && dice.percent(60);
    let mut cluster = Cluster::roll(dice, family, caches);
    let mut steps = if caches { mark("10.3.0.0/16", 7) } else { Vec::new() };
    steps.push(ipvsadm(format!("-A {} -s {scheduler}{}", cluster.service, flags(dice, scheduler))));
    let count = dice.number(1..=4);
    steps.extend((0..count).map(|_| ipvsadm(cluster.add(dice))));
    let mut clients = cluster.clients(dice);
    for _ in 0..dice.number(2..=3) {
        let count = dice.number(6..=20);
        steps.push(json!({ "conns": { "vip": family.vip(), "ops": clients.batch(dice, count) } }));
        steps.push(dump(if cluster.thresholds { &["-Ln", "-Ln --thresholds"] } else { &["-Ln"] }));
        steps.push(cluster.edit(dice));
    }
    steps.pop();
    Draft { about: format!("{scheduler}{}", if caches { " of caches by mark" } else { "" }), net: json!({}), steps }
}

/// Bits of `sh` and `mh`.
fn flags(dice: &mut Dice, scheduler: &str) -> String {
    match scheduler {
        "sh" | "mh" if dice.percent(60) => {
            let (fallback, port) = (format!("{scheduler}-fallback"), format!("{scheduler}-port"));
            format!(" -b {}", dice.pick(&[fallback.clone(), port.clone(), format!("{fallback},{port}")]))
        }
        _ => String::new(),
    }
}

/// A service and its servers.
struct Cluster {
    family: Family,
    /// As ipvsadm's options name it.
    service: String,
    datagrams: bool,
    caches: bool,
    method: char,
    port: u64,
    thresholds: bool,
    servers: Vec<u64>,
}

impl Cluster {
    fn roll(dice: &mut Dice, family: Family, caches: bool) -> Self {
        let datagrams = !caches && dice.percent(15);
        let method = if caches { 'g' } else { dice.pick(&['m', 'm', 'g']) };
        let vport = if datagrams { 53 } else { 80 };
        let port = if method == 'm' { 8080 } else { vport };
        let protocol = if datagrams { "u" } else { "t" };
        let service = Service { family, protocol, port: vport, method: method.into(), server_port: port };
        Self {
            family,
            service: if caches { "-f 7".into() } else { service.option() },
            datagrams,
            caches,
            method,
            port: if caches { 0 } else { port },
            thresholds: dice.percent(30),
            servers: Vec::new(),
        }
    }

    fn clients(&self, dice: &mut Dice) -> Clients {
        let count = dice.pick(&[2, 5, 12]);
        let addresses = (0..count).map(|i| self.family.client(dice.number(0..=9), 10 * i + 3)).collect();
        let target = |dice: &mut Dice| format!("10.3.{}.{}:80", dice.number(0..=3), dice.number(1..=250));
        let targets = if self.caches {
            (0..dice.number(2..=8)).map(|_| (target(dice), false)).collect()
        } else {
            vec![(at(&self.family.vip(), if self.datagrams { 53 } else { 80 }), self.datagrams)]
        };
        Clients::new(addresses, targets, self.method == 'm')
    }

    fn server(&self, n: u64) -> String {
        format!("-r {}", at(&self.family.server(n), self.port))
    }

    /// Arguments of a command that sets a server's weight, and perhaps its thresholds.
    fn put(&self, dice: &mut Dice, command: char, n: u64) -> String {
        let weight = dice.pick(&[0, 1, 1, 1, 2, 2, 3, 5, 10, 100]);
        let bounds = if self.thresholds && dice.percent(60) { bounds(dice) } else { String::new() };
        format!("-{command} {} {} -{} -w {weight}{bounds}", self.service, self.server(n), self.method)
    }

    fn add(&mut self, dice: &mut Dice) -> String {
        let free: Vec<u64> = SERVERS.into_iter().filter(|n| !self.servers.contains(n)).collect();
        let n = dice.pick(&free);
        self.servers.push(n);
        self.put(dice, 'a', n)
    }

    /// One change.
    fn edit(&mut self, dice: &mut Dice) -> Value {
        ipvsadm(match dice.number(0..=6) {
            0 if self.servers.len() > 1 => {
                let i = dice.number(0..=self.servers.len() as u64 - 1) as usize;
                let n = self.servers.swap_remove(i);
                format!("-d {} {}", self.service, self.server(n))
            }
            1 if self.servers.len() < SERVERS.len() => self.add(dice),
            2 | 3 => {
                let scheduler = dice.pick(&SCHEDULERS);
                format!("-E {} -s {scheduler}{}", self.service, flags(dice, scheduler))
            }
            _ => {
                let n = dice.pick(&self.servers);
                self.put(dice, 'e', n)
            }
        })
    }
}

/// An upper threshold, and perhaps a lower one.
fn bounds(dice: &mut Dice) -> String {
    let upper = dice.number(1..=6);
    let lower = if dice.percent(50) { format!(" -y {}", dice.number(0..=upper - 1)) } else { String::new() };
    format!(" -x {upper}{lower}")
}
