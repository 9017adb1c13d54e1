//! What was set at run time, beside a file that is read again.

use super::*;
use crate::api::Answer;
use crate::config;
use crate::director::lab;

const HEAD: &str = "schema = 1\n[[interface]]\nname = \"wan\"\ndevice = \"tap:wan\"\naddresses = [\"10.0.0.1/24\"]\n";
const PLACE: &str = "service TCP 10.0.0.100:80";

/// A service with two servers of these weights.
fn file(scheduler: &str, weights: [u32; 2], more: &str) -> String {
    let servers = weights.map(|weight| format!("weight = {weight}\n"));
    format!(
        "{HEAD}{more}[[service]]\nprotocol = \"tcp\"\naddress = \"10.0.0.100:80\"\nscheduler = \"{scheduler}\"\n\
         [[service.server]]\naddress = \"10.0.0.11\"\n{}[[service.server]]\naddress = \"10.0.0.12\"\n{}",
        servers[0], servers[1]
    )
}

struct Story(Director);

impl Story {
    fn begin(text: &str) -> Self {
        Self(lab::fresh(text))
    }

    /// As an operator.
    fn ask(&mut self, edit: &str) {
        let edit = serde_json::from_str(edit).unwrap_or_else(|error| panic!("{error}: {edit}"));
        self.0.edit(edit, &mut || true).expect("it is possible");
    }

    fn weigh(&mut self, server: u8, weight: u32) {
        self.ask(&format!(
            r#"{{"op":"edit-server","key":{{"protocol":"tcp","address":"10.0.0.100","port":80}},
                "server":{{"address":"10.0.0.{server}:80","forward":"nat","weight":{weight}}}}}"#
        ));
    }

    /// What a reload says.
    fn reload(&mut self, text: &str, prune: bool) -> Vec<String> {
        let config = config::parse(text, "t.toml").unwrap_or_else(|errors| panic!("{errors}"));
        self.0.converge(config, prune, &mut || true).expect("a possible file").lines()
    }

    fn weights(&self) -> Vec<u32> {
        let Ok(Answer::Services { services, .. }) = self.0.list_services(None, None, None) else { panic!("a list") };
        let mut servers: Vec<_> = services[0].servers.iter().map(|s| (s.spec.address, s.spec.weight)).collect();
        servers.sort_unstable();
        servers.into_iter().map(|(_, weight)| weight).collect()
    }
}

#[test]
fn a_drain_survives_a_reload_whose_entry_did_not_change() {
    let mut story = Story::begin(&file("rr", [3, 3], ""));
    story.weigh(11, 0);
    let kept = format!("{PLACE}: server 10.0.0.11:80: kept as set at run time: weight 3 -> 0");
    assert_eq!(story.reload(&file("rr", [3, 3], ""), false), std::slice::from_ref(&kept));
    // What else the file changes is no concern of this server.
    let other = format!("{PLACE}: server 10.0.0.12:80: weight 3 -> 4");
    assert_eq!(story.reload(&file("rr", [3, 4], ""), false), [kept, other]);
    assert_eq!(story.weights(), [0, 4]);
    assert_eq!(story.0.lost_by_a_stop().as_deref().map(|text| &text[..22]), Some("1 entry set at run tim"));
    // Set back, it is the file's again.
    story.weigh(11, 3);
    assert_eq!(story.reload(&file("rr", [3, 4], ""), false), [""; 0]);
    assert_eq!(story.0.lost_by_a_stop(), None);
}

#[test]
fn an_entry_that_the_file_changes_is_as_the_file_says() {
    let mut story = Story::begin(&file("rr", [3, 3], ""));
    story.weigh(11, 0);
    let undone = format!("{PLACE}: server 10.0.0.11:80: weight 0 -> 5, was set at run time");
    assert_eq!(story.reload(&file("rr", [5, 3], ""), false), [undone]);
    story.weigh(11, 7);
    assert_eq!(story.reload(&file("rr", [7, 3], ""), false), [""; 0], "the file says now what was set");
    assert_eq!(story.reload(&file("rr", [5, 3], ""), false).len(), 1, "and is followed from there");
    assert_eq!(story.weights(), [5, 3]);
}

#[test]
fn prune_undoes_what_was_set() {
    let mut story = Story::begin(&file("rr", [3, 3], ""));
    story.weigh(12, 0);
    story.ask(r#"{"op":"set-timeouts","tcp":77,"tcp_fin":0,"udp":0}"#);
    story.ask(r#"{"op":"set-sysctl","name":"drop_packet","value":"3"}"#);
    let lines = story.reload(&file("rr", [3, 3], ""), true);
    assert_eq!(
        lines,
        [
            format!("{PLACE}: server 10.0.0.12:80: weight 0 -> 3, was set at run time"),
            "timeouts: tcp 77 -> 900 s, was set at run time".to_owned(),
            "drop_packet 3 -> 0, was set at run time".to_owned(),
        ]
    );
}

#[test]
fn services_timeouts_and_settings_are_kept_likewise() {
    let mut story = Story::begin(&file("rr", [3, 3], ""));
    story.ask(
        r#"{"op":"edit-service","service":{"key":{"protocol":"tcp","address":"10.0.0.100","port":80},
            "scheduler":"wlc","persistence":60}}"#,
    );
    story.ask(r#"{"op":"set-timeouts","tcp":77,"tcp_fin":0,"udp":0}"#);
    story.ask(r#"{"op":"set-sysctl","name":"drop_packet","value":"3"}"#);
    let kept = [
        format!("{PLACE}: kept as set at run time: scheduler rr -> wlc, persistence none -> 60 s"),
        "timeouts: kept as set at run time: tcp 900 -> 77 s".to_owned(),
        "drop_packet: kept as set at run time: 0 -> 3".to_owned(),
    ];
    assert_eq!(story.reload(&file("rr", [3, 3], ""), false), kept);
    let more = "[ipvs]\ndrop_packet = 1\n[ipvs.timeouts]\ntcp = 50\n";
    let undone = [
        format!("{PLACE}: scheduler wlc -> sh, persistence 60 s -> none, was set at run time"),
        "timeouts: tcp 77 -> 50 s, was set at run time".to_owned(),
        "drop_packet 3 -> 1, was set at run time".to_owned(),
    ];
    assert_eq!(story.reload(&file("sh", [3, 3], more), false), undone);
}

#[test]
fn a_timeout_that_the_file_changes_undoes_no_other() {
    let mut story = Story::begin(&file("rr", [3, 3], ""));
    story.ask(r#"{"op":"set-timeouts","tcp":3600,"tcp_fin":0,"udp":0}"#);
    let more = "[ipvs.timeouts]\nsctp = 77\n";
    let lines = story.reload(&file("rr", [3, 3], more), false);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("timeouts: sctp ") && lines[0].ends_with(" -> 77 s"), "{lines:?}");
    assert_eq!(lines[1], "timeouts: kept as set at run time: tcp 900 -> 3600 s");
}

#[test]
fn a_stop_tells_what_it_loses() {
    let mut story = Story::begin(&file("rr", [3, 3], ""));
    assert_eq!(story.0.lost_by_a_stop(), None);
    story.ask(
        r#"{"op":"add-service","service":{"key":{"protocol":"udp","address":"10.0.0.100","port":53},
            "scheduler":"rr"}}"#,
    );
    story.ask(
        r#"{"op":"add-server","key":{"protocol":"tcp","address":"10.0.0.100","port":80},
            "server":{"address":"10.0.0.13:80","forward":"nat","weight":1}}"#,
    );
    story.ask(r#"{"op":"add-route","route":{"to":"192.0.2.0/24","blackhole":true}}"#);
    story.weigh(11, 0);
    story.weigh(12, 0);
    let told = story.0.lost_by_a_stop().expect("something is lost");
    let wanted = "1 service, 1 server, 1 route made at run time will be lost; 2 entries set at run time will be as in";
    assert!(told.starts_with(wanted), "{told}");
}
