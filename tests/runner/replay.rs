//! A test double: a director that does what the recording says, call by call. It knows what comes next and panics when
//! something else is asked, so a run against it proves that the runner asks in the recorder's order. Whether it injects
//! the right bytes is for the comparison of `sent`.

use std::collections::{HashSet, VecDeque};

use crate::runner::director::{Director, Leg};
use crate::runner::observed::{Emitted, Frame, StepResult};
use crate::runner::pairs::Pairs;
use crate::runner::scenario::{Conns, Flow, OneOrMany, Scenario, Step};
use crate::runner::{decode, hex, stage};

type Answer = (i32, String, String);

/// One thing that will be asked, and its answer.
#[derive(Debug)]
enum Next {
    Ipvsadm(Answer),
    Sh(Answer),
    Proc(String),
    Sysctl(Result<String, String>),
    /// A packet comes in; these frames go out.
    Frames(Vec<(Leg, Vec<u8>)>),
    /// A packet comes in; what goes out is made from it.
    Made(Vec<Fate>),
    /// So many nanoseconds pass; then these frames go out.
    Later(u64, Vec<(Leg, Vec<u8>)>),
}

/// What becomes of a packet: it goes out again on a leg, to someone, perhaps as something else (`TCP RA`).
#[derive(Clone, Debug)]
struct Fate {
    leg: Leg,
    to: [u8; 6],
    kind: String,
}

/// The double.
pub(crate) struct Replay {
    next: VecDeque<Next>,
    out: Vec<(Leg, Vec<u8>)>,
    /// Time since what comes later came up.
    passed: u64,
}

impl Replay {
    /// Learns a recording by heart.
    pub(crate) fn new(scenario: &Scenario, observed: &[StepResult]) -> Self {
        let mut script = Script::default();
        for (step, result) in scenario.steps.iter().zip(observed) {
            script.step(step, result);
        }
        Self { next: script.next.into(), out: Vec::new(), passed: 0 }
    }

    fn pop(&mut self, asked: &str) -> Next {
        self.next.pop_front().unwrap_or_else(|| panic!("{asked}: nothing more was recorded"))
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        assert!(std::thread::panicking() || self.next.is_empty(), "never asked for: {:?}", self.next);
    }
}

fn unexpected(asked: &str, next: &Next) -> ! {
    panic!("{asked}, but the recording has {next:?}")
}

impl Director for Replay {
    fn inject(&mut self, leg: Leg, frame: &[u8]) {
        match self.pop("inject") {
            Next::Frames(frames) => self.out.extend(frames),
            Next::Made(fates) => self.out.extend(fates.iter().map(|fate| (fate.leg, fate.made(frame)))),
            other => unexpected(&format!("inject on {leg:?}: {}", decode::decode_frame(frame)), &other),
        }
    }

    fn drain(&mut self) -> Vec<(Leg, Vec<u8>)> {
        std::mem::take(&mut self.out)
    }

    fn ipvsadm(&mut self, args: &str, _: Option<&str>) -> Answer {
        match self.pop(args) {
            Next::Ipvsadm(answer) => answer,
            other => unexpected(&format!("ipvsadm {args}"), &other),
        }
    }

    fn advance(&mut self, nanoseconds: u64) {
        // A sleep may be cut in two.
        self.passed = if matches!(self.next.front(), Some(Next::Later(..))) { self.passed + nanoseconds } else { 0 };
        let passed = self.passed;
        let due = |next: &mut Next| matches!(next, Next::Later(time, _) if *time <= passed);
        if let Some(Next::Later(_, frames)) = self.next.pop_front_if(due) {
            self.out.extend(frames);
            self.passed = 0;
        }
    }

    fn proc(&mut self, name: &str) -> Result<String, String> {
        match self.pop(name) {
            Next::Proc(text) => Ok(text),
            other => unexpected(&format!("proc {name}"), &other),
        }
    }

    fn sysctl(&mut self, name: &str, _: Option<&str>) -> Result<String, String> {
        match self.pop(name) {
            Next::Sysctl(answer) => answer,
            other => unexpected(&format!("sysctl {name}"), &other),
        }
    }

    fn sh(&mut self, command: &str) -> Option<Answer> {
        match self.pop(command) {
            Next::Sh(answer) => Some(answer),
            other => unexpected(command, &other),
        }
    }

    fn peek_conns(&mut self) -> String {
        String::new()
    }
}

impl Fate {
    /// The frame that a packet becomes.
    fn made(&self, frame: &[u8]) -> Vec<u8> {
        let mut made = frame.to_vec();
        made[..6].copy_from_slice(&self.to);
        let (protocol, at) = if frame[14] >> 4 == 4 { (23, 14 + 20) } else { (20, 14 + 40) };
        let numbers = |text: &str| text.split('/').map(|n| n.parse().unwrap_or(0)).collect::<Vec<u8>>();
        match self.kind.split_once(' ') {
            Some(("TCP", flags)) => made[at + 13] = flag_bits(flags),
            Some(("ICMP", code)) => {
                made[protocol] = if protocol == 23 { 1 } else { 58 };
                made[at..at + 2].copy_from_slice(&numbers(code));
            }
            Some(("ICMP6", code)) => {
                made[protocol] = 58;
                made[at..at + 2].copy_from_slice(&numbers(code));
            }
            Some((_, number)) => made[protocol] = number.parse().unwrap_or(0),
            None if self.kind == "ARP" => made[12..14].copy_from_slice(&[8, 6]),
            None => {}
        }
        made
    }
}

fn flag_bits(letters: &str) -> u8 {
    (0..=255).find(|bits| decode::tcp_flags(*bits) == letters).unwrap_or(0)
}

/// Turns results into the calls that must have given them.
#[derive(Default)]
struct Script {
    next: Vec<Next>,
    /// Clients whose first packet has gone to a server.
    placed: HashSet<String>,
}

impl Script {
    fn step(&mut self, step: &Step, result: &StepResult) {
        let answer = || (result.rc.unwrap_or(0), joined(result.out.as_deref()), joined(result.err.as_deref()));
        if step.ipvsadm.is_some() {
            self.next.push(Next::Ipvsadm(answer()));
        }
        if step.sh.is_some() {
            self.next.push(Next::Sh(answer()));
        }
        for (_, change) in result.sysctl.iter().flat_map(|Pairs(changes)| changes) {
            self.setting(change);
        }
        self.packets(step, result);
        self.frames_later(step, result);
        for (name, lines) in result.dump.iter().flat_map(|Pairs(dumps)| dumps) {
            self.next.push(if name.starts_with('/') { Next::Proc(joined(Some(lines))) } else { dumped(lines) });
        }
    }

    fn setting(&mut self, change: &str) {
        match change.split_once(" -> ") {
            Some((old, new)) => {
                let ok = |text: &str| Next::Sysctl(Ok(format!("{text}\n")));
                self.next.extend([ok(old), ok(""), ok(new)]);
            }
            None => {
                let error = change.split_once(": ").map_or("", |(_, error)| error);
                self.next.push(Next::Sysctl(Err(error.into())));
            }
        }
    }

    fn packets(&mut self, step: &Step, result: &StepResult) {
        if let (Some(sent), Some(emitted)) = (&result.sent, &result.emitted) {
            for (sent, frames) in sent.as_slice().iter().zip(emitted.lists()) {
                self.next.push(Next::Frames(frames.iter().map(frame).collect()));
                self.next.extend((1..sent.pkt.as_slice().len()).map(|_| Next::Frames(Vec::new())));
            }
        }
        if let Some(flood) = &step.flood {
            self.next.extend((0..flood.count.unwrap_or(0)).map(|_| Next::Frames(Vec::new())));
        }
        if let (Some(conns), Some(choices)) = (&step.conns, &result.choices) {
            choices.iter().for_each(|choice| self.choice(choice, conns));
        }
        if let (Some(flow), Some(paths)) = (&step.flow, &result.paths) {
            (0..).zip(paths).for_each(|(i, path)| self.path(i, path, flow));
        }
    }

    fn frames_later(&mut self, step: &Step, result: &StepResult) {
        let slept = step.sleep.as_ref().filter(|_| step.send.is_none());
        if let Some(seconds) = slept {
            let time = (seconds.as_f64().unwrap_or(0.0) * 1e9).round() as u64;
            let frames = if let Some(Emitted::One(frames)) = &result.emitted { &frames[..] } else { &[] };
            self.next.push(Next::Later(time, frames.iter().map(frame).collect()));
        }
        if let (Some(seconds), Some(frames)) = (step.capture, &result.captured) {
            self.next.push(Next::Later((seconds * 1e9) as u64, frames.iter().map(frame).collect()));
        }
    }

    /// `E 172.16.0.1:10000 -> rs11`
    fn choice(&mut self, choice: &str, conns: &Conns) {
        let Some((op, ends)) = choice.rsplit_once(" -> ") else { return };
        let client = op.split_whitespace().nth(1).unwrap_or("").to_string();
        let fates: Vec<Fate> = ends.split(" + ").filter_map(end).collect();
        let served = |placed: &HashSet<String>| placed.contains(&client) && !conns.one_sided;
        let silent = || Next::Made(Vec::new());
        if op.starts_with('E') && served(&self.placed) {
            self.next.push(silent());
        }
        if fates.iter().any(|fate| fate.leg == Leg::Server) {
            self.placed.insert(client.clone());
        }
        self.next.push(Next::Made(fates));
        if op.starts_with('F') {
            self.next.extend((0..1 + usize::from(served(&self.placed))).map(|_| silent()));
        }
    }

    /// `c:S>fwd[SYN_RECV 60]1/0 c:A>...`
    fn path(&mut self, i: u16, path: &str, flow: &Flow) {
        for event in path.split_inclusive(']').map(str::trim) {
            // The counts of the event before stand in front of this one.
            let event = event.split_once(' ').filter(|(counts, _)| counts.contains('/')).map_or(event, |(_, e)| e);
            let (Some((event, rest)), at) = (event.split_once('>'), event.as_ptr() as usize - path.as_ptr() as usize)
            else {
                continue;
            };
            let after = &path[at + event.len() + 1 + rest.len()..];
            let counts = after.split_whitespace().next().unwrap_or("0/0");
            let (fate, entries) = rest.trim_end_matches(']').split_once('[').unwrap_or((rest, "-"));
            match event.split_once(':') {
                Some(("w", _)) => {}
                Some(("x", _)) => self.next.push(Next::Sysctl(Ok(String::new()))),
                _ => self.next.push(Next::Made(fate.split('+').filter_map(side).collect())),
            }
            let ports =
                (flow.port0.unwrap_or(20000) + i, flow.vport0.unwrap_or(1000) + i * u16::from(!flow.same_service));
            let protocol = flow.proto.as_deref().unwrap_or("tcp").to_uppercase();
            self.next.push(Next::Proc(conn_text(&protocol, ports, entries)));
            self.next.push(Next::Proc(table_text(&protocol, ports.1, counts)));
        }
    }
}

fn conn_text(protocol: &str, (client, service): (u16, u16), entries: &str) -> String {
    let row = |entry: &str| format!("{protocol} X {client:04X} X {service:04X} X {service:04X} {entry}\n");
    let rows: String = entries.split('|').filter(|entry| *entry != "-").map(row).collect();
    format!("Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires\n{rows}")
}

fn table_text(protocol: &str, service: u16, counts: &str) -> String {
    let counts = counts.replace('/', " ");
    format!(
        "version\nheader\nheader\n{protocol}  0A000064:{service:04X} rr\n  -> 0A01000B:{service:04X} Masq 1 {counts}\n"
    )
}

fn side(fate: &str) -> Option<Fate> {
    let (side, kind) = fate.split_once('(').unwrap_or((fate, ""));
    let leg = match side {
        "fwd" => Leg::Server,
        "back" => Leg::Client,
        "arp" => return Some(Fate { leg: Leg::Server, to: [0xff; 6], kind: "ARP".into() }),
        _ => return None,
    };
    Some(Fate { leg, to: [0; 6], kind: kind.trim_end_matches(')').into() })
}

fn end(text: &str) -> Option<Fate> {
    if text == "none" {
        return None;
    }
    if let Some(kind) = text.strip_prefix("client<") {
        return Some(Fate { leg: Leg::Client, to: [0; 6], kind: kind.trim_end_matches('>').into() });
    }
    Some(Fate { leg: Leg::Server, to: mac_of(text), kind: String::new() })
}

/// The MAC that `who` gives this name.
fn mac_of(name: &str) -> [u8; 6] {
    let text = match (name, name.strip_prefix("rs").and_then(|n| n.parse().ok())) {
        (_, Some(n)) => stage::server_mac(n),
        ("client-gw", _) => stage::gateway_mac(Leg::Client).into(),
        ("server-gw", _) => stage::gateway_mac(Leg::Server).into(),
        ("broadcast", _) => "ff:ff:ff:ff:ff:ff".into(),
        (mac, _) => mac.into(),
    };
    hex::parse_mac(&text).expect("a MAC address")
}

fn frame(frame: &Frame) -> (Leg, Vec<u8>) {
    let mac = |text: &Option<String>| text.as_deref().map_or([0; 6], |t| hex::parse_mac(t).expect("a MAC address"));
    let body = hex::decode(frame.hex.as_deref().unwrap_or("")).expect("hexadecimal");
    let kind: [u8; 2] = match body.first().map(|b| b >> 4) {
        Some(4) => [0x08, 0x00],
        Some(6) => [0x86, 0xdd],
        _ => [0x08, 0x06],
    };
    (frame.leg, [&mac(&frame.dmac)[..], &mac(&frame.smac), &kind, &body].concat())
}

fn joined(lines: Option<&[String]>) -> String {
    lines.map_or(String::new(), |lines| lines.join("\n") + "\n")
}

/// A dump through the tool: its output, its code, and what it complained about.
fn dumped(lines: &[String]) -> Next {
    let at = lines.iter().position(|line| line.starts_with("rc="));
    let (out, err) = lines.split_at(at.unwrap_or(lines.len()));
    let rc = err.first().and_then(|line| line[3..].parse().ok()).unwrap_or(0);
    let err: Vec<String> = err.iter().filter_map(|line| line.strip_prefix("stderr: ")).map(Into::into).collect();
    Next::Ipvsadm((rc, joined(Some(out)), if err.is_empty() { String::new() } else { joined(Some(&err)) }))
}

/// Sent packets of a result, in order.
pub(crate) fn sent(result: &StepResult) -> Vec<String> {
    let all = result.sent.as_ref().map_or(&[][..], OneOrMany::as_slice);
    all.iter().flat_map(|sent| sent.hex.as_ref().map_or(&[][..], OneOrMany::as_slice)).cloned().collect()
}
