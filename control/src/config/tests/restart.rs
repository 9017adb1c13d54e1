//! What only a new start can change is named key by key.

use super::BASE;
use crate::config::{parse, restart};

/// What keeps a director that runs by the one text from following the other.
fn differences(old: &str, new: &str) -> Vec<String> {
    let [old, new] = [(old, "old.toml"), (new, "t.toml")].map(|(text, file)| parse(text, file).expect("a right file"));
    restart(&old, &new).iter().map(ToString::to_string).collect()
}

#[test]
fn what_a_reload_carries_out_is_no_difference() {
    let new = format!(
        "{BASE}[dataplane]\nip_forward = false\nunwrap_ipip = true\naccept_source_route = true\nicmp_rate = 7\n\
         reset_rate = 8\n[ipvs]\nstrict_parity = true\n[[vip]]\naddress = \"10.0.0.9\"\ninterfaces = []\n"
    );
    assert_eq!(differences(BASE, &new), Vec::<String>::new());
    let spelled = "[dataplane]\nworkers = [1]\nconnections = 0xf4240\nsteering = \"tuple\"\n";
    assert_eq!(differences(BASE, &format!("{BASE}{spelled}")), Vec::<String>::new(), "the defaults, written out");
}

#[test]
fn every_key_is_told_with_its_line_and_both_values() {
    let new = format!(
        "{}[dataplane]\nconnections = 5\nworkers = [\n1, 2]\nip_forward = false\nshare_cpus = true\n[control]\n\
         group = \"wheel\"\n",
        BASE.replace("tap:lan", "tap:lan0").replace("10.1.0.1/24", "10.1.0.2/24")
    );
    let wanted = [
        "t.toml:8: interface.device: lan: \"tap:lan\" -> \"tap:lan0\"; set at the start: restart",
        "t.toml:9: interface.addresses: lan: [\"10.1.0.1/24\"] -> [\"10.1.0.2/24\"]; set at the start: restart",
        "t.toml:11: dataplane.connections: 1000000 -> 5; set at the start: restart",
        "t.toml:12: dataplane.workers: [1] -> [1, 2]; set at the start: restart",
        "t.toml:15: dataplane.share_cpus: absent -> true; set at the start: restart",
        "t.toml:17: control.group: absent -> \"wheel\"; set at the start: restart",
    ];
    assert_eq!(differences(BASE, &new), wanted);
}

#[test]
fn interfaces_that_come_go_and_move() {
    let third = "[[interface]]\nname = \"dmz\"\nparent = \"lan\"\nvlan = 7\n";
    assert_eq!(
        differences(BASE, &format!("{BASE}{third}")),
        ["t.toml:11: interface.name: dmz is new; devices are opened at the start: restart"]
    );
    assert_eq!(
        differences(&format!("{BASE}{third}"), BASE),
        ["t.toml: interface.name: dmz is gone; devices are closed at the end: restart"]
    );
    let (head, lan) = BASE.split_at(BASE.rfind("[[interface]]").expect("a table"));
    let (head, wan) = head.split_at(head.find("[[interface]]").expect("a table"));
    assert_eq!(
        differences(BASE, &format!("{head}{lan}{wan}")),
        ["t.toml: interface: their order is another; devices are opened in it at the start: restart"]
    );
}
