//! A lab: the namespaces of `conf/lab/net.sh`, servers, and a director under test. It is gone when it is dropped.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use crate::config::{self, Shape};
use crate::operator::Operator;
use crate::process::{Process, Ran, until};
use crate::ready;

/// The two CPUs of a small machine: several light tests share them, a heavy one has them for itself.
static CPUS: RwLock<()> = RwLock::new(());
static LABS: AtomicU32 = AtomicU32::new(0);

/// Whether a test needs the machine for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// Minutes of waiting, hardly a packet: whoever else is there does not mind.
    Idle,
    /// A few packets.
    Light,
    /// Thousands of connections, or megabytes.
    Heavy,
}

/// A hold on the machine, for as long as it lives.
#[derive(Debug)]
pub(crate) enum Share {
    /// Nobody is asked.
    Idle,
    /// Others may be there.
    Light {
        /// Held with others.
        _held: RwLockReadGuard<'static, ()>,
    },
    /// Nobody else is there.
    Heavy {
        /// Held alone.
        _held: RwLockWriteGuard<'static, ()>,
    },
}

impl Share {
    /// Waits for the machine.
    pub(crate) fn take(load: Load) -> Self {
        match load {
            Load::Idle => Self::Idle,
            Load::Light => Self::Light { _held: CPUS.read().unwrap_or_else(PoisonError::into_inner) },
            Load::Heavy => Self::Heavy { _held: CPUS.write().unwrap_or_else(PoisonError::into_inner) },
        }
    }
}

/// Namespaces, processes and a directory of one test.
#[derive(Debug)]
pub(crate) struct Lab {
    processes: BTreeMap<String, Process>,
    name: String,
    directory: PathBuf,
    operator: Operator,
    /// CPUs of the director's workers.
    pub(crate) workers: Vec<usize>,
    /// The director's devices towards clients and towards servers.
    pub(crate) devices: [String; 2],
    /// Connections of each of them.
    pub(crate) connections: u32,
    /// What a packet may have towards clients and towards servers.
    pub(crate) mtus: [u16; 2],
    ipv6: bool,
    _share: Share,
}

/// Who asks the director is in the lab.
impl Deref for Lab {
    type Target = Operator;

    fn deref(&self) -> &Operator {
        &self.operator
    }
}

/// A name and an empty directory for one test.
pub(crate) fn place() -> (String, PathBuf) {
    let name = format!("sl-{}-{}", process::id(), LABS.fetch_add(1, Ordering::Relaxed));
    let directory = env::temp_dir().join(&name);
    fs::create_dir_all(directory.join("files")).expect("a directory for the lab");
    (name, directory)
}

impl Lab {
    /// The network, with nobody in it yet. `None` where no lab can be.
    pub(crate) fn new(load: Load) -> Option<Self> {
        if !ready::lab() {
            return None;
        }
        let share = Share::take(load);
        let (name, directory) = place();
        let Shape { workers, devices, connections, mtus, .. } = Shape::default();
        let (operator, processes) = (Operator::at(directory.join("control.sock")), BTreeMap::new());
        let (ipv6, _share) = (false, share);
        let lab = Self { processes, name, directory, operator, workers, devices, connections, mtus, ipv6, _share };
        Ran::of(&mut network(&["sweep"])).good();
        Ran::of(&mut network(&["up", &lab.name])).good();
        Some(lab)
    }

    /// The network with IPv6 beside IPv4: client `fd00::254`, servers `fd00:1::11` and so on, and the director's side of
    /// each as their router. Addresses are used at once; neighbours are to be found. `None` also where the kernel has
    /// none.
    pub(crate) fn with_ipv6(load: Load) -> Option<Self> {
        if !ready::ipv6() {
            return None;
        }
        let mut lab = Self::new(load)?;
        lab.ipv6 = true;
        let stations = [("client", "fd00::254/64", "fd00::1")];
        let servers = [("rs1", "fd00:1::11/64"), ("rs2", "fd00:1::12/64"), ("rs3", "fd00:1::13/64")];
        for (room, address, router) in stations.into_iter().chain(servers.map(|(room, at)| (room, at, "fd00:1::1"))) {
            let eth0 = |key: &str| format!("net.ipv6.conf.eth0.{key}");
            let settings = [eth0("accept_dad=0"), eth0("accept_ra=0"), eth0("disable_ipv6=0")];
            lab.run(room, &["sysctl", "-qw", &settings[0], &settings[1], &settings[2]]).good();
            lab.run(room, &["sysctl", "-qw", "net.ipv6.conf.lo.disable_ipv6=0"]).good();
            lab.ip(room, &["address", "add", address, "dev", "eth0", "nodad"]);
            lab.ip(room, &["-6", "route", "add", "default", "via", router]);
        }
        Some(lab)
    }

    /// The network with three web servers behind a director that has them as one TCP service.
    pub(crate) fn of_web_servers(load: Load, scheduler: &str) -> Option<Self> {
        let mut lab = Self::new(load)?;
        (1..=3).for_each(|number| lab.start_web(number));
        lab.start_director(&config::service("tcp", 80, scheduler, &config::WEB));
        Some(lab)
    }

    /// A file of this lab. What is in `files/` the web servers give out.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }

    /// Runs a program in a namespace to its end, half a minute at most.
    pub(crate) fn run(&self, room: &str, arguments: &[&str]) -> Ran {
        let mut command = Command::new("timeout");
        command.args(["-k", "1", "30", "ip", "netns", "exec", &self.room(room)]).args(arguments);
        Ran::of(command.env("PATH", ready::search_path()))
    }

    /// Starts a program in a namespace. It ends with the test, even if that is killed.
    pub(crate) fn start(&self, room: &str, log: &str, arguments: &[&str]) -> Process {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "ip", "netns", "exec", &self.room(room)]).args(arguments);
        // Where DPDK keeps its own files, which a killed director leaves behind.
        command.env("RUNTIME_DIRECTORY", &self.directory);
        Process::start(command.env("PATH", ready::search_path()), self.path(&format!("{log}.log")))
    }

    /// Starts a program in a namespace that stays as long as the lab.
    pub(crate) fn keep(&mut self, room: &str, name: &str, arguments: &[&str]) {
        let name = format!("{name}-{room}");
        let process = self.start(room, &name, arguments);
        self.processes.insert(name, process);
    }

    /// Asks every process that is kept by this name to end by a signal, and gives each ten seconds.
    pub(crate) fn ask_to_end(&mut self, name: &str, signal: &str) {
        let kept = ["client", "rs1", "rs2", "rs3"].map(|room| format!("{name}-{room}"));
        for process in kept.iter().filter_map(|name| self.processes.remove(name)).collect::<Vec<_>>().iter_mut() {
            process.ask_to_end(signal, Duration::from_secs(10));
        }
    }

    /// A number of the kernel's TCP in a namespace.
    pub(crate) fn tcp_counter(&self, room: &str, name: &str) -> u64 {
        self.kernel_counter(room, "Tcp:", name)
    }

    /// A number that the kernel keeps of a protocol (`Ip:`, `Tcp:`, `Udp:`) in a namespace.
    pub(crate) fn kernel_counter(&self, room: &str, protocol: &str, name: &str) -> u64 {
        let snmp = self.run(room, &["cat", "/proc/net/snmp"]).good().out;
        let mut lines = snmp.lines().filter_map(|line| line.strip_prefix(protocol)).map(str::split_whitespace);
        let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
        let found = names.zip(values).find(|(n, _)| *n == name);
        found.and_then(|(_, value)| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {snmp}"))
    }

    /// A client that sends at a steady pace (`pace.py`).
    pub(crate) fn start_pace(&self, log: &str, arguments: &[&str]) -> Process {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/outside/pace.py");
        self.start("client", log, &[&["python3", script], arguments].concat())
    }

    /// A client that asks for a page of the VIP so many times, ten times a second and each time anew, and waits for two
    /// seconds at most. It says of each the code of the answer and of curl.
    pub(crate) fn start_requests(&self, log: &str, port: u16, times: u32) -> Process {
        let curl = format!(
            "curl -s -o /dev/null --noproxy '*' --max-time 2 -w '%{{http_code}}' http://{}:{port}/",
            config::VIP
        );
        let script = format!("for n in $(seq {times}); do {curl}; echo \" $?\"; sleep 0.1; done");
        self.start("client", log, &["sh", "-c", &script])
    }

    /// Changes the network: `ip -n ROOM ...`.
    pub(crate) fn ip(&self, room: &str, arguments: &[&str]) {
        let mut command = Command::new("ip");
        Ran::of(command.args(["-n", &self.room(room)]).args(arguments).env("PATH", ready::search_path())).good();
    }

    /// The whole name of a namespace.
    pub(crate) fn room(&self, room: &str) -> String {
        format!("{}-{room}", self.name)
    }

    /// The web server of real server `number`, on port 8080.
    pub(crate) fn start_web(&mut self, number: u8) {
        self.start_web_on(number, 8080);
    }

    /// The web server of real server `number`, on a port of its choice.
    pub(crate) fn start_web_on(&mut self, number: u8, port: u16) {
        let room = format!("rs{number}");
        let home = self.path(&room);
        fs::create_dir_all(&home).expect("a directory for the server");
        let text = include_str!("../../conf/lab/nginx.conf").replace("@NAME@", &room);
        let both = if self.ipv6 { "listen [::]:8080 backlog=4096;\n        listen 8080" } else { "listen 8080" };
        let text = text.replace("listen 8080", both).replace("8080", &port.to_string());
        let file = home.join("nginx.conf");
        fs::write(&file, text.replace("@DIR@", utf8(&home))).expect("its configuration");
        let errors = home.join("error.log");
        let nginx = self.start(&room, &format!("nginx{number}"), &["nginx", "-e", utf8(&errors), "-c", utf8(&file)]);
        self.processes.insert(format!("nginx{number}"), nginx);
        let address = format!("http://10.1.0.1{number}:{port}/");
        let up = || (self.run(&room, &["curl", "-sf", "--noproxy", "*", &address]).code == Some(0)).then_some(());
        until(Duration::from_secs(10), up).expect("nginx is up");
    }

    /// The name server of real server `number`; `who.test` has a text that says `rsN`.
    pub(crate) fn start_names(&mut self, number: u8) {
        let room = format!("rs{number}");
        let address = format!("10.1.0.1{number}");
        let listen = format!("--listen-address={address}");
        let text = format!("--txt-record=who.test,{room}");
        let fixed = ["dnsmasq", "-k", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces"];
        let more = ["--user=root", "--pid-file=", &listen, &text];
        let dnsmasq = self.start(&room, &format!("dnsmasq{number}"), &[&fixed[..], &more[..]].concat());
        self.processes.insert(format!("dnsmasq{number}"), dnsmasq);
        let at = format!("@{address}");
        let up =
            || (self.run(&room, &["dig", "+short", "+tries=1", &at, "who.test", "TXT"]).code == Some(0)).then_some(());
        until(Duration::from_secs(10), up).expect("dnsmasq is up");
    }

    /// What unwraps a tunnel (`unwrap.py`) in front of real server `number`.
    pub(crate) fn start_tunnel_end(&mut self, number: u8, kind: &str) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/outside/unwrap.py");
        let name = format!("unwrap{number}");
        let end = self.start(&format!("rs{number}"), &name, &["python3", script, kind]);
        until(Duration::from_secs(10), || end.said().contains("ready").then_some(())).expect("it is ready");
        self.processes.insert(name, end);
    }

    /// `sluiced` with these services, up and answering.
    pub(crate) fn start_director(&mut self, services: &str) {
        self.configure(services);
        self.start_configured();
    }

    /// `sluiced` with the configuration that is there, up and answering.
    pub(crate) fn start_configured(&mut self) {
        let mut director = self.spawn_director("sluiced");
        let up = || match director.ended() {
            Some(status) => panic!("sluiced ended, {status}: {}", director.said()),
            None => (self.socket().exists() && self.tool(&["status"]).code == Some(0)).then_some(()),
        };
        until(Duration::from_secs(30), up).expect("sluiced is up");
        self.processes.insert("sluiced".to_owned(), director);
    }

    /// Writes the configuration, in one move, as a careful operator would.
    pub(crate) fn configure(&self, services: &str) {
        let file = self.path("sluice.toml");
        let new = self.path("sluice.toml.new");
        let (workers, devices) = (self.workers.clone(), self.devices.clone());
        let (connections, mtus, ipv6) = (self.connections, self.mtus, self.ipv6);
        let shape = Shape { workers, devices, connections, mtus, ipv6, ..Shape::default() };
        fs::write(&new, shape.director(&self.socket(), services)).expect("a configuration");
        fs::rename(new, file).expect("it takes its place");
    }

    /// Another `sluiced` with the configuration that is there.
    pub(crate) fn spawn_director(&self, log: &str) -> Process {
        let file = self.path("sluice.toml");
        self.start("director", log, &[ready::sluiced(), "--config", utf8(&file)])
    }

    /// A process of the lab by its name: `sluiced`, `nginx1`, `dnsmasq1`, ...
    pub(crate) fn process(&mut self, name: &str) -> &mut Process {
        self.processes.get_mut(name).unwrap_or_else(|| panic!("no {name} runs"))
    }

    /// A page by curl, from the client.
    pub(crate) fn curl(&self, url: &str) -> Ran {
        self.run("client", &["curl", "-sSf", "--noproxy", "*", "--max-time", "15", url])
    }

    /// Fetches the page of the web service `times` times, each over a connection of its own, some at the same time.
    /// Returns how often each server answered.
    pub(crate) fn fetch(&self, times: usize, parallel: usize) -> BTreeMap<String, usize> {
        let url = format!("http://{}/?[1-{times}]", config::VIP);
        let parallel = parallel.to_string();
        let options = [
            "curl",
            "-sSf",
            "--noproxy",
            "*",
            "-Z",
            "--parallel-max",
            &parallel,
            "--max-time",
            "20",
            "-H",
            "Connection: close",
        ];
        let ran = self.run("client", &[&options[..], &[&url]].concat());
        let mut pages = BTreeMap::new();
        for server in ran.out.lines().filter_map(|line| line.strip_prefix("served by ")) {
            *pages.entry(server.to_owned()).or_default() += 1;
        }
        assert_eq!(pages.values().sum::<usize>(), times, "pages; exit code {:?}: {}", ran.code, ran.err);
        pages
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(director) = self.processes.get("sluiced")
        {
            eprintln!("sluiced said:\n{}", director.said());
            for what in ["stats", "neigh"] {
                eprintln!("sluice {what}:\n{}", self.tool(&[what]).out);
            }
        }
        self.processes.clear();
        _ = Ran::of(&mut network(&["down", &self.name]));
        _ = fs::remove_dir_all(&self.directory);
    }
}

fn network(arguments: &[&str]) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/conf/lab/net.sh"));
    command.args(arguments).env("PATH", ready::search_path());
    command
}

/// The text of a path that this module made.
pub(crate) fn utf8(path: &std::path::Path) -> &str {
    path.to_str().expect("a plain path")
}
