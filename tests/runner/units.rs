//! The runner's rules, one by one, with literals.

use serde_json::json;

use crate::runner::chance::{self, Cause};
use crate::runner::director::{Director, Leg};
use crate::runner::due::DueList;
use crate::runner::scenario::Packet;
use crate::runner::shell;
use crate::runner::stage::{Net, Stage};
use crate::runner::text::{self, Rules};
use crate::runner::{abridged, build, checksum, decode, hex, listing, paths};

const SECOND: u64 = 1_000_000_000;

/// A TTL exceeded that the director sent to a client, and the packet that it answers.
const ERROR: &str = "45c0004412cf0000400158b60a000064ac1000010b00ab8f00000000\
                     45000028123400000106f127ac1000010a0000640fa00050000003e80000000050102000c5870000";
const CAUSE: &str = "45000028123400000106f127ac1000010a0000640fa00050000003e80000000050102000c5870000";

fn packet(text: &str) -> Packet {
    serde_json::from_str(text).unwrap()
}

fn built(text: &str) -> Vec<Vec<u8>> {
    build::build(&packet(text), &[]).unwrap()
}

fn same(expected: &[u8], got: &[u8], sent: &[u8]) -> bool {
    chance::same(expected, got, &Cause { leg: Leg::Client, sent: &[(Leg::Client, sent.to_vec())] })
}

/// A packet with another IPv4 id and its header checksum made anew.
fn with_id(packet: &[u8], id: u16) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[4..6].copy_from_slice(&id.to_be_bytes());
    packet[10..12].fill(0);
    let sum = checksum::internet(&packet[..20]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

#[test]
fn crc32c_has_its_check_value() {
    assert_eq!(checksum::crc32c(b"123456789"), 0xe306_9283);
}

#[test]
fn a_syn_is_built_with_the_defaults() {
    let syn = built(r#"{"src": "172.16.0.1", "dst": "10.0.0.100", "sport": 2, "dport": 80}"#);
    assert_eq!(
        hex::encode(&syn[0]),
        "45000028123400004006b227ac1000010a00006400020050000003e80000000050022000d5330000"
    );
}

#[test]
fn fragments_come_in_the_order_wanted() {
    let text = r#"{"src": "fd00:c::1", "dst": "fd00::100", "proto": "udp", "data": 28, "frag_size": 16, "frag_order": [2, 0, 1]}"#;
    let words: Vec<String> = built(text).iter().map(|p| decode::decode(p)).collect();
    assert!(words[0].contains("frag(off=32,id=0x1234) | proto=17 4 bytes of payload"), "{}", words[0]);
    assert!(words[1].contains("frag(off=0,MF,id=0x1234) | UDP len=36"), "{}", words[1]);
    assert!(words[2].contains("frag(off=16,MF,id=0x1234)"), "{}", words[2]);
}

#[test]
fn checksums_are_as_wrong_as_wanted() {
    for (csum, words) in [("bad", "BAD"), ("zero", "BAD"), ("", "ok")] {
        let text = format!(r#"{{"src": "10.0.0.1", "dst": "10.0.0.2", "csum": "{csum}"}}"#);
        assert!(decode::decode(&built(&text)[0]).contains(words), "{csum}");
    }
}

#[test]
fn what_is_no_packet_is_described_all_the_same() {
    for bytes in [&[][..], &[0x45], &[0x60, 0, 0], &[0x45; 19], &[0x60; 40]] {
        assert!(decode::decode(bytes).starts_with("short/undecodable") || bytes.len() == 40);
    }
    assert_eq!(decode::decode(&[0, 1]), "not IP: 0001");
}

#[test]
fn the_id_of_an_error_is_free_but_its_checksum_is_not() {
    let (error, cause) = (hex::decode(ERROR).unwrap(), hex::decode(CAUSE).unwrap());
    assert!(same(&with_id(&error, 1), &with_id(&error, 0xfffe), &cause));
    let mut wrong = with_id(&error, 7);
    wrong[11] ^= 1;
    assert!(!same(&with_id(&error, 1), &wrong, &cause));
}

#[test]
fn the_id_of_what_is_passed_on_is_not_free() {
    let syn = built(r#"{"src": "172.16.0.1", "dst": "10.1.0.11"}"#).remove(0);
    assert!(!same(&with_id(&syn, 1), &with_id(&syn, 2), &syn));
    // An error that answers an error was passed on, too.
    let error = hex::decode(ERROR).unwrap();
    let elsewhere = with_id(&[&error[..12], &[10, 9, 9, 9], &error[16..]].concat(), 5);
    assert!(!same(&elsewhere, &with_id(&elsewhere, 6), &error));
}

#[test]
fn a_reset_has_id_0_and_df() {
    let text = r#"{"src": "10.0.0.100", "dst": "172.16.0.1", "flags": "R", "id": 0, "df": true}"#;
    let (reset, cause) = (built(text).remove(0), hex::decode(CAUSE).unwrap());
    assert!(same(&reset, &reset, &cause));
    assert!(!same(&reset, &with_id(&reset, 9), &cause));
}

#[test]
fn gue_may_choose_its_port_with_the_checksum_that_follows() {
    let gue = |port: u16| {
        let text = format!(
            r#"{{"src": "10.1.0.1", "dst": "10.1.0.11", "proto": "udp", "sport": {port}, "dport": 6080, "data": "abc"}}"#
        );
        built(&text).remove(0)
    };
    assert!(same(&gue(56491), &gue(40000), &[]));
    let mut wrong = gue(40000);
    wrong[26] ^= 0x10;
    assert!(!same(&gue(56491), &wrong, &[]));
    let mut none = gue(40000);
    none[26..28].fill(0);
    assert!(!same(&gue(56491), &none, &[]), "no checksum is not any checksum");
}

#[test]
fn flow_labels_are_free_where_the_kernel_sets_them() {
    let reset = |flow: u32| {
        built(&format!(r#"{{"src": "fd00::100", "dst": "fd00:c::1", "flags": "R", "flow": {flow}}}"#)).remove(0)
    };
    let cause = built(r#"{"src": "fd00:c::1", "dst": "fd00::100"}"#).remove(0);
    assert!(same(&reset(0x4f2c7), &reset(0x12345), &cause));
    assert!(same(&reset(0x4f2c7), &reset(0), &cause));
    let abort = |flow: u32| {
        let text = format!(
            r#"{{"src": "fd00::100", "dst": "fd00:c::1", "proto": "sctp", "chunks": ["ABORT"], "flow": {flow}}}"#
        );
        built(&text).remove(0)
    };
    assert!(same(&abort(0x7ac90), &abort(0), &cause));
    let tunnel = |flow: u32| {
        built(&format!(r#"{{"src": "fd00:1::1", "dst": "fd00:1::11", "proto": 41, "flow": {flow}}}"#)).remove(0)
    };
    assert!(!same(&tunnel(0), &tunnel(1), &cause), "the kernel sets none there");
    let passed_on = built(r#"{"src": "fd00:c::1", "dst": "fd00:1::11"}"#).remove(0);
    let labelled = [&passed_on[..3], &[1], &passed_on[4..]].concat();
    assert!(!same(&passed_on, &labelled, &cause));
}

#[test]
fn fragment_ids_are_free_unless_they_came_in() {
    let cut = |id: u32| {
        built(&format!(r#"{{"src": "fd00:c::1", "dst": "fd00:1::11", "proto": "udp", "frag_off": 0, "id": {id}}}"#))
            .remove(0)
    };
    assert!(same(&cut(0xc9af_0706), &cut(0x1111_1111), &cut(0x77)));
    assert!(!same(&cut(0x77), &cut(0x1111_1111), &cut(0x77)));
}

const HEADER: [&str; 2] =
    ["IPVS connection entries", "pro expire state       source             virtual            destination"];

fn connections(rows: &[&str]) -> Vec<String> {
    HEADER.iter().chain(rows).map(ToString::to_string).collect()
}

fn strict(due: &DueList) -> Rules<'_> {
    Rules { due, twos: false, thinned: false, any_order: false }
}

fn row(time: &str, port: u16) -> String {
    format!("TCP {time}  SYN_RECV    {:<18} {:<18} 10.1.0.11:8080", format!("172.16.0.1:{port}"), "10.0.0.100:80")
}

#[test]
fn connections_are_a_set_with_a_second_of_play() {
    let due = DueList::default();
    let listing = connections(&[&row("00:59", 1), &row("01:00", 2)]);
    let compare = |rows: &[&str]| text::compare(&listing, &connections(rows), &strict(&due));
    assert_eq!(compare(&[&row("00:59", 2), &row("01:00", 1)]), None);
    assert!(compare(&[&row("00:58", 2), &row("01:00", 1)]).is_some());
    assert!(compare(&[&row("01:00", 1)]).is_some());
    assert!(compare(&[&row("00:59", 1), &row("01:00", 2), &row("01:00", 3)]).is_some());
    assert!(compare(&[&row("00:59 ", 1), &row("01:00", 2)]).is_some(), "columns count");
}

/// A list that has seen one connection of port 2 end, some seconds ago.
fn ended(seconds_ago: u64) -> DueList {
    let mut due = DueList::default();
    due.note("TCP AC100001 0002 0A000064 0050 0A01000B 1F90 SYN_RECV          9", SECOND);
    due.slept((10 + seconds_ago) * SECOND);
    due
}

#[test]
fn after_a_sleep_an_entry_at_its_end_may_be_listed_or_not() {
    let (with, without) = (connections(&[&row("00:00", 2)]), connections(&[]));
    for (ago, free) in [(0, true), (6, true), (7, false)] {
        let due = ended(ago);
        assert_eq!(text::compare(&with, &without, &strict(&due)).is_none(), free, "gone after {ago} s");
        assert_eq!(text::compare(&without, &with, &strict(&due)).is_none(), free, "there after {ago} s");
    }
    let early = connections(&[&row("00:02", 2)]);
    assert!(text::compare(&early, &without, &strict(&ended(0))).is_some(), "gone before its time");
    let mut awake = DueList::default();
    awake.note("TCP AC100001 0002 0A000064 0050 0A01000B 1F90 SYN_RECV          0", 0);
    assert!(text::compare(&with, &without, &strict(&awake)).is_some(), "gone without a sleep");
}

#[test]
fn a_renewed_entry_is_not_due() {
    let mut due = DueList::default();
    due.note("TCP AC100001 0002 0A000064 0050 0A01000B 1F90 SYN_RECV          9", 0);
    due.note("TCP AC100001 0002 0A000064 0050 0A01000B 1F90 ESTABLISHED     900", 5 * SECOND);
    due.slept(10 * SECOND);
    assert!(due.is_empty());
}

fn table(scheduler: &str, counts: [(u32, u32); 2]) -> Vec<String> {
    let server = |n: usize| {
        format!("  -> 10.1.0.1{n}:8080               Masq    1      {:<10} {:<10}", counts[n - 1].0, counts[n - 1].1)
    };
    vec![
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn".into(),
        format!("TCP  10.0.0.100:80 {scheduler}"),
        server(1),
        server(2),
    ]
}

#[test]
fn counts_follow_what_is_due() {
    let (one, none) = (table("rr", [(0, 1), (0, 0)]), table("rr", [(0, 0), (0, 0)]));
    assert_eq!(text::compare(&one, &none, &strict(&ended(2))), None);
    assert!(text::compare(&one, &none, &strict(&DueList::default())).is_some());
    assert!(text::compare(&table("rr", [(0, 2), (0, 0)]), &none, &strict(&ended(2))).is_some());
    assert!(text::compare(&table("rr", [(0, 0), (0, 1)]), &none, &strict(&ended(2))).is_some(), "another server");
}

#[test]
fn twos_is_compared_by_its_sum() {
    let due = DueList::default();
    let rules = Rules { twos: true, ..strict(&due) };
    let (a, b) = (table("twos", [(20, 0), (40, 0)]), table("twos", [(25, 0), (35, 0)]));
    assert_eq!(text::compare(&a, &b, &rules), None);
    assert!(text::compare(&a, &b, &strict(&due)).is_some());
    assert!(text::compare(&a, &table("twos", [(25, 0), (36, 0)]), &rules).is_some());
    assert!(text::compare(&table("rr", [(1, 0), (2, 0)]), &table("rr", [(2, 0), (1, 0)]), &rules).is_some());
}

#[test]
fn services_may_stand_in_any_order_where_nothing_sorts_them() {
    let due = DueList::default();
    let other = ["UDP  10.0.0.100:53 wrr".to_string(), "  -> 10.1.0.11:53  Masq 10 0 0".to_string()];
    let tables = table("rr", [(0, 0), (0, 0)]);
    let one = [&tables[..], &other].concat();
    let two = [&tables[..1], &other, &tables[1..]].concat();
    assert_eq!(text::compare(&one, &two, &Rules { any_order: true, ..strict(&due) }), None);
    assert!(text::compare(&one, &two, &strict(&due)).is_some());
}

#[test]
fn random_drops_leave_about_as_many() {
    let (due, line) = (DueList::default(), |n: u32| vec![n.to_string()]);
    let rules = Rules { thinned: true, ..strict(&due) };
    assert_eq!(text::compare(&line(150), &line(170), &rules), None);
    assert!(text::compare(&line(150), &line(300), &rules).is_some());
    assert!(text::compare(&line(150), &line(0), &rules).is_some());
    assert!(text::compare(&line(150), &line(151), &strict(&due)).is_some());
}

#[test]
fn both_listings_name_the_same_connection() {
    let proc = listing::parse_proc("TCP AC100001 0FA0 0A000064 0050 0A01000B 1F90 ESTABLISHED     895").unwrap();
    let line = "TCP 14:55  ESTABLISHED 172.16.0.1:4000    10.0.0.100:80      10.1.0.11:8080";
    let tool = listing::parse_tool(line).unwrap();
    assert_eq!((proc.identity, proc.seconds), (tool.identity, tool.seconds));
    let six = "[fd00:0001:0000:0000:0000:0000:0000:0011]:0050";
    assert_eq!(listing::any_endpoint(six), listing::any_endpoint("[fd00:1::11]:80"));
    assert_eq!(listing::any_endpoint("0A01000B:1F90"), listing::any_endpoint("10.1.0.11:8080"));
    assert!(HEADER.iter().all(|line| listing::parse(line).is_none()));
}

#[test]
fn a_second_of_a_path_is_free() {
    let path = "c:S>fwd[SYN_RECV 60]1/0";
    assert!(paths::same(path, "c:S>fwd[SYN_RECV 59]1/0"));
    for other in [
        "c:S>fwd[SYN_RECV 58]1/0",
        "c:S>fwd[SYN_RECV 60]0/1",
        "c:S>back[SYN_RECV 60]1/0",
        "c:S>fwd[SYN_SENT 60]1/0",
        "c:S>fwd[-]1/0",
    ] {
        assert!(!paths::same(path, other), "{other}");
    }
    assert!(paths::same("w:9>nothing[CLOSE 0]0/1", "w:9>nothing[-]0/0"));
    assert!(!paths::same("w:9>nothing[CLOSE 2]0/1", "w:9>nothing[-]0/0"));
    assert!(!paths::same("c:R>fwd[CLOSE 0]0/1", "c:R>fwd[-]0/0"), "no pause before");
}

/// A director that knows the tool and one file of `/proc`.
struct Tool;

impl Director for Tool {
    fn inject(&mut self, _: Leg, _: &[u8]) {}
    fn drain(&mut self) -> Vec<(Leg, Vec<u8>)> {
        Vec::new()
    }
    fn ipvsadm(&mut self, args: &str, stdin: Option<&str>) -> (i32, String, String) {
        match (args, stdin) {
            ("-Sn" | "-S -n", _) => (0, "-A -t 1.2.3.4:80 -s rr\n".into(), String::new()),
            ("-R", Some("-A -t 1.2.3.4:80 -s rr\n")) | ("-C", _) => (0, String::new(), String::new()),
            _ => (1, String::new(), "what?\n".into()),
        }
    }
    fn advance(&mut self, _: u64) {}
    fn proc(&mut self, name: &str) -> Result<String, String> {
        if name == "conn" { Ok("header\nTCP SYN_RECV\nTCP NONE\n".into()) } else { Err("no such file".into()) }
    }
    fn sysctl(&mut self, _: &str, _: Option<&str>) -> Result<String, String> {
        Err("no such file".into())
    }
    fn sh(&mut self, _: &str) -> Option<(i32, String, String)> {
        None
    }
}

#[test]
fn the_shell_does_what_the_scenarios_need() {
    let mut files = shell::Files::new();
    let mut out = |command: &str| shell::run(&mut Tool, &mut files, command).map(|(rc, out, _)| (rc, out));
    assert_eq!(out("cat /proc/net/ip_vs_conn | tail -n +2"), Some((0, "TCP SYN_RECV\nTCP NONE\n".into())));
    assert_eq!(out("grep -c SYN_RECV /proc/net/ip_vs_conn"), Some((0, "1\n".into())));
    assert_eq!(
        out("ipvsadm -Sn > /tmp/save; ipvsadm -C; ipvsadm -R < /tmp/save; echo rc=$?"),
        Some((0, "rc=0\n".into()))
    );
    assert_eq!(out("ipvsadm -R < /tmp/save; echo rc=$?"), Some((0, "rc=0\n".into())), "files stay");
    assert_eq!(out("ipvsadm -X; echo rc=$?"), Some((0, "rc=1\n".into())));
    assert_eq!(out("python3 -c \"import os; os.setuid(1000)\""), None);
    assert_eq!(out("iptables -t mangle -A PREROUTING -j MARK --set-mark 5"), None);
}

#[test]
fn a_stage_is_a_configuration() {
    let stage = Stage::new(&Net { mtu_server: 1300, rs_client_side: vec![31], ..Net::default() });
    let text = stage.to_toml();
    for part in [
        "[dataplane]\nicmp_rate = 0\nicmp_target_rate = 0\n",
        "[ipvs]\nstrict_parity = true\n",
        "name = \"ds\"\ndevice = \"vdev:ds\"\naddresses = [\"10.1.0.1/24\", \"fd00:1::1/64\"]\nmac = \"02:00:00:00:01:01\"\nmtu = 1300\n",
        "[[vip]]\naddress = \"fd00::100\"\ninterfaces = [\"dc\"]\n",
        "[[route]]\nto = \"fd00:2::/32\"\nvia = \"fd00:1::254\"\n",
        "[[neighbor]]\naddress = \"10.0.0.31\"\ninterface = \"dc\"\nmac = \"02:00:00:00:02:1f\"\n",
        "[[neighbor]]\naddress = \"fd00:1::15\"\ninterface = \"ds\"\nmac = \"02:00:00:00:02:0f\"\n",
    ] {
        assert!(text.contains(part), "{part}\nnot in\n{text}");
    }
    assert!(!stage.send_redirects && stage.ip_cmds.is_empty());
}

#[test]
fn lists_come_back_from_what_was_observed() {
    let mut trace = json!({
        "scenario": {"steps": [
            {"conns": {"vip": "10.0.0.100", "ops": "3 ops"}},
            {"flow": {"vip": "10.0.0.100", "paths": "1 paths"}},
            {"conns": {"vip": "10.0.0.100", "ops": ["S 1.2.3.4:5"]}},
        ]},
        "observed": {"steps": [
            {"choices": ["S 172.16.0.1:4000 -> rs11", "# words", r#"{"ipvsadm": "-C", "rc": 0}"#]},
            {"paths": ["c:S>fwd[SYN_RECV 60]1/0 w:2>nothing[SYN_RECV 58]1/0 c:A>fwd+back(TCP RA)[-]0/0"]},
            {"choices": ["S 1.2.3.4:5 -> none"]},
        ]},
    });
    abridged::restore(&mut trace).unwrap();
    let ops = json!(["S 172.16.0.1:4000", "# words", {"ipvsadm": "-C"}]);
    assert_eq!(trace["scenario"]["steps"][0]["conns"]["ops"], ops);
    assert_eq!(trace["scenario"]["steps"][1]["flow"]["paths"], json!(["c:S w:2 c:A"]));
    assert_eq!(trace["scenario"]["steps"][2]["conns"]["ops"], json!(["S 1.2.3.4:5"]));
    let mut untold = json!({"scenario": {"steps": [{"conns": {"ops": "1 ops"}}]}, "observed": {"steps": [{}]}});
    assert_eq!(abridged::restore(&mut untold), Err("step 0: operations are left out".into()));
}

#[test]
fn flow_labels_of_fragments_that_the_director_makes_are_free() {
    let text =
        r#"{"src": "fd00::1", "dst": "fd00:c::1", "proto": "icmp6", "icmp_type": 129, "data": 40, "frag_size": 24}"#;
    let (reply, cause) = (built(text), built(r#"{"src": "fd00:c::1", "dst": "fd00::1"}"#).remove(0));
    for fragment in reply {
        let labelled = [&fragment[..2], &[0xab, 0xcd], &fragment[4..]].concat();
        assert!(same(&labelled, &fragment, &cause));
        assert!(!same(&[&[0x61], &fragment[1..]].concat(), &fragment, &cause), "a traffic class is not free");
    }
}
