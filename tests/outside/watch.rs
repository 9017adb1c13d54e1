//! Seeing inside while traffic runs: `sluice trace` and `sluice capture`, and `tcpdump` as the reader of what was captured.

use std::time::Duration;

use control::api::{PacketInfo, WatchEnd, WatchPage};

use crate::lab::{Lab, Load, utf8};

/// Clients that do not stop for ten seconds.
const TRAFFIC: [&str; 6] = ["wrk", "-t1", "-c8", "-d10s", "-H", "Connection: close"];

#[test]
fn a_trace_and_a_capture_while_traffic_runs() {
    let Some(lab) = Lab::of_web_servers(Load::Heavy, "rr") else { return };
    let mut traffic = lab.start("client", "wrk", &[&TRAFFIC[..], &["http://10.0.0.100/"]].concat());

    let traced = lab.tool(&["trace", "tcp", "dst", "port", "80", "-n", "20", "--json"]).good();
    assert!(traced.took < Duration::from_secs(10), "it stops by itself: {:?}", traced.took);
    let lines: Vec<&str> = traced.out.lines().collect();
    let (last, packets) = lines.split_last().expect("lines");
    let packets: Vec<PacketInfo> = packets.iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    let last: WatchPage = serde_json::from_str(last).expect(last);
    assert_eq!((last.seen, last.over, last.lost), (20, Some(WatchEnd::Count), 0));
    let arrived = packets.iter().filter(|packet| packet.interface.as_deref() == Some("wan"));
    assert!(arrived.count() == 20 && packets.iter().all(|packet| packet.packet.contains("> 10.0.0.100:80")));
    assert!(packets.iter().any(|packet| packet.verdict == "forward_nat_request"), "{packets:?}");

    let file = lab.path("taken.pcapng");
    let captured = lab.tool(&["capture", "tcp", "dst", "port", "80", "-n", "400", "-w", utf8(&file)]).good();
    assert!(captured.took < Duration::from_secs(10), "{:?}", captured.took);
    assert_eq!(captured.out, "400 packets; count reached\n", "nothing is lost: there is room for as many");
    let read = |filter: &str| {
        let ran = lab.run("client", &["tcpdump", "-n", "-r", utf8(&file), filter]).good();
        ran.out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let syn = "tcp[tcpflags] & tcp-syn != 0 and ";
    let (received, sent) = (read(&format!("{syn} dst 10.0.0.100")), read(&format!("{syn} dst net 10.1.0.0/24")));
    assert!(!received.is_empty() && received[0].contains("> 10.0.0.100.80: Flags [S]"), "{received:?}");
    assert!(sent.iter().any(|line| line.contains(".8080: Flags [S]")), "{sent:?}");
    assert_eq!(received.len(), sent.len(), "each as received and as sent");
    assert_eq!((read("dst 10.0.0.100").len(), read("dst net 10.1.0.0/24").len()), (400, 400));

    let said = traffic.wait_good(Duration::from_secs(20));
    assert!(said.contains("Requests/sec") && !said.contains("Socket errors"), "{said}");
    lab.assert_nothing_dropped();
}

#[test]
fn a_watch_stops_with_its_time_and_says_what_is_wrong_with_a_filter() {
    let Some(lab) = Lab::of_web_servers(Load::Light, "rr") else { return };
    let silent = lab.tool(&["trace", "udp", "port", "9", "--seconds", "1"]).good();
    assert_eq!(silent.out, "0 packets; timed out\n");
    assert!((Duration::from_secs(1)..Duration::from_secs(4)).contains(&silent.took), "{:?}", silent.took);
    let refused = lab.tool(&["trace", "interface", "wlan"]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""));
    assert_eq!(refused.err, "sluice: filter: no interface \"wlan\"; see: sluice status\n");
}
