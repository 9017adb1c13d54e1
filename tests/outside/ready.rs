//! Whether a lab can be here, and where the programs under test are.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What the lab runs; `make setup` installs them.
const TOOLS: [&str; 15] = [
    "ip",
    "ethtool",
    "sysctl",
    "setpriv",
    "timeout",
    "ping",
    "nginx",
    "wrk",
    "curl",
    "dnsmasq",
    "dig",
    "vsftpd",
    "sha256sum",
    "tcpdump",
    "python3",
];

/// The daemon, as cargo built it for these tests. Cargo names it also where the features do not allow it.
const SLUICED: Option<&str> = if cfg!(feature = "dpdk") { option_env!("CARGO_BIN_EXE_sluiced") } else { None };

/// The traffic generator.
const GENERATOR: Option<&str> = if cfg!(feature = "dpdk") { option_env!("CARGO_BIN_EXE_sluice-gen") } else { None };

/// True where a lab can be. Elsewhere says why not, and fails if it had to be.
pub(crate) fn lab() -> bool {
    decide(no_daemon().or_else(not_root).or_else(missing_tool))
}

/// True where there is a daemon to start.
pub(crate) fn daemon() -> bool {
    decide(no_daemon())
}

/// True where the kernel speaks IPv6.
pub(crate) fn ipv6() -> bool {
    decide((!Path::new("/proc/sys/net/ipv6").exists()).then(|| "the kernel has no IPv6".to_owned()))
}

/// Debian's own, which has its packages.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// True where packets can be read by scapy.
pub(crate) fn scapy() -> bool {
    let found = Command::new(PYTHON).args(["-c", "import scapy"]).output().is_ok_and(|ran| ran.status.success());
    decide((!found).then(|| "scapy is not installed; `make setup` does it".to_owned()))
}

/// True where DPDK's own forwarder is; it comes with the library's headers.
pub(crate) fn testpmd() -> bool {
    decide((!has("dpdk-testpmd")).then(|| "dpdk-testpmd is not installed; `make setup` does it".to_owned()))
}

/// True where nothing is in the way. Elsewhere says what is, and fails if it had to be.
pub(crate) fn decide(obstacle: Option<String>) -> bool {
    let Some(reason) = obstacle else { return true };
    assert!(env::var_os("SLUICE_MUST_RUN").is_none_or(|value| value != "1"), "must run, but {reason}");
    // The harness swallows what println! says in a test that passes. In one piece, for tests run side by side.
    _ = std::io::stderr().write_all(format!("SKIPPED: {reason}\n").as_bytes());
    false
}

fn no_daemon() -> Option<String> {
    SLUICED.is_none().then(|| "built without the feature `dpdk`".to_owned())
}

fn not_root() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1)) == Some("0");
    (!effective).then(|| "namespaces need root".to_owned())
}

fn missing_tool() -> Option<String> {
    let tool = TOOLS.into_iter().find(|tool| !has(tool))?;
    Some(format!("{tool} is not installed; `make setup` does it"))
}

fn has(tool: &str) -> bool {
    env::split_paths(&search_path()).any(|directory| directory.join(tool).is_file())
}

/// Where programs are, those of root among them.
pub(crate) fn search_path() -> String {
    format!("{}:/usr/sbin:/sbin", env::var("PATH").unwrap_or_default())
}

/// The daemon.
pub(crate) fn sluiced() -> &'static str {
    SLUICED.expect("asked for after `ready::daemon`")
}

/// The traffic generator.
pub(crate) fn generator() -> &'static str {
    GENERATOR.expect("asked for after `ready::daemon`")
}

/// The operator's tool. Cargo builds a package's own programs for its tests, but this one is another package's.
pub(crate) fn sluice() -> &'static Path {
    static TOOL: OnceLock<PathBuf> = OnceLock::new();
    TOOL.get_or_init(|| {
        let profile = Path::new(sluiced()).parent().expect("it is in a directory");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--workspace", "--bin", "sluice", "--target-dir"]);
        cargo.arg(profile.parent().expect("target/profile"));
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo runs").success(), "cannot build the tool");
        profile.join("sluice")
    })
}
