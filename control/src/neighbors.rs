//! Neighbours: who has which MAC on which link. ARP (RFC 826) and neighbour discovery (RFC 4861), both with the states
//! of its section 7.3.2.
//!
//! ```text
//! incomplete -(answer)-> reachable -(30 s)-> stale -(used)-> delay -(5 s)-> probe -(answer)-> reachable
//! incomplete and probe ask three times, one second apart; then the neighbour has failed
//! ```

mod store;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use dataplane::clock::{Nanos, Tick, ticks};
use dataplane::wire::arp::{Operation, Packet};
use dataplane::wire::ethernet::{self, MacAddr};
use dataplane::wire::ndisc::Advertisement;
use serde::{Deserialize, Serialize};
use store::Store;

const SECOND: u64 = 1_000_000_000;
const REACHABLE: u64 = 30 * SECOND;
const DELAY: u64 = 5 * SECOND;
const RETRANSMIT: u64 = SECOND;
const PROBES: u32 = 3;
/// Failed entries are forgotten after this long.
const FORGET: u64 = 60 * SECOND;
/// Ticks after which a stale one is forgotten that nobody uses.
const UNUSED: u32 = ticks(600);
/// Whoever has been used within these ticks stays where room is short.
const LATELY: u32 = ticks(60);
/// Most dynamic entries, so that a scan of a large subnet cannot fill memory.
pub const MOST: usize = 65_536;
/// Entries whose time has come that one turn deals with.
const MOST_STEPS: usize = 1024;
/// Stale entries that are looked at in one round.
const STALE_LOOKED_AT: usize = 4096;

/// What is known of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    /// Nanoseconds until it times out; without a meaning where nothing follows by itself.
    const fn lasts(self) -> u64 {
        match self {
            Self::Incomplete | Self::Probe => RETRANSMIT,
            Self::Delay => DELAY,
            Self::Failed => FORGET,
            Self::Reachable | Self::Stale | Self::Static => REACHABLE,
        }
    }

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

/// What somebody said when it told its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A reply to the director, which proves that it is reachable.
    Answer,
    /// A question for an address of the director: who is not known yet is learned.
    Question,
    /// Something that is not the director's business: it changes what is known, and nobody is learned.
    Aside,
}

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
    store: Store,
    refused: u64,
    displaced: u64,
}

impl Neighbors {
    /// The entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Neighbor)> {
        self.store.iter()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&Neighbor> {
        self.store.find(key).map(|slot| &self.store[slot])
    }

    /// How many there are that nobody has configured: those that count towards [`MOST`].
    #[must_use]
    pub fn dynamic(&self) -> usize {
        self.store.dynamic()
    }

    /// How many, there being as many as can be, were not taken in since the start, and how many gave way.
    #[must_use]
    pub fn lost(&self) -> (u64, u64) {
        (self.refused, self.displaced)
    }

    /// Sets a static neighbour.
    pub fn set_static(&mut self, key: Key, mac: MacAddr, now: Nanos) {
        let entry = entry(State::Static, Some(mac), now);
        match self.store.find(key) {
            Some(slot) => self.store.change(slot, |known| *known = entry),
            None => self.store.insert(key, entry),
        }
    }

    /// Forgets every static neighbour, before a new set is configured.
    pub fn clear_static(&mut self) {
        while let Some(slot) = self.store.first(State::Static) {
            self.store.remove(slot);
        }
    }

    /// A packet needs this neighbour.
    pub fn resolve(&mut self, key: Key, now: Nanos) -> Vec<Effect> {
        let fresh = Neighbor { asked: 1, next: later(now, RETRANSMIT), ..entry(State::Incomplete, None, now) };
        let mut effects = Vec::new();
        match self.store.find(key).map(|slot| (slot, self.store[slot].state)) {
            None if !self.make_room(now, &mut effects) => effects.push(Effect::Failed(key)),
            None => {
                self.store.insert(key, fresh);
                effects.push(Effect::Ask(key, None));
            }
            Some((slot, State::Failed)) => {
                self.store.change(slot, |neighbor| *neighbor = fresh);
                effects.push(Effect::Ask(key, None));
            }
            Some((_, State::Incomplete)) => {}
            // The worker parked before it saw the tables that have it: a new version makes it look again.
            Some(_) => effects.push(Effect::Changed),
        }
        effects
    }

    /// Has room for one more dynamic entry: where there is none, the one that is worth least goes. `false` where all are
    /// of use.
    fn make_room(&mut self, now: Nanos, effects: &mut Vec<Effect>) -> bool {
        if self.store.dynamic() < MOST {
            return true;
        }
        let by_state = [State::Failed, State::Incomplete].into_iter().find_map(|state| self.store.first(state));
        let Some(slot) = by_state.or_else(|| self.unused(now)) else {
            self.refused += 1;
            return false;
        };
        self.displaced += 1;
        match self.store.remove(slot) {
            Some((key, Neighbor { state: State::Incomplete, .. })) => effects.push(Effect::Failed(key)),
            Some((_, Neighbor { state: State::Stale, .. })) => effects.push(Effect::Changed),
            _ => {}
        }
        true
    }

    /// A stale entry that nobody has used lately, among those whose turn to be looked at comes next.
    fn unused(&self, now: Nanos) -> Option<u32> {
        self.store.all(State::Stale).take(STALE_LOOKED_AT).find(|slot| self.store[*slot].unused_for(now) > LATELY)
    }

    /// Someone says that it has an address.
    pub fn learn(&mut self, key: Key, mac: MacAddr, heard: Heard, now: Nanos) -> Vec<Effect> {
        let mut effects = Vec::new();
        let answer = heard == Heard::Answer;
        let state = if answer { State::Reachable } else { State::Stale };
        let Some(slot) = self.store.find(key) else {
            if heard == Heard::Question && self.make_room(now, &mut effects) {
                self.store.insert(key, entry(state, Some(mac), now));
                effects.push(Effect::Changed);
            }
            return effects;
        };
        let known = &self.store[slot];
        let changed = known.mac != Some(mac);
        if known.state != State::Static && (answer || changed || known.state == State::Incomplete) {
            self.store.change(slot, |neighbor| {
                neighbor.mac = Some(mac);
                neighbor.enter(state, now);
            });
            if changed {
                effects.push(Effect::Changed);
            }
        }
        effects
    }

    /// An advertisement of IPv6 (RFC 4861 7.2.5). Whoever is not known is not learned.
    pub fn advertised(&mut self, key: Key, told: &Advertisement, now: Nanos) -> Vec<Effect> {
        let Some(slot) = self.store.find(key) else { return Vec::new() };
        let known = &self.store[slot];
        let (before, mac) = (known.mac, known.mac_told(told));
        if let Some(state) = known.state_told(told) {
            self.store.change(slot, |neighbor| {
                neighbor.enter(state, now);
                neighbor.mac = mac;
            });
        }
        if mac == before { Vec::new() } else { vec![Effect::Changed] }
    }

    /// Lets time pass for whoever's time has come, until there are so many effects: others wait for the next turn. What is
    /// known and in use comes before what may not be there.
    pub fn turn(&mut self, now: Nanos, most: usize) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut steps = 0;
        for state in [State::Probe, State::Delay, State::Reachable, State::Incomplete, State::Failed] {
            while effects.len() < most
                && steps < MOST_STEPS
                && let Some(slot) = self.store.first(state).filter(|slot| self.store[*slot].next <= now)
            {
                self.step(slot, now, &mut effects);
                steps += 1;
            }
        }
        effects
    }

    /// The time of an entry's state is over.
    fn step(&mut self, slot: u32, now: Nanos, effects: &mut Vec<Effect>) {
        let Neighbor { state, asked, mac, .. } = self.store[slot];
        let key = self.store.key(slot);
        let next = match state {
            State::Reachable => State::Stale,
            State::Delay => State::Probe,
            State::Incomplete | State::Probe if asked < PROBES => state,
            State::Incomplete | State::Probe => State::Failed,
            State::Failed | State::Stale | State::Static => {
                self.store.remove(slot);
                return;
            }
        };
        self.store.change(slot, |neighbor| match next {
            State::Incomplete | State::Probe => neighbor.ask(next, now),
            _ => neighbor.enter(next, now),
        });
        match next {
            State::Incomplete | State::Probe => effects.push(Effect::Ask(key, mac)),
            State::Failed => {
                effects.extend(mac.map(|_| Effect::Changed));
                effects.push(Effect::Failed(key));
            }
            _ => {}
        }
    }

    /// Looks at some of the stale entries, in turn: those that are used will be asked, those that nobody has used for long
    /// are forgotten.
    pub fn look_at_stale(&mut self, now: Nanos) -> Vec<Effect> {
        let mut forgotten = false;
        for _ in 0..STALE_LOOKED_AT.min(self.store.count(State::Stale)) {
            let Some(slot) = self.store.first(State::Stale) else { break };
            let neighbor = &self.store[slot];
            if neighbor.in_use_since_stale() {
                self.store.change(slot, |neighbor| neighbor.enter(State::Delay, now));
            } else if neighbor.unused_for(now) > UNUSED && neighbor.since.tick().until(now.tick()) > UNUSED {
                self.store.remove(slot);
                forgotten = true;
            } else {
                self.store.change(slot, |_| {});
            }
        }
        if forgotten { vec![Effect::Changed] } else { Vec::new() }
    }
}

fn entry(state: State, mac: Option<MacAddr>, now: Nanos) -> Neighbor {
    let used = Arc::new(AtomicU32::new(now.tick().0));
    Neighbor { state, mac, used, since: now, asked: 0, next: later(now, state.lasts()) }
}

fn later(now: Nanos, by: u64) -> Nanos {
    Nanos(now.0 + by)
}

impl Neighbor {
    fn enter(&mut self, state: State, now: Nanos) {
        if state == State::Failed {
            self.mac = None;
        }
        self.state = state;
        self.since = now;
        self.asked = 0;
        self.next = later(now, state.lasts());
    }

    /// It is asked once more, or for the first time in this state.
    fn ask(&mut self, state: State, now: Nanos) {
        if self.state != state {
            self.enter(state, now);
        }
        self.asked += 1;
        self.next = later(now, RETRANSMIT);
    }

    /// The state that an advertisement makes it enter.
    fn state_told(&self, told: &Advertisement) -> Option<State> {
        let confirmed = if told.solicited { State::Reachable } else { State::Stale };
        let differs = told.mac.is_some() && told.mac != self.mac;
        match self.state {
            State::Static | State::Failed => None,
            State::Incomplete => told.mac.map(|_| confirmed),
            // Somebody else has it too, or it has moved: the next packet asks again.
            State::Reachable if differs && !told.overrides => Some(State::Stale),
            _ if differs && !told.overrides => None,
            _ => (differs || told.solicited).then_some(confirmed),
        }
    }

    /// Its MAC after an advertisement; where that is another, its state changes, too.
    fn mac_told(&self, told: &Advertisement) -> Option<MacAddr> {
        match self.state {
            State::Static | State::Failed => self.mac,
            State::Incomplete => told.mac,
            _ if told.overrides => told.mac.or(self.mac),
            _ => self.mac,
        }
    }

    fn in_use_since_stale(&self) -> bool {
        self.since.tick().is_before(Tick(self.used.load(Relaxed)))
    }

    /// Ticks since a worker sent to it.
    fn unused_for(&self, now: Nanos) -> u32 {
        Tick(self.used.load(Relaxed)).until(now.tick())
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
mod tests;
