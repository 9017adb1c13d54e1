//! Packets in pieces through a whole director, over rings that carry pieces as they are (`wire/fragments.py`): put together,
//! balanced, cut again; within bounds of memory and time.

use std::time::Duration;

use crate::config::{self, Shape};
use crate::lab::Load;
use crate::operator::Operator;
use crate::process::until;
use crate::wire::Wire;

/// Nothing of any packet is left.
#[track_caller]
fn assert_memory_is_back(director: &Operator) {
    until(Duration::from_secs(3), || (director.memory("packets_in_use") == 0).then_some(()));
    let left = ["packets_in_use", "packets_freed_one_by_one"].map(|name| director.memory(name));
    assert_eq!((left, director.counter("gathering")), ([0, 0], 0), "in use, freed one by one; gathering");
}

#[track_caller]
fn assert_counted(director: &Operator, wanted: &[(&str, u64)]) {
    let counted: Vec<_> = wanted.iter().map(|(name, _)| (*name, director.counter(name))).collect();
    assert_eq!(counted, wanted);
}

#[test]
fn pieces_pass_nat_in_any_order_and_both_ways() {
    let Some(wire) = Wire::new(Load::Light, Shape::default()) else { return };
    let _stage = wire.play("fragments/nat");
    // Two families: two sizes, three orders, both ways; and one that is routed.
    assert_counted(&wire, &[("reassembled", 2 * 13)]);
    assert_eq!(wire.counter("gathered"), wire.counter("sent_fragment"), "as many pieces leave as came");
    wire.assert_nothing_dropped();
    assert_memory_is_back(&wire);
}

#[test]
fn pieces_pass_direct_routing_and_tunnels() {
    let Some(wire) = Wire::new(Load::Light, Shape::default()) else { return };
    let _stage = wire.play("fragments/past");
    // Two families, five ways, three orders.
    assert_counted(&wire, &[("reassembled", 30)]);
    wire.assert_nothing_dropped();
    assert_memory_is_back(&wire);
}

#[test]
fn pieces_of_all_kinds_become_whole() {
    let Some(wire) = Wire::new(Load::Light, Shape::default()) else { return };
    let _stage = wire.play("fragments/odd");
    assert_counted(&wire, &[("answer_port_unreachable", 2), ("drop_needs_fragmenting", 7)]);
    wire.assert_only_dropped(&["drop_needs_fragmenting"]);
    assert_memory_is_back(&wire);
}

#[test]
fn hostile_pieces_are_dropped_with_a_reason_each() {
    let Some(wire) = Wire::new(Load::Light, Shape::default()) else { return };
    let _stage = wire.play("fragments/hostile");
    assert_counted(
        &wire,
        &[
            // Of each family two, and what comes later finds nothing.
            ("drop_fragment_overlap", 4),
            // Two ends: of IPv4 both go, of IPv6 the second. TCP's small first piece: of IPv6 that.
            ("drop_fragment_invalid", 2 + 1 + 1),
            // Of IPv4 all pieces, of IPv6 the one.
            ("drop_fragment_oversize", 46 + 1),
            ("drop_fragment_duplicate", 2),
            // IPv4: TCP's header is too short when all is there.
            ("drop_transport", 1),
            ("answer_parameter_problem", 1),
            // IPv6: the first of two ends, and what followed TCP's small piece.
            ("gathering", 2),
        ],
    );
    assert_eq!(wire.memory("packets_in_use"), 0, "what waits are copies");
}

#[test]
fn what_stays_incomplete_is_given_up_and_told_of() {
    let Some(wire) = Wire::new(Load::Idle, Shape::default()) else { return };
    let _stage = wire.play("fragments/unfinished");
    assert_counted(&wire, &[("answer_reassembly_time", 4), ("drop_fragment_timeout", 2), ("sent_icmp_error", 4)]);
    wire.assert_only_dropped(&["drop_fragment_timeout"]);
    assert_memory_is_back(&wire);
}

#[test]
fn a_flood_of_pieces_leaves_room_for_others() {
    let Some(wire) = Wire::new(Load::Light, Shape::default()) else { return };
    let _stage = wire.play("fragments/flood");
    wire.assert_only_dropped(&["drop_fragment_evicted"]);
    let kept = wire.counter("gathering");
    assert_counted(&wire, &[("drop_fragment_evicted", 2 * (1000 + 1500) - kept)]);
    assert_eq!(kept, 2 * 1023, "1024, of which the last honest one is whole and gone");
    assert_eq!(wire.memory("packets_in_use"), 0, "what waits are copies");
}

#[test]
fn pieces_meet_whatever_queue_they_come_by() {
    let Some(wire) = Wire::new(Load::Light, Shape { workers: config::workers(2), ..Shape::default() }) else { return };
    let _stage = wire.play("fragments/crossing");
    assert_counted(&wire, &[("reassembled", 64)]);
    let gathered = wire.by_worker("reassembled");
    assert!(gathered.iter().all(|packets| *packets > 0), "each gathers what is its own: {gathered:?}");
    assert!(wire.counter("handoff_landing") > 0);
    wire.assert_nothing_dropped();
    assert_memory_is_back(&wire);
}
