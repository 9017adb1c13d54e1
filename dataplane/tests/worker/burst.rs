//! What holds for every stream: a burst gives what its packets would give one at a time, every packet ends once, no
//! buffer is lost, and servers count what the connection table holds.

use dataplane::clock::Nanos;
use dataplane::flow::{Protocol, ServiceKey};
use dataplane::trace::{Term, Tray, Wanted};
use dataplane::wire::ethernet;
use dataplane::wire::tcp::{ACK, FIN, RST, SYN};
use proptest::prelude::*;

use crate::events::{Event, clean_stream, spoiled, stream};
use crate::frames::{Body, DIRECTOR, is_right, packet};
use crate::lab::{Lab, OTHER_VIP, SECOND, VIP, WAN, client};
use crate::stream::Player;

fn play(events: &[Event], one_armed: bool, rate: u32, burst: usize) -> Player {
    let mut player = Player::new(one_armed, rate, burst);
    player.play(events);
    player
}

/// A tuple whose connection is over begins anew, and what follows in the same burst belongs to the new one.
#[test]
fn a_connection_that_begins_anew_within_a_burst() {
    let segment = |flags| Event::Frame(WAN, packet(client(1), VIP, Body::Tcp(4001, 80, flags, 0)).frame());
    let over = [segment(SYN), segment(ACK), segment(RST), Event::Pass(SECOND)];
    let events: Vec<Event> = over.into_iter().chain([SYN, ACK, FIN | ACK, RST, SYN, ACK].map(segment)).collect();
    let single = play(&events, false, 0, 1).outcome();
    assert_eq!(play(&events, false, 0, 64).outcome(), single);
}

proptest! {
    #[test]
    fn a_burst_gives_what_its_packets_give_one_at_a_time(
        events in stream(),
        one_armed: bool,
        rate in prop_oneof![Just(0u32), Just(20)],
    ) {
        let single = play(&events, one_armed, rate, 1).outcome();
        for burst in [7, 64] {
            prop_assert_eq!(&play(&events, one_armed, rate, burst).outcome(), &single, "bursts of {}", burst);
        }
    }

    #[test]
    fn whoever_looks_changes_nothing(events in stream(), one_armed: bool, rate in prop_oneof![Just(0u32), Just(20)]) {
        let blind = play(&events, one_armed, rate, 64).outcome();
        let mut player = Player::new(one_armed, rate, 64);
        let forever = |filter: &[Term], wanted| (Tray::new(u64::MAX), filter.to_vec(), wanted);
        let trays = [forever(&[], Wanted::Trace), forever(&[Term::Protocol(6)], Wanted::Frames { snaplen: 60 })]
            .map(|(tray, filter, wanted)| player.lab.watch(tray, &filter, wanted, Nanos(u64::MAX)));
        player.play(&events);
        prop_assert_eq!(&player.outcome(), &blind);
        prop_assert_eq!(trays[0].packets(), player.lab.count("received"), "without a filter it sees every packet");
    }

    #[test]
    fn every_packet_ends_once_and_every_connection_is_counted(events in stream(), one_armed: bool) {
        let mut lab = play(&events, one_armed, 0, 64).lab;
        lab.check_accounts();
        lab.check_counts();
        lab.pass(3600 * SECOND);
        lab.pass(3600 * SECOND);
        prop_assert!(lab.connections().is_empty());
        lab.check_counts();
        lab.forget_destinations();
        for slot in lab.slots() {
            let state = lab.state(slot);
            prop_assert_eq!(state.names(), 1);
            prop_assert_eq!(state.connections(), 0);
        }
    }

    #[test]
    fn thresholds_hold_and_quiesced_servers_get_nothing_at_every_step(events in stream()) {
        let mut player = Player::new(false, 0, 1);
        let of = |lab: &Lab, port: u16| {
            let key = ServiceKey::Address { protocol: Protocol::Tcp, address: OTHER_VIP.into(), port };
            lab.tables.services[&key].servers[0].slot
        };
        let small = of(&player.lab, 81);
        let key = ServiceKey::Address { protocol: Protocol::Tcp, address: VIP.into(), port: 80 };
        let quiesced: Vec<u32> =
            player.lab.tables.services[&key].servers.iter().filter(|s| s.weight == 0).map(|s| s.slot).collect();
        prop_assert_eq!(quiesced.len(), 1);
        for event in &events {
            player.happen(event);
            player.lab.turn();
            let count = |slot: u32| player.lab.connections().iter().filter(|(_, conn)| conn.server_slot() == slot).count();
            prop_assert!(count(small) <= 2, "its upper threshold");
            prop_assert_eq!((count(quiesced[0]), player.lab.state(small).connections() as usize), (0, count(small)));
        }
    }

    #[test]
    fn what_leaves_is_addressed_and_has_right_checksums(events in clean_stream()) {
        for frame in play(&events, false, 0, 64).outcome().sent.iter().flatten() {
            let header = ethernet::Header::parse(frame).expect("a whole header");
            prop_assert!(header.src == DIRECTOR && !header.dst.is_group());
            prop_assert!(is_right(frame), "{frame:02x?}");
        }
    }

    #[test]
    fn whatever_the_bytes_packets_end_and_buffers_return(
        events in prop::collection::vec(spoiled(), 1..150),
        one_armed: bool,
    ) {
        let mut lab = play(&events, one_armed, 0, 64).lab;
        lab.check_accounts();
        lab.check_counts();
    }

    #[test]
    fn no_frame_of_any_bytes_gets_stuck(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 1..50)) {
        let events: Vec<Event> = frames.into_iter().map(|frame| Event::Frame(0, frame)).collect();
        play(&events, false, 0, 64).lab.check_accounts();
    }
}
