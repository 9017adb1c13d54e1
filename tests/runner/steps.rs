//! Carries out a scenario, step by step, in the order of `agent.py`'s `step`:
//! ipvsadm, sh, sysctl, send, flood, replay, conns, flow, sleep, capture, dump.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Number, Value};

use crate::runner::build;
use crate::runner::director::{Director, Leg};
use crate::runner::due::DueList;
use crate::runner::observed::{Emitted, Sent, StepResult};
use crate::runner::pairs::Pairs;
use crate::runner::scenario::{Inner, OneOrMany, Packet, Scenario, Step};
use crate::runner::shell;
use crate::runner::wire::{self, Emission, Macs, Wire};
use crate::runner::{decode, hex};

/// What one step gave, and what the comparison has to know beside it.
#[derive(Clone, Debug)]
pub(crate) struct Observation {
    pub(crate) result: StepResult,
    /// Connections that may or may not be listed still.
    pub(crate) due: DueList,
    /// The shell command of this step means nothing to this director.
    pub(crate) no_shell: bool,
}

/// A scenario in progress.
pub(crate) struct Runner<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) wire: Wire,
    /// By client `ip:port`: its first packet as it went to a server (for `conns`).
    pub(crate) connections: HashMap<String, Vec<u8>>,
    saved: HashMap<String, Vec<Vec<u8>>>,
    files: shell::Files,
    no_shell: bool,
}

/// What a scenario gave, and why it ended before its time, if it did.
pub(crate) struct Run {
    pub(crate) observations: Vec<Observation>,
    pub(crate) stopped: Option<String>,
}

/// Runs all steps, up to one that cannot be carried out or makes the director panic.
pub(crate) fn run(scenario: &Scenario, director: Box<dyn Director>) -> Run {
    let mut runner = Runner {
        scenario,
        wire: Wire::new(director),
        connections: HashMap::new(),
        saved: HashMap::new(),
        files: shell::Files::new(),
        no_shell: false,
    };
    let mut run = Run { observations: Vec::new(), stopped: None };
    for (i, step) in scenario.steps.iter().enumerate() {
        match catch_unwind(AssertUnwindSafe(|| runner.observe(step))) {
            Ok(Ok(observation)) => run.observations.push(observation),
            Ok(Err(error)) => run.stopped = Some(format!("step {i} cannot be carried out: {error}")),
            Err(panic) => run.stopped = Some(format!("step {i} made the director panic: {}", message(&*panic))),
        }
        if run.stopped.is_some() {
            break;
        }
    }
    run
}

/// What a panic said.
pub(crate) fn message(panic: &dyn Any) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

impl Runner<'_> {
    fn observe(&mut self, step: &Step) -> Result<Observation, String> {
        self.no_shell = false;
        let result = self.step(step)?;
        Ok(Observation { result, due: self.wire.due.clone(), no_shell: self.no_shell })
    }

    /// One step.
    pub(crate) fn step(&mut self, step: &Step) -> Result<StepResult, String> {
        let mut result = StepResult { note: step.note.clone(), ..StepResult::default() };
        if self.scenario.timestamps {
            result.t = Some((self.wire.now as f64 / 1e7).round() / 100.0);
        }
        self.commands(step, &mut result);
        self.packets(step, &mut result)?;
        self.pauses(step, &mut result)?;
        let after_send = self.scenario.after_each_send.as_ref().filter(|_| step.send.is_some());
        if let Some(what) = step.dump.as_ref().filter(|d| !d.is_empty()).or(after_send) {
            result.dump = Some(self.dump(what));
        }
        Ok(result)
    }

    fn commands(&mut self, step: &Step, result: &mut StepResult) {
        if let Some(args) = &step.ipvsadm {
            result.ipvsadm = Some(args.clone());
            result.stdin = step.stdin.as_deref().filter(|_| !step.hide_stdin).map(lines);
            let answer = self.wire.director.ipvsadm(args, step.stdin.as_deref());
            put_answer(result, answer);
        }
        if let Some(command) = &step.sh {
            result.sh = Some(command.clone());
            match shell::run(self.wire.director.as_mut(), &mut self.files, command) {
                Some(answer) => put_answer(result, answer),
                None => self.no_shell = true,
            }
        }
        if let Some(Pairs(settings)) = &step.sysctl {
            let written = settings.iter().map(|(name, value)| (name.clone(), self.set(name, &plain(value))));
            result.sysctl = Some(Pairs(written.collect()));
        }
    }

    fn packets(&mut self, step: &Step, result: &mut StepResult) -> Result<(), String> {
        if let Some(packets) = &step.send {
            self.send_all(step, packets.as_slice(), result)?;
        }
        if let Some(packet) = &step.flood {
            result.flood = Some(self.flood(packet)?);
        }
        if let Some(name) = &step.replay {
            result.replayed = Some(self.replay(name, step)?);
        }
        if let Some(conns) = &step.conns {
            let (choices, totals) = self.conns(conns)?;
            (result.choices, result.totals) = (Some(choices), Some(totals));
        }
        if let Some(flow) = &step.flow {
            result.paths = Some(self.flow(flow)?);
        }
        Ok(())
    }

    fn pauses(&mut self, step: &Step, result: &mut StepResult) -> Result<(), String> {
        if let Some(seconds) = &step.sleep {
            let frames = self.wire.sleep(nanoseconds(seconds)?);
            result.slept = Some(seconds.clone());
            if !frames.is_empty() {
                result.emitted = Some(Emitted::One(frames.iter().map(wire::show).collect()));
            }
        }
        if let Some(seconds) = step.capture {
            let frames = self.wire.listen(seconds * 1000.0);
            result.captured = Some(frames.iter().map(wire::show).collect());
            if let Some(name) = &step.save {
                self.saved.insert(name.clone(), frames.into_iter().map(|(_, frame)| frame[14..].to_vec()).collect());
            }
        }
        Ok(())
    }

    fn send_all(&mut self, step: &Step, packets: &[Packet], result: &mut StepResult) -> Result<(), String> {
        let (mut sent, mut emitted) = (Vec::new(), Vec::new());
        for packet in packets {
            let (injected, frames) = self.send(packet)?;
            let leg = packet.leg.unwrap_or(if packet.reply { Leg::Server } else { Leg::Client });
            let with_hex = step.hex.unwrap_or(self.scenario.hex);
            let hex = with_hex.then(|| OneOrMany::from_list(injected.iter().map(|p| hex::encode(p)).collect()));
            let pkt = OneOrMany::from_list(injected.iter().map(|p| decode::decode(p)).collect());
            sent.push(Sent { leg, pkt, hex });
            emitted.push(self.frames(&frames, with_hex));
        }
        result.sent = Some(OneOrMany::from_list(sent));
        result.emitted =
            Some(if emitted.len() == 1 { Emitted::One(emitted.remove(0)) } else { Emitted::Many(emitted) });
        Ok(())
    }

    fn frames(&self, emissions: &[Emission], with_hex: bool) -> Vec<crate::runner::observed::Frame> {
        let mut frames: Vec<_> = emissions.iter().map(wire::show).collect();
        for frame in &mut frames {
            if !with_hex {
                frame.hex = None;
            }
            if self.scenario.brief {
                (frame.dmac, frame.smac) = (None, None);
            }
        }
        frames
    }

    /// Sends one packet (all its fragments): what went in, what came out.
    pub(crate) fn send(&mut self, packet: &Packet) -> Result<(Vec<Vec<u8>>, Vec<Emission>), String> {
        let packet = self.resolved(packet)?;
        let inner = self.inner(&packet)?;
        let leg = packet.leg.unwrap_or(Leg::Client);
        let macs = Macs { source: packet.smac.clone(), destination: packet.dmac.clone() };
        let wait_ms = packet.wait_ms.unwrap_or(self.scenario.wait_ms);
        let datagrams = build::build(&packet, &inner)?;
        let mut emissions = Vec::new();
        for datagram in &datagrams {
            emissions.extend(self.wire.exchange(leg, datagram, &macs, wait_ms)?);
        }
        Ok((datagrams, emissions))
    }

    /// The packet with `reply` and `@rs` worked out.
    fn resolved(&self, packet: &Packet) -> Result<Packet, String> {
        let mut packet = packet.clone();
        if packet.reply {
            let leg = *packet.leg.get_or_insert(Leg::Server);
            let last = self.wire.emitted(leg).ok_or("a reply without a packet to reply to")?;
            packet = answer_to(last, packet).ok_or("a reply to what is no IP packet")?;
        }
        if packet.src.as_deref() == Some("@rs") {
            let last = self.wire.emitted(Leg::Server).ok_or("@rs without a packet to a server")?;
            packet.src = decode::addresses(last).map(|(_, dst)| dst.to_string());
        }
        Ok(packet)
    }

    fn inner(&self, packet: &Packet) -> Result<Vec<u8>, String> {
        let mut bytes = match &packet.inner {
            None => Vec::new(),
            Some(Inner::Earlier(name)) => self.wire.earlier(name)?.to_vec(),
            Some(Inner::Described(inner)) => {
                let inner = self.resolved(inner)?;
                build::build(&inner, &self.inner(&inner)?)?.swap_remove(0)
            }
        };
        bytes.truncate(packet.inner_len.unwrap_or(usize::MAX));
        Ok(bytes)
    }

    fn flood(&mut self, packet: &Packet) -> Result<String, String> {
        let resolved = self.resolved(packet)?;
        let datagram = build::build(&resolved, &self.inner(&resolved)?)?.swap_remove(0);
        let count = packet.count.ok_or("a flood without count")?;
        for _ in 0..count {
            self.wire.inject(packet.leg.unwrap_or(Leg::Client), &datagram, &Macs::default())?;
            self.wire.director.drain();
        }
        self.wire.listen(5.0);
        Ok(format!("{count} x {}", decode::decode(&datagram)))
    }

    fn replay(&mut self, name: &str, step: &Step) -> Result<String, String> {
        let packets = self.saved.get(name).cloned().unwrap_or_default();
        let macs = Macs { source: None, destination: step.dmac.clone() };
        for packet in &packets {
            let packet = step.new_src.map_or(packet.clone(), |source| wire::with_source(packet, source));
            self.wire.inject(step.leg.unwrap_or(Leg::Client), &packet, &macs)?;
        }
        self.wire.listen(20.0);
        Ok(format!("{} packets of capture {name}", packets.len()))
    }

    /// Sets a kernel setting: `old -> new`, or how it was refused.
    fn set(&mut self, name: &str, value: &str) -> String {
        self.change(name, value).unwrap_or_else(|error| format!("wrote {value}: {error}"))
    }

    fn change(&mut self, name: &str, value: &str) -> Result<String, String> {
        let director = &mut self.wire.director;
        let old = director.sysctl(name, None)?;
        director.sysctl(name, Some(value))?;
        let new = director.sysctl(name, None)?;
        Ok(format!("{} -> {}", old.trim(), new.trim()))
    }

    fn dump(&mut self, what: &[String]) -> Pairs<Vec<String>> {
        let mut seen: Vec<(String, Vec<String>)> = Vec::new();
        for name in what {
            let (key, text) = self.dump_one(name);
            // The same twice in one step is one key, the later text, as in a Python dictionary.
            match seen.iter_mut().find(|(k, _)| *k == key) {
                Some((_, earlier)) => *earlier = text,
                None => seen.push((key, text)),
            }
        }
        Pairs(seen)
    }

    fn dump_one(&mut self, name: &str) -> (String, Vec<String>) {
        let path = match name {
            "conn" => "/proc/net/ip_vs_conn",
            "proc" => "/proc/net/ip_vs",
            "stats" => "/proc/net/ip_vs_stats",
            "app" => "/proc/net/ip_vs_app",
            _ => return (format!("ipvsadm {name}"), self.dump_ipvsadm(name)),
        };
        let text = self.wire.director.proc(name).map_or_else(|error| vec![error], |text| lines(&text));
        (path.into(), text)
    }

    fn dump_ipvsadm(&mut self, args: &str) -> Vec<String> {
        let (rc, out, err) = self.wire.director.ipvsadm(args, None);
        let mut text = lines(&out);
        if rc != 0 || !err.is_empty() {
            text.push(format!("rc={rc}"));
            text.extend(lines(&err).into_iter().map(|line| format!("stderr: {line}")));
        }
        text
    }
}

/// The answer to a packet: its addresses and ports the other way round, where the scenario does not say others.
pub(crate) fn answer_to(packet: &[u8], mut answer: Packet) -> Option<Packet> {
    let (src, dst) = decode::addresses(packet)?;
    let (protocol, at) = decode::protocol_at(packet)?;
    answer.src.get_or_insert(dst.to_string());
    answer.dst.get_or_insert(src.to_string());
    answer.proto.get_or_insert(crate::runner::scenario::Proto::Number(protocol));
    if matches!(protocol, 6 | 17 | 132) {
        answer.dport.get_or_insert(decode::be16(packet, at)?);
        answer.sport.get_or_insert(decode::be16(packet, at + 2)?);
    }
    Some(answer)
}

/// Text as lines, without the empty ones at its end.
pub(crate) fn lines(text: &str) -> Vec<String> {
    match text.trim_end_matches('\n') {
        "" => Vec::new(),
        text => text.split('\n').map(Into::into).collect(),
    }
}

fn put_answer(result: &mut StepResult, (rc, out, err): (i32, String, String)) {
    result.rc = Some(rc);
    // A step with both ipvsadm and sh shows the later one, where it said something.
    result.out = if out.is_empty() { result.out.take() } else { Some(lines(&out)) };
    result.err = if err.is_empty() { result.err.take() } else { Some(lines(&err)) };
}

/// A value as Python's `str` shows it.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), Into::into)
}

fn nanoseconds(seconds: &Number) -> Result<u64, String> {
    let seconds = seconds.as_f64().filter(|s| *s >= 0.0).ok_or("a sleep that is no time")?;
    Ok((seconds * 1e9).round() as u64)
}
