//! TCP through the virtual address: one connection, a hundred, ten thousand; a hundred megabytes; plain routing.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::WEB;
use crate::lab::{Lab, Load, utf8};
use crate::process::{Ran, until};

const KEY: &str = "TCP 10.0.0.100:80";

#[test]
fn one_connection_then_a_hundred_then_ten_thousand() {
    let Some(lab) = Lab::of_web_servers(Load::Heavy, "rr") else { return };
    assert_eq!(lab.fetch(1, 1).len(), 1);
    let expected = |each: [usize; 3]| BTreeMap::from([("rs1", each[0]), ("rs2", each[1]), ("rs3", each[2])].map(own));
    // The list begins with the server that was added last, and round robin is at its second by now: rs2.
    assert_eq!(lab.fetch(100, 10), expected([33, 34, 33]));
    let many = lab.fetch(10_000, 100);
    assert!(many.values().all(|pages| (3333..=3334).contains(pages)), "round robin is exact: {many:?}");

    // A connection is inactive from its first FIN on.
    until(Duration::from_secs(5), || lab.service(KEY).servers.iter().all(|s| s.active == 0).then_some(()));
    let service = lab.service(KEY);
    assert_eq!(service.totals.connections, 10_101);
    assert_eq!(service.servers.iter().map(|s| s.totals.connections).sum::<u64>(), 10_101);
    for server in &service.servers {
        assert_eq!(server.active, 0, "{server:?}");
        assert!((1..=3368).contains(&server.inactive), "{server:?}");
        assert!(server.totals.in_packets > 3 * 3366 && server.totals.out_packets > 3 * 3366, "{server:?}");
        assert!(server.totals.in_bytes > 0 && server.totals.out_bytes > server.totals.in_bytes, "{server:?}");
    }
    assert_eq!(lab.counter("connections_made"), 10_101);
    lab.assert_nothing_dropped();
}

fn own((name, pages): (&str, usize)) -> (String, usize) {
    (name.to_owned(), pages)
}

#[test]
fn a_hundred_megabytes_arrive_as_they_were_sent() {
    let Some(lab) = Lab::of_web_servers(Load::Heavy, "rr") else { return };
    let file = lab.path("files/large");
    let script = format!("head -c 100000000 /dev/urandom > {0} && sha256sum < {0}", utf8(&file));
    let sent = Ran::of(std::process::Command::new("sh").args(["-c", &script])).good();

    let fetch = "curl -sSf --noproxy '*' --max-time 25 http://10.0.0.100/files/large | sha256sum";
    let arrived = lab.run("client", &["sh", "-c", fetch]).good();
    assert_eq!(arrived.out, sent.out, "{arrived:?}");

    let (mut segments, mut again) = (0, 0);
    for room in ["rs1", "rs2", "rs3"] {
        segments += lab.tcp_counter(room, "OutSegs");
        again += lab.tcp_counter(room, "RetransSegs");
    }
    assert!(segments > 60_000, "{segments} segments");
    assert!(again * 100 < segments, "{again} of {segments} segments were sent again");
    let service = lab.service(KEY);
    assert!(service.totals.out_bytes > 100_000_000, "{service:?}");
    lab.assert_nothing_dropped();
}

#[test]
fn what_belongs_to_no_service_is_routed() {
    let Some(lab) = Lab::of_web_servers(Load::Light, "rr") else { return };
    for (number, server) in (1..).zip(WEB) {
        assert_eq!(lab.curl(&format!("http://{server}/")).good().out, format!("served by rs{number}\n"));
    }
    lab.run("rs1", &["ping", "-c", "2", "-i", "0.2", "-W", "2", "10.0.0.254"]).good();
    let expired = lab.run("client", &["ping", "-c", "1", "-W", "2", "-t", "1", "10.1.0.11"]);
    assert!(expired.out.contains("From 10.0.0.1") && expired.out.contains("Time to live exceeded"), "{expired:?}");
    assert!(lab.counter("forward_routed") > 30);
    assert_eq!(lab.counter("answer_ttl_exceeded"), 1);
    assert_eq!(lab.service(KEY).totals.connections, 0);
    lab.assert_nothing_dropped();
}
