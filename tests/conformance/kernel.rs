//! The kernel as a director: what the runner asks goes to the agent beside it (guest/agent.py), which has raw sockets on
//! the stage's wires and runs the real tool. Inside the guest only.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::pace::Pace;
use crate::runner::director::{Director, Leg};
use crate::runner::hex;
use crate::runner::stage::Stage;

/// The process that does what the kernel as a director is asked for.
pub(crate) struct Agent {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Ok(Value),
    Error(String),
}

impl Agent {
    /// Starts it.
    pub(crate) fn start() -> Result<Self, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/guest/agent.py");
        let mut python = Command::new("/usr/bin/python3");
        let command = python.args(["-S", "-E"]).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(|error| format!("no agent: {error}"))?;
        match (process.stdin.take(), process.stdout.take()) {
            (Some(requests), Some(answers)) => Ok(Self { process, requests, answers: BufReader::new(answers) }),
            _ => Err("an agent without pipes".into()),
        }
    }

    /// One request. `Err` is what the operating system said, or the end of the agent.
    fn ask<T: DeserializeOwned>(&mut self, request: &Value) -> Result<T, String> {
        let mut line = String::new();
        writeln!(self.requests, "{request}")
            .and_then(|()| self.requests.flush())
            .and_then(|()| self.answers.read_line(&mut line))
            .map_err(|error| format!("the agent: {error}"))?;
        match serde_json::from_str(&line).map_err(|error| format!("the agent says {line:?}: {error}"))? {
            Answer::Ok(value) => serde_json::from_value(value).map_err(|error| error.to_string()),
            Answer::Error(text) => Err(text),
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone then.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The kernel of this machine, on a stage of its own.
pub(crate) struct Kernel {
    agent: Rc<RefCell<Agent>>,
    started: Instant,
    pace: Pace,
    /// What came at once when a frame was injected.
    arrived: Vec<(Leg, Vec<u8>)>,
}

impl Kernel {
    /// Has the agent build the stage; the one before is gone then.
    pub(crate) fn new(agent: Rc<RefCell<Agent>>, stage: &Stage) -> Result<Self, String> {
        agent.borrow_mut().ask::<()>(&json!(["stage", links(stage), rest(stage)]))?;
        Ok(Self { agent, started: Instant::now(), pace: Pace::default(), arrived: Vec::new() })
    }

    /// When it is asked for something, from now on.
    pub(crate) fn pace(&self) -> Pace {
        Rc::clone(&self.pace)
    }

    fn note_time(&self) {
        self.pace.borrow_mut().push(self.started.elapsed().as_nanos() as u64);
    }

    fn ask<T: DeserializeOwned>(&mut self, request: &Value) -> Result<T, String> {
        self.agent.borrow_mut().ask(request)
    }

    /// What cannot be done ends the scenario: the runner catches the panic.
    fn must<T: DeserializeOwned>(&mut self, request: &Value) -> T {
        self.ask(request).unwrap_or_else(|error| panic!("{error}"))
    }

    fn frames(&mut self, request: &Value) -> Vec<(Leg, Vec<u8>)> {
        let frames: Vec<(Leg, String)> = self.must(request);
        frames.into_iter().map(|(leg, text)| (leg, hex::decode(&text).expect("the agent writes hex"))).collect()
    }
}

impl Director for Kernel {
    fn inject(&mut self, leg: Leg, frame: &[u8]) {
        self.note_time();
        let arrived = self.frames(&json!(["inject", leg, hex::encode(frame)]));
        self.arrived.extend(arrived);
    }

    fn drain(&mut self) -> Vec<(Leg, Vec<u8>)> {
        self.note_time();
        match std::mem::take(&mut self.arrived) {
            none if none.is_empty() => self.frames(&json!(["drain"])),
            arrived => arrived,
        }
    }

    fn ipvsadm(&mut self, args: &str, stdin: Option<&str>) -> (i32, String, String) {
        self.note_time();
        let argv: Vec<&str> = ["ipvsadm"].into_iter().chain(args.split_whitespace()).collect();
        self.must(&json!(["run", argv, stdin.unwrap_or("")]))
    }

    fn advance(&mut self, nanoseconds: u64) {
        self.note_time();
        std::thread::sleep(Duration::from_nanos(nanoseconds));
    }

    fn proc(&mut self, name: &str) -> Result<String, String> {
        self.note_time();
        let name = match name {
            "proc" => "ip_vs".to_owned(),
            name if name.starts_with("ip_vs") => name.to_owned(),
            name => format!("ip_vs_{name}"),
        };
        self.ask(&json!(["read", format!("/proc/net/{name}")]))
    }

    fn sysctl(&mut self, name: &str, value: Option<&str>) -> Result<String, String> {
        self.note_time();
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        match value {
            None => self.ask(&json!(["read", path])),
            Some(value) => self.ask(&json!(["write", path, value])).map(|()| String::new()),
        }
    }

    fn sh(&mut self, command: &str) -> Option<(i32, String, String)> {
        self.note_time();
        Some(self.must(&json!(["run", ["sh", "-c", command], ""])))
    }
}

/// Commands of ip(8) that make the links; WIRE stands for the namespace of their other ends.
fn links(stage: &Stage) -> String {
    let mut lines = vec!["link set lo up".to_owned()];
    for (interface, (peer, mac)) in stage.interfaces.iter().zip([("pc", GATEWAY_MACS[0]), ("ps", GATEWAY_MACS[1])]) {
        let (name, own) = (interface.name, interface.mac);
        lines.push(format!("link add {name} address {own} type veth peer name {peer} address {mac} netns WIRE"));
        lines.push(format!("link set {name} addrgenmode none"));
    }
    lines.join("\n") + "\n"
}

/// The MACs of the other ends, those of the routers there.
const GATEWAY_MACS: [&str; 2] = ["02:00:00:00:00:fe", "02:00:00:00:01:fe"];

/// Commands of ip(8) that set addresses, neighbours and routes.
fn rest(stage: &Stage) -> String {
    let mut lines = Vec::new();
    for interface in &stage.interfaces {
        lines.push(format!("link set {} mtu {} up", interface.name, interface.mtu));
        lines.extend(interface.addresses.iter().map(|address| add_address(address, interface.name)));
    }
    lines.extend(stage.vips.iter().map(|vip| add_address(&whole(vip), "dc")));
    let neighbors = stage.neighbors.iter();
    lines.extend(
        neighbors.map(|n| format!("neigh add {} lladdr {} dev {} nud permanent", n.address, n.mac, n.interface)),
    );
    lines.extend(stage.routes.iter().map(|(to, via)| format!("route add {to} via {via}")));
    lines.join("\n") + "\n"
}

fn add_address(address: &str, interface: &str) -> String {
    let at_once = if address.contains(':') { " nodad" } else { "" };
    format!("addr add {address} dev {interface}{at_once}")
}

/// An address alone, as a prefix.
fn whole(address: &str) -> String {
    format!("{address}/{}", if address.contains(':') { 128 } else { 32 })
}
