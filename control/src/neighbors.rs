//! Neighbours: who has which MAC on which link. ARP (RFC 826) and neighbour discovery (RFC 4861), both with the states
//! of its section 7.3.2.
//!
//! ```text
//! incomplete -(answer)-> reachable -(30 s)-> stale -(used)-> delay -(5 s)-> probe -(answer)-> reachable
//! incomplete and probe ask three times, one second apart; then the neighbour has failed
//! ```

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use dataplane::clock::{Nanos, Tick, ticks};
use dataplane::wire::arp::{Operation, Packet};
use dataplane::wire::ethernet::{self, MacAddr};
use dataplane::wire::ndisc::Advertisement;

const SECOND: u64 = 1_000_000_000;
const REACHABLE: u64 = 30 * SECOND;
const DELAY: u64 = 5 * SECOND;
const RETRANSMIT: u64 = SECOND;
const PROBES: u32 = 3;
/// Failed entries are forgotten after this long, unused ones after ten times as long.
const FORGET: u64 = 60 * SECOND;
/// Ticks after which a neighbour counts as unused.
const UNUSED: u32 = ticks(600);
/// Most dynamic entries, so that a scan of a large subnet cannot fill memory.
const MOST: usize = 65_536;

/// What is known of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Asked, not answered yet.
    Incomplete,
    /// Answered lately.
    Reachable,
    /// Known, but not confirmed lately.
    Stale,
    /// Stale and in use: soon asked.
    Delay,
    /// Asked again.
    Probe,
    /// Did not answer.
    Failed,
    /// Configured.
    Static,
}

impl State {
    /// The name operators see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::Reachable => "reachable",
            Self::Stale => "stale",
            Self::Delay => "delay",
            Self::Probe => "probe",
            Self::Failed => "failed",
            Self::Static => "static",
        }
    }
}

/// A neighbour.
#[derive(Clone, Debug)]
pub struct Neighbor {
    /// What is known.
    pub state: State,
    /// Its MAC, once known.
    pub mac: Option<MacAddr>,
    /// When a worker last sent to it, in ticks.
    pub used: Arc<AtomicU32>,
    /// When the state began.
    pub since: Nanos,
    asked: u32,
    next: Nanos,
}

/// Where a neighbour is: interface index and address.
pub type Key = (u16, IpAddr);

/// What the director must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask who has this address; to its known MAC where there is one.
    Ask(Key, Option<MacAddr>),
    /// Tell the workers that it does not answer.
    Failed(Key),
    /// The set of resolved neighbours changed: publish.
    Changed,
}

/// Every neighbour.
#[derive(Debug, Default)]
pub struct Neighbors {
    entries: HashMap<Key, Neighbor>,
}

impl Neighbors {
    /// The entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Neighbor)> {
        self.entries.iter()
    }

    /// Sets a static neighbour.
    pub fn set_static(&mut self, key: Key, mac: MacAddr, now: Nanos) {
        self.entries.insert(key, entry(State::Static, Some(mac), now));
    }

    /// Forgets every static neighbour, before a new set is configured.
    pub fn clear_static(&mut self) {
        self.entries.retain(|_, n| n.state != State::Static);
    }

    /// A packet needs this neighbour.
    pub fn resolve(&mut self, key: Key, now: Nanos) -> Vec<Effect> {
        match self.entries.get(&key).map(|n| n.state) {
            Some(State::Failed) | None if self.entries.len() < MOST => {
                let fresh = Neighbor { asked: 1, next: later(now, RETRANSMIT), ..entry(State::Incomplete, None, now) };
                self.entries.insert(key, fresh);
                vec![Effect::Ask(key, None)]
            }
            Some(State::Failed) | None => vec![Effect::Failed(key)],
            Some(State::Incomplete) => Vec::new(),
            // The worker parked before it saw the tables that have it: a new version makes it look again.
            Some(_) => vec![Effect::Changed],
        }
    }

    /// Someone says that it has an address. `answer`: as a reply to us, which proves that it is reachable.
    pub fn learn(&mut self, key: Key, mac: MacAddr, answer: bool, create: bool, now: Nanos) -> Vec<Effect> {
        if !self.entries.contains_key(&key) && (!create || self.entries.len() >= MOST) {
            return Vec::new();
        }
        let neighbor = self.entries.entry(key).or_insert_with(|| entry(State::Stale, None, now));
        if neighbor.state == State::Static {
            return Vec::new();
        }
        let changed = neighbor.mac != Some(mac);
        neighbor.mac = Some(mac);
        let next = if answer { State::Reachable } else { State::Stale };
        if answer || changed || neighbor.state == State::Incomplete {
            neighbor.enter(next, now);
        }
        if changed { vec![Effect::Changed] } else { Vec::new() }
    }

    /// An advertisement of IPv6 (RFC 4861 7.2.5). Whoever is not known is not learned.
    pub fn advertised(&mut self, key: Key, told: &Advertisement, now: Nanos) -> Vec<Effect> {
        let Some(neighbor) = self.entries.get_mut(&key) else { return Vec::new() };
        let before = neighbor.mac;
        match neighbor.state {
            State::Static | State::Failed => {}
            State::Incomplete => {
                if told.mac.is_some() {
                    neighbor.mac = told.mac;
                    neighbor.enter(if told.solicited { State::Reachable } else { State::Stale }, now);
                }
            }
            state => {
                let differs = told.mac.is_some() && told.mac != before;
                match (differs, told.overrides, told.solicited) {
                    // Somebody else has it too, or it has moved: the next packet asks again.
                    (true, false, _) if state == State::Reachable => neighbor.enter(State::Stale, now),
                    (true, false, _) => {}
                    (true, true, false) => neighbor.enter(State::Stale, now),
                    (_, _, true) => neighbor.enter(State::Reachable, now),
                    (false, _, false) => {}
                }
                if differs && told.overrides {
                    neighbor.mac = told.mac;
                }
            }
        }
        if neighbor.mac == before { Vec::new() } else { vec![Effect::Changed] }
    }

    /// Lets time pass.
    pub fn turn(&mut self, now: Nanos) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (key, neighbor) in &mut self.entries {
            neighbor.turn(*key, now, &mut effects);
        }
        self.entries.retain(|_, n| !n.is_forgotten(now));
        effects
    }
}

fn entry(state: State, mac: Option<MacAddr>, now: Nanos) -> Neighbor {
    let used = Arc::new(AtomicU32::new(now.tick().0));
    Neighbor { state, mac, used, since: now, asked: 0, next: later(now, REACHABLE) }
}

fn later(now: Nanos, by: u64) -> Nanos {
    Nanos(now.0 + by)
}

impl Neighbor {
    fn enter(&mut self, state: State, now: Nanos) {
        self.state = state;
        self.since = now;
        self.asked = 0;
        self.next = later(now, if state == State::Delay { DELAY } else { REACHABLE });
    }

    fn turn(&mut self, key: Key, now: Nanos, effects: &mut Vec<Effect>) {
        match self.state {
            State::Stale if self.in_use_since_stale() => self.enter(State::Delay, now),
            _ if now < self.next => {}
            State::Reachable => self.enter(State::Stale, now),
            State::Delay => {
                self.enter(State::Probe, now);
                self.ask(key, now, effects);
            }
            State::Incomplete | State::Probe if self.asked < PROBES => self.ask(key, now, effects),
            State::Incomplete | State::Probe => {
                if self.mac.take().is_some() {
                    effects.push(Effect::Changed);
                }
                self.enter(State::Failed, now);
                effects.push(Effect::Failed(key));
            }
            State::Stale | State::Failed | State::Static => {}
        }
    }

    fn ask(&mut self, key: Key, now: Nanos, effects: &mut Vec<Effect>) {
        self.asked += 1;
        self.next = later(now, RETRANSMIT);
        effects.push(Effect::Ask(key, self.mac));
    }

    fn in_use_since_stale(&self) -> bool {
        self.since.tick().is_before(self.last_used())
    }

    fn last_used(&self) -> Tick {
        Tick(self.used.load(Relaxed))
    }

    fn is_forgotten(&self, now: Nanos) -> bool {
        let idle = now.0.saturating_sub(self.since.0);
        match self.state {
            State::Failed => idle > FORGET,
            State::Stale => idle > 10 * FORGET && self.last_used().after(UNUSED).is_before(now.tick()),
            _ => false,
        }
    }
}

/// The frame that asks who has `target`.
#[must_use]
pub fn request(mac: MacAddr, source: Ipv4Addr, target: Ipv4Addr, to: Option<MacAddr>) -> Vec<u8> {
    let packet = Packet {
        operation: Operation::Request,
        sender_mac: mac,
        sender: source,
        target_mac: MacAddr::default(),
        target,
    };
    packet.frame(to.unwrap_or(ethernet::BROADCAST))
}

/// The frame that tells everyone that `mac` has `address` (RFC 5227 section 3).
#[must_use]
pub fn announcement(mac: MacAddr, address: Ipv4Addr) -> Vec<u8> {
    request(mac, address, address, None)
}

/// The frame that answers a request.
#[must_use]
pub fn reply(mac: MacAddr, to: &Packet) -> Vec<u8> {
    let packet = Packet {
        operation: Operation::Reply,
        sender_mac: mac,
        sender: to.target,
        target_mac: to.sender_mac,
        target: to.sender,
    };
    packet.frame(to.sender_mac)
}

#[cfg(test)]
mod tests {
    use dataplane::clock::TICKS_PER_SECOND;

    use super::*;

    fn at(seconds: u64) -> Nanos {
        Nanos(seconds * SECOND)
    }

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

    fn key() -> Key {
        (0, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)))
    }

    fn state(neighbors: &Neighbors) -> State {
        neighbors.entries[&key()].state
    }

    #[test]
    fn asks_three_times_then_fails_and_starts_over() {
        let mut neighbors = Neighbors::default();
        assert_eq!(neighbors.resolve(key(), at(0)), [Effect::Ask(key(), None)]);
        assert_eq!(neighbors.resolve(key(), at(0)), [], "one question at a time");
        assert_eq!(neighbors.turn(at(1)), [Effect::Ask(key(), None)]);
        assert_eq!(neighbors.turn(at(2)), [Effect::Ask(key(), None)]);
        assert_eq!(neighbors.turn(at(3)), [Effect::Failed(key())]);
        assert_eq!(neighbors.resolve(key(), at(4)), [Effect::Ask(key(), None)]);
    }

    #[test]
    fn an_answered_neighbour_is_asked_again_only_while_it_is_used() {
        let mut neighbors = Neighbors::default();
        neighbors.resolve(key(), at(0));
        assert_eq!(neighbors.learn(key(), MAC, true, false, at(0)), [Effect::Changed]);
        assert_eq!(neighbors.turn(at(31)), []);
        assert_eq!(state(&neighbors), State::Stale);
        assert_eq!(neighbors.turn(at(100)), [], "unused: left alone");
        neighbors.entries[&key()].used.store(at(101).tick().0, Relaxed);
        assert_eq!(neighbors.turn(at(101)), []);
        assert_eq!(neighbors.turn(at(106)), [Effect::Ask(key(), Some(MAC))], "unicast");
        assert_eq!(neighbors.learn(key(), MAC, true, false, at(106)), [], "nothing changed for the workers");
        assert_eq!(state(&neighbors), State::Reachable);
    }

    #[test]
    fn an_unused_neighbour_is_forgotten_though_the_ticks_have_wrapped() {
        let wraps = (u64::from(u32::MAX) + 1) / u64::from(TICKS_PER_SECOND);
        for used in [wraps - 700, wraps - 605, wraps - 400, wraps + 1] {
            let mut neighbors = Neighbors::default();
            neighbors.learn(key(), MAC, false, true, at(used));
            neighbors.turn(at(used + 599));
            assert_eq!(state(&neighbors), State::Stale);
            neighbors.turn(at(used + 610));
            assert!(
                neighbors.entries.is_empty(),
                "unused since {} s before the ticks wrap",
                wraps as i64 - used as i64
            );
        }
    }

    #[test]
    fn strangers_create_no_entries_and_static_ones_do_not_move() {
        let mut neighbors = Neighbors::default();
        assert_eq!(neighbors.learn(key(), MAC, false, false, at(0)), []);
        assert!(neighbors.entries.is_empty());
        neighbors.set_static(key(), MAC, at(0));
        assert_eq!(neighbors.learn(key(), MacAddr([2; 6]), true, true, at(0)), []);
        assert_eq!(neighbors.entries[&key()].mac, Some(MAC));
    }

    const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 8]);

    fn told(mac: Option<MacAddr>, solicited: bool, overrides: bool) -> Advertisement {
        let source = std::net::Ipv6Addr::LOCALHOST;
        Advertisement { source, destination: source, target: source, mac, router: false, solicited, overrides }
    }

    /// State and MAC that an advertisement leaves, and whether workers hear of it.
    fn after(from: State, told: Advertisement) -> (State, Option<MacAddr>, bool) {
        let mut neighbors = Neighbors::default();
        let mac = (from != State::Incomplete && from != State::Failed).then_some(MAC);
        neighbors.entries.insert(key(), entry(from, mac, at(0)));
        let effects = neighbors.advertised(key(), &told, at(1));
        (state(&neighbors), neighbors.entries[&key()].mac, effects == [Effect::Changed])
    }

    /// RFC 4861, appendix C, row by row.
    #[test]
    fn advertisements_do_what_the_table_says() {
        use State::{Delay, Failed, Incomplete, Probe, Reachable, Stale, Static};
        let (same, new, none) = (Some(MAC), Some(OTHER), None);
        assert_eq!(after(Incomplete, told(none, true, true)), (Incomplete, None, false), "no MAC");
        for overrides in [false, true] {
            assert_eq!(after(Incomplete, told(new, true, overrides)), (Reachable, new, true));
            assert_eq!(after(Incomplete, told(new, false, overrides)), (Stale, new, true));
        }
        for from in [Reachable, Stale, Delay, Probe] {
            let kept = if from == Reachable { Stale } else { from };
            assert_eq!(after(from, told(new, true, false)), (kept, same, false), "{from:?}: not overridden");
            assert_eq!(after(from, told(new, false, false)), (kept, same, false), "{from:?}: not overridden");
            assert_eq!(after(from, told(new, true, true)), (Reachable, new, true), "{from:?}");
            assert_eq!(after(from, told(new, false, true)), (Stale, new, true), "{from:?}");
            for overrides in [false, true] {
                assert_eq!(after(from, told(same, true, overrides)), (Reachable, same, false), "{from:?}");
                assert_eq!(after(from, told(none, true, overrides)), (Reachable, same, false), "{from:?}");
                assert_eq!(after(from, told(same, false, overrides)), (from, same, false), "{from:?}: nothing new");
                assert_eq!(after(from, told(none, false, overrides)), (from, same, false), "{from:?}: nothing new");
            }
        }
        assert_eq!(after(Static, told(new, true, true)), (Static, same, false));
        assert_eq!(after(Failed, told(new, true, true)), (Failed, None, false), "as if it were not known");
        assert_eq!(Neighbors::default().advertised(key(), &told(new, true, true), at(0)), [], "nobody asked");
    }
}
