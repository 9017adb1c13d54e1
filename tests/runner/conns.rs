//! The `conns` step: many connections in few words, one line of answer each.
//!
//! `S` SYN, `U` UDP datagram, `A` ACK, `R` RST: one packet of the client. `E` the server's SYN-ACK, then the client's
//! ACK. `F` client FIN, server FIN, client ACK.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::runner::decode;
use crate::runner::director::Leg;
use crate::runner::python;
use crate::runner::scenario::{Clients, Conns, Data, Op, Packet, Proto};
use crate::runner::stage;
use crate::runner::steps::{self, Runner};
use crate::runner::wire::Emission;

type Choices = (Vec<String>, BTreeMap<String, usize>);

/// An operation: its letter, its client, and where it goes.
struct Words {
    letter: char,
    client: String,
    packet: Packet,
}

impl Runner<'_> {
    /// All operations: a line each, and how often each end was met.
    pub(crate) fn conns(&mut self, conns: &Conns) -> Result<Choices, String> {
        let (mut choices, mut totals) = (Vec::new(), BTreeMap::new());
        for op in operations(conns)? {
            match op {
                Op::Step(step) => choices.push(python::dumps(&self.step(&step)?)),
                Op::Words(words) if words.starts_with('#') => choices.push(words),
                Op::Words(words) => {
                    let end = self.operation(&words, conns)?;
                    choices.push(format!("{words} -> {end}"));
                    if words.starts_with(['S', 'U', 'A']) {
                        *totals.entry(end).or_default() += 1;
                    }
                }
            }
        }
        Ok((choices, totals))
    }

    fn operation(&mut self, text: &str, conns: &Conns) -> Result<String, String> {
        let words = parse(text, conns)?;
        match words.letter {
            'S' => self.client(&words, "S"),
            'A' => self.client(&words, "A"),
            'R' => self.client(&words, "R"),
            'U' => self.datagram(&words),
            'E' => {
                self.server(&words, "SA", conns)?;
                self.client(&words, "A")
            }
            'F' => {
                let end = self.client(&words, "FA")?;
                self.server(&words, "FA", conns)?;
                let last = Packet { flags: Some("A".into()), ..words.packet };
                self.send(&last)?;
                Ok(end)
            }
            other => Err(format!("no operation: {other}")),
        }
    }

    fn client(&mut self, words: &Words, flags: &str) -> Result<String, String> {
        let packet = Packet { flags: Some(flags.into()), ..words.packet.clone() };
        self.end_of(words, &packet)
    }

    fn datagram(&mut self, words: &Words) -> Result<String, String> {
        let (proto, data) = (Some(Proto::Name("udp".into())), Some(Data::Text("x".into())));
        let packet = Packet { proto, data, ..words.packet.clone() };
        self.end_of(words, &packet)
    }

    /// Sends a client's packet and tells where it ended.
    fn end_of(&mut self, words: &Words, packet: &Packet) -> Result<String, String> {
        let (_, emissions) = self.send(packet)?;
        for (_, frame) in emissions.iter().filter(|(leg, _)| *leg == Leg::Server) {
            self.connections.insert(words.client.clone(), frame[14..].to_vec());
        }
        Ok(where_to(&emissions))
    }

    /// The server's answer, if this client's packets ever went to one.
    fn server(&mut self, words: &Words, flags: &str, conns: &Conns) -> Result<(), String> {
        let Some(packet) = self.connections.get(&words.client).filter(|_| !conns.one_sided) else { return Ok(()) };
        let answer = Packet {
            leg: Some(Leg::Server),
            flags: Some(flags.into()),
            wait_ms: words.packet.wait_ms,
            ..Packet::default()
        };
        let answer = steps::answer_to(packet, answer).ok_or("an answer to what is no IP packet")?;
        self.send(&answer).map(|_| ())
    }
}

/// `rs14`, `client<TCP RA>`, both, or `none`.
fn where_to(emissions: &[Emission]) -> String {
    let ends = emissions.iter().map(|(leg, frame)| match leg {
        Leg::Server => stage::who(&frame[..6]),
        Leg::Client => format!("client<{}>", decode::short(frame)),
    });
    match ends.collect::<Vec<_>>().join(" + ") {
        none if none.is_empty() => "none".into(),
        some => some,
    }
}

fn parse(text: &str, conns: &Conns) -> Result<Words, String> {
    let mut fields = text.split_whitespace();
    let (letter, client) = (fields.next(), fields.next().ok_or(format!("no operation: {text}"))?);
    let (ip, port) = end(client)?;
    let (vip, vport) = match text.split_once(" @") {
        Some((_, other)) => end(other)?,
        None => (conns.vip.clone(), conns.vport),
    };
    let packet = Packet {
        src: Some(ip),
        dst: Some(vip),
        sport: Some(port),
        dport: Some(vport),
        wait_ms: Some(conns.wait_ms.unwrap_or(-1.0)),
        ..Packet::default()
    };
    let letter = letter.and_then(|l| l.chars().next()).unwrap_or(' ');
    Ok(Words { letter, client: client.into(), packet })
}

fn end(text: &str) -> Result<(String, u16), String> {
    let wrong = || format!("not address:port: {text}");
    let (address, port) = text.trim().rsplit_once(':').ok_or_else(wrong)?;
    Ok((address.trim_matches(['[', ']']).into(), port.parse().map_err(|_| wrong())?))
}

fn operations(conns: &Conns) -> Result<Vec<Op>, String> {
    match (&conns.ops, &conns.clients) {
        (Some(ops), _) => Ok(ops.clone()),
        (None, Some(clients)) => {
            let kind = conns.kind.as_deref().unwrap_or("S");
            Ok((0..clients.n).map(|i| Op::Words(format!("{kind} {}", client(clients, i)))).collect())
        }
        (None, None) => Err("conns without ops or clients".into()),
    }
}

fn client(clients: &Clients, i: u32) -> String {
    let step = (i % clients.ip_mod.unwrap_or(1 << 30)) * clients.ip_step.unwrap_or(1);
    let port = clients.port0.unwrap_or(10000) + i * clients.port_step.unwrap_or(1);
    match clients.ip0 {
        IpAddr::V4(a) => format!("{}:{port}", std::net::Ipv4Addr::from(u32::from(a) + step)),
        IpAddr::V6(a) => format!("[{}]:{port}", std::net::Ipv6Addr::from(u128::from(a) + u128::from(step))),
    }
}
