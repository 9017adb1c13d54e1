//! The two ends of the stage: injects packets, collects what comes out, and remembers the last packets of each leg.

use std::collections::HashMap;

use crate::runner::checksum;
use crate::runner::decode;
use crate::runner::director::{Director, Leg};
use crate::runner::due::DueList;
use crate::runner::hex;
use crate::runner::observed::Frame;
use crate::runner::stage;

/// A frame as it left the director.
pub(crate) type Emission = (Leg, Vec<u8>);

/// The director between its two wires, and the time that has passed.
pub(crate) struct Wire {
    pub(crate) director: Box<dyn Director>,
    /// Nanoseconds since the first step.
    pub(crate) now: u64,
    /// What is due about now and may or may not be listed still.
    pub(crate) due: DueList,
    emitted: HashMap<Leg, Vec<u8>>,
    injected: HashMap<Leg, Vec<u8>>,
}

const MILLISECOND: f64 = 1e6;

/// How long before its end a sleep is interrupted to see what is due.
const LOOK_BACK: u64 = 6_000_000_000;

impl Wire {
    pub(crate) fn new(director: Box<dyn Director>) -> Self {
        Self { director, now: 0, due: DueList::default(), emitted: HashMap::new(), injected: HashMap::new() }
    }

    /// Injects one IP packet and listens for `wait_ms`; a negative time means: only while nothing has come.
    pub(crate) fn exchange(
        &mut self,
        leg: Leg,
        packet: &[u8],
        macs: &Macs,
        wait_ms: f64,
    ) -> Result<Vec<Emission>, String> {
        self.inject(leg, packet, macs)?;
        let emissions = self.listen(wait_ms);
        for (leg, frame) in emissions.iter().filter(|(_, frame)| is_ip(frame)) {
            self.emitted.insert(*leg, frame[14..].to_vec());
        }
        Ok(emissions)
    }

    /// Injects one IP packet.
    pub(crate) fn inject(&mut self, leg: Leg, packet: &[u8], macs: &Macs) -> Result<(), String> {
        let mut frame = hex::parse_mac(macs.destination.as_deref().unwrap_or(stage::director_mac(leg)))?.to_vec();
        frame.extend(hex::parse_mac(macs.source.as_deref().unwrap_or(stage::gateway_mac(leg)))?);
        let v6 = packet.first().is_some_and(|b| b >> 4 == 6);
        frame.extend(if v6 { [0x86, 0xdd] } else { [0x08, 0x00] });
        frame.extend(packet);
        self.director.inject(leg, &frame);
        self.injected.insert(leg, packet.to_vec());
        Ok(())
    }

    /// Listens for a time in milliseconds, as the recorder's `recv` does.
    pub(crate) fn listen(&mut self, wait_ms: f64) -> Vec<Emission> {
        let mut emissions = self.drain();
        if wait_ms > 0.0 || (wait_ms < 0.0 && emissions.is_empty()) {
            self.advance((wait_ms.abs() * MILLISECOND) as u64);
            emissions.extend(self.drain());
        }
        emissions
    }

    /// Time passes; connections that fall due about now are noted.
    pub(crate) fn sleep(&mut self, nanoseconds: u64) -> Vec<Emission> {
        self.note_due();
        let first = nanoseconds.saturating_sub(LOOK_BACK);
        if first > 0 {
            self.advance(first);
            self.note_due();
        }
        self.advance(nanoseconds - first);
        self.note_due();
        self.due.slept(self.now);
        self.listen(0.0)
    }

    fn note_due(&mut self) {
        let listing = self.director.peek_conns();
        self.due.note(&listing, self.now);
    }

    fn advance(&mut self, nanoseconds: u64) {
        self.director.advance(nanoseconds);
        self.now += nanoseconds;
    }

    /// What came out: the client's wire is read first, and multicast housekeeping is passed over.
    fn drain(&mut self) -> Vec<Emission> {
        let mut emissions = self.director.drain();
        emissions.retain(|(_, frame)| !is_housekeeping(frame));
        emissions.sort_by_key(|(leg, _)| *leg);
        emissions
    }

    /// `server`, `client`: the last packet emitted there; `server_in`, `client_in`: the last one injected.
    pub(crate) fn earlier(&self, name: &str) -> Result<&[u8], String> {
        let packet = match name {
            "client" => self.emitted(Leg::Client),
            "server" => self.emitted(Leg::Server),
            "client_in" => self.injected.get(&Leg::Client).map(Vec::as_slice),
            "server_in" => self.injected.get(&Leg::Server).map(Vec::as_slice),
            _ => None,
        };
        packet.ok_or(format!("no earlier packet: {name}"))
    }

    /// The last IP packet emitted on a leg.
    pub(crate) fn emitted(&self, leg: Leg) -> Option<&[u8]> {
        self.emitted.get(&leg).map(Vec::as_slice)
    }
}

/// The MAC addresses of an injected frame, where they are not the usual ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Macs {
    pub(crate) source: Option<String>,
    pub(crate) destination: Option<String>,
}

fn is_ip(frame: &[u8]) -> bool {
    matches!(decode::be16(frame, 12), Some(0x0800 | 0x86dd))
}

/// MLD (behind a hop-by-hop header) and IGMP: the recorder does not look at them.
fn is_housekeeping(frame: &[u8]) -> bool {
    match decode::be16(frame, 12) {
        Some(0x86dd) => frame.get(20) == Some(&0),
        Some(0x0800) => frame.get(23) == Some(&2),
        _ => false,
    }
}

/// A frame as golden files show it.
pub(crate) fn show((leg, frame): &Emission) -> Frame {
    Frame {
        leg: *leg,
        to: stage::who(&frame[..6]),
        dmac: Some(hex::mac(&frame[..6])),
        smac: Some(hex::mac(&frame[6..12])),
        pkt: decode::decode_frame(frame),
        hex: Some(hex::encode(&frame[14..])),
    }
}

/// An IPv4 packet with another source address and its checksums made again (UDP: none).
pub(crate) fn with_source(packet: &[u8], source: std::net::Ipv4Addr) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let header = usize::from(packet[0] & 15) * 4;
    packet[12..16].copy_from_slice(&source.octets());
    packet[10..12].fill(0);
    let sum = checksum::internet(&packet[..header]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    if packet[9] == 17 {
        packet[header + 6..header + 8].fill(0);
    }
    packet
}
