//! Real applications (`apps/apps.sh`) through a director by NAT and by direct routing, and through the same network with the
//! kernel's router in the director's place.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::config::{VIP, service_at};
use crate::lab::{Lab, Load, utf8};
use crate::process::{Ran, until};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/outside/apps/apps.sh");
const REAL_SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/realserver/realserver.sh");
/// The virtual address by direct routing; that of NAT is the lab's.
const DIRECT: &str = "10.0.0.101";
/// What a digest of nothing is.
const EMPTY: &str = "e3b0c44298fc1c14";
/// Seconds that a client may take.
const PATIENCE: &str = "75";

/// What a client saw.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// What came, in short: equal whatever lies between.
    pub(crate) content: String,
    /// How much came through, and its unit, where that was wanted.
    pub(crate) figure: Option<(f64, String)>,
    /// What did not come, of how much.
    pub(crate) lost: Option<(u64, u64)>,
    /// Segments that the kernels of client and servers sent again.
    pub(crate) again: u64,
    /// What sockets, stacks and links of the kernel around the director dropped meanwhile, and counted.
    pub(crate) counted: u64,
}

/// What is missing here for an application.
pub(crate) fn missing(app: &str) -> Option<String> {
    let said = Ran::of(Command::new("sh").args([SCRIPT, app, "needs"])).good().out;
    said.lines().next().map(|line| format!("{app}: {line}"))
}

/// An application with a server for NAT, a server for direct routing and a client.
#[derive(Debug)]
pub(crate) struct Scene {
    lab: Lab,
    app: &'static str,
    asked: u32,
}

impl Scene {
    /// Servers that listen, and nothing yet between them and the client. `None` where no lab can be.
    pub(crate) fn new(app: &'static str, load: Load) -> Option<Self> {
        let mut lab = Lab::new(load)?;
        // The second server answers clients itself.
        lab.ip("rs2", &["address", "add", "10.0.0.12/24", "dev", "eth1"]);
        let state = format!("STATE={}", utf8(&lab.path("realserver")));
        lab.run("rs2", &["env", &state, "sh", REAL_SERVER, "dr", "start", DIRECT]).good();
        for (room, address) in [("rs1", "10.1.0.11"), ("rs2", DIRECT)] {
            let home = directory(&lab, &format!("{app}-{room}"));
            lab.keep(room, app, &["sh", SCRIPT, app, "serve", utf8(&home), address]);
        }
        let scene = Self { lab, app, asked: 0 };
        for (room, port) in ["rs1", "rs2"].into_iter().flat_map(|room| scene.ports().map(move |port| (room, port))) {
            let filter = format!("sport = :{}", port.1);
            let listens = || scene.lab.run(room, &["ss", "-Hlntu", &filter]).out.contains(':').then_some(());
            until(Duration::from_secs(30), listens).unwrap_or_else(|| panic!("{app} in {room} does not listen"));
        }
        Some(scene)
    }

    /// Protocols and ports that the servers listen on.
    fn ports(&self) -> impl Iterator<Item = (String, String)> + use<> {
        let said = Ran::of(Command::new("sh").args([SCRIPT, self.app, "ports"])).good().out;
        let ports = said.split_whitespace().filter_map(|port| port.split_once(':'));
        ports.map(|(protocol, port)| (protocol.to_owned(), port.to_owned())).collect::<Vec<_>>().into_iter()
    }

    /// Through the kernel as a router.
    pub(crate) fn by_router(&mut self, seconds: u32) -> Outcome {
        let router = [("wan", "10.0.0.1/24"), ("lan", "10.1.0.1/24")];
        for (interface, address) in router {
            self.lab.ip("director", &["link", "set", interface, "arp", "on"]);
            self.lab.ip("director", &["address", "add", address, "dev", interface]);
        }
        self.forward("1");
        let outcome = self.ask("10.1.0.11", seconds);
        self.forward("0");
        for (interface, address) in router {
            self.lab.ip("director", &["address", "del", address, "dev", interface]);
            self.lab.ip("director", &["link", "set", interface, "arp", "off"]);
        }
        outcome
    }

    fn forward(&self, switch: &str) {
        self.lab.run("director", &["sysctl", "-qw", &format!("net.ipv4.ip_forward={switch}")]).good();
    }

    /// Through a director: by NAT, and by direct routing. It drops nothing.
    pub(crate) fn by_director(&mut self, seconds: u32) -> [Outcome; 2] {
        let services = self.ports().map(|(protocol, port)| {
            let (vip, server) = (format!("{VIP}:{port}"), format!("10.1.0.11:{port}"));
            service_at(&vip, "nat", &protocol, "rr", &[&server])
                + &service_at(&format!("{DIRECT}:{port}"), "dr", &protocol, "rr", &["10.1.0.12"])
        });
        self.lab.start_director(&services.collect::<String>());
        let outcomes = [VIP, DIRECT].map(|address| self.ask(address, seconds));
        for counter in ["forward_nat_request", "forward_nat_reply", "forward_dr"] {
            assert!(self.lab.counter(counter) > 0, "{counter}");
        }
        self.lab.assert_nothing_dropped();
        for counter in self.lab.status().interfaces.into_iter().flat_map(|interface| interface.counters) {
            let loss = ["rx_missed", "rx_errors", "rx_no_mbuf", "tx_errors"].contains(&&*counter.name);
            assert!(!loss || counter.value == 0, "{counter:?}");
        }
        outcomes
    }

    /// Asks the server at an address.
    fn ask(&mut self, address: &str, seconds: u32) -> Outcome {
        self.asked += 1;
        let home = directory(&self.lab, &format!("{}-client{}", self.app, self.asked));
        let (before, counted) = (self.again(), self.counted());
        let seconds = seconds.to_string();
        let words = ["timeout", PATIENCE, "sh", SCRIPT, self.app, "ask", address, utf8(&home), &seconds];
        let mut client = self.lab.start("client", &format!("{}-{}", self.app, self.asked), &words);
        let said = client.wait_good(Duration::from_secs(90));
        let words = |key: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(key)).map(str::split_whitespace);
            line.map(|words| words.map(str::to_owned).collect::<Vec<_>>())
        };
        let content = words("content ").unwrap_or_else(|| panic!("{address}: {said}")).concat();
        let number = |text: &String| text.parse::<f64>().unwrap_or_else(|_| panic!("{address}: {said}"));
        let outcome = Outcome {
            content,
            figure: words("figure ").map(|figure| (number(&figure[0]), figure[1].clone())),
            lost: words("lost ").map(|lost| (number(&lost[0]) as u64, number(&lost[1]) as u64)),
            again: self.again() - before,
            counted: self.counted() - counted,
        };
        assert!(outcome.content != EMPTY, "{address}: {said}");
        outcome
    }

    /// Segments sent again so far, by whomever.
    fn again(&self) -> u64 {
        ["client", "rs1", "rs2"].map(|room| self.lab.tcp_counter(room, "RetransSegs")).iter().sum()
    }

    /// What the kernel dropped so far, between the client and the servers.
    fn counted(&self) -> u64 {
        let stacks = ["client", "director", "rs1", "rs2"].into_iter().flat_map(|room| {
            let names = [("Udp:", "InErrors"), ("Ip:", "ReasmFails"), ("Ip:", "InDiscards"), ("Ip:", "OutDiscards")];
            names.map(|(protocol, name)| self.lab.kernel_counter(room, protocol, name))
        });
        let links = ["client", "switch", "director", "rs1", "rs2"].map(|room| {
            let devices = self.lab.run(room, &["cat", "/proc/net/dev"]).good().out;
            let drops = devices.lines().filter_map(|line| line.split_once(':')).flat_map(|(_, numbers)| {
                let number = |at| numbers.split_whitespace().nth(at).and_then(|text| text.parse::<u64>().ok());
                [3, 11].map(|at| number(at).unwrap_or_else(|| panic!("{devices}")))
            });
            drops.sum::<u64>()
        });
        stacks.chain(links).sum()
    }
}

impl Drop for Scene {
    /// PostgreSQL leaves its shared memory behind when it is killed. SIGINT is its fast shutdown.
    fn drop(&mut self) {
        if self.app == "postgres" {
            self.lab.ask_to_end(self.app, "INT");
        }
    }
}

/// A directory of its own, which others may enter: not every server stays root.
fn directory(lab: &Lab, name: &str) -> PathBuf {
    let path = lab.path("apps").join(name);
    std::fs::create_dir_all(&path).expect("a directory");
    path
}
