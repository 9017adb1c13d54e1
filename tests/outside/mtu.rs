//! Links and paths that take less or more than 1500 bytes, through a whole director (`wire/mtu.py`).

use crate::config::{self, Shape};
use crate::lab::Load;
use crate::wire::Wire;

fn director(mtus: [u16; 2]) -> Option<Wire> {
    Wire::new(Load::Light, Shape { mtus, ..Shape::default() })
}

#[test]
fn clients_are_told_what_the_servers_link_takes() {
    let Some(wire) = director([1500, 1400]) else { return };
    let _stage = wire.play("mtu/narrow");
    // Two families, six ways, two sizes; and pieces of IPv6.
    assert_eq!(wire.counter("answer_too_big"), 25);
    wire.assert_nothing_dropped();
}

#[test]
fn servers_are_told_what_the_clients_link_takes() {
    let Some(wire) = director([1400, 1500]) else { return };
    let _stage = wire.play("mtu/answers");
    assert_eq!((wire.counter("answer_too_big"), wire.counter("sent_fragment")), (2, 2));
    wire.assert_nothing_dropped();
}

#[test]
fn clients_are_told_what_the_path_of_a_tunnel_takes() {
    let shape = Shape { workers: config::workers(2), ..Shape::default() };
    let Some(wire) = Wire::new(Load::Light, shape) else { return };
    let _stage = wire.play("mtu/path");
    // Three kinds of tunnel; a router's word, and six packets measured by it, on whatever worker.
    assert_eq!((wire.counter("answer_tunnel_error"), wire.counter("answer_too_big")), (3, 18));
    wire.assert_nothing_dropped();
}

#[test]
fn frames_that_no_buffer_takes_are_lost_and_counted() {
    let Some(wire) = director([1500, 1500]) else { return };
    let _stage = wire.play("mtu/oversized");
    let wan = wire.status().interfaces.remove(0);
    let lost = wan.counters.iter().find(|counter| counter.name == "rx_too_many_segments").map(|counter| counter.value);
    assert_eq!(lost, Some(4), "{wan:?}");
    wire.assert_nothing_dropped();
    assert_eq!(["packets_in_use", "packets_freed_one_by_one"].map(|name| wire.memory(name)), [0, 0]);
}

#[test]
fn jumbo_frames_are_cut_for_a_smaller_link() {
    let Some(wire) = director([9000, 1500]) else { return };
    let _stage = wire.play("mtu/step");
    assert_eq!(wire.counter("answer_too_big"), 12);
    wire.assert_nothing_dropped();
    assert_eq!(wire.memory("packets_in_use"), 0);
}

#[test]
fn jumbo_frames_pass_in_one_piece() {
    let Some(wire) = director([9000, 9000]) else { return };
    let _stage = wire.play("mtu/jumbo");
    assert_eq!((wire.counter("answer_too_big"), wire.counter("reassembled")), (0, 2));
    wire.assert_nothing_dropped();
    assert_eq!(wire.memory("packets_in_use"), 0);
}
