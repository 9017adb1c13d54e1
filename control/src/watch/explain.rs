//! What a packet went through, in words: one line for each stage that had something to do with it.

use dataplane::clock::TICKS_PER_SECOND;
use dataplane::conn::{NONE, Snapshot, flag};
use dataplane::flow::Direction;
use dataplane::packet::{Arrival, Kind, Step};
use dataplane::proto::state_name;
use dataplane::tables::Net;
use dataplane::trace::{Decided, Later, Outcome, Outline, Record, Route, Scheduling, Trace, Waiting, Why};
use dataplane::verdict::{self, Answer};
use dataplane::wire::vlan::Lan;

use super::packet::line;
use crate::api::{PacketInfo, StageInfo};

/// A packet on its way.
#[must_use]
pub fn packet(record: &Record, trace: &Trace, net: &Net) -> PacketInfo {
    let mut stages = Stages::default();
    match trace.arrival {
        Arrival::Device => {}
        Arrival::Landed => {
            stages.add("taken over", "from another worker: by its addresses and ports it belongs to this one")
        }
        Arrival::Signed { .. } => stages.add("taken over", "from another worker: a reply of a connection of this one"),
    }
    stages.add("parse", parsed(trace));
    if let Some(worker) = trace.steered {
        stages.add("steer", format!("belongs to worker {worker}"));
    }
    if let Some(candidate) = trace.candidate {
        stages.add("lookup", if candidate { "candidate entry found" } else { "no entry" });
    }
    if let Some(decided) = &trace.decided {
        stages.add("decide", decision(decided));
    }
    if let Some(now) = &trace.rewritten {
        stages.add("rewrite", rewritten(&trace.outline, now, trace.decided.as_ref().and_then(|d| d.conn.as_ref())));
    }
    let route = trace.decided.as_ref().and_then(|decided| decided.route);
    resolved(&trace.outcome, route, net, &mut stages);
    PacketInfo {
        at: record.at.0,
        worker: record.worker,
        interface: Some(lan_name(trace.lan, net)),
        packet: line(&trace.outline),
        length: Some(trace.length),
        verdict: ended(&trace.outcome, &mut stages),
        stages: stages.0,
    }
}

/// A packet that goes on after it waited or was handed over.
#[must_use]
pub fn later(record: &Record, later: &Later, net: &Net) -> PacketInfo {
    let mut stages = Stages::default();
    match later.why {
        Why::Waited(waiting, ticks) => {
            let (seconds, rest) = (ticks / TICKS_PER_SECOND, ticks % TICKS_PER_SECOND);
            stages.add("released", format!("waited {seconds}.{rest:02} s for {}", neighbor(&waiting, net)));
        }
        Why::Crossed => stages.add("taken over", "finished by another worker; this one sends by the interface"),
    }
    resolved(&later.outcome, None, net, &mut stages);
    PacketInfo {
        at: record.at.0,
        worker: record.worker,
        interface: None,
        packet: line(&later.outline),
        length: None,
        verdict: ended(&later.outcome, &mut stages),
        stages: stages.0,
    }
}

#[derive(Default)]
struct Stages(Vec<StageInfo>);

impl Stages {
    fn add(&mut self, stage: &str, text: impl Into<String>) {
        self.0.push(StageInfo { stage: stage.to_owned(), text: text.into() });
    }
}

/// The interface of a frame; of a VLAN that no interface is on, that of its device.
#[must_use]
pub fn lan_name(lan: Lan, net: &Net) -> String {
    let port = lan.port();
    let found = net.interfaces.at(lan).or_else(|| net.interfaces.at(Lan::untagged(port)));
    found.map_or_else(|| format!("port {port}"), |(_, interface)| interface.name.to_string())
}

fn interface_name(interface: u16, net: &Net) -> String {
    let known = net.interfaces.get(usize::from(interface));
    known.map_or_else(|| format!("interface {interface}"), |known| known.name.to_string())
}

fn neighbor(waiting: &Waiting, net: &Net) -> String {
    format!("{} on {}", waiting.neighbor, interface_name(waiting.interface, net))
}

fn parsed(trace: &Trace) -> String {
    let kind = match trace.parsed.kind {
        _ if trace.parsed.step != Step::Undecided => return format!("{}: it ends here", step(trace.parsed.step)),
        Kind::Fragment6 => "a fragment of an IPv6 packet",
        Kind::Transport6 | Kind::Sctp6 | Kind::Esp6 | Kind::Other6 => "IPv6",
        Kind::Fragment4 => "a fragment of an IPv4 packet",
        Kind::Transport4 | Kind::Sctp4 | Kind::Esp4 | Kind::Ah4 | Kind::Other4 => "IPv4",
        Kind::Options4 => "IPv4 with options",
    };
    format!("{kind}, {} bytes, time to live {}", trace.parsed.length, trace.outline.ttl)
}

/// What shall happen, by the name of its counter.
fn step(step: Step) -> String {
    match step {
        Step::Drop(reason) => reason.name().to_owned(),
        Step::Punt(reason) => reason.name().to_owned(),
        Step::Answer(reason) | Step::Problem { kind: reason, .. } => reason.name().to_owned(),
        Step::Send { treatment, .. } => treatment.counter.name().to_owned(),
        Step::Handoff { worker, .. } => format!("handed to worker {worker}"),
        Step::Gather => "kept for reassembly".to_owned(),
        Step::Undecided => "undecided".to_owned(),
    }
}

fn decision(decided: &Decided) -> String {
    let mut text = match (&decided.found, &decided.service, &decided.conn) {
        (Some((direction, before)), _, now) if !decided.ends => found(*direction, before, now.as_ref(), decided),
        (_, Some(service), Some(conn)) => format!("{}{}", anew(decided), scheduled(service, conn, decided)),
        (_, Some(service), None) => format!("{}{}", anew(decided), unscheduled(service, decided.step)),
        _ => {
            let none = match decided.step {
                Step::Send { .. } => "no connection, not addressed to the director: routed",
                Step::Handoff { .. } => "no connection on this worker",
                _ => "no connection, no service",
            };
            format!("{}{none}", anew(decided))
        }
    };
    if !matches!(decided.step, Step::Send { .. }) {
        text += "; ";
        text += &step(decided.step);
    }
    text
}

fn found(direction: Direction, before: &Snapshot, now: Option<&Snapshot>, decided: &Decided) -> String {
    let key = match direction {
        Direction::Request => "request",
        Direction::Reply => "reply",
    };
    let [client, vip, server] = before.ends();
    let mut text = format!("connection found by its {key} key: client {client}, virtual {vip}, server {server}");
    if let Some(now) = now.filter(|_| !matches!(decided.step, Step::Drop(_))) {
        text += &format!("; {}", life(before.state(), before.has(flag::INACTIVE), now, decided.counts));
    }
    text
}

fn anew(decided: &Decided) -> String {
    match &decided.found {
        Some((_, before)) if decided.ends => {
            format!(
                "the old connection with these addresses and ports, in state {}, ends; ",
                state_name(before.protocol_number(), before.state())
            )
        }
        _ => String::new(),
    }
}

fn scheduled(service: &Scheduling, conn: &Snapshot, decided: &Decided) -> String {
    let [.., server] = conn.ends();
    let Scheduling { key, scheduler, servers, usable } = service;
    let who = match (scheduler.name(), conn.controller()) {
        (name, _) if !conn.method().row().has_server => {
            format!("{name} finds no server; with cache_bypass the packet goes on to its own destination")
        }
        (name, NONE) => format!("{name} chose {server}"),
        (name, _) => format!("{server} by the client's persistence template, or by {name} if the template is new"),
    };
    // Every connection is counted inactive before its first state.
    let life = life(0, true, conn, decided.counts);
    format!("new connection to service {key}: {who} (usable servers: {usable} of {servers}); {life}")
}

fn unscheduled(service: &Scheduling, step: Step) -> String {
    let Scheduling { key, scheduler, servers, usable } = service;
    if step == Step::Answer(Answer::NoServer) {
        return format!("service {key}: {} finds no server (usable servers: {usable} of {servers})", scheduler.name());
    }
    format!("service {key}, but no connection was made")
}

/// States, counts and timer: what a packet changed of its connection.
fn life(state: u8, was_inactive: bool, now: &Snapshot, (active, inactive): (u32, u32)) -> String {
    let (before, after) = (state_name(now.protocol_number(), state), state_name(now.protocol_number(), now.state()));
    let state = if before == after { after.to_owned() } else { format!("{before} -> {after}") };
    let moved = match (was_inactive, now.has(flag::INACTIVE)) {
        (true, false) => ", inactive -> active",
        (false, true) => ", active -> inactive",
        (true, true) => ", inactive",
        (false, false) => ", active",
    };
    let seconds = now.timeout() / TICKS_PER_SECOND;
    format!("{state}{moved} (its server has {active} active, {inactive} inactive); idle timeout {seconds} s")
}

fn rewritten(before: &Outline, now: &Outline, conn: Option<&Snapshot>) -> String {
    let method = conn.map_or("routing", |conn| conn.method().row().name);
    let mut changes = Vec::new();
    if let (Some(old), Some(new)) = (before.ends, now.ends) {
        let ports = |outline: &Outline| outline.ports.unwrap_or_default();
        let mut end = |name: &str, old, new| {
            if old != new {
                let text = |(address, port)| std::net::SocketAddr::new(address, port).to_string();
                changes.push(format!("{name} {} -> {}", text(old), text(new)));
            }
        };
        end("source", (old.0, ports(before).0), (new.0, ports(now).0));
        end("destination", (old.1, ports(before).1), (new.1, ports(now).1));
    }
    changes.push(format!("time to live {} -> {}", before.ttl, now.ttl));
    format!("{method}: {}", changes.join(", "))
}

fn resolved(outcome: &Outcome, route: Option<Route>, net: &Net, stages: &mut Stages) {
    let own = outcome.counters.iter().any(|counter| counter.starts_with("sent_"));
    let hop = route.map(|route| {
        let known = if route.remembered { ", from the cache of the connection" } else { "" };
        format!("next hop {} on {}{known}", route.neighbor, interface_name(route.interface, net))
    });
    if let Some(waiting) = outcome.waits {
        let what = if waiting.own { "the answer waits: " } else { "" };
        stages.add("resolve", format!("{what}{} is not known yet", neighbor(&waiting, net)));
        return;
    }
    for left in &outcome.sent {
        let by = format!("sent by {} to {}, {} bytes", lan_name(left.lan, net), left.mac, left.length);
        let what = if own { Some(line(&left.outline)) } else { hop.clone() };
        stages.add("resolve", what.map_or_else(|| by.clone(), |what| format!("{what}; {by}")));
    }
    if outcome.sent.is_empty()
        && let Some(hop) = hop
    {
        stages.add("resolve", hop);
    }
}

/// The counter of a packet's end, with its meaning as the last stage.
fn ended(outcome: &Outcome, stages: &mut Stages) -> String {
    let verdict = outcome.counters.iter().find(|counter| !counter.starts_with("sent_"));
    let verdict = verdict.or_else(|| outcome.counters.first()).copied();
    match (verdict, outcome.waits) {
        (Some(verdict), _) => {
            let meaning = verdict::meaning(verdict).map_or(String::new(), |meaning| format!(": {meaning}"));
            stages.add("verdict", format!("{verdict}{meaning}"));
            verdict.to_owned()
        }
        (None, Some(_)) => {
            stages.add("verdict", "none yet: parked, waits for ARP or neighbour discovery");
            "parked".to_owned()
        }
        (None, None) => {
            stages.add("verdict", "none");
            "none".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_way_to_end_has_a_meaning() {
        let counters = dataplane::counters::Counters::default().read();
        let groups = ["forward_", "handoff_", "punt_", "answer_", "drop_", "sent_"];
        for (name, _) in counters.iter().filter(|(name, _)| groups.iter().any(|group| name.starts_with(group))) {
            assert!(dataplane::verdict::meaning(name).is_some_and(|meaning| meaning.ends_with('.')), "{name}");
        }
        assert_eq!(dataplane::verdict::meaning("received"), None);
    }
}
