//! UDP through the virtual address: name servers and `dig`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use crate::config::{self, NAMES, VIP};
use crate::lab::{Lab, Load, utf8};
use crate::process::until;
use crate::services::holds_vip;

#[test]
fn name_servers_take_turns() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    (1..=3).for_each(|number| lab.start_names(number));
    lab.start_director(&config::service("udp", 53, "rr", &NAMES));

    let mut answers = BTreeMap::new();
    for _ in 0..30 {
        let at = format!("@{VIP}");
        let answer = lab.run("client", &["dig", "+short", "+tries=1", "+timeout=5", &at, "who.test", "TXT"]).good();
        *answers.entry(answer.out.trim().to_owned()).or_insert(0) += 1;
    }
    // dig takes another port each time, so each question is a connection.
    let each = [("\"rs1\"", 10), ("\"rs2\"", 10), ("\"rs3\"", 10)].map(|(name, count)| (name.to_owned(), count));
    assert_eq!(answers, BTreeMap::from(each));

    let service = lab.service("UDP 10.0.0.100:53");
    let totals = service.totals;
    assert_eq!((totals.connections, totals.in_packets, totals.out_packets), (30, 30, 30), "{service:?}");
    // UDP has no active connections: as in the kernel, all are inactive until they expire.
    assert!(service.servers.iter().all(|s| s.active == 0 && s.inactive == 10), "{service:?}");
    lab.assert_nothing_dropped();
}

/// TFTP answers a request from a port of its own choice, to which the client then speaks: a service that takes all ports
/// has both, and persistence leads them to the same server. Its answers go to the client without the director.
#[test]
fn tftp_needs_a_persistent_service_of_all_ports_and_direct_routing() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    let mut servers = Vec::new();
    for number in 1..=2 {
        holds_vip(&lab, number);
        let root = lab.path(&format!("tftp{number}"));
        fs::create_dir_all(&root).expect("a directory");
        fs::write(root.join("image"), format!("rs{number}\n").repeat(25_000)).expect("a file of 200 blocks");
        let fixed =
            ["dnsmasq", "-k", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file=", "--enable-tftp"];
        let more = [format!("--listen-address={VIP}"), format!("--tftp-root={}", utf8(&root))];
        let room = format!("rs{number}");
        let tftp = [&fixed[..], &["--bind-interfaces", &more[0], &more[1]]].concat();
        servers.push(lab.start(&room, &format!("tftp{number}"), &tftp));
        let there = || lab.run(&room, &["curl", "-s", &format!("tftp://{VIP}/image")]);
        until(Duration::from_secs(10), || (there().code == Some(0)).then_some(())).expect("the server is up");
    }
    let service = config::service_by("dr", "udp", 0, "rr", &["10.1.0.11", "10.1.0.12"]);
    lab.start_director(&service.replace("scheduler = \"rr\"", "scheduler = \"rr\"\npersistence = 60"));
    let image =
        |lab: &Lab| lab.run("client", &["curl", "-sS", "--max-time", "20", &format!("tftp://{VIP}/image")]).good().out;
    let first = image(&lab);
    assert_eq!(first, first[..4].repeat(25_000), "all of it is one server's");
    assert_eq!(image(&lab), first, "and so is the next");
    assert!(lab.counter("forward_dr") >= 2 * 196, "requests and acknowledgements pass, answers do not");
    lab.assert_nothing_dropped();
}
