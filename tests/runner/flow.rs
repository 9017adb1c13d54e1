//! The `flow` step: paths of events on connections of their own. After each event: what became of the packet, the
//! connection's state and remaining seconds, and the counts of its service's servers.
//!
//! `c:FLAGS` client packet, `s:FLAGS` server packet, `w:SECONDS` pause, `x:NAME=VALUE` setting.

use crate::runner::decode;
use crate::runner::director::{Director, Leg};
use crate::runner::scenario::{Chunk, Data, Flow, Packet, Proto};
use crate::runner::stage;
use crate::runner::steps::Runner;
use crate::runner::wire::Emission;

/// The ports of one path.
struct Ports {
    client: u16,
    service: u16,
    server: u16,
}

impl Runner<'_> {
    /// One line for each path.
    pub(crate) fn flow(&mut self, flow: &Flow) -> Result<Vec<String>, String> {
        (0u16..).zip(&flow.paths).map(|(i, path)| self.path(flow, &ports(flow, i), path)).collect()
    }

    fn path(&mut self, flow: &Flow, ports: &Ports, path: &str) -> Result<String, String> {
        let events = path.split_whitespace().map(|event| {
            let fate = self.event(flow, ports, event)?;
            Ok(format!("{event}>{fate}{}", standing(self.wire.director.as_mut(), flow, ports)?))
        });
        Ok(events.collect::<Result<Vec<_>, String>>()?.join(" "))
    }

    fn event(&mut self, flow: &Flow, ports: &Ports, event: &str) -> Result<String, String> {
        let (kind, what) = event.split_once(':').ok_or(format!("no event: {event}"))?;
        let emissions = match kind {
            "w" => {
                self.wire.sleep((what.parse::<f64>().map_err(|e| e.to_string())? * 1e9) as u64);
                Vec::new()
            }
            "x" => {
                let (name, value) = what.split_once('=').ok_or(format!("no setting: {event}"))?;
                self.wire.director.sysctl(&format!("net.ipv4.vs.{name}"), Some(value))?;
                Vec::new()
            }
            _ => self.send(&packet(flow, ports, kind, what))?.1,
        };
        let fates: Vec<String> = emissions.iter().map(|emission| fate(emission, kind)).collect();
        Ok(if fates.is_empty() { "nothing".into() } else { fates.join("+") })
    }
}

fn ports(flow: &Flow, i: u16) -> Ports {
    let service = flow.vport0.unwrap_or(1000) + if flow.same_service { 0 } else { i };
    Ports { client: flow.port0.unwrap_or(20000) + i, service, server: flow.rport.unwrap_or(service) }
}

fn protocol(flow: &Flow) -> &str {
    flow.proto.as_deref().unwrap_or("tcp")
}

fn packet(flow: &Flow, ports: &Ports, kind: &str, what: &str) -> Packet {
    let mut packet = match kind {
        "c" => from_to(&flow.client, ports.client, &flow.vip, ports.service),
        _ => Packet {
            leg: Some(Leg::Server),
            smac: Some(stage::server_mac(flow.rsn.unwrap_or(11))),
            ..from_to(&flow.rs, ports.server, &flow.client, ports.client)
        },
    };
    packet.proto = Some(Proto::Name(protocol(flow).into()));
    packet.wait_ms = Some(flow.wait_ms.unwrap_or(-1.0));
    match protocol(flow) {
        "tcp" => packet.flags = Some(what.replace('0', "")),
        "sctp" => {
            packet.chunks = Some(what.split('+').map(|name| Chunk::Name(name.into())).collect());
            packet.vtag = Some(7);
        }
        _ => packet.data = Some(Data::Text("x".into())),
    }
    packet
}

fn from_to(src: &str, sport: u16, dst: &str, dport: u16) -> Packet {
    let (src, dst) = (Some(src.into()), Some(dst.into()));
    Packet { src, dst, sport: Some(sport), dport: Some(dport), ..Packet::default() }
}

/// `fwd` to the server side, `back` to the client side, with more where it is the director's own answer.
fn fate((leg, frame): &Emission, kind: &str) -> String {
    if decode::be16(frame, 12) == Some(0x0806) {
        return "arp".into();
    }
    let side = if *leg == Leg::Client { "back" } else { "fwd" };
    let (protocol, at) = decode::protocol_at(&frame[14..]).unwrap_or((0, 0));
    let byte = |i: usize| frame.get(14 + at + i).copied().unwrap_or(0);
    match protocol {
        6 if (*leg == Leg::Client) == (kind == "c") => format!("{side}(TCP {})", decode::tcp_flags(byte(13))),
        1 | 58 => format!("{side}(ICMP {}/{})", byte(0), byte(1)),
        _ => side.into(),
    }
}

/// `[STATE seconds|second entry]active/inactive`.
fn standing(director: &mut dyn Director, flow: &Flow, ports: &Ports) -> Result<String, String> {
    let mut entries = entries(&director.proc("conn")?, protocol(flow), ports);
    entries.sort();
    let (active, inactive) = counts(&director.proc("proc")?, protocol(flow), ports);
    let entries = if entries.is_empty() { "-".into() } else { entries.join("|") };
    Ok(format!("[{entries}]{active}/{inactive}"))
}

fn entries(listing: &str, protocol: &str, ports: &Ports) -> Vec<String> {
    let (client, service) = (format!("{:04X}", ports.client), format!("{:04X}", ports.service));
    let rows = listing.split('\n').skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.filter(|w| w.len() >= 9 && w[2] == client && w[4] == service && w[0].to_lowercase() == protocol)
        .map(|w| format!("{} {}", w[7], w[8]))
        .collect()
}

fn counts(table: &str, protocol: &str, ports: &Ports) -> (u64, u64) {
    let service = format!(":{:04X}", ports.service);
    let (mut ours, mut sum) = (false, (0, 0));
    for row in table.split('\n').skip(3) {
        let words: Vec<&str> = row.split_whitespace().collect();
        match words.as_slice() {
            ["->", _, _, _, active, inactive, ..] if ours => {
                sum.0 += active.parse::<u64>().unwrap_or(0);
                sum.1 += inactive.parse::<u64>().unwrap_or(0);
            }
            ["->", ..] | [] => {}
            [name, address, ..] => ours = name.to_lowercase() == protocol && address.ends_with(&service),
            [_] => ours = false,
        }
    }
    sum
}
