//! Two configurations in turn, a hundred times, under load: nobody notices.

use std::time::Duration;

use crate::config::{self, VIP, WEB};
use crate::lab::{Lab, Load};
use crate::process::{Process, until};

const KEY: &str = "TCP 10.0.0.100:80";

#[test]
fn a_hundred_reloads_under_load_cost_no_request() {
    let one = config::service("tcp", 80, "rr", &WEB);
    let other = another();
    let Some(mut lab) = Lab::of_web_servers(Load::Heavy, "rr") else { return };
    let mut loads = [wrk(&lab, "keep", "Connection: keep-alive"), wrk(&lab, "close", "Connection: close")];
    for turn in 0..100 {
        let (text, scheduler) = if turn % 2 == 0 { (&other, "wlc") } else { (&one, "rr") };
        lab.configure(text);
        if turn % 10 < 8 {
            let changes = lab.tool(&["reload"]).good().out;
            assert!(changes.contains("10.0.0.100:80"), "{changes}");
            assert_eq!(lab.service(KEY).spec.scheduler.name(), scheduler);
        } else {
            lab.process("sluiced").signal("HUP");
            let followed = || (lab.service(KEY).spec.scheduler.name() == scheduler).then_some(());
            until(Duration::from_secs(5), followed).expect("SIGHUP reloads");
        }
    }
    for load in &mut loads {
        assert!(load.ended().is_none(), "the load ended before the reloads: {}", load.said());
        load.signal("INT");
        let said = load.wait_good(Duration::from_secs(10));
        let requests = said.lines().find_map(|line| line.split_once(" requests in")?.0.trim().parse::<u64>().ok());
        assert!(requests.is_some_and(|requests| requests > 1000), "{said}");
        assert!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{said}");
    }
    lab.assert_nothing_dropped();
}

/// Another scheduler, another weight, a server that takes nothing new, and a service more.
fn another() -> String {
    let weights = config::service("tcp", 80, "wlc", &WEB[..1]);
    let quiet =
        |server: &str, weight: u32| format!("\n[[service.server]]\naddress = \"{server}\"\nweight = {weight}\n");
    weights + &quiet(WEB[1], 5) + &quiet(WEB[2], 0) + &config::service("tcp", 8081, "rr", &WEB)
}

/// A load until it is interrupted; then it says how it went.
fn wrk(lab: &Lab, log: &str, header: &str) -> Process {
    let url = format!("http://{VIP}/");
    lab.start("client", log, &["wrk", "-t", "1", "-c", "10", "-d", "120s", "-H", header, &url])
}
