//! States and their timers, what advertisements do, and a table that is full.

use dataplane::clock::TICKS_PER_SECOND;

use super::*;

fn at(seconds: u64) -> Nanos {
    Nanos(seconds * SECOND)
}

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

fn key() -> Key {
    (0, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)))
}

fn known(neighbors: &Neighbors) -> &Neighbor {
    &neighbors.store[neighbors.store.find(key()).expect("an entry")]
}

/// A turn with room for whatever it takes, and a look at stale entries.
fn turn(neighbors: &mut Neighbors, seconds: u64) -> Vec<Effect> {
    let mut effects = neighbors.turn(at(seconds), usize::MAX);
    effects.extend(neighbors.look_at_stale(at(seconds)));
    effects
}

fn state(neighbors: &Neighbors) -> State {
    known(neighbors).state
}

#[test]
fn asks_three_times_then_fails_and_starts_over() {
    let mut neighbors = Neighbors::default();
    assert_eq!(neighbors.resolve(key(), at(0)), [Effect::Ask(key(), None)]);
    assert_eq!(neighbors.resolve(key(), at(0)), [], "one question at a time");
    assert_eq!(turn(&mut neighbors, 1), [Effect::Ask(key(), None)]);
    assert_eq!(turn(&mut neighbors, 2), [Effect::Ask(key(), None)]);
    assert_eq!(turn(&mut neighbors, 3), [Effect::Failed(key())]);
    assert_eq!(neighbors.resolve(key(), at(4)), [Effect::Ask(key(), None)]);
}

#[test]
fn an_answered_neighbour_is_asked_again_only_while_it_is_used() {
    let mut neighbors = Neighbors::default();
    neighbors.resolve(key(), at(0));
    assert_eq!(neighbors.learn(key(), MAC, Heard::Answer, at(0)), [Effect::Changed]);
    assert_eq!(turn(&mut neighbors, 31), []);
    assert_eq!(state(&neighbors), State::Stale);
    assert_eq!(turn(&mut neighbors, 100), [], "unused: left alone");
    known(&neighbors).used.store(at(101).tick().0, Relaxed);
    assert_eq!(turn(&mut neighbors, 101), []);
    assert_eq!(turn(&mut neighbors, 106), [Effect::Ask(key(), Some(MAC))], "unicast");
    assert_eq!(neighbors.learn(key(), MAC, Heard::Answer, at(106)), [], "nothing changed for the workers");
    assert_eq!(state(&neighbors), State::Reachable);
}

#[test]
fn strangers_create_no_entries_and_static_ones_do_not_move() {
    let mut neighbors = Neighbors::default();
    assert_eq!(neighbors.learn(key(), MAC, Heard::Aside, at(0)), []);
    assert!(neighbors.iter().next().is_none());
    neighbors.set_static(key(), MAC, at(0));
    assert_eq!(neighbors.learn(key(), MacAddr([2; 6]), Heard::Answer, at(0)), []);
    assert_eq!(known(&neighbors).mac, Some(MAC));
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
    neighbors.store.insert(key(), entry(from, mac, at(0)));
    let effects = neighbors.advertised(key(), &told, at(1));
    (state(&neighbors), known(&neighbors).mac, effects == [Effect::Changed])
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

fn other(n: u32) -> Key {
    (1, IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 + n)))
}

/// A table that is full of entries of a state, the oldest first; they have not been used for two minutes.
fn full(state: State) -> Neighbors {
    let mut neighbors = Neighbors::default();
    let mac = (state != State::Incomplete && state != State::Failed).then_some(MAC);
    (0..MOST as u32).for_each(|n| neighbors.store.insert(other(n), entry(state, mac, at(0))));
    neighbors
}

#[test]
fn a_full_table_gives_up_what_is_worth_least() {
    let makes_room = |state| {
        let mut neighbors = full(state);
        let effects = neighbors.resolve(key(), at(120));
        (effects, neighbors.store.find(key()).is_some(), neighbors.store.find(other(0)).is_none())
    };
    let asked = Effect::Ask(key(), None);
    assert_eq!(makes_room(State::Failed), (vec![asked.clone()], true, true));
    assert_eq!(makes_room(State::Incomplete), (vec![Effect::Failed(other(0)), asked.clone()], true, true));
    assert_eq!(makes_room(State::Stale), (vec![Effect::Changed, asked], true, true));
    for of_use in [State::Reachable, State::Delay, State::Probe] {
        assert_eq!(makes_room(of_use), (vec![Effect::Failed(key())], false, false), "{of_use:?}");
    }
    let mut neighbors = full(State::Static);
    assert_eq!(neighbors.resolve(key(), at(120)), [Effect::Ask(key(), None)], "those of the file do not count");
}

#[test]
fn failed_entries_go_before_incomplete_ones_and_those_before_stale_ones() {
    let mut neighbors = full(State::Stale);
    for (n, state) in [(0, State::Incomplete), (1, State::Failed), (2, State::Failed)] {
        let slot = neighbors.store.find(other(n)).expect("an entry");
        neighbors.store.change(slot, |neighbor| neighbor.enter(state, at(1)));
    }
    let mut gone = Vec::new();
    for n in 0..4 {
        neighbors.resolve(other(100_000 + n), at(120));
        let missing = (0..10).filter(|n| neighbors.store.find(other(*n)).is_none() && !gone.contains(n));
        gone.extend(missing.collect::<Vec<u32>>());
    }
    assert_eq!(gone, [1, 2, 0], "then one of those that have just been asked for");
}

#[test]
fn a_stale_entry_that_is_used_stays_in_a_full_table() {
    let mut neighbors = full(State::Stale);
    (0..10).for_each(|n| {
        let slot = neighbors.store.find(other(n)).expect("an entry");
        neighbors.store[slot].used.store(at(119).tick().0, Relaxed);
    });
    neighbors.resolve(key(), at(120));
    let missing: Vec<u32> = (0..20).filter(|n| neighbors.store.find(other(*n)).is_none()).collect();
    assert_eq!(missing, [10]);
}

/// Whoever asks for many is asked for no faster than there is room, and those who are known do not wait for it.
#[test]
fn a_turn_has_no_more_effects_than_there_is_room_for() {
    let mut neighbors = Neighbors::default();
    (0..1000).for_each(|n| drop(neighbors.resolve(other(n), at(0))));
    neighbors.learn(key(), MAC, Heard::Question, at(0));
    let slot = neighbors.store.find(key()).expect("an entry");
    neighbors.store.change(slot, |neighbor| neighbor.enter(State::Delay, at(0)));
    let first = neighbors.turn(at(6), 100);
    assert_eq!((first.len(), &first[0]), (100, &Effect::Ask(key(), Some(MAC))));
    assert_eq!(neighbors.turn(at(6), 0), []);
    assert_eq!(neighbors.turn(at(6), usize::MAX).len(), 901);
    assert_eq!(neighbors.turn(at(6), usize::MAX), [], "each once");
}

#[test]
fn an_unused_neighbour_is_forgotten_though_the_ticks_have_wrapped() {
    let wraps = (u64::from(u32::MAX) + 1) / u64::from(TICKS_PER_SECOND);
    for start in [0, wraps - 700, wraps - 605, wraps - 400, wraps + 1] {
        let mut neighbors = Neighbors::default();
        neighbors.learn(key(), MAC, Heard::Question, at(start));
        assert_eq!(turn(&mut neighbors, start + 599), [], "{start}");
        assert_eq!(state(&neighbors), State::Stale);
        assert_eq!(turn(&mut neighbors, start + 602), [Effect::Changed], "{start}");
        assert!(neighbors.store.find(key()).is_none());
    }
}
