//! ipvsadm: commands and mistakes, what lists say of them, and what is saved and restored.

use serde_json::json;

use crate::dice::Dice;
use crate::generate::Draft;
use crate::words::{SCHEDULERS, dump, ipvsadm, restore};

const SERVICES: [&str; 8] = [
    "-t 10.0.0.100:80",
    "-t 10.0.0.100:81",
    "-u 10.0.0.100:53",
    "-f 1",
    "-t [fd00::100]:80",
    "-u [fd00::100]:53",
    "-f 3 -6",
    "--sctp-service 10.0.0.100:9000",
];
const NO_SERVICES: [&str; 9] = [
    "-t 10.0.0.100:9999",
    "-t 10.0.0.100:0",
    "-t 10.0.0.300:80",
    "-t 10.0.0.100:70000",
    "-f 0",
    "-f abc",
    "-t 224.0.0.5:80",
    "-t 0.0.0.0:80",
    "-t 10.0.0.100",
];
const FLAGS: [&str; 16] = [
    "",
    "",
    " -p",
    " -p 60",
    " -p 0",
    " -p -1",
    " -p 99999999",
    " -M 255.255.0.0",
    " -o",
    " -b sh-port",
    " -b flag-1,flag-3",
    " -b nosuch",
    " --pe nosuch",
    " --pe sip",
    " -p 120 -M 255.255.255.0",
    " -p 120 -M 64",
];
const METHODS: [&str; 12] = [
    "",
    " -g",
    " -m",
    " -m",
    " -i",
    " -m -g",
    " -i --tun-type gre",
    " -i --tun-type gue --tun-port 6080",
    " -i --tun-type gue",
    " -i --tun-type foo",
    " -g --tun-type gre",
    " -i --tun-type gre --tun-csum",
];
const WEIGHTS: [&str; 9] = ["", "", " -w 0", " -w 1", " -w 3", " -w 65535", " -w 65536", " -w -1", " -w x"];
const THRESHOLDS: [&str; 8] = ["", "", "", " -x 10", " -x 10 -y 5", " -x 10 -y 20", " -y 5", " -x -1"];
const OTHERS: [&str; 16] = [
    "-L --timeout",
    "-A",
    "-D",
    "-Ln foo",
    "--nosuch",
    "-L --timeout --daemon",
    "-Lnc --stats",
    "-Ln --stats --rate",
    "-Z -t 10.0.0.100:80",
    "-A -t 10.0.0.100:80 -u 10.0.0.100:53 -s rr",
    "-C -t 10.0.0.100:80",
    "-A -t 10.0.0.100:80 -s rr -w 1",
    "-d -t 10.0.0.100:80 -r 10.1.0.11 -m",
    "-Z -r 10.1.0.11",
    "-S -t 1",
    "-E",
];
const TIMEOUTS: [&str; 8] = ["0 0 0", "100 20 30", "900 120 300", "-1 0 0", "a b c", "1 2", "9999999 1 1", "7200 0 0"];
const LISTS: [&str; 7] =
    ["-Ln", "-Sn", "-Ln --thresholds", "-Ln --persistent-conn", "-Ln --tun-info", "-Ln --exact", "-L --timeout"];

/// Commands in a row, then lists.
pub(crate) fn draft(dice: &mut Dice) -> Draft {
    let services = dice.sample(&SERVICES, 3);
    let lines: Vec<String> = services.iter().map(|service| added(dice, service)).collect();
    let mut steps = match dice.percent(40) {
        true => vec![restore(&lines)],
        false => lines.into_iter().map(ipvsadm).collect(),
    };
    for _ in 0..dice.number(4..=7) {
        steps.push(ipvsadm(command(dice, &services)));
    }
    let lists = dice.sample(&LISTS, 3);
    steps.push(dump(&lists));
    Draft { about: format!("commands about {}", services.join(", ")), net: json!({}), steps }
}

fn added(dice: &mut Dice, service: &str) -> String {
    format!("-A {service} -s {}{}", dice.pick(&SCHEDULERS), dice.pick(&["", "", " -p 60", " -o"]))
}

/// Any command, about a service that may be there.
fn command(dice: &mut Dice, services: &[&str]) -> String {
    let service = if dice.percent(88) { dice.pick(services) } else { dice.pick(&NO_SERVICES) };
    let scheduler = if dice.percent(92) { dice.pick(&SCHEDULERS) } else { dice.pick(&["nosuch", "RR"]) };
    match dice.number(0..=19) {
        0 | 1 => format!("-A {service} -s {scheduler}{}", dice.pick(&FLAGS)),
        2 | 3 => format!("-E {service} -s {scheduler}{}", dice.pick(&FLAGS)),
        4..=9 => format!("-a {service} -r {}{}", server(dice, service), treatment(dice)),
        10 | 11 => format!("-e {service} -r {}{}", server(dice, service), treatment(dice)),
        12 => format!("-d {service} -r {}", server(dice, service)),
        13 => format!("-D {service}"),
        14 => format!("-Z {service}"),
        15 => format!("--set {}", dice.pick(&TIMEOUTS)),
        16 => format!("-Ln {service}{}", dice.pick(&["", " --thresholds", " --exact", " -c"])),
        17 => "-C".into(),
        _ => dice.pick(&OTHERS).into(),
    }
}

fn server(dice: &mut Dice, service: &str) -> String {
    if dice.percent(6) {
        return dice
            .pick(&["224.0.0.1", "255.255.255.255:80", "0.0.0.0:80", "10.1.0.300:80", "10.1.0.11:99999"])
            .into();
    }
    let (n, port) = (dice.pick(&[11, 11, 12]), dice.pick(&["", ":80", ":8080"]));
    let six = service.contains('[') || service.contains("-6");
    if six { format!("[fd00:1::{n}]{port}") } else { format!("10.1.0.{n}{port}") }
}

fn treatment(dice: &mut Dice) -> String {
    [dice.pick(&METHODS), dice.pick(&WEIGHTS), dice.pick(&THRESHOLDS)].concat()
}
