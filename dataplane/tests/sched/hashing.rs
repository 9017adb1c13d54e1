//! Buckets of dh, sh and mh. Which client goes to which bucket is for the recorded cases.

use std::collections::BTreeMap;

use dataplane::sched::{Scheduler, flag};

use crate::table::{Table, client};

const VIP: [u8; 4] = [10, 0, 0, 100];
/// Slots of mh.
const SLOTS: usize = 4093;

/// Buckets by server.
fn shares(table: &Table) -> BTreeMap<u16, usize> {
    let mut shares = BTreeMap::new();
    for &index in &table.service.plan.buckets {
        *shares.entry(table.service.servers[index as usize].slot as u16).or_default() += 1;
    }
    shares
}

fn slots(table: &Table) -> Vec<u16> {
    table.service.plan.buckets.iter().map(|&index| table.service.servers[index as usize].slot as u16).collect()
}

#[test]
fn dh_deals_out_evenly_and_sh_by_weight_and_weight_0_gets_one() {
    let servers = [(11, 1), (12, 2), (13, 0), (14, 5)];
    let even = BTreeMap::from([(11, 64), (12, 64), (13, 64), (14, 64)]);
    assert_eq!(shares(&Table::new(Scheduler::Dh, &servers)), even);
    // 256 = 28 rounds of nine and four more for the head of the list.
    let weighed = BTreeMap::from([(11, 28), (12, 56), (13, 28), (14, 28 * 5 + 4)]);
    assert_eq!(shares(&Table::new(Scheduler::Sh, &servers)), weighed);
    assert_eq!(shares(&Table::new(Scheduler::Sh, &[(11, 1), (12, 1 << 30)])), BTreeMap::from([(12, 256)]));
    for scheduler in [Scheduler::Dh, Scheduler::Sh, Scheduler::Mh] {
        assert!(Table::new(scheduler, &[]).pick(client(1), VIP.into()).is_none());
    }
}

#[test]
fn mh_gives_slots_by_weight() {
    let shares = shares(&Table::new(Scheduler::Mh, &[(11, 10), (12, 20), (13, 30), (14, 0)]));
    assert_eq!(shares.values().sum::<usize>(), SLOTS);
    for (n, part) in [(11, 1), (12, 2), (13, 3)] {
        assert!(shares[&n].abs_diff(SLOTS * part / 6) <= 6, "{shares:?}");
    }
    assert!(!shares.contains_key(&14), "joined with weight 0");
}

/// The largest share is below 64 turns; who would have none of them has one.
#[test]
fn mh_shortens_large_weights() {
    let shares = shares(&Table::new(Scheduler::Mh, &[(11, 1), (12, 1000)]));
    let rounds = SLOTS / (1000 >> 4 | 1);
    assert!(shares[&11].abs_diff(rounds) <= 2, "{shares:?}, about {rounds}");
}

#[test]
fn mh_keeps_the_slots_of_who_is_quiesced_and_moves_few_when_one_leaves() {
    let mut table = Table::new(Scheduler::Mh, &[(11, 1), (12, 1), (13, 1), (14, 1), (15, 1)]);
    let before = slots(&table);
    table.weigh(13, 0);
    assert_eq!(slots(&table), before);
    table.remove(13);
    let moved = before.iter().zip(slots(&table)).filter(|(old, new)| **old != 13 && **old != *new).count();
    assert!(moved < SLOTS / 10, "{moved} of {SLOTS} moved without need");
    table.add(13, 0);
    assert!(!slots(&table).contains(&13), "who comes back with weight 0 has no slots");
    table.weigh(13, 2);
    assert!(slots(&table).contains(&13));
}

#[test]
fn mh_has_no_slots_for_more_servers_than_slots() {
    let servers: Vec<(u16, u32)> = (1..=SLOTS as u16 + 3).map(|n| (n, 1)).collect();
    let mut table = Table::new(Scheduler::Mh, &servers[..10]);
    servers[10..].iter().for_each(|&(n, weight)| table.add(n, weight));
    let shares = shares(&table);
    assert_eq!((shares.len(), shares.keys().max()), (SLOTS, Some(&(SLOTS as u16))), "the first have one each");
}

#[test]
fn a_port_tells_clients_apart_only_where_it_is_hashed() {
    for scheduler in [Scheduler::Sh, Scheduler::Mh] {
        let mut table = Table::new(scheduler, &[(11, 1), (12, 1), (13, 1)]);
        let reached = |table: &Table| {
            let to = |port: u16| table.pick((client(1).ip(), port).into(), VIP.into());
            (1000..1100).map(to).collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!(reached(&table), 1);
        table.service.sched_flags = flag::PORT;
        assert_eq!(reached(&table), 3);
    }
}
