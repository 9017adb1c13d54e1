//! The rules of the house that a compiler does not check: where `unsafe` may live, who may depend on whom, how long a
//! file may be, and that what users read (documents, configuration files) agrees with the code.

use std::collections::BTreeMap;

use dataplane::counters::Counters;

#[path = "house/debts.rs"]
mod debts;
#[path = "house/extending.rs"]
mod extending;
#[path = "house/floors.rs"]
mod floors;
#[path = "house/imports.rs"]
mod imports;
#[path = "house/made_up.rs"]
mod made_up;
#[path = "house/pages.rs"]
mod pages;
#[path = "house/source.rs"]
mod source;
#[path = "helpers/tree.rs"]
mod tree;

use floors::module_edges;
use imports::circles;
use tree::{files, read, root, without_tests};

/// Where code that the compiler does not check may live: directories and files.
const UNSAFE_ROOMS: [&str; 3] = ["dpdk-sys/", "src/dpdk/", "dataplane/src/prefetch.rs"];
/// Helpers of benches and tests that may too: a cycle counter, a counting allocator.
const UNSAFE_HELPERS: [&str; 1] = ["tests/helpers/allocations.rs"];

/// Most lines of a file.
const LONGEST: usize = 450;

/// Modules of the dataplane, from the bottom up. A module uses its own layer and those below.
const LAYERS: [&[&str]; 6] = [
    &["wire", "clock", "chance", "verdict", "counters", "map", "list", "prefetch", "sysctl", "words"],
    &["packet", "port", "flow", "method"],
    &["conn", "service", "mark", "route", "neighbor", "steering", "template", "expected", "limiter"],
    &["sched", "forward", "proto", "trace"],
    &["tables", "snapshot", "mailbox", "parking", "fragments", "handoff", "defence", "seeds", "shard", "pipeline"],
    &["worker"],
];

/// Who may depend on whom among the crates of the house.
const EDGES: [(&str, &[&str]); 5] = [
    (".", &["control", "dataplane", "dpdk-sys"]),
    ("control", &["dataplane"]),
    ("dataplane", &[]),
    ("dpdk-sys", &[]),
    ("bench", &["control", "dataplane"]),
];

/// What the dataplane is handed and never fetches: time, chance, threads, files, sockets.
const OUTSIDE: [&str; 10] = [
    "Instant::now",
    "SystemTime",
    "std::fs",
    "std::io",
    "std::process",
    "std::thread",
    "TcpStream",
    "UdpSocket",
    "UnixStream",
    "rand::",
];

/// A line without its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or("")
}

/// Whether a line opens a block, function or implementation that the compiler does not check, or allows such.
fn opens_unsafe(line: &str) -> bool {
    let keyword = concat!("un", "safe");
    let opened = ["{", "fn ", "impl ", "impl<", "extern ", "trait "].map(|what| format!("{keyword} {what}"));
    let allowed = ["allow", "expect", "warn"].map(|level| format!("{level}({keyword}_code"));
    opened.iter().chain(&allowed).any(|pattern| line.contains(pattern.as_str()))
}

#[test]
fn unsafe_has_an_address() {
    let lives = |file: &str| UNSAFE_ROOMS.iter().any(|room| file.starts_with(room)) || UNSAFE_HELPERS.contains(&file);
    let strays: Vec<String> = files(".", ".rs")
        .iter()
        .map(|file| file.trim_start_matches("./").to_owned())
        .filter(|file| !lives(file))
        .filter(|file| read(file).lines().any(|line| opens_unsafe(code(line))))
        .collect();
    assert_eq!(strays, [""; 0], "move it to one of {UNSAFE_ROOMS:?}");
}

#[test]
fn every_crate_denies_unsafe() {
    assert!(read("Cargo.toml").contains("unsafe_code = \"deny\""));
    for (crate_at, _) in EDGES {
        let manifest = read(&format!("{crate_at}/Cargo.toml"));
        let inherited = section(&manifest, "lints").contains(&("workspace".to_owned(), "true".to_owned()));
        // Generated names have lints of their own.
        assert!(inherited || crate_at == "dpdk-sys", "{crate_at}: lints are the workspace's");
    }
}

#[test]
fn every_unsafe_block_says_why_it_is_safe() {
    let rooms = files("src/dpdk", ".rs").into_iter().chain(["dataplane/src/prefetch.rs".to_owned()]);
    let mut silent = Vec::new();
    for file in rooms {
        let text = read(&file);
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let block = [" {", " impl"].iter().any(|what| code(line).contains(&format!("unsafe{what}")));
            if block && !is_explained(&lines[..=at]) {
                silent.push(format!("{file}:{}", at + 1));
            }
        }
    }
    assert_eq!(silent, [""; 0], "write a SAFETY comment above");
}

/// Whether a SAFETY comment stands above the last line, with nothing in between but the statement it is part of.
fn is_explained(lines: &[&str]) -> bool {
    let above = lines.iter().rev().skip(1).take(8).take_while(|line| !line.trim().is_empty());
    above.into_iter().any(|line| line.trim_start().starts_with("// SAFETY:"))
}

/// Keys and values of a section of a manifest.
fn section(manifest: &str, name: &str) -> Vec<(String, String)> {
    let header = format!("[{name}]");
    let lines = manifest.lines().skip_while(|line| line.trim() != header).skip(1);
    let pairs = lines.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect()
}

#[test]
fn crates_depend_downward() {
    let house: Vec<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    for (crate_at, allowed) in EDGES {
        let manifest = read(&format!("{crate_at}/Cargo.toml"));
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (key, _) in section(&manifest, kind) {
                let name = key.split('.').next().unwrap_or("");
                assert!(!house.contains(&name) || allowed.contains(&name), "{crate_at} must not depend on {name}");
            }
        }
    }
    let members = section(&read("Cargo.toml"), "workspace");
    let (_, members) = members.iter().find(|(key, _)| key == "members").expect("the workspace has members");
    for member in members.trim_matches(['[', ']']).split(',').map(|m| m.trim().trim_matches('"')) {
        assert!(house.contains(&member), "{member}: say here what it may depend on");
    }
}

#[test]
fn only_the_safe_face_names_dpdk() {
    let name = concat!("dpdk", "_sys::");
    let rooms = ["src", "control/src", "dataplane/src", "bench"];
    for file in rooms.iter().flat_map(|room| files(room, ".rs")) {
        let named = read(&file).lines().any(|line| code(line).contains(name));
        assert!(!named || file.starts_with("src/dpdk/"), "{file} names dpdk-sys");
    }
}

#[test]
fn the_dataplane_touches_nothing_outside() {
    for file in files("dataplane/src", ".rs") {
        let text = read(&file);
        let names = |line: &str, word: &str| {
            let begins = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            line.match_indices(word).any(|(at, _)| begins(at))
        };
        let touched = OUTSIDE.iter().find(|word| without_tests(&text).lines().any(|line| names(code(line), word)));
        assert_eq!(touched, None, "{file}: time, chance and packets are arguments");
    }
}

#[test]
fn modules_of_the_dataplane_look_downward() {
    let layer = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    let edges = module_edges();
    for (from, to) in edges.iter().filter(|(from, _)| from != "lib") {
        let (Some(above), Some(below)) = (layer(from), layer(to)) else { panic!("{from} or {to} has no layer") };
        assert!(above >= below, "{from} looks up to {to}");
    }
    assert_eq!(circles(&edges), [], "these use each other");
}

#[test]
fn files_fit_in_a_head() {
    let long: BTreeMap<String, usize> = files(".", ".rs")
        .into_iter()
        .map(|file| (file.clone(), read(&file).lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .collect();
    assert!(long.is_empty(), "longer than {LONGEST} lines: {long:?}");
}

#[test]
fn every_counter_is_explained_to_operators() {
    let page = "docs/operating.md";
    if !root().join(page).exists() {
        return;
    }
    let text = read(page);
    let names = Counters::default().read();
    let missing: Vec<_> =
        names.iter().map(|(name, _)| name).filter(|name| !text.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "{page} says nothing of {missing:?}");
}

#[test]
fn configuration_files_to_copy_are_right() {
    for file in files("conf", ".toml") {
        let config = control::config::load(&root().join(&file)).unwrap_or_else(|errors| panic!("{errors}"));
        control::director::validate(&config).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn comments_name_what_they_repeat() {
    for file in files(".", ".rs") {
        let text = read(&file);
        let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
        let begins =
            |at: &usize| lines[*at].starts_with("/// The same") && (*at == 0 || !lines[at - 1].starts_with("///"));
        let vague: Vec<usize> = (0..lines.len()).filter(begins).map(|at| at + 1).collect();
        assert_eq!(vague, [0; 0], "{file}: the same as what?");
    }
}
