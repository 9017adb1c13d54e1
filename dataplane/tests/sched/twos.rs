//! Chance decides, so what is looked at is how often.

use dataplane::sched::Scheduler;

use crate::table::{Table, client};

const VIP: [u8; 4] = [10, 0, 0, 100];
const PICKS: u32 = 20_000;

/// A draw is from 0 to the sum of the weights, both included, so the head of the list has one number more. Of two
/// equal loads the first drawn wins: shares are those of one draw.
#[test]
fn idle_servers_are_chosen_by_weight_and_the_head_a_little_more() {
    let table = Table::new(Scheduler::Twos, &[(14, 0), (13, 3), (12, 2), (11, 1)]);
    let mut picked = [0u32; 4];
    (0..PICKS).for_each(|n| picked[usize::from(table.pick(client(n), VIP.into()).expect("a server")) - 11] += 1);
    for (count, numbers) in picked.into_iter().zip([2, 2, 3, 0]) {
        assert!(count.abs_diff(PICKS * numbers / 7) < 300, "{picked:?} of {PICKS}");
    }
    assert_eq!(picked[3], 0, "quiesced");
}

/// The busier one is chosen only where both draws say so: (3/5)^2 here.
#[test]
fn the_busier_of_two_needs_both_draws() {
    let table = Table::new(Scheduler::Twos, &[(12, 2), (11, 2)]);
    table.state(11).bind_anyway();
    let busier = (0..PICKS).filter(|&n| table.pick(client(n), VIP.into()) == Some(11)).count() as u32;
    assert!(busier.abs_diff(PICKS * 9 / 25) < 300, "{busier} of {PICKS}");
}

/// The kernel's own 200 connections (weights 1 2 3 4 0) differ from run to run by a few; each server's load by weight
/// stays near the others'.
#[test]
fn connections_that_stay_spread_by_weight() {
    let table = Table::new(Scheduler::Twos, &[(11, 1), (12, 2), (13, 3), (14, 4), (15, 0)]);
    let opened = table.open_many(1000, VIP);
    for n in 11..=15 {
        let (count, weight) = (opened.iter().filter(|&&to| to == n).count() as u32, u32::from(n - 10) % 5);
        assert!(count.abs_diff(weight * 100) <= weight * 10, "{count} for weight {weight}");
    }
}
