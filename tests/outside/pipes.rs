//! Programs whose reader has gone: they end quietly, with the exit code that they would have had.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use crate::config;
use crate::lab::{Lab, Load, utf8};
use crate::process::Ran;
use crate::ready;

/// Runs a program whose standard output is a pipe that nobody reads any more, and at will the standard error too.
fn unheard(program: &str, arguments: &[&str], err_too: bool) -> Ran {
    let closed = || {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        Stdio::from(OwnedFd::from(writer))
    };
    let err = tempfile();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(closed());
    command.stderr(if err_too { closed() } else { Stdio::from(err.0.try_clone().expect("a second handle")) });
    let status = command.status().unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = std::fs::read_to_string(&err.1).expect("what it complained");
    _ = std::fs::remove_file(&err.1);
    Ran { code: status.code(), out: String::new(), err: said, took: std::time::Duration::ZERO }
}

fn tempfile() -> (File, std::path::PathBuf) {
    let (name, directory) = crate::lab::place();
    _ = std::fs::remove_dir_all(&directory);
    let path = std::env::temp_dir().join(format!("{name}.err"));
    (File::create(&path).expect("a file"), path)
}

/// No complaint, and this exit code, whoever has gone.
fn quiet(program: &str, arguments: &[&str], code: i32) {
    let ran = unheard(program, arguments, false);
    assert_eq!((ran.code, ran.err.as_str()), (Some(code), ""), "{program} {arguments:?}: {ran:?}");
    let ran = unheard(program, arguments, true);
    assert_eq!(ran.code, Some(code), "{program} {arguments:?}, nobody hears complaints");
}

#[test]
fn the_daemon_survives_a_closed_pipe() {
    if !ready::daemon() {
        return;
    }
    let good = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/lab/veth.toml");
    quiet(ready::sluiced(), &["--config", good, "--check"], 0);
    quiet(ready::sluiced(), &["--config", good, "--check", "--json"], 0);
    quiet(ready::sluiced(), &["--help"], 0);
    quiet(ready::sluiced(), &["--version"], 0);
    for refused in [&["--config", "/no/such/file", "--check"][..], &["--config", "/no/such/file"]] {
        assert_eq!(unheard(ready::sluiced(), refused, true).code, Some(1), "{refused:?}");
    }
}

#[test]
fn the_tool_survives_a_closed_pipe() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    lab.start_director(&config::service("tcp", 80, "rr", &config::WEB));
    let socket = lab.socket();
    let tool = utf8(ready::sluice());
    let commands = ["status", "services", "conns", "stats", "neigh", "routes", "steering", "sysctl", "config show"];
    for command in
        commands.into_iter().chain(["vip list", "proc ip_vs", "--json services", "ipvsadm -Ln", "ipvsadm -S"])
    {
        let words: Vec<&str> = command.split(' ').collect();
        quiet(tool, &[&["--socket", utf8(&socket)], &words[..]].concat(), 0);
    }
    quiet(tool, &["--help"], 0);
    quiet(tool, &["ipvsadm", "--help"], 0);
    assert_eq!(unheard(tool, &["--socket", "/no/such/socket", "status"], true).code, Some(1));
}

#[test]
fn the_generator_survives_a_closed_pipe() {
    if !ready::daemon() {
        return;
    }
    quiet(ready::generator(), &["--help"], 0);
    if std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1) {
        quiet(ready::generator(), &["distance", "--cpu", "0", "--other-cpu", "1"], 0);
    }
    assert_eq!(unheard(ready::generator(), &["flows", "--client", "nothing:x"], true).code, Some(1));
}
