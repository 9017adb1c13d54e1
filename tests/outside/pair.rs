//! A director and the traffic generator, joined by vhost-user sockets: no namespaces, no kernel in between, and as many
//! queues as wanted. Gone when it is dropped.

use std::collections::HashMap;
use std::fs;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::config::{Shape, VIP};
use crate::lab::{Load, Share, place, utf8};
use crate::operator::Operator;
use crate::process::{Process, until};
use crate::ready;

/// How long a run of the generator may take: it ends by itself, but a machine may be slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many real servers the generator plays unless told.
pub(crate) const SERVERS: u8 = 3;

/// The address of a real server that it plays.
pub(crate) fn server_address(number: u8) -> String {
    format!("10.1.0.{}", 11 + number)
}

/// The figures of a run.
#[derive(Debug)]
pub(crate) struct Figures(HashMap<String, f64>);

impl Figures {
    /// A whole number by its name.
    #[track_caller]
    pub(crate) fn count(&self, name: &str) -> u64 {
        let found = self.0.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}"));
        *found as u64
    }

    /// Everything that was sent came, and as it should. Returns how much that was.
    #[track_caller]
    pub(crate) fn whole(&self) -> u64 {
        let [sent, received, verified, lost, wrong] =
            ["sent", "received", "verified", "lost", "wrong"].map(|name| self.count(name));
        assert!(sent > 0 && received == sent && verified == sent && lost + wrong == 0, "{self:?}");
        sent
    }
}

/// What joins them: the kind of the director's devices with their options, and that of the generator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joint {
    /// vhost-user sockets.
    Vhost,
    /// memif sockets.
    Memif,
}

impl Joint {
    /// The director's device at a socket.
    fn near(self, socket: &str, queues: usize) -> String {
        match self {
            Self::Vhost => format!("vhost:{socket},queues={queues}"),
            Self::Memif => format!("memif:{socket},role=server"),
        }
    }

    /// The kind of device at the other end.
    pub(crate) fn far(self) -> &'static str {
        match self {
            Self::Vhost => "virtio_user",
            Self::Memif => "memif",
        }
    }
}

/// A director, and what is needed to send through it.
#[derive(Debug)]
pub(crate) struct Pair {
    director: Process,
    directory: PathBuf,
    operator: Operator,
    queues: usize,
    _share: Share,
}

impl Deref for Pair {
    type Target = Operator;

    fn deref(&self) -> &Operator {
        &self.operator
    }
}

impl Pair {
    /// A director whose devices have so many queues; `shape`'s own devices are not used. `None` where none can be.
    pub(crate) fn new(shape: Shape, queues: usize, services: &str) -> Option<Self> {
        Self::beside(Load::Heavy, Joint::Vhost, shape, queues, &(SILENCE.to_owned() + services))
    }

    /// Such a director for a test that others may or may not run beside.
    pub(crate) fn beside(load: Load, joint: Joint, shape: Shape, queues: usize, services: &str) -> Option<Self> {
        if !ready::daemon() {
            return None;
        }
        let share = Share::take(load);
        let (_, directory) = place();
        let device = |side: &str| joint.near(&format!("{}/{side}.sock", utf8(&directory)), queues);
        let shape = Shape { devices: ["clients", "servers"].map(device), ..shape };
        let operator = Operator::at(directory.join("control.sock"));
        let file = directory.join("sluice.toml");
        fs::write(&file, shape.director(&operator.socket(), &(neighbors(shape.ipv6) + services)))
            .expect("a configuration");
        let director = start(&directory, "sluiced", &[ready::sluiced(), "--config", utf8(&file)]);
        let mut pair = Self { director, directory, operator, queues, _share: share };
        let up = || match pair.director.ended() {
            Some(status) => panic!("sluiced ended, {status}: {}", pair.director.said()),
            None => (pair.operator.socket().exists() && pair.operator.tool(&["status"]).code == Some(0)).then_some(()),
        };
        until(Duration::from_secs(30), up).expect("sluiced is up");
        Some(pair)
    }

    /// Where the director's sockets are, and what else is kept for this test.
    pub(crate) fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    /// Starts the generator against a port of the virtual address. It verifies every packet.
    pub(crate) fn send(&self, port: u16, arguments: &[&str]) -> Process {
        let device = |side: &str| format!("virtio_user:{}/{side}.sock", utf8(&self.directory));
        let (client, server) = (device("clients"), device("servers"));
        let (queues, vip) = (self.queues.to_string(), format!("{VIP}:{port}"));
        // Nothing is sent in the place of what is late: however long a worker waits for a CPU, rings have room for the rest.
        let fixed = [ready::generator(), "--json", "--share", "--verify", "1", "--patience", "10", "--vip", &vip];
        let ends = ["--queues", &queues, "--client", &client, "--server", &server];
        start(&self.directory, "sluice-gen", &[&fixed[..], &ends, arguments].concat())
    }

    /// Runs the generator to its end.
    #[track_caller]
    pub(crate) fn sent(&self, port: u16, arguments: &[&str]) -> Figures {
        figures(self.send(port, arguments))
    }
}

/// Nobody is announced: between two runs of the generator such frames would wait for the next one, and the packet pool
/// would not be whole.
const SILENCE: &str = "\n[ipvs]\nstrict_parity = true\n";

/// Nobody is asked for, either.
fn neighbors(ipv6: bool) -> String {
    let neighbor = |interface: &str, address: &str, mac: &str| {
        format!("\n[[neighbor]]\ninterface = \"{interface}\"\naddress = \"{address}\"\nmac = \"{mac}\"\n")
    };
    let station = |interface: &str, [address, address6]: [&str; 2], mac: &str| {
        neighbor(interface, address, mac) + &if ipv6 { neighbor(interface, address6, mac) } else { String::new() }
    };
    let server = |number: u8| {
        let address6 = format!("fd00:1::{}", 11 + number);
        station("lan", [&server_address(number), &address6], &format!("02:00:00:00:02:{:02x}", number + 1))
    };
    let servers: String = (0..SERVERS).map(server).collect();
    station("wan", ["10.0.0.254", "fd00::254"], "02:00:00:00:01:fe") + &servers
}

/// Waits for the generator's end and reads what it says.
#[track_caller]
pub(crate) fn figures(mut generator: Process) -> Figures {
    let said = generator.wait_good(PATIENCE);
    let line = said.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no figures: {said}"));
    Figures(serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
}

/// A program that ends with the test, even if that is killed, and keeps DPDK's own files in the directory.
fn start(directory: &std::path::Path, log: &str, arguments: &[&str]) -> Process {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).args(arguments).env("RUNTIME_DIRECTORY", directory);
    Process::start(command.env("PATH", ready::search_path()), directory.join(format!("{log}.log")))
}

impl Drop for Pair {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("sluiced said:\n{}", self.director.said());
            eprintln!("sluice stats:\n{}", self.tool(&["stats", "--workers"]).out);
        }
        self.director.end();
        _ = fs::remove_dir_all(&self.directory);
    }
}
