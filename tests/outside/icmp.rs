//! ICMP errors about packets of connections, through a whole director, built and read by scapy (`wire/icmp.py`).

use crate::config::{self, Shape};
use crate::lab::Load;
use crate::wire::Wire;

/// Errors come by both queues in turn, and find the worker that knows what they are about.
fn two_workers() -> Option<Wire> {
    Wire::new(Load::Light, Shape { workers: config::workers(2), ..Shape::default() })
}

#[test]
fn errors_of_servers_clients_and_routers_are_translated_by_nat() {
    let Some(wire) = two_workers() else { return };
    let _stage = wire.play("icmp/nat");
    // Each way: two families, three kinds, two tellers, two lengths of the quote.
    assert_eq!(["forward_icmp_request", "forward_icmp_reply"].map(|name| wire.counter(name)), [24, 24]);
    assert_eq!(wire.counter("drop_transport_checksum"), 2, "of each family, a wrong one");
    assert!(wire.counter("handoff_landing") + wire.counter("handoff_signpost") > 0);
    wire.assert_only_dropped(&["drop_transport_checksum"]);
}

#[test]
fn errors_about_first_pieces_are_translated_too() {
    let Some(wire) = two_workers() else { return };
    let _stage = wire.play("icmp/cut");
    assert_eq!(["forward_icmp_request", "forward_icmp_reply"].map(|name| wire.counter(name)), [4, 4]);
    wire.assert_nothing_dropped();
}

#[test]
fn errors_past_direct_routing_and_tunnels_go_on_as_they_are() {
    let Some(wire) = two_workers() else { return };
    let _stage = wire.play("icmp/past");
    wire.assert_nothing_dropped();
}

#[test]
fn errors_about_tunnels_are_told_to_the_client() {
    let Some(wire) = two_workers() else { return };
    let _stage = wire.play("icmp/tunnel");
    assert_eq!(wire.counter("answer_tunnel_error"), 6);
    wire.assert_nothing_dropped();
}
