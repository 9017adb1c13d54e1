//! What holds for every scheduler, whatever the list, the counts and the edits.

use std::sync::atomic::Ordering::Relaxed;

use dataplane::sched::{Scheduler, flag};
use proptest::prelude::*;

use crate::table::{Table, client};

/// One thing that happens to a service.
#[derive(Clone, Debug)]
enum Event {
    /// A client (by number, from a port) asks for a destination.
    Connect(u32, u16, u8),
    /// A server joins, or leaves if it is there.
    Toggle(u16, u32),
    Weigh(u16, u32),
    /// A connection of a server ends, if it has one.
    End(u16),
    Pass(u32),
}

fn event() -> impl Strategy<Value = Event> {
    let server = || 11u16..17;
    let weight = || prop_oneof![2 => Just(0u32), 4 => 1u32..5, 1 => Just(1000), 1 => Just(i32::MAX as u32)];
    prop_oneof![
        20 => (0u32..9, 0u16..9, 0u8..4).prop_map(|(n, port, vip)| Event::Connect(n, port, vip)),
        3 => (server(), weight()).prop_map(|(n, weight)| Event::Toggle(n, weight)),
        3 => (server(), weight()).prop_map(|(n, weight)| Event::Weigh(n, weight)),
        6 => server().prop_map(Event::End),
        1 => (1u32..4000).prop_map(Event::Pass),
    ]
}

/// Whether some server would take a connection.
fn somebody_can(table: &Table) -> bool {
    let can = |n: u16| !table.state(n).is_overloaded();
    table.service.servers.iter().any(|server| server.weight > 0 && can(server.slot as u16))
}

/// Schedulers that find a usable server wherever there is one.
fn always_finds(scheduler: Scheduler) -> bool {
    use Scheduler::{Dh, Mh, None, Ovf, Sh};
    !matches!(scheduler, Dh | Sh | Mh | Ovf | None)
}

fn happen(table: &mut Table, event: &Event) -> Result<(), TestCaseError> {
    let has = |table: &Table, n: u16| table.service.servers.iter().any(|server| server.slot == u32::from(n));
    match *event {
        Event::Connect(n, port, vip) => {
            let mut from = client(n);
            from.set_port(port);
            let scheduler = table.service.scheduler;
            match table.pick(from, [10, 3, 0, vip].into()) {
                None => prop_assert!(!(always_finds(scheduler) && somebody_can(table)), "nobody"),
                Some(n) => {
                    let server = table.service.servers.iter().find(|server| server.slot == u32::from(n));
                    prop_assert!(server.is_some_and(|server| server.weight > 0), "{n} is quiesced or gone");
                    let full = table.state(n).is_overloaded();
                    prop_assert!(!full || scheduler.passes_thresholds(), "{n} is full");
                    table.state(n).bind_anyway();
                    table.state(n).shift(false);
                }
            }
        }
        Event::Toggle(n, _) if has(table, n) => table.remove(n),
        Event::Toggle(n, weight) => {
            table.add(n, weight);
            table.state(n).upper.store(u32::from(n % 4), Relaxed);
        }
        Event::Weigh(n, weight) => table.weigh(n, weight),
        Event::End(n) => {
            if let Some(state) = table.servers.get(n.into()).filter(|state| state.active() > 0) {
                state.unbind(false);
            }
        }
        Event::Pass(seconds) => table.pass(seconds),
    }
    Ok(())
}

proptest! {
    #[test]
    fn quiesced_full_and_removed_servers_get_nothing_and_references_are_counted(
        scheduler in prop::sample::select(Scheduler::ALL.to_vec()),
        flags in 0u8..8,
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut table = Table::new(scheduler, &[(11, 1), (12, 2), (13, 0)]);
        table.service.sched_flags = flags;
        table.expiration = 1000;
        for event in &events {
            happen(&mut table, event)?;
        }
        if let Some(cache) = &table.service.state.cache {
            let entries: u32 = cache.named().values().sum();
            prop_assert!(cache.len() as u32 <= entries);
            cache.retire(&table.servers);
            table.open([10, 3, 0, 1]);
            prop_assert!(cache.is_empty(), "nothing is learned for a service that is gone");
        }
        for n in 11..17 {
            let Some(state) = table.servers.get(n) else { continue };
            let listed = table.service.servers.iter().filter(|server| server.slot == n).count() as u32;
            prop_assert_eq!(state.names(), listed + state.connections(), "server {}", n);
        }
    }

    /// The fallback of sh and mh finds somebody wherever somebody has a bucket.
    #[test]
    fn a_fallback_leaves_nobody_out(
        mh: bool,
        weights in prop::collection::vec(1u32..4, 1..6),
        full in 0usize..6,
        n in 0u32..1000,
    ) {
        let scheduler = if mh { Scheduler::Mh } else { Scheduler::Sh };
        let servers: Vec<(u16, u32)> = (11..).zip(weights).collect();
        let mut table = Table::new(scheduler, &servers);
        servers.iter().take(full).for_each(|&(n, _)| {
            table.state(n).upper.store(1, Relaxed);
            table.state(n).bind_anyway();
        });
        let plain = table.pick(client(n), [10, 0, 0, 100].into());
        table.service.sched_flags = flag::FALLBACK;
        let other = table.pick(client(n), [10, 0, 0, 100].into());
        prop_assert_eq!(other.is_some(), full < servers.len());
        prop_assert!(plain.is_none() || plain == other, "who is usable keeps its clients");
    }
}

/// The walk of `ip_vs_wrr.c` as its pseudocode says it, one current weight after the other.
#[derive(Debug, Default)]
struct PlainWrr {
    last: Option<usize>,
    weight: i64,
}

impl PlainWrr {
    fn changed(&mut self, table: &Table) {
        let (step, top) = Self::step_and_top(table);
        self.last = None;
        if self.weight > top || self.weight == 0 {
            self.weight = top;
        } else if step > 1 {
            self.weight = self.weight / step * step + 1;
        }
    }

    fn step_and_top(table: &Table) -> (i64, i64) {
        let step = i64::from(table.service.plan.gcd);
        (step, i64::from(table.service.plan.max_weight) - (step - 1).max(0))
    }

    fn pick(&mut self, table: &Table) -> Option<u16> {
        let list = &table.service.servers;
        let (step, top) = Self::step_and_top(table);
        let begin = self.last;
        let (mut from, mut restarted, mut last_walk) = (begin.map_or(0, |index| index + 1), false, false);
        if top <= 0 {
            return None;
        }
        loop {
            for (index, server) in list.iter().enumerate().skip(from) {
                let n = server.slot as u16;
                if i64::from(server.weight) >= self.weight && !table.state(n).is_overloaded() {
                    self.last = Some(index);
                    return Some(n);
                }
                if last_walk && begin == Some(index) {
                    return None;
                }
            }
            from = 0;
            self.weight -= step;
            if self.weight <= 0 {
                self.weight = top;
                if last_walk || begin.is_none() {
                    return None;
                }
                restarted = true;
            }
            last_walk = restarted && self.weight <= step;
        }
    }
}

proptest! {
    #[test]
    fn wrr_leaves_out_only_walks_that_find_nobody(
        weights in prop::collection::vec(prop_oneof![0u32..5, Just(12), Just(30)], 1..6),
        steps in prop::collection::vec((0u32..12, 0u16..6, 0u32..40), 1..60),
    ) {
        let mut table = Table::new(Scheduler::Wrr, &[]);
        let mut plain = PlainWrr::default();
        for (n, weight) in (11..).zip(weights) {
            table.add(n, weight);
            plain.changed(&table);
        }
        for (what, which, weight) in steps {
            let n = 11 + which % table.service.servers.len() as u16;
            match what {
                0 => {
                    table.weigh(n, weight);
                    plain.changed(&table);
                }
                1 | 2 => {
                    table.state(n).upper.store(1, Relaxed);
                    table.state(n).bind_anyway();
                }
                3 => table.state(n).reopen(),
                _ => {
                    prop_assert_eq!(table.pick(client(1), [10, 0, 0, 100].into()), plain.pick(&table));
                }
            }
        }
    }
}

/// The lightest is all that is left of two servers: found at once, not after two thousand million walks.
#[test]
fn wrr_finds_a_light_server_beside_a_heavy_one_that_is_full() {
    let table = Table::new(Scheduler::Wrr, &[(11, 1), (12, i32::MAX as u32)]);
    table.state(12).upper.store(1, Relaxed);
    assert_eq!(table.open_many(3, [10, 0, 0, 100]), [12, 11, 11]);
}
