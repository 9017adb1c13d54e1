//! A table of configurations (`check_table.txt`), each of which `--check`, `--check --host` and a real start must judge
//! alike: what a start refuses is refused before, in the same words, and what is called good starts.

use std::collections::VecDeque;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::lab::{Lab, Load, utf8};
use crate::process::until;
use crate::ready;

const TABLE: &str = include_str!("check_table.txt");

/// What every row but a whole one begins with: its devices carry nothing and are always there.
const BASE: &str = r#"schema = 1
[dataplane]
workers = [0]
main_cpu = 0
connections = 1000
eal = ["--no-huge", "-m", "128"]
[control]
socket = "@DIR@/@ROW@.sock"
[[interface]]
name = "wan"
device = "vdev:net_null0"
addresses = ["10.0.0.1/24"]
[[interface]]
name = "lan"
device = "vdev:net_null1"
addresses = ["10.1.0.1/24"]
"#;

/// A configuration and what is to be said of it.
#[derive(Debug, Default)]
struct Row {
    name: &'static str,
    changes: Vec<(&'static str, &'static str)>,
    whole: Option<&'static str>,
    lines: Vec<&'static str>,
    rules: Vec<&'static str>,
    /// Errors of the check, then those that a look at the host adds.
    errors: [Vec<&'static str>; 2],
    /// Warnings of the check, then those that a look at the host adds.
    warnings: [Vec<&'static str>; 2],
    needs_no_huge_pages: bool,
}

fn table() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for line in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "row" {
            rows.push(Row { name: rest, ..Row::default() });
            continue;
        }
        let row = rows.last_mut().expect("a row begins with its name");
        match word {
            "|" => row.lines.push(rest),
            "set" => row.changes.push(rest.split_once(" => ").unwrap_or_else(|| panic!("{line}"))),
            "whole" => row.whole = Some(rest),
            "rules" => row.rules.push(rest),
            "check" => row.errors[0].push(rest),
            "host" => row.errors[1].push(rest),
            "nohuge" => {
                row.errors[1].push(rest);
                row.needs_no_huge_pages = true;
            }
            "warn" => row.warnings[0].push(rest),
            "hostwarn" => row.warnings[1].push(rest),
            _ => panic!("{line}"),
        }
    }
    rows
}

impl Row {
    /// Writes its file, and that of its rules.
    fn write(&self, directory: &Path, number: usize) -> PathBuf {
        let mut text = self.whole.map_or_else(|| BASE.to_owned(), |line| format!("{line}\n"));
        for (old, new) in &self.changes {
            assert!(text.contains(old), "{}: {old:?} is not in the base", self.name);
            text = text.replacen(old, &new.replace("\\n", "\n"), 1);
        }
        if !self.rules.is_empty() {
            let file = directory.join(format!("{number}.rules"));
            fs::write(&file, self.rules.join("\n")).expect("a file of rules");
            text = text.replacen("[control]\n", &format!("[control]\nrules = {file:?}\n"), 1);
        }
        self.lines.iter().for_each(|line| text = format!("{text}{line}\n"));
        let text = text.replace("@DIR@", utf8(directory)).replace("@ROW@", &number.to_string());
        let file = directory.join(format!("{number}.toml"));
        fs::write(&file, text).expect("a configuration");
        file
    }
}

/// What a check says: its exit code, errors and warnings.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    code: Option<i32>,
    errors: Vec<String>,
    warnings: Vec<String>,
}

fn check(lab: &Lab, file: &Path, more: &[&str]) -> Said {
    let ran = lab.run("director", &[&[ready::sluiced(), "--config", utf8(file), "--check", "--json"], more].concat());
    let json: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let line = |found: &Value| {
        let text = |key: &str| found[key].as_str().unwrap_or_else(|| panic!("{found}")).to_owned();
        let place = match found["line"].as_u64() {
            Some(0) => text("file"),
            line => format!("{}:{}", text("file"), line.unwrap_or_else(|| panic!("{found}"))),
        };
        let key = if text("key").is_empty() { String::new() } else { format!("{}: ", text("key")) };
        format!("{place}: {key}{}", text("text"))
    };
    let lines = |key: &str| json[key].as_array().unwrap_or_else(|| panic!("{json}")).iter().map(line).collect();
    Said { code: ran.code, errors: lines("errors"), warnings: lines("warnings") }
}

/// What a start says: what refuses it, nothing where it is up and ends when it is told to.
fn start(lab: &Lab, file: &Path, number: usize) -> (Option<Vec<String>>, String) {
    let mut director = lab.start("director", &number.to_string(), &[ready::sluiced(), "--config", utf8(file)]);
    let settled = || director.ended().map(Some).or_else(|| director.said().contains(" is up").then_some(None));
    let ended = until(Duration::from_secs(60), settled).unwrap_or_else(|| panic!("neither: {}", director.said()));
    if ended.is_none() {
        director.signal("TERM");
        assert_eq!(director.wait(Duration::from_secs(20)).code(), Some(0), "{}", director.said());
        return (None, director.said());
    }
    let said = director.said();
    assert_eq!(ended.and_then(|status| status.code()), Some(1), "{said}");
    let refusal = said.split_once("sluiced: ").unwrap_or_else(|| panic!("no refusal: {said}")).1;
    (Some(refusal.lines().map(str::to_owned).collect()), said)
}

/// Whether each of these is part of one line, and nothing else is there.
fn match_up(name: &str, parts: &[&str], lines: &[String]) {
    assert_eq!(parts.len(), lines.len(), "{name}: wanted {parts:#?}, said {lines:#?}");
    for part in parts {
        assert!(lines.iter().any(|line| line.contains(part)), "{name}: wanted {part:?}, said {lines:#?}");
    }
}

fn judge(lab: &Lab, row: &Row, number: usize) {
    let file = row.write(&lab.path("table"), number);
    let (checked, looked) = (check(lab, &file, &[]), check(lab, &file, &["--host"]));
    let both = |parts: &[Vec<&'static str>; 2]| parts.concat();
    match_up(row.name, &row.errors[0], &checked.errors);
    match_up(row.name, &row.warnings[0], &checked.warnings);
    match_up(row.name, &both(&row.errors), &looked.errors);
    match_up(row.name, &both(&row.warnings), &looked.warnings);
    for said in [&checked, &looked] {
        let code = if !said.errors.is_empty() { 1 } else { 3 * i32::from(!said.warnings.is_empty()) };
        assert_eq!(said.code, Some(code), "{}: {said:?}", row.name);
    }
    let (refusal, log) = start(lab, &file, number);
    let refusal = refusal.unwrap_or_default();
    assert_eq!(refusal, looked.errors, "{}: the start says what the check says: {log}", row.name);
    for warning in &looked.warnings {
        let told = log.lines().any(|line| line.contains("WARN") && line.ends_with(warning));
        assert!(told, "{}: {warning:?} is not logged: {log}", row.name);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn check_and_start_agree() {
    let Some(lab) = Lab::new(Load::Light) else { return };
    lab.ip("director", &["link", "add", "down0", "type", "veth", "peer", "name", "down1"]);
    fs::create_dir_all(lab.path("table")).expect("a directory");
    let rows = table();
    assert!(rows.len() >= 60, "{}", rows.len());
    let reserved = fs::read_to_string("/proc/sys/vm/nr_hugepages").unwrap_or_default();
    let possible = |row: &Row| !row.needs_no_huge_pages || reserved.trim() == "0";
    let queue: Mutex<VecDeque<_>> = Mutex::new(rows.iter().enumerate().filter(|(_, row)| possible(row)).collect());
    let failed = Mutex::new(Vec::new());
    let work = || {
        loop {
            let Some((number, row)) = locked(&queue).pop_front() else { return };
            if panic::catch_unwind(AssertUnwindSafe(|| judge(&lab, row, number))).is_err() {
                locked(&failed).push(row.name);
            }
        }
    };
    thread::scope(|scope| (0..2).for_each(|_| _ = scope.spawn(work)));
    assert_eq!(*locked(&failed), Vec::<&str>::new(), "what each said stands above");
}
