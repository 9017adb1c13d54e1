//! A director whose clients, routers and servers are played by scripts (`wire/*.py`) that build and read packets with scapy,
//! which knows nothing of the director. Frames travel by vhost-user sockets and `sluice-gen frames`, so that they arrive
//! as they were sent: in pieces, of any size, on any queue.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::ops::Deref;
use std::process::{Child, Command, Stdio};

use crate::config::{Shape, service_at};
use crate::lab::{Load, utf8};
use crate::pair::{Joint, Pair};
use crate::ready;

/// What the carrier's devices take, whatever the director's do.
const MTU: &str = "9000";
/// Seconds that a story may take: the longest waits a minute for pieces that do not come.
const PATIENCE: &str = "110";

/// A director, both its sides open.
#[derive(Debug)]
pub(crate) struct Wire {
    pair: Pair,
    joint: Joint,
    queues: usize,
}

impl Deref for Wire {
    type Target = Pair;

    fn deref(&self) -> &Pair {
        &self.pair
    }
}

/// Ways to reach a server: the method, and more lines about the server. The last leads to one of the other family.
const WAYS: [(&str, &str); 6] = [
    ("nat", ""),
    ("dr", ""),
    ("tun", ""),
    ("tun", "tunnel = { kind = \"gue\", port = 6080, checksum = \"full\" }\n"),
    ("tun", "tunnel = { kind = \"gre\" }\n"),
    ("tun", ""),
];

/// UDP services of both families for each of [`WAYS`], from port 80 on, with one server each.
fn services() -> String {
    let (mut text, last) = (String::new(), 80 + WAYS.len() - 1);
    for (port, (method, more)) in (80..).zip(WAYS) {
        let mut servers = ["10.1.0.11", "[fd00:1::11]"];
        if port == last {
            servers.reverse();
        }
        for (vip, server) in ["10.0.0.100", "[fd00::100]"].into_iter().zip(servers) {
            let server = format!("{server}:{}", if method == "nat" { 8080 } else { port });
            text += &(service_at(&format!("{vip}:{port}"), method, "udp", "rr", &[&server]) + more);
        }
    }
    text
}

impl Wire {
    /// A director of both families with the services of [`services`], with a queue for each worker. `None` where none can
    /// be.
    pub(crate) fn new(load: Load, shape: Shape) -> Option<Self> {
        Self::joined_by(Joint::Vhost, load, shape)
    }

    /// A director whose devices are joined to the test by what is asked for.
    pub(crate) fn joined_by(joint: Joint, load: Load, shape: Shape) -> Option<Self> {
        if !ready::scapy() {
            return None;
        }
        let queues = shape.workers.len();
        let pair = Pair::beside(load, joint, Shape { ipv6: true, ..shape }, queues, &services())?;
        Some(Self { pair, joint, queues })
    }

    /// Plays a story of a script to its end, `script/story`. Its stage stands until what is returned goes.
    #[track_caller]
    pub(crate) fn play(&self, story: &str) -> Played {
        let (script, story) = story.split_once('/').expect("script/story");
        let script = format!("{}/tests/outside/wire/{script}.py", env!("CARGO_MANIFEST_DIR"));
        let log = self.directory().join("story.log");
        let queues = self.queues.to_string();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "timeout", PATIENCE, ready::PYTHON, "-B", &script, story]);
        command.args([ready::generator(), utf8(self.directory()), &queues, MTU, self.joint.far()]);
        command.env("PATH", ready::search_path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(File::create(&log).expect("a log file")).spawn().expect("it runs");
        let mut said = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
        _ = out.read_line(&mut said);
        if said != "done\n" {
            let status = child.wait().expect("it is a child of ours");
            panic!("{story}: {status}: {said}{}", std::fs::read_to_string(&log).unwrap_or_default());
        }
        Played { child }
    }
}

/// A story that was told.
#[derive(Debug)]
pub(crate) struct Played {
    child: Child,
}

impl Drop for Played {
    fn drop(&mut self) {
        // Its input ends, and so do the script and what carries its frames.
        drop(self.child.stdin.take());
        _ = self.child.wait();
    }
}
