//! A switch that watches who listens to which group (MLD snooping), and lets questions for an IPv6 address through to those
//! who are in its group alone.

use std::time::Duration;

use crate::config::{self, VIP6, WEB6};
use crate::lab::{Lab, Load};
use crate::process::until;

/// The groups of `fd00::100`, `fd00::1` and `fd00::5:6`.
const OF_VIP: &str = "ff02::1:ff00:100";
const OF_OWN: &str = "ff02::1:ff00:1";
const OF_OTHER: &str = "ff02::1:ff05:6";

/// Changes the clients' switch.
fn bridge(lab: &Lab, options: &[&str]) {
    lab.ip("switch", &[&["link", "set", "br1", "type", "bridge"], options].concat());
}

/// Has it forget who listens, and ask in a version.
fn ask_anew(lab: &Lab, version: &str) {
    bridge(lab, &["mcast_snooping", "0"]);
    bridge(lab, &["mcast_mld_version", version, "mcast_query_response_interval", "100"]);
    bridge(lab, &["mcast_snooping", "1", "mcast_querier", "1"]);
}

/// Waits until the switch knows, or no longer knows, that the director is in a group.
#[track_caller]
fn expect(lab: &Lab, group: &str, there: bool) {
    let known = || lab.run("switch", &["bridge", "mdb", "show", "dev", "br1"]).good().out;
    let has = |shown: &str| shown.lines().any(|line| line.contains("port out ") && line.contains(&format!("{group} ")));
    let ended = until(Duration::from_secs(10), || (has(&known()) == there).then_some(()));
    ended.unwrap_or_else(|| panic!("{group}, wanted {there}: {}", known()));
}

#[test]
fn a_switch_knows_the_groups_of_the_directors_addresses() {
    let Some(mut lab) = Lab::with_ipv6(Load::Light) else { return };
    // It asks by an address of its own.
    lab.run("switch", &["sysctl", "-qw", "net.ipv6.conf.br1.accept_dad=0", "net.ipv6.conf.br1.disable_ipv6=0"]).good();
    ask_anew(&lab, "2");
    lab.start_web(1);
    lab.start_director(&config::service_at(&format!("[{VIP6}]:80"), "nat", "tcp", "rr", &WEB6[..1]));
    let told = |there| [OF_OWN, OF_VIP].iter().for_each(|group| expect(&lab, group, there));
    told(true);
    lab.tool(&["ipvsadm", "-A", "-t", "[fd00::5:6]:80"]).good();
    expect(&lab, OF_OTHER, true);
    lab.tool(&["ipvsadm", "-D", "-t", "[fd00::5:6]:80"]).good();
    lab.tool(&["vip", "del", "fd00::5:6"]).good();
    expect(&lab, OF_OTHER, false);

    // The announcements are over. Who asks, in either version, is answered.
    std::thread::sleep(Duration::from_secs(3));
    for version in ["2", "1"] {
        let before = lab.counter("punt_group_query");
        ask_anew(&lab, version);
        told(true);
        assert!(lab.counter("punt_group_query") > before, "version {version}: nobody asked");
    }
    // The client's question passes the switch.
    let ran = lab.run("client", &["curl", "-sSfg", "--noproxy", "*", "--max-time", "10", &format!("http://[{VIP6}]/")]);
    assert_eq!(ran.good().out, "served by rs1\n");
    lab.assert_only_dropped(&["drop_group"]);
}
