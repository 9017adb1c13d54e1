//! Forwarding by tunnel to servers that unwrap, and answer clients themselves.

use std::fmt::Write as _;
use std::time::Duration;

use crate::config::VIP;
use crate::lab::{Lab, Load};
use crate::process::until;
use crate::services::holds_vip;

/// By server: what unwraps there, and what the file says of it.
const ENDS: [(&str, &str); 3] = [
    ("ipip", ""),
    ("gue", "tunnel = { kind = \"gue\", port = 6080, checksum = \"full\" }\n"),
    ("gre", "tunnel = { kind = \"gre\", checksum = \"full\" }\n"),
];

/// Three web servers, each behind another kind of tunnel; their ends run as long as what is returned.
fn lab() -> Option<Lab> {
    let mut lab = Lab::new(Load::Light)?;
    let mut service = format!("\n[[service]]\nprotocol = \"tcp\"\naddress = \"{VIP}:80\"\nscheduler = \"rr\"\n");
    for (number, (kind, tunnel)) in (1..).zip(ENDS) {
        lab.start_web_on(number, 80);
        holds_vip(&lab, number);
        lab.start_tunnel_end(number, kind);
        _ = write!(service, "\n[[service.server]]\naddress = \"10.1.0.1{number}:80\"\nforward = \"tun\"\n{tunnel}");
    }
    lab.start_director(&service);
    Some(lab)
}

#[test]
fn servers_behind_tunnels_of_every_kind_answer_clients_themselves() {
    let Some(lab) = lab() else { return };
    let pages: Vec<_> = lab.fetch(30, 5).into_iter().collect();
    assert_eq!(pages, ["rs1", "rs2", "rs3"].map(|name| (name.to_owned(), 10)));
    let service = lab.service("TCP 10.0.0.100:80");
    assert!(service.totals.in_packets >= 120 && service.totals.out_packets == 0, "answers do not pass: {service:?}");
    assert!(lab.counter("forward_tun") >= 120);
    let listing = lab.tool(&["ipvsadm", "-Ln", "--tun-info"]).good().out;
    for shown in ["Tunnel  ipip", "Tunnel  gue:6080:+c", "Tunnel  gre:+c"] {
        assert!(listing.contains(shown), "{shown:?} in {listing}");
    }
    lab.assert_nothing_dropped();
}

#[test]
fn a_client_learns_how_much_a_tunnel_takes() {
    let Some(lab) = lab() else { return };
    // A request of several segments, as large as the client's link takes; its kernel forgets what it learned before.
    let header = format!("X-Long: {}", "x".repeat(6000));
    let url = format!("http://{VIP}/");
    let fetch = || lab.run("client", &["curl", "-sSf", "--noproxy", "*", "--max-time", "15", "-H", &header, &url]);
    let pages: Vec<String> = (0..3).map(|_| fetch().good().out).collect();
    assert_eq!(pages.len(), 3);
    assert!(lab.counter("answer_too_big") > 0, "segments of 1500 bytes do not fit");
    let learned = || {
        let routes = lab.run("client", &["ip", "route", "get", VIP]).good().out;
        routes.contains("mtu 14").then_some(())
    };
    until(Duration::from_secs(2), learned).expect("the client has learned a smaller MTU");
    lab.assert_nothing_dropped();
}
