//! The daemon as a program: what it says of a file, why it does not start, how it stops, and its socket.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::config;
use crate::lab::{Lab, Load, utf8};
use crate::process::{Ran, until};
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
    let text = config::Shape::default().director(&lab.socket(), "").replace("af_packet:wan", "af_packet:nosuch0");
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
    // Its devices are nobody's, so that the socket is what it is refused for.
    let file = lab.path("sluice.toml");
    let text = fs::read_to_string(&file).expect("a configuration");
    let text = text.replace("af_packet:wan", "vdev:net_null0").replace("af_packet:lan", "vdev:net_null1");
    fs::write(&file, text).expect("another");
    let mut second = lab.spawn_director("second");
    assert_eq!(second.wait(Duration::from_secs(20)).code(), Some(1), "{}", second.said());
    assert!(second.said().contains("another director listens on"), "{}", second.said());
    lab.tool(&["status"]).good();
    lab.run("client", &["ping", "-c", "1", "-W", "2", "10.0.0.1"]).good();
}

#[test]
fn a_look_at_the_host_disturbs_no_director() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    lab.start_director(&config::service("tcp", 80, "rr", &config::WEB));
    let file = lab.path("sluice.toml");
    let look = [ready::sluiced(), "--config", utf8(&file), "--check", "--host"];
    let ran = lab.run("director", &look).good();
    assert!(ran.out.contains("sluice.toml: good\n"), "{ran:?}");
    lab.tool(&["status"]).good();
    lab.run("client", &["ping", "-c", "1", "-W", "2", "10.0.0.1"]).good();
    let ran = Ran::of(Command::new(ready::sluiced()).args(["--config", utf8(&file), "--host"]));
    assert!(ran.code == Some(2) && ran.err.contains("--check"), "it belongs to --check: {ran:?}");
}

#[test]
fn it_stops_cleanly_and_starts_again() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    for signal in ["TERM", "INT"] {
        lab.start_director("");
        // Somebody who only listens does not hold it up.
        let _open = UnixStream::connect(lab.socket()).expect("the socket");
        lab.process("sluiced").signal(signal);
        assert_eq!(lab.process("sluiced").wait(Duration::from_secs(20)).code(), Some(0));
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

/// What a service manager hears, message by message.
struct Manager(UnixDatagram);

impl Manager {
    /// The next message, `None` where nothing comes in time.
    fn hears(&self, most: Duration) -> Option<String> {
        self.0.set_read_timeout(Some(most)).expect("a timeout");
        let mut text = [0; 256];
        let length = self.0.recv(&mut text).ok()?;
        Some(String::from_utf8_lossy(&text[..length]).into_owned())
    }

    /// The next message that is not the watchdog's.
    fn hears_news(&self) -> String {
        let news = || self.hears(Duration::from_secs(20)).filter(|text| text != "WATCHDOG=1\n");
        until(Duration::from_secs(20), news).expect("news")
    }
}

/// That a stalled worker starves the watchdog is tested with the director turned by hand
/// (`control/src/director/status_tests.rs`) and the watchdog alone (`src/serve.rs`): no signal stops one thread only.
#[test]
fn the_service_manager_hears_that_it_is_up_lives_reloads_and_stops() {
    let Some(lab) = Lab::new(Load::Light) else { return };
    let place = lab.path("notify");
    let manager = Manager(UnixDatagram::bind(&place).expect("a socket"));
    lab.configure("");
    let socket = format!("NOTIFY_SOCKET={}", utf8(&place));
    let file = lab.path("sluice.toml");
    let command = ["env", &socket, "WATCHDOG_USEC=400000", ready::sluiced(), "--config", utf8(&file)];
    let mut director = lab.start("director", "sluiced", &command);
    assert_eq!(manager.hears(Duration::from_secs(20)).as_deref(), Some("READY=1\n"), "{}", director.said());
    lab.tool(&["status"]).good();
    let start = Instant::now();
    for _ in 0..5 {
        assert_eq!(manager.hears(Duration::from_secs(2)).as_deref(), Some("WATCHDOG=1\n"), "{}", director.said());
    }
    let took = start.elapsed();
    assert!(took < Duration::from_millis(5 * 400), "slower than its patience: {took:?}");

    director.signal("HUP");
    let news = manager.hears_news();
    assert!(news.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{news}");
    assert_eq!(manager.hears_news(), "READY=1\n");

    director.signal("TERM");
    assert_eq!(manager.hears_news(), "STOPPING=1\n");
    assert_eq!(director.wait(Duration::from_secs(5)).code(), Some(0), "{}", director.said());
}

#[test]
fn status_tells_how_workers_turn_and_a_stop_of_all_is_no_stall() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    lab.start_director("");
    lab.run("client", &["ping", "-c", "3", "-i", "0.2", "-W", "2", "10.0.0.1"]).good();
    lab.process("sluiced").signal("STOP");
    std::thread::sleep(Duration::from_secs(1));
    lab.process("sluiced").signal("CONT");
    std::thread::sleep(Duration::from_secs(1));
    let ran = lab.tool(&["--json", "status"]).good();
    let status: Value = serde_json::from_str(&ran.out).expect("JSON");
    let worker = &status["workers"][0];
    let number = |key: &str| worker[key].as_f64().unwrap_or_else(|| panic!("{key}: {worker}"));
    assert!(number("turns") > number("busy_turns") && number("longest_turn") >= 1.0, "{worker}");
    assert!((0.0..=100.0).contains(&number("load")) && number("longest_turn_1s") >= 0.0, "{worker}");
    assert!(number("stalls") == 0.0 && worker["stalled_for"].is_null(), "{worker}");
    let ran = lab.tool(&["status"]).good();
    assert!(ran.out.contains("LOAD") && ran.out.contains("  polling  "), "{ran:?}");
}
