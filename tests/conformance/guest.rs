//! The guest: a user-mode Linux that mounts this machine's root read-only and runs this very program as the recorder.
//!
//! `KERNEL` names another kernel binary than Debian's, `KERNEL_MODULES` where its modules are (`lib/modules` beside it
//! unless told), `KERNEL_ARGS` further words of its command line: `time-travel=inf-cpu` where it can have virtual time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::runner::case::Case;

/// What a kernel did with a scenario.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// What it did.
    pub(crate) case: Case,
    /// When each request to the kernel began, in nanoseconds.
    pub(crate) times: Vec<u64>,
    /// As uname(1) tells of it.
    pub(crate) kernel: String,
}

/// That, or why there is none.
pub(crate) type Recording = Result<Recorded, String>;

impl Recorded {
    fn read(path: &Path) -> Recording {
        let read = |path: &Path| fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
        let times = serde_json::from_str(&read(&path.with_extension("pace"))?).map_err(|error| error.to_string())?;
        let whole: Value = serde_json::from_str(&read(path)?).map_err(|error| error.to_string())?;
        let kernel = whole["kernel"].as_str().unwrap_or_default().to_owned();
        Ok(Self { case: Case::read(path)?, times, kernel })
    }
}

/// Which kernel is booted.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    kernel: PathBuf,
    modules: PathBuf,
    args: Vec<String>,
    /// Where jobs have their directories.
    below: PathBuf,
}

/// Seconds that a boot may take, and a scenario beside its sleeps: ten times what either takes on a busy machine.
const BOOT: u64 = 60;
const SCENARIO: u64 = 10;

/// Scenarios of one boot, so that one that hangs takes little with it.
const TOGETHER: usize = 100;

impl Guest {
    /// What the environment names. `Err` is what is missing on this machine.
    pub(crate) fn find(below: &Path) -> Result<Self, String> {
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let (kernel, modules) = match variable("KERNEL").map(PathBuf::from) {
            Some(kernel) => {
                let beside = kernel.with_file_name("lib").join("modules");
                (kernel, beside)
            }
            None => (PathBuf::from("/usr/bin/linux.uml"), PathBuf::from("/usr/lib/uml/modules")),
        };
        let modules = variable("KERNEL_MODULES").map_or(modules, PathBuf::from);
        let args = variable("KERNEL_ARGS").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        let guest = Self { kernel, modules, args, below: below.to_owned() };
        guest.missing().map_or(Ok(guest), Err)
    }

    fn missing(&self) -> Option<String> {
        let tools = ["/usr/sbin/ipvsadm", "/usr/sbin/iptables-legacy", "/usr/sbin/modprobe", "/usr/bin/python3"];
        let needed = [&self.kernel, &self.modules].into_iter().cloned().chain(tools.map(PathBuf::from));
        needed.into_iter().find(|path| !path.exists()).map(|path| format!("no {}", path.display()))
    }

    /// Records scenarios, in their order. A guest that dies or hangs is ended; the scenario that it was at has no recording then.
    pub(crate) fn record(&self, scenarios: &[Value]) -> Vec<Recording> {
        let mut recordings = Vec::new();
        while recordings.len() < scenarios.len() {
            let rest = &scenarios[recordings.len()..];
            let batch = &rest[..rest.len().min(TOGETHER)];
            match Job::new(&self.below, batch).and_then(|job| job.run(self)) {
                Ok(some) => recordings.extend(some),
                Err(error) => recordings.extend(batch.iter().map(|_| Err(error.clone()))),
            }
        }
        recordings
    }
}

/// A directory that is gone afterwards: scenarios, recordings, and what the guest said.
struct Job {
    directory: PathBuf,
    count: usize,
    /// Seconds that all of it may take.
    patience: u64,
}

impl Job {
    fn new(below: &Path, scenarios: &[Value]) -> Result<Self, String> {
        let directory = below.join(format!("job-{}", std::process::id()));
        let sleeps: f64 = scenarios.iter().map(sleeps).sum();
        let patience = BOOT + SCENARIO * scenarios.len() as u64 + sleeps as u64;
        let job = Self { directory, count: scenarios.len(), patience };
        job.fill(scenarios).map_err(|error| format!("{}: {error}", job.directory.display()))?;
        Ok(job)
    }

    fn fill(&self, scenarios: &[Value]) -> std::io::Result<()> {
        for part in ["in", "out", "tmp"] {
            fs::create_dir_all(self.directory.join(part))?;
        }
        for (i, scenario) in scenarios.iter().enumerate() {
            fs::write(self.directory.join("in").join(format!("{i:04}.json")), scenario.to_string())?;
        }
        Ok(())
    }

    /// Boots a guest and waits for its end: recordings from the first scenario on, at least one.
    fn run(&self, guest: &Guest) -> Result<Vec<Recording>, String> {
        let ended = self.command(guest)?.status().map_err(|error| format!("no guest: {error}"))?;
        let mut recordings: Vec<Recording> = (0..self.count).map_while(|i| self.recording(i)).collect();
        if recordings.len() < self.count {
            let at = recordings.len();
            recordings.push(Err(format!("the guest ended ({ended}) at scenario {at} of its job: {}", self.said())));
        }
        Ok(recordings)
    }

    /// The guest, ended when its time is over, or with us: timeout(1) ends all that it started.
    fn command(&self, guest: &Guest) -> Result<Command, String> {
        let console = fs::File::create(self.directory.join("console")).map_err(|error| error.to_string())?;
        let path = |name: &str| self.directory.join(name).display().to_string();
        let recorder = std::env::current_exe().map_err(|error| error.to_string())?;
        let init = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/guest/init");
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "TERM", "timeout", "--signal=KILL", &self.patience.to_string()])
            .arg(&guest.kernel);
        command.args(["mem=384M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "panic=1", "quiet"]);
        command.args(["con=null", "con0=null,fd:1", "ssl=null", "umid=conformance"]);
        command.arg(format!("uml_dir={}/", path("tmp"))).arg(format!("init={}", init.display()));
        command.args([format!("JOB={}", self.directory.display()), format!("RECORDER={}", recorder.display())]);
        command.arg(format!("MODULES={}", guest.modules.display())).args(&guest.args);
        let errors = console.try_clone().map_err(|error| error.to_string())?;
        command.env("TMPDIR", path("tmp")).stdin(Stdio::null()).stdout(console).stderr(errors);
        Ok(command)
    }

    /// What scenario `i` gave; `None` if the guest did not come so far.
    fn recording(&self, i: usize) -> Option<Recording> {
        let path = |ending: &str| self.directory.join("out").join(format!("{i:04}.{ending}"));
        match fs::read_to_string(path("error")) {
            Ok(error) => Some(Err(error)),
            Err(_) => path("json").exists().then(|| Recorded::read(&path("json"))),
        }
    }

    /// The last lines of what the guest and its kernel said.
    fn said(&self) -> String {
        let read = |name: &str| fs::read(self.directory.join(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&[read("console"), read("said")].concat()).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.directory));
    }
}

/// Seconds that a scenario sleeps, wherever in it.
fn sleeps(scenario: &Value) -> f64 {
    match scenario {
        Value::Object(members) => {
            let own = ["sleep", "capture"].iter().filter_map(|name| members.get(*name)?.as_f64()).sum::<f64>();
            own + members.values().map(sleeps).sum::<f64>()
        }
        Value::Array(items) => items.iter().map(sleeps).sum(),
        Value::String(text) => {
            text.split_whitespace().filter_map(|word| word.strip_prefix("w:")?.parse::<f64>().ok()).sum()
        }
        _ => 0.0,
    }
}
