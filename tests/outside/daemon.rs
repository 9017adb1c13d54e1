//! The daemon as a program: what it says of a file, why it does not start, how it stops, and its socket.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::config;
use crate::lab::{Lab, Load};
use crate::process::Ran;
use crate::ready;

fn check(file: &str) -> Ran {
    Ran::of(Command::new(ready::sluiced()).args(["--config", file, "--check"]))
}

#[test]
fn a_good_file_is_good() {
    if !ready::daemon() {
        return;
    }
    let ran = check(concat!(env!("CARGO_MANIFEST_DIR"), "/conf/lab/veth.toml")).good();
    assert!(ran.out.contains("veth.toml: good") && ran.out.contains("MiB"), "{ran:?}");
}

#[test]
fn a_bad_file_is_named_with_line_and_key() {
    if !ready::daemon() {
        return;
    }
    let file: PathBuf = std::env::temp_dir().join(format!("sl-{}-bad.toml", std::process::id()));
    let text = "schema = 1\n\n[[interface]]\nname = \"wan\"\ndevice = \"af_packet:wan\"\nmtu = \"large\"\nmuu = 1\n";
    fs::write(&file, text).expect("a file");
    let ran = check(file.to_str().expect("a plain path"));
    _ = fs::remove_file(&file);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("bad.toml:6: interface.mtu: "), "{ran:?}");
    assert!(ran.err.contains("bad.toml:7: interface.muu: "), "everything that is wrong: {ran:?}");

    let ran = check("/no/such/file.toml");
    assert!(ran.code == Some(1) && ran.err.contains("/no/such/file.toml"), "{ran:?}");
}

#[test]
fn a_device_that_does_not_start_is_named_with_its_interface_and_the_reason() {
    let Some(lab) = Lab::new(Load::Light) else { return };
    let text = config::director(&lab.socket(), "").replace("af_packet:wan", "af_packet:nosuch0");
    fs::write(lab.path("sluice.toml"), text).expect("a configuration");
    let mut director = lab.spawn_director("sluiced");
    let status = director.wait(Duration::from_secs(20));
    let said = director.said();
    assert_eq!(status.code(), Some(1), "{said}");
    let line = said.lines().find(|line| line.contains("nosuch0")).unwrap_or_default();
    assert!(line.contains("wan") && line.contains("af_packet:nosuch0"), "{said}");
    assert!(said.to_lowercase().contains("no such"), "{said}");
    assert!(!lab.socket().exists(), "it left its socket");
}

#[test]
fn a_second_director_on_the_same_socket_is_refused() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    lab.start_director("");
    let mut second = lab.spawn_director("second");
    assert_eq!(second.wait(Duration::from_secs(20)).code(), Some(1), "{}", second.said());
    assert!(second.said().contains("another director"), "{}", second.said());
    lab.tool(&["status"]).good();
    lab.run("client", &["ping", "-c", "1", "-W", "2", "10.0.0.1"]).good();
}

#[test]
fn it_stops_cleanly_and_starts_again() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    for signal in ["TERM", "INT"] {
        lab.start_director("");
        // Somebody who only listens does not hold it up.
        let _open = UnixStream::connect(lab.socket()).expect("the socket");
        let start = Instant::now();
        lab.process("sluiced").signal(signal);
        let status = lab.process("sluiced").wait(Duration::from_secs(5));
        let took = start.elapsed();
        assert!(status.code() == Some(0) && took < Duration::from_secs(2), "{status} after {took:?}");
        assert!(!lab.socket().exists(), "it left its socket");
    }
}

#[test]
fn a_killed_director_does_not_stand_in_the_way_of_the_next() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    for _ in 0..2 {
        lab.start_director("");
        lab.process("sluiced").signal("KILL");
        lab.process("sluiced").wait(Duration::from_secs(5));
        assert!(lab.socket().exists(), "nobody removed it");
    }
    lab.start_director("");
    lab.run("client", &["ping", "-c", "1", "-W", "2", "10.0.0.1"]).good();
}

#[test]
fn the_socket_is_for_its_group_and_survives_garbage() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    lab.start_director(&config::service("tcp", 80, "rr", &config::WEB));
    let mode = fs::metadata(lab.socket()).expect("the socket").permissions().mode();
    assert_eq!(mode & 0o7777, 0o660);

    let mut stream = UnixStream::connect(lab.socket()).expect("the socket");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    let mut answers = BufReader::new(stream.try_clone().expect("a second handle")).lines();
    let mut ask = |line: &[u8]| -> Value {
        stream.write_all(line).expect("it listens");
        let answer = answers.next().expect("an answer").expect("in time");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    };
    let garbage: [&[u8]; 6] = [
        b"garbage\n",
        b"\xff\xfe\x00\x01\n",
        b"{\"v\":1,\"id\":1,\"op\":\"dance\"}\n",
        b"{\"v\":99,\"id\":2,\"op\":\"status\"}\n",
        b"{\"v\":1,\"id\":3,\"op\":\"add-service\"}\n",
        b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n",
    ];
    for line in garbage {
        let answer = ask(line);
        let error = &answer["error"];
        assert!(error["code"].is_string() && error["where"].is_string() && error["text"].is_string(), "{answer}");
    }
    let answer = ask(b"{\"v\":1,\"id\":7,\"op\":\"status\"}\n");
    assert!(answer["id"] == 7 && answer["ok"]["type"] == "status" && answer["ok"]["services"] == 1, "{answer}");
}
