//! IPv6: neighbours find the director and are found by it, its addresses answer, and a service over it serves.

use std::time::Duration;

use crate::config::{self, VIP6, WEB6};
use crate::lab::{Lab, Load};
use crate::process::until;

/// Kernels tell routers of the groups that they listen to (RFC 3810), and ask for routers.
const NOISE: [&str; 1] = ["drop_group"];

/// A director with one web service over IPv6.
fn lab() -> Option<Lab> {
    let mut lab = Lab::with_ipv6(Load::Light)?;
    lab.start_web(1);
    lab.start_director(&config::service_at(&format!("[{VIP6}]:80"), "nat", "tcp", "rr", &WEB6[..1]));
    Some(lab)
}

/// The MAC of one of the director's interfaces.
fn mac(lab: &Lab, interface: &str) -> String {
    let shown = lab.run("director", &["cat", &format!("/sys/class/net/{interface}/address")]).good().out;
    shown.trim().to_owned()
}

/// What a station of the lab knows of a neighbour.
fn neighbor(lab: &Lab, room: &str, address: &str) -> String {
    lab.run(room, &["ip", "-6", "neigh", "show", "to", address, "dev", "eth0"]).good().out
}

/// The link-local address that follows from a MAC (RFC 4291, appendix A).
fn link_local(mac: &str) -> String {
    let bytes: Vec<u8> = mac.split(':').map(|byte| u8::from_str_radix(byte, 16).expect("two digits")).collect();
    let [a, b, c, d, e, f] = bytes[..] else { panic!("{mac} is no MAC") };
    format!("fe80::{:02x}{b:02x}:{c:02x}ff:fe{d:02x}:{e:02x}{f:02x}", a ^ 2)
}

fn ping(lab: &Lab, room: &str, address: &str) {
    let ran = lab.run(room, &["ping", "-6", "-c", "2", "-i", "0.2", "-W", "2", "-s", "1400", address]).good();
    assert!(ran.out.contains(" 0% packet loss"), "{room}, {address}: {ran:?}");
}

#[test]
fn its_addresses_resolve_and_answer_echo() {
    let Some(lab) = lab() else { return };
    let (wan, lan) = (mac(&lab, "wan"), mac(&lab, "lan"));
    for (room, address, mac) in [("client", "fd00::1", &wan), ("client", VIP6, &wan), ("rs2", "fd00:1::1", &lan)] {
        ping(&lab, room, address);
        let known = neighbor(&lab, room, address);
        assert!(known.contains(&format!("lladdr {mac} ")), "{room}, {address}: {known}");
    }
    ping(&lab, "rs3", VIP6);
    ping(&lab, "client", &format!("{}%eth0", link_local(&wan)));
    lab.assert_only_dropped(&NOISE);
}

#[test]
fn who_knows_it_and_asks_again_is_answered() {
    let Some(lab) = lab() else { return };
    let wan = mac(&lab, "wan");
    ping(&lab, "client", VIP6);
    for _ in 0..3 {
        let before = lab.counter("punt_neighbor6");
        // The kernel asks the MAC that it knows, three times, and forgets who does not answer.
        lab.ip("client", &["-6", "neigh", "change", VIP6, "lladdr", &wan, "dev", "eth0", "nud", "probe"]);
        let known = || neighbor(&lab, "client", VIP6);
        let reachable = || (known().contains(&wan) && known().contains("REACHABLE")).then_some(());
        until(Duration::from_secs(5), reachable).unwrap_or_else(|| panic!("{}", known()));
        assert!(lab.counter("punt_neighbor6") > before, "it was not asked");
    }
    ping(&lab, "client", VIP6);
}

#[test]
fn who_forgets_it_or_wants_its_address_is_told() {
    let Some(lab) = lab() else { return };
    ping(&lab, "client", VIP6);
    lab.ip("client", &["-6", "neigh", "flush", "dev", "eth0"]);
    ping(&lab, "client", VIP6);
    // A station that looks first whether an address is taken (RFC 4862).
    lab.run("rs2", &["sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=1"]).good();
    lab.ip("rs2", &["address", "add", "fd00:1::1/64", "dev", "eth0"]);
    let taken = || lab.run("rs2", &["ip", "-6", "address", "show", "dadfailed"]).good().out.contains("fd00:1::1/64");
    until(Duration::from_secs(5), || taken().then_some(())).expect("it learns that the address is taken");
}

#[test]
fn a_service_serves_and_its_server_is_found() {
    let Some(lab) = lab() else { return };
    let page =
        lab.run("client", &["curl", "-sSfg", "--noproxy", "*", "--max-time", "10", &format!("http://[{VIP6}]/")]);
    assert_eq!(page.good().out, "served by rs1\n");
    let neighbors = lab.tool(&["neigh"]).good().out;
    let line = neighbors.lines().find(|line| line.starts_with("fd00:1::11")).unwrap_or_default();
    assert!(line.contains("reachable") || line.contains("stale"), "{neighbors}");
    assert!(lab.counter("forward_nat_request") > 0 && lab.counter("forward_nat_reply") > 0);
    lab.assert_only_dropped(&NOISE);
}

/// The server holds the virtual address where nobody is told of it, and its way to clients is the director: what it
/// answers passes there as it is, and the connection sees it.
#[test]
fn direct_routing_servers_answer_by_way_of_the_director() {
    let Some(mut lab) = Lab::with_ipv6(Load::Light) else { return };
    lab.start_web_on(1, 80);
    lab.ip("rs1", &["address", "add", &format!("{VIP6}/128"), "dev", "lo", "nodad"]);
    lab.start_director(&config::service_at(&format!("[{VIP6}]:80"), "dr", "tcp", "rr", &["[fd00:1::11]:80"]));
    let page =
        lab.run("client", &["curl", "-sSfg", "--noproxy", "*", "--max-time", "10", &format!("http://[{VIP6}]/")]);
    assert_eq!(page.good().out, "served by rs1\n");
    assert!(lab.counter("forward_dr") >= 4 && lab.counter("forward_routed") >= 3, "both ways by the director");
    let connections = lab.tool(&["ipvsadm", "-Lnc"]).good().out;
    assert!(connections.contains("TIME_WAIT"), "both sides were seen to close: {connections}");
    lab.assert_only_dropped(&NOISE);
}
