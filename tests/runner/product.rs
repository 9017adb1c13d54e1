//! The product as a director: the same requests, the same control and the same worker as in the appliance, over ports
//! in memory and with time as an argument.

use std::io::Cursor;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use control::api::{
    Answer, ApiError, Batch, Client, Code, Edit, PageError, Query, Reload, Request, RouteSpec, every_text,
};
use control::director::{Director as Control, Facts};
use dataplane::clock::Nanos;
use dataplane::conn::ConnMemory;
use dataplane::handoff::Mesh;
use dataplane::port::PacketBuf;
use dataplane::port::mem::MemPort;
use dataplane::steering::Station;
use dataplane::worker::{Parts, Worker};

use crate::bursts::Bursts;
use crate::machine::{self, KeptOut};
use crate::netfilter::Netfilter;
use crate::runner::director::{Director, Leg};
use crate::runner::stage::Stage;

const LEGS: [Leg; 2] = [Leg::Client, Leg::Server];

/// Time that passes for each command, in nanoseconds: starting a program took the recorder some.
pub(crate) const PER_COMMAND: u64 = 10_000_000;

/// The kernel's setting that the director has in its file.
const ACCEPT_SOURCE_ROUTE: &str = "net.ipv4.conf.all.accept_source_route";

/// Turns without anything to do before the director counts as quiet.
const QUIET: usize = 3;

/// Sets the product on a stage.
pub(crate) fn make(stage: &Stage) -> Box<dyn Bursts> {
    assert!(stage.ip_cmds.is_empty() && !stage.send_redirects, "the product has no words for this stage");
    Box::new(Product::new(stage))
}

struct Product {
    control: Control,
    worker: Worker<MemPort>,
    now: Nanos,
    sent: Vec<(Leg, Vec<u8>)>,
    netfilter: Netfilter,
    /// Its configuration, and where it is written when it changes.
    text: String,
    file: PathBuf,
}

/// Products so far, so that each has a file of its own.
static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Product {
    fn new(stage: &Stage) -> Self {
        let now = Nanos(1_000_000_000);
        let text = stage.to_toml();
        let config = control::config::parse(&text, "stage.toml").unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        let number = NUMBER.fetch_add(1, Relaxed);
        let file = std::env::temp_dir().join(format!("sluice-stage-{}-{number}.toml", std::process::id()));
        let facts = Facts { file: Some(file.clone()), ..Facts::in_memory(&config) };
        let (control, mut seats) = Control::new(config, facts, now).expect("the stage is a possible configuration");
        let seat = seats.pop().expect("one worker");
        let parts = Parts {
            ports: vec![MemPort::default(), MemPort::default()],
            memory: ConnMemory::new(100_000, false),
            seeds: seat.seeds,
            reader: seat.reader,
            servers: seat.servers,
            templates: seat.templates,
            expected: seat.expected,
            link: seat.link,
            station: Station::alone(),
            mesh: Mesh::alone(),
        };
        let mut product = Self {
            control,
            worker: Worker::new(parts, now),
            now,
            sent: Vec::new(),
            netfilter: Netfilter::default(),
            text,
            file,
        };
        product.settle();
        product
    }

    /// Turns worker and control until neither has anything to do.
    fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < QUIET {
            let items = self.worker.turn(self.now) + self.control.turn(self.now);
            quiet = if items == 0 && self.control.is_idle() { quiet + 1 } else { 0 };
            self.collect();
        }
    }

    fn collect(&mut self) {
        for (port, leg) in self.worker.ports_mut().iter_mut().zip(LEGS) {
            self.sent.extend(port.tx.drain(..).map(|buffer| (leg, buffer.data().to_vec())));
        }
    }
}

impl Product {
    /// Has the file say something of the dataplane, and the director read it again.
    fn set_dataplane(&mut self, setting: &str) {
        self.text = self.text.replace("[dataplane]\n", &format!("[dataplane]\n{setting}\n"));
        std::fs::write(&self.file, &self.text).expect("a file of its own");
        self.ask(Reload { prune: false }.into()).expect("the same file but for one line");
        std::fs::remove_file(&self.file).expect("the file is there");
    }

    /// What a rule of iptables or `ip rule` changes; `None` for a command that is neither.
    fn marks(&mut self, command: &str) -> Option<Vec<Edit>> {
        let before = self.netfilter.rules();
        self.netfilter.take(command)?;
        let gone = before.into_iter().map(|rule| Edit::DeleteMark { rule });
        let new = self.netfilter.rules().into_iter().map(|rule| Edit::AddMark { rule });
        Some(gone.chain(new).collect())
    }
}

/// Of ip(8), what changes routes.
fn route(command: &str) -> Option<Edit> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let route = |to: &str| RouteSpec { to: to.to_owned(), ..RouteSpec::default() };
    match words.as_slice() {
        ["ip", "route", "add", "unreachable", to] => {
            Some(Edit::AddRoute { route: RouteSpec { unreachable: true, ..route(to) } })
        }
        ["ip", "route", "add", to, "via", gateway] => {
            Some(Edit::AddRoute { route: RouteSpec { via: gateway.parse().ok(), ..route(to) } })
        }
        ["ip", "route", "del", to] => Some(Edit::DeleteRoute { to: (*to).to_owned() }),
        _ => None,
    }
}

impl Client for Product {
    fn ask(&mut self, request: Request) -> Result<Answer, ApiError> {
        let mut turns = 0;
        let Self { control, worker, now, .. } = self;
        let answer = control.handle(request, *now, &mut || {
            worker.turn(*now);
            turns += 1;
            turns < 1000
        });
        self.settle();
        answer
    }
}

impl Bursts for Product {
    fn burst(&mut self, leg: Leg, frames: &mut dyn Iterator<Item = &[u8]>) {
        let port = &mut self.worker.ports_mut()[leg as usize];
        frames.for_each(|frame| port.inject(frame));
        self.worker.turn(self.now);
        self.collect();
    }
}

impl Director for Product {
    fn inject(&mut self, leg: Leg, frame: &[u8]) {
        self.worker.ports_mut()[leg as usize].inject(frame);
        self.settle();
    }

    fn drain(&mut self) -> Vec<(Leg, Vec<u8>)> {
        std::mem::take(&mut self.sent)
    }

    fn ipvsadm(&mut self, args: &str, stdin: Option<&str>) -> (i32, String, String) {
        let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
        let outcome = control::ipvsadm::run(&args, &mut Cursor::new(stdin.unwrap_or("")), self);
        self.advance(PER_COMMAND);
        (outcome.code, outcome.out, outcome.err)
    }

    fn advance(&mut self, nanoseconds: u64) {
        const STEP: u64 = 100_000_000;
        let end = self.now.0 + nanoseconds;
        while self.now.0 < end {
            self.now = Nanos((self.now.0 + STEP).min(end));
            self.settle();
        }
        self.settle();
    }

    fn proc(&mut self, name: &str) -> Result<String, String> {
        let name = match name {
            "conn" => "ip_vs_conn",
            "proc" => "ip_vs",
            "stats" => "ip_vs_stats",
            "app" => "ip_vs_app",
            "stats_percpu" => "ip_vs_stats_percpu",
            "conn_sync" => "ip_vs_conn_sync",
            other => other,
        };
        let mut text = String::new();
        let query = Query::Proc { name: name.to_owned(), cursor: None };
        let read: Result<(), PageError> = every_text(self, query, |piece| {
            text += piece;
            Ok(())
        });
        read.map(|()| text).map_err(|error| format!("{error:?}"))
    }

    fn sysctl(&mut self, name: &str, value: Option<&str>) -> Result<String, String> {
        if name == ACCEPT_SOURCE_ROUTE {
            let was = self.text.contains("accept_source_route = true");
            if let (Some("1"), false) = (value, was) {
                self.set_dataplane("accept_source_route = true");
            }
            return Ok(format!("{}\n", u8::from(was)));
        }
        let short = name.strip_prefix("net.ipv4.vs.").unwrap_or(name).to_owned();
        let request = match value {
            Some(value) => Edit::SetSysctl { name: short, value: value.to_owned() }.into(),
            None => Query::Sysctls { name: Some(short) }.into(),
        };
        match self.ask(request) {
            Ok(Answer::Sysctls { settings }) => Ok(settings.into_iter().map(|(_, value)| value + "\n").collect()),
            Ok(_) => Ok(String::new()),
            // As Python tells of the errno.
            Err(ApiError { code: Code::NoEntry, .. }) => {
                Err(format!("[Errno 2] No such file or directory: '/proc/sys/{}'", name.replace('.', "/")))
            }
            Err(_) => Err("[Errno 22] Invalid argument".to_owned()),
        }
    }

    fn sh(&mut self, command: &str) -> Option<(i32, String, String)> {
        if command.split(';').any(|part| part.trim() == "ip link set tunl0 up") {
            // The director takes packets out of IP in IP, as the kernel's `tunl0` does when it is up.
            self.set_dataplane("unwrap_ipip = true");
            return None; // what else it says is about devices of a kernel
        }
        if let Some(args) = machine::tool_of_another(command) {
            let outcome = control::ipvsadm::run(&args, &mut Cursor::new(""), &mut KeptOut);
            return Some((outcome.code, outcome.out, outcome.err));
        }
        let requests = match route(command) {
            Some(edit) => vec![edit],
            None => self.marks(command)?,
        };
        let refused = self.ask(Batch { requests, more: false }.into()).err();
        Some(refused.map_or((0, String::new(), String::new()), |error| (2, String::new(), error.to_string())))
    }
}
