//! Idle timeouts: those of the file, and those that were set at run time.

use std::sync::Arc;

use dataplane::clock::{TICKS_PER_SECOND, ticks};
use dataplane::proto::Timeouts;
use dataplane::proto::udp::State;

use super::Director;
use super::converge::{Changes, KEPT, UNDONE};
use crate::config::{self, Config};

impl Director {
    /// The file's timeouts, each that it says differently than before; else what was set at run time stays, unless `prune`.
    pub(super) fn converge_timeouts(&mut self, config: &Config, prune: bool, changes: &mut Changes) {
        let [filed, wanted] = [&self.config, config].map(|config| timeouts_of(&config.ipvs.timeouts));
        let running = Timeouts::clone(&self.tables.timeouts);
        let base = if prune { &running } else { &filed };
        let new = followed([&running, base, &wanted]);
        if new != running {
            let all = named(&filed).into_iter().zip(named(&running)).zip(named(&new));
            let set = all.into_iter().any(|((filed, running), new)| running != new && running != filed);
            let undone = if set { UNDONE } else { "" };
            changes.note(|| format!("timeouts: {}{undone}", words(&running, &new)));
        }
        if new != wanted {
            changes.keep(|| format!("timeouts: {KEPT}: {}", words(&wanted, &new)));
        }
        self.tables.timeouts = Arc::new(new);
        self.publish_soon();
    }
}

/// Timeouts as they run, but for those that changed from one file to the next.
fn followed([running, before, after]: [&Timeouts; 3]) -> Timeouts {
    let pick = |running: u32, before: u32, after: u32| if before == after { running } else { after };
    let mut new = running.clone();
    new.tcp = std::array::from_fn(|state| pick(running.tcp[state], before.tcp[state], after.tcp[state]));
    new.sctp = std::array::from_fn(|state| pick(running.sctp[state], before.sctp[state], after.sctp[state]));
    let [stream, one_way] = [State::Stream, State::OneWay]
        .map(|state| pick(running.udp.of(state), before.udp.of(state), after.udp.of(state)));
    new.udp.set(stream);
    new.udp.set_one_way(one_way);
    new
}

/// What becomes of timeouts, in seconds.
fn words(old: &Timeouts, new: &Timeouts) -> String {
    let differ = named(old).into_iter().zip(named(new)).filter(|((_, old), (_, new))| old != new);
    let words = differ
        .map(|((name, old), (_, new))| format!("{name} {} -> {} s", old / TICKS_PER_SECOND, new / TICKS_PER_SECOND));
    words.collect::<Vec<_>>().join(", ")
}

/// Every timeout by its name in the file, in ticks.
fn named(timeouts: &Timeouts) -> Vec<(&'static str, u32)> {
    let [tcp, sctp] = config::timeout_names();
    let udp = [("udp", timeouts.udp.of(State::Stream)), ("udp_one_way", timeouts.udp.of(State::OneWay))];
    let by_state = tcp.iter().zip(timeouts.tcp).chain(sctp.iter().zip(timeouts.sctp));
    by_state.map(|(name, ticks)| (*name, ticks)).chain(udp).collect()
}

/// The timeouts of a profile, with those that the file names.
fn timeouts_of(wanted: &config::Timeouts) -> Timeouts {
    let mut timeouts = wanted.profile.timeouts();
    let by_state = wanted.tcp.iter().zip(&mut timeouts.tcp).chain(wanted.sctp.iter().zip(&mut timeouts.sctp));
    for (seconds, place) in by_state {
        if let Some(seconds) = seconds {
            *place = ticks(*seconds);
        }
    }
    if let Some(seconds) = wanted.udp {
        timeouts.udp.set(ticks(seconds));
    }
    if let Some(seconds) = wanted.udp_one_way {
        timeouts.udp.set_one_way(ticks(seconds));
    }
    timeouts
}

#[cfg(test)]
mod tests {
    use dataplane::proto::sctp::State;

    use super::*;

    #[test]
    fn a_file_names_timeouts_by_state() {
        let text = "schema = 1\n[ipvs.timeouts]\nsctp_c_sent = 7\nsctp = 30\nudp = 8\n";
        let read = config::parse(text, "t.toml").map(|config| timeouts_of(&config.ipvs.timeouts));
        let mut wanted = Timeouts::default();
        wanted.sctp[State::CookieSent as usize] = ticks(7);
        wanted.sctp[State::Established as usize] = ticks(30);
        wanted.udp.set(ticks(8));
        assert_eq!(read.expect("a right file"), wanted);
    }
}
