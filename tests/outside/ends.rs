//! How a director ends other than by a signal, what it leaves behind, and what two of them do on one machine.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::config::{self, Shape};
use crate::lab::{Lab, Load, utf8};
use crate::process::{Process, until};
use crate::ready;

/// As long as a busy machine may take for anything here.
const LONG: Duration = Duration::from_secs(60);

/// A director of this file, up.
fn up(lab: &Lab, name: &str, before: &[&str], file: &str) -> Process {
    let file = lab.path(file);
    let mut director = lab.start("director", name, &[before, &[ready::sluiced(), "--config", utf8(&file)]].concat());
    let is_up = || match director.ended() {
        Some(status) => panic!("{name} ended, {status}: {}", director.said()),
        None => director.said().contains(" is up").then_some(()),
    };
    until(LONG, is_up).expect("it is up");
    director
}

/// Has one of two workers, or the control thread, panic, and returns what the director said.
fn panics(lab: &mut Lab, environment: &[&str]) -> String {
    lab.workers = config::workers(2);
    lab.configure("");
    let mut director = up(lab, "sluiced", &[&["env"], environment].concat(), "sluice.toml");
    director.signal("USR2");
    assert_eq!(director.wait(LONG).code(), Some(70), "{}", director.said());
    director.said()
}

/// Release builds cannot be told to panic.
fn rehearses() -> bool {
    let obstacle = "built for release: only debug builds panic when they are told to";
    ready::decide((!cfg!(debug_assertions)).then(|| obstacle.to_owned()))
}

#[test]
fn a_worker_that_panics_ends_the_process_and_the_next_one_starts() {
    let Some(mut lab) = rehearses().then(|| Lab::new(Load::Light)).flatten() else { return };
    let said = panics(&mut lab, &["SLUICED_TEST_PANIC=worker-1"]);
    let line = said.lines().find(|line| line.contains("panicked")).unwrap_or_default();
    assert!(line.contains("ERROR") && line.contains("worker 1 (CPU "), "{said}");
    assert!(line.contains("rehearsed") && line.contains("all connections are lost"), "{said}");
    assert!(said.lines().last().is_some_and(|line| line.starts_with("sluiced: worker 1 (CPU ")), "{said}");
    assert!(!lab.socket().exists(), "it left its socket");
    lab.start_director("");
    lab.run("client", &["ping", "-c", "1", "-W", "2", "10.0.0.1"]).good();
}

#[test]
fn a_control_thread_that_panics_ends_the_process() {
    let Some(mut lab) = rehearses().then(|| Lab::new(Load::Light)).flatten() else { return };
    let said = panics(&mut lab, &["SLUICED_TEST_PANIC=main"]);
    assert!(said.contains("the control thread panicked") && said.contains("rehearsed"), "{said}");
    assert!(!lab.socket().exists(), "it left its socket");
}

#[test]
fn a_worker_that_hangs_does_not_keep_the_process_of_one_that_panicked() {
    let Some(mut lab) = rehearses().then(|| Lab::new(Load::Light)).flatten() else { return };
    let said = panics(&mut lab, &["SLUICED_TEST_PANIC=worker-0", "SLUICED_TEST_HANG=worker-1"]);
    assert!(said.contains("worker 0 (CPU ") && said.contains("do not stop within 5 s"), "{said}");
    lab.start_director("");
}

/// Mappings of DPDK's memory: which they are, KiB of them in use, and the flags that the kernel shows.
fn packet_memory(process: &Process) -> Vec<(String, u64, String)> {
    let maps = fs::read_to_string(format!("/proc/{}/smaps", process.id())).expect("it runs");
    let mut found: Vec<(String, u64, String)> = Vec::new();
    for line in maps.lines() {
        let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match (key, found.last_mut()) {
            ("Rss:", Some(last)) => last.1 = value.trim().trim_end_matches(" kB").parse().expect("KiB"),
            ("VmFlags:", Some(last)) => last.2 = value.trim().to_owned(),
            _ if key.ends_with(':') => {}
            _ => found.push((line.to_owned(), 0, String::new())),
        }
    }
    // `--no-huge`: one file in memory; else files in hugetlbfs.
    found.retain(|(name, used, _)| *used > 0 && (name.contains("memfd:nohuge") || name.contains("map_")));
    found
}

#[test]
fn packet_memory_is_not_in_core_files() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    lab.start_director("");
    let memory = packet_memory(lab.process("sluiced"));
    assert!(memory.iter().map(|(_, used, _)| used).sum::<u64>() > 16 << 10, "too little to be all: {memory:?}");
    assert!(memory.iter().all(|(.., flags)| flags.split(' ').any(|flag| flag == "dd")), "{memory:?}");
}

/// A file for one more director, whose devices nobody else wants.
fn another(lab: &Lab, devices: [&str; 2]) {
    let shape = Shape { devices: devices.map(str::to_owned), ..Shape::default() };
    let text = shape.director(&lab.path("another.sock"), "");
    fs::write(lab.path("another.toml"), text).expect("a configuration");
}

const NOBODYS: [&str; 2] = ["vdev:net_null0", "vdev:net_null1"];

/// Directories in which directors keep their files, so old now that they may be taken for those of the dead.
fn aged(lab: &Lab) -> Vec<PathBuf> {
    let all = fs::read_dir(lab.path("dpdk")).expect("DPDK's directory");
    let ours: Vec<PathBuf> = all.map(|entry| entry.expect("an entry").path()).collect();
    for directory in &ours {
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        File::open(directory).and_then(|directory| directory.set_modified(hour_ago)).expect("it is root's");
    }
    ours
}

#[test]
fn directories_of_the_dead_go_and_those_of_the_living_stay() {
    let Some(lab) = Lab::new(Load::Light) else { return };
    lab.configure("");
    let elsewhere = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let living = up(&lab, "sluiced", &elsewhere, "sluice.toml");
    let kept = aged(&lab);
    assert!(kept.len() == 1 && kept[0].file_name().is_some_and(|name| name.to_string_lossy().starts_with("sluice-1-")));
    another(&lab, NOBODYS);
    let mut killed = up(&lab, "another", &[], "another.toml");
    killed.signal("KILL");
    killed.wait(LONG);
    assert_eq!(aged(&lab).len(), 2, "the one of another PID namespace lives, the killed one left its own");
    let mut third = up(&lab, "another", &[], "another.toml");
    let after = aged(&lab);
    assert!(after.len() == 2 && after.contains(&kept[0]), "the dead one's is gone: {after:?}");
    third.signal("TERM");
    assert_eq!(third.wait(LONG).code(), Some(0), "{}", third.said());
    assert_eq!(aged(&lab), kept);
    drop(living);
}

#[test]
fn a_second_director_on_a_device_is_refused_until_the_first_is_dead() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    lab.start_director("");
    let first = lab.process("sluiced").id();
    for (devices, named) in [(["af_packet:wan", NOBODYS[0]], "wan"), ([NOBODYS[0], "af_packet:lan"], "lan")] {
        another(&lab, devices);
        let file = lab.path("another.toml");
        for before in [&[][..], &["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]] {
            let command = [before, &[ready::sluiced(), "--config", utf8(&file)]].concat();
            let mut second = lab.start("director", "second", &command);
            assert_eq!(second.wait(LONG).code(), Some(1), "{}", second.said());
            let said = second.said();
            assert!(said.contains(&format!("device \"af_packet:{named}\"")), "{said}");
            assert!(said.contains("another director has it"), "{said}");
            assert_eq!(said.contains(&format!("process {first}")), before.is_empty(), "{said}");
        }
    }
    lab.run("client", &["ping", "-c", "1", "-W", "2", "10.0.0.1"]).good();
    lab.process("sluiced").signal("KILL");
    lab.process("sluiced").wait(LONG);
    another(&lab, ["af_packet:wan", "af_packet:lan"]);
    up(&lab, "third", &[], "another.toml");
}
