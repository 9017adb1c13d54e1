//! Links and paths that take less or more than 1500 bytes, through a whole director (`wire/mtu.py`).

use crate::config::Shape;
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
    let Some(wire) = director([1500, 1500]) else { return };
    let _stage = wire.play("mtu/path");
    // Three kinds of tunnel; a router's word, and three packets measured by it.
    assert_eq!((wire.counter("answer_tunnel_error"), wire.counter("answer_too_big")), (3, 9));
    wire.assert_nothing_dropped();
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
