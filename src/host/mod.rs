//! This machine, as far as a configuration needs it: CPUs, memory, huge pages, devices, the place of the control socket.
//! Looked at in files of the kernel, or asked of it; nothing is opened, taken or changed, so a director may run meanwhile.

mod devices;
mod huge;

use std::fs;
use std::path::{Path, PathBuf};

use control::config::Config;
use control::socket::{self, ServeError};

use crate::check::{Device, Findings, Purpose};
use crate::cores;
use crate::dpdk::kernel;
use crate::plan::MemoryPlan;

const MIB: usize = 1 << 20;

/// What the kernel is asked; something else in tests.
pub(crate) struct Machine {
    /// Where its files are.
    root: PathBuf,
    /// Whether an interface is up; `None` where there is none of the name.
    is_up: fn(&str) -> Option<bool>,
}

impl Machine {
    /// The one that this program runs on.
    pub(crate) fn this() -> Self {
        Self { root: PathBuf::from("/"), is_up: kernel::is_up }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
    }

    fn number(&self, path: impl AsRef<Path>) -> Option<usize> {
        self.text(path)?.parse().ok()
    }

    /// A line of `/proc/meminfo`, in bytes.
    fn memory(&self, name: &str) -> Option<usize> {
        let text = self.text(self.path("proc/meminfo"))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<usize>().ok().map(|kib| kib << 10)
    }
}

/// Notes what this machine lacks.
pub(crate) fn look(
    machine: &Machine,
    config: &Config,
    devices: &[Device<'_>],
    plan: &MemoryPlan,
    purpose: Purpose,
    findings: &mut Findings,
) {
    let lives = director_lives(config, purpose, findings);
    cpus(config, findings);
    memory(machine, config, plan, lives, findings);
    if plan.without_huge_pages.is_none() {
        huge::look(machine, config, plan, lives, findings);
    }
    devices::look(machine, config, devices, findings);
}

/// Whether a director has the socket: what it holds comes free when it stops, so a check does not miss it. A second one
/// does not start beside it.
fn director_lives(config: &Config, purpose: Purpose, findings: &mut Findings) -> bool {
    let path = &config.control.socket;
    let mut wrong = |error: &ServeError| findings.wrong(&config.control.lines.of("socket"), "control.socket", error);
    match socket::taken(path) {
        Ok(lives) => {
            if lives && purpose == Purpose::Start {
                wrong(&ServeError::InUse(path.clone()));
            }
            lives
        }
        Err(error) => {
            wrong(&error);
            false
        }
    }
}

fn cpus(config: &Config, findings: &mut Findings) {
    let lines = &config.dataplane.lines;
    let mut cpus = config.dataplane.workers.clone();
    cpus.sort_unstable();
    cpus.dedup();
    for (key, cpu) in cpus.into_iter().map(|cpu| ("workers", cpu)).chain([("main_cpu", config.dataplane.main_cpu)]) {
        if let Err(text) = cores::check(&[cpu]) {
            findings.wrong(&lines.of(key), &format!("dataplane.{key}"), text);
        }
    }
}

/// What is preallocated is in use from the start: where there is less, the kernel ends somebody.
fn memory(machine: &Machine, config: &Config, plan: &MemoryPlan, lives: bool, findings: &mut Findings) {
    let there = |name| machine.memory(name);
    let (Some(all), Some(available)) = (there("MemTotal"), there("MemAvailable")) else { return };
    // Huge pages are set aside, whoever has them.
    let usable = all.saturating_sub(there("Hugetlb").unwrap_or(0)) + there("SwapTotal").unwrap_or(0);
    let (wanted, place) = (plan.usual_pages(), config.dataplane.lines.of("connections"));
    let mib = |bytes: usize| bytes.div_ceil(MIB);
    if wanted > usable {
        let text = format!("{} MiB are needed in all, and this machine has {}", mib(wanted), usable / MIB);
        findings.wrong(&place, "dataplane.connections", text);
    } else if wanted > available && !lives {
        let text = format!("{} MiB are needed in all, and {} are available now", mib(wanted), available / MIB);
        findings.warn(&place, "dataplane.connections", text);
    }
}
