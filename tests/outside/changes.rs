//! What an operator changes, and what becomes of it: in the log, at a reload, at a stop.

use std::fmt::Write;
use std::fs::{self, File};
use std::process::Command;
use std::time::Duration;

use crate::config::{self, WEB};
use crate::lab::{Lab, Load, utf8};
use crate::process::{Ran, until};
use crate::ready;

const WEIGHT: &str = "TCP 10.0.0.100:80: server 10.1.0.11:8080";

#[test]
fn a_drain_is_in_the_log_with_who_asked_for_it_survives_a_reload_and_is_told_at_the_stop() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    let file = config::service("tcp", 80, "rr", &WEB[..2]);
    lab.start_director(&file);
    lab.tool(&["ipvsadm", "-e", "-t", "10.0.0.100:80", "-r", WEB[0], "-m", "-w", "0"]).good();
    lab.tool(&["ipvsadm", "-A", "-u", "10.0.0.100:53", "-s", "rr"]).good();
    assert_eq!(lab.tool(&["ipvsadm", "-A", "-u", "10.0.0.100:53", "-s", "rr"]).code, Some(255), "it is there");

    let kept = format!("service {WEIGHT}: kept as set at run time: weight 1 -> 0\n");
    assert_eq!(lab.tool(&["reload"]).good().out, kept);
    lab.configure(&(file + "\n[[service.server]]\naddress = \"10.1.0.13:8080\"\n"));
    lab.process("sluiced").signal("HUP");
    let servers = || (lab.service("TCP 10.0.0.100:80").servers.len() == 3).then_some(());
    until(Duration::from_secs(10), servers).expect("the reload");
    assert_eq!(lab.server("TCP 10.0.0.100:80", WEB[0]).spec.weight, 0, "still drained");

    lab.process("sluiced").signal("TERM");
    lab.process("sluiced").wait(Duration::from_secs(10));
    let said = lab.process("sluiced").said();
    let lines: Vec<&str> = said.lines().filter_map(|line| line.split_once("] ").map(|(_, text)| text)).collect();
    let asked = |what: &str| {
        lines.iter().filter(|line| line.starts_with("sluice (uid 0, pid ") && line.ends_with(what)).count()
    };
    assert_eq!(asked(&format!("): service {WEIGHT}: weight 1 -> 0")), 1, "{said}");
    assert_eq!(asked("): service UDP 10.0.0.100:53 added: scheduler rr"), 1, "a refusal is no change: {said}");
    assert!(lines.iter().any(|line| line.starts_with("SIGHUP: service TCP 10.0.0.100:80: server 10.1.0.13")), "{said}");
    let lost =
        "stopping; 1 service made at run time will be lost; 1 entry set at run time will be as in the file again";
    assert!(lines.iter().any(|line| line.starts_with(lost)), "{said}");
}

/// A terminal on hold, a full pipe: the log is not read, and nobody waits for it.
#[test]
fn a_log_that_nobody_reads_holds_nothing_up() {
    let Some(lab) = Lab::new(Load::Light) else { return };
    lab.configure("");
    let (log, file, rules) = (lab.path("log.fifo"), lab.path("sluice.toml"), lab.path("rules"));
    Ran::of(Command::new("mkfifo").arg(&log)).good();
    let _unread = File::options().read(true).write(true).open(&log).expect("a pipe");
    let command = format!("exec {} --config {} 2>{}", ready::sluiced(), utf8(&file), utf8(&log));
    let mut director = lab.start("director", "unread", &["sh", "-c", &command]);
    let up = || (lab.socket().exists() && lab.tool(&["status"]).code == Some(0)).then_some(());
    until(Duration::from_secs(30), up).expect("sluiced is up");
    // More lines than the pipe takes, each of which says what was added.
    let mut text = String::new();
    (1..=3000).for_each(|port| _ = writeln!(text, "-A -t 10.0.0.100:{port} -s rr"));
    fs::write(&rules, text).expect("rules");
    let restore = format!("{} --socket {} ipvsadm -R <{}", utf8(ready::sluice()), utf8(&lab.socket()), utf8(&rules));
    lab.run("director", &["sh", "-c", &restore]).good();
    assert_eq!(lab.status().services, 3000);
    lab.run("client", &["ping", "-c", "1", "-W", "5", "10.0.0.1"]).good();
    director.signal("TERM");
    assert_eq!(director.wait(Duration::from_secs(20)).code(), Some(0), "it ends, too");
}
