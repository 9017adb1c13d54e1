//! Services as operators use them: direct routing, a client that stays with its server, thresholds, a drain.
//!
//! The topology of the kernel's own test of IPVS (`tools/testing/selftests/net/netfilter/ipvs.sh`) is the lab's: servers
//! behind the director, and with a second arm on the clients' link, by which they answer clients themselves.

use std::time::Duration;

use crate::config::{self, VIP, WEB};
use crate::lab::{Lab, Load, utf8};
use crate::process::until;

const KEY: &str = "TCP 10.0.0.100:80";

/// Gives a server the VIP and an arm on the clients' link. Nobody but the director may hear from it that it has the VIP.
pub(crate) fn holds_vip(lab: &Lab, number: u8) {
    let room = format!("rs{number}");
    let settings =
        ["all.arp_ignore=1", "all.arp_announce=2", "all.rp_filter=0", "default.rp_filter=0", "eth0.rp_filter=0"];
    for setting in settings {
        lab.run(&room, &["sysctl", "-qw", &format!("net.ipv4.conf.{setting}")]).good();
    }
    lab.ip(&room, &["address", "add", &format!("{VIP}/32"), "dev", "lo"]);
    lab.ip(&room, &["address", "add", &format!("10.0.0.1{number}/24"), "dev", "eth1"]);
}

#[test]
fn direct_routing_servers_answer_clients_themselves() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    for number in 1..=2 {
        lab.start_web_on(number, 80);
        holds_vip(&lab, number);
    }
    lab.start_director(&config::service_by("dr", "tcp", 80, "rr", &["10.1.0.11:80", "10.1.0.12:80"]));
    let pages: Vec<_> = lab.fetch(20, 4).into_iter().collect();
    assert_eq!(pages, [("rs1".to_owned(), 10), ("rs2".to_owned(), 10)]);
    let service = lab.service(KEY);
    assert!(service.totals.in_packets >= 80 && service.totals.out_packets == 0, "answers do not pass: {service:?}");
    assert!(lab.counter("forward_dr") >= 80);
    lab.assert_nothing_dropped();
}

#[test]
fn the_same_servers_by_masquerading() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    for number in 1..=2 {
        lab.start_web(number);
        lab.ip(&format!("rs{number}"), &["address", "add", &format!("10.0.0.1{number}/24"), "dev", "eth1"]);
        // Their answers to clients go back by the director, though the clients' link is theirs, too.
        lab.ip(&format!("rs{number}"), &["route", "add", "10.0.0.254/32", "via", "10.1.0.1"]);
    }
    lab.start_director(&config::service("tcp", 80, "rr", &WEB[..2]));
    assert_eq!(lab.fetch(20, 4).into_values().collect::<Vec<_>>(), [10, 10]);
    assert!(lab.counter("forward_nat_reply") >= 60);
}

#[test]
fn a_client_stays_with_its_server_while_it_is_persistent() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    (1..=3).for_each(|number| lab.start_web(number));
    let service = config::service("tcp", 80, "rr", &WEB);
    lab.start_director(&service.replace("scheduler = \"rr\"", "scheduler = \"rr\"\npersistence = 60"));
    assert_eq!(lab.fetch(30, 5).len(), 1, "one client, one server");
    lab.ip("client", &["address", "add", "10.0.0.253/24", "dev", "eth0"]);
    let other = ["curl", "-sSf", "--noproxy", "*", "--max-time", "10", "--interface", "10.0.0.253"];
    let page = |lab: &Lab| lab.run("client", &[&other[..], &[&format!("http://{VIP}/")]].concat()).good().out;
    let first = page(&lab);
    assert!((0..5).all(|_| page(&lab) == first), "another client stays with another one");
    let templates = lab.tool(&["ipvsadm", "-Lnc"]).good().out;
    for client in ["10.0.0.254:0", "10.0.0.253:0"] {
        assert!(templates.lines().any(|line| line.contains("ASSURED") && line.contains(client)), "{templates}");
    }
    let listing = lab.tool(&["ipvsadm", "-Ln"]).good().out;
    assert!(listing.contains("TCP  10.0.0.100:80 rr persistent 60"), "{listing}");
}

#[test]
fn a_server_with_a_threshold_takes_no_more_and_reopens() {
    let Some(lab) = Lab::of_web_servers(Load::Light, "wlc") else { return };
    for server in &WEB[1..] {
        lab.tool(&["ipvsadm", "-d", "-t", "10.0.0.100:80", "-r", server]).good();
    }
    lab.tool(&["ipvsadm", "-e", "-t", "10.0.0.100:80", "-r", WEB[0], "-m", "-x", "2"]).good();
    let url = format!("http://{VIP}/slow/data");
    std::fs::write(lab.path("files/data"), vec![b'x'; 3_000_000]).expect("a file");
    let slow = |lab: &Lab, number: u8| {
        let curl = ["curl", "-sSf", "--noproxy", "*", "--max-time", "25", "-o", "/dev/null", &url];
        lab.start("client", &format!("slow{number}"), &curl)
    };
    let mut downloads: Vec<_> = (0..2).map(|number| slow(&lab, number)).collect();
    let two = until(Duration::from_secs(5), || (lab.server(KEY, WEB[0]).active == 2).then_some(()));
    assert!(two.is_some() && lab.server(KEY, WEB[0]).overloaded, "{:?}", lab.server(KEY, WEB[0]));
    let refused = lab.curl(&format!("http://{VIP}/"));
    assert_eq!(refused.code, Some(7), "there is no place, and the client is told so: {refused:?}");
    downloads.iter_mut().for_each(|download| drop(download.wait_good(Duration::from_secs(25))));
    lab.tool(&["ipvsadm", "-e", "-t", "10.0.0.100:80", "-r", WEB[0], "-m", "-x", "9"]).good();
    lab.curl(&format!("http://{VIP}/")).good();
}

#[test]
fn a_drain_ends_with_nothing_left() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    (1..=3).for_each(|number| lab.start_web(number));
    let short = "\n[ipvs.timeouts]\nprofile = \"appliance\"\ntcp_time_wait = 2\n";
    lab.start_director(&(short.to_owned() + &config::service("tcp", 80, "rr", &WEB)));
    std::fs::write(lab.path("files/data"), vec![b'x'; 2_000_000]).expect("a file");
    let curl = |lab: &Lab, number: usize| {
        let (body, url) = (lab.path(&format!("{number}.body")), format!("http://{VIP}/slow/data"));
        let fixed = ["curl", "-sSf", "--noproxy", "*", "--max-time", "25", "-o", utf8(&body), &url];
        lab.start("client", &format!("download{number}"), &fixed)
    };
    let mut downloads: Vec<_> = (0..3).map(|number| curl(&lab, number)).collect();
    let busy = || (0..3).all(|at| lab.server(KEY, WEB[at]).active == 1).then_some(());
    until(Duration::from_secs(5), busy).expect("a download from each");
    lab.tool(&["ipvsadm", "-e", "-t", "10.0.0.100:80", "-r", WEB[0], "-m", "-w", "0"]).good();
    let pages = lab.fetch(20, 5);
    assert!(!pages.contains_key("rs1"), "nothing new goes there: {pages:?}");
    assert_eq!(lab.server(KEY, WEB[0]).active, 1, "what is left");
    let shown = lab.tool(&["services"]).good().out;
    let line = shown.lines().find(|line| line.contains(WEB[0])).unwrap_or_default();
    assert!(line.split_whitespace().nth(2) == Some("0"), "weight 0 and what is left: {shown}");
    downloads.iter_mut().for_each(|download| drop(download.wait_good(Duration::from_secs(25))));
    let empty = || {
        let server = lab.server(KEY, WEB[0]);
        (server.active + server.inactive == 0).then_some(())
    };
    until(Duration::from_secs(15), empty).expect("it is empty");
    lab.tool(&["ipvsadm", "-d", "-t", "10.0.0.100:80", "-r", WEB[0]]).good();
    assert_eq!(lab.fetch(10, 5).len(), 2);
    lab.assert_nothing_dropped();
}
