//! `make` says in one line what Rust it needs, where there is none or an old one, before it does anything else.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What the check itself runs.
const TOOLS: [&str; 6] = ["make", "sh", "sed", "sort", "tail", "printf"];

/// A directory that is all of PATH: the tools, and programs that say which version they are.
struct Programs(PathBuf);

impl Programs {
    fn new(name: &str, programs: &[(&str, &str)]) -> Option<Self> {
        let at = std::env::temp_dir().join(format!("sluice-toolchain-{}-{name}", std::process::id()));
        fs::create_dir_all(&at).expect("a directory");
        let made = Self(at);
        for tool in TOOLS {
            symlink(find(tool)?, made.0.join(tool)).expect("a link");
        }
        for (program, version) in programs {
            let file = made.0.join(program);
            fs::write(&file, format!("#!/bin/sh\necho '{program} {version} (0123456 2022-11-01)'\n"))
                .expect("a script");
            fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).expect("a program");
        }
        Some(made)
    }

    /// Exit code, standard output and error of `make -n TARGET`.
    fn make(&self, target: &str) -> (Option<i32>, String, String) {
        let mut make = Command::new(self.0.join("make"));
        make.args(["-n", target]).current_dir(ROOT).env_clear().env("PATH", &self.0);
        let done = make.output().expect("make runs");
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

fn find(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|at| at.join(tool)).find(|file| file.is_file());
    if found.is_none() {
        println!("SKIPPED: {tool} is not installed");
        assert!(std::env::var_os("SLUICE_MUST_RUN").is_none(), "{tool} is not installed");
    }
    found
}

/// `rust-version` of the manifest.
fn wanted() -> String {
    let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).expect("a manifest");
    let line = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \""));
    line.and_then(|rest| rest.strip_suffix('"')).expect("a version").to_owned()
}

#[test]
fn a_toolchain_that_is_missing_or_old_is_told_before_anything_else() {
    let wanted = wanted();
    let newest = format!("{wanted}.0");
    for (name, programs, found) in [
        ("none", &[][..], "rustc is missing"),
        ("half", &[("rustc", &*newest)], "cargo is missing"),
        ("debian", &[("rustc", "1.63.0"), ("cargo", "1.65.0")], "rustc is 1.63.0"),
        ("mixed", &[("rustc", &*newest), ("cargo", "1.9.0")], "cargo is 1.9.0"),
    ] {
        let Some(path) = Programs::new(name, programs) else { return };
        for target in ["demo", "test", "lint", "bench", "conformance", "fuzz"] {
            let (code, out, err) = path.make(target);
            assert_eq!((code, &*out, err.lines().count()), (Some(2), "", 1), "{target}: {err}");
            assert!(err.contains(&format!("Rust {wanted} or newer is needed, {found}: run ")), "{err}");
            assert!(err.contains("https://sh.rustup.rs"), "{err}");
        }
        assert_eq!(path.make("setup").0, Some(0), "packages are installed without Rust");
    }
}

#[test]
fn a_toolchain_that_is_new_enough_is_not_spoken_of() {
    let wanted = wanted();
    let (major, minor) = wanted.split_once('.').expect("two numbers");
    let minor: u32 = minor.parse().expect("a number");
    let later = [format!("{wanted}.0"), format!("{major}.{}.1", minor + 1), format!("{major}.{minor}0.0-nightly")];
    for version in later {
        let Some(path) = Programs::new(&version, &[("rustc", &version), ("cargo", &version)]) else { return };
        let (code, out, err) = path.make("lint");
        assert_eq!((code, &*err), (Some(0), ""), "{version}");
        assert!(out.contains("cargo fmt"), "{out}");
    }
}
