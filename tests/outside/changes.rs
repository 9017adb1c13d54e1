//! What an operator changes, and what becomes of it: in the log, at a reload, at a stop.

use std::time::Duration;

use crate::config::{self, WEB};
use crate::lab::{Lab, Load};
use crate::process::until;

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
